"""The producer snapshots beside a log: one where each segment begins, one from the last clean end.

Source: org.apache.kafka.storage.internals.log.ProducerStateManager (takeSnapshot, removeStraySnapshots).
"""

from __future__ import annotations

import os
from collections.abc import Collection
from typing import Final

from .files import Files, read_file, remove_if_there, replace_file
from .producers import ProducerState, SnapshotError
from .segment import SNAPSHOT_SUFFIX, file_name

#: Above every offset.
NEWEST: Final = 1 << 63


class Snapshots:
    """`offsets` ascend: all batches before one are in its file. Raises OSError."""

    __slots__ = ("_files", "_folder", "offsets")

    def __init__(self, files: Files, folder: str, offsets: list[int]) -> None:
        self._files = files
        self._folder = folder
        self.offsets = offsets

    def take(self, offset: int, state: ProducerState) -> None:
        """Writes the state as of `offset`, the log's end, unless that was done."""
        if not self.offsets or self.offsets[-1] != offset:
            replace_file(self._files, self._path(offset), state.encode_snapshot(), sync=False)
            self.offsets.append(offset)

    def load(self, up_to: int = NEWEST) -> tuple[ProducerState, int]:
        """The newest readable one at or below `up_to` and its offset; an empty state and -1 if there is none.

        Damaged ones and those above `up_to`, which speak of batches that are gone, are removed.
        """
        while self.offsets:
            offset = self.offsets[-1]
            if offset <= up_to:
                try:
                    return ProducerState.decode_snapshot(read_file(self._files, self._path(offset)) or b""), offset
                except SnapshotError:
                    pass
            self.remove(offset)
        return ProducerState(), -1

    def remove_strays(self, segment_offsets: Collection[int]) -> None:
        """Of those that belong to no segment only the newest is of use."""
        for offset in [offset for offset in self.offsets[:-1] if offset not in segment_offsets]:
            self.remove(offset)

    def remove_below(self, offset: int) -> None:
        for old in [old for old in self.offsets if old < offset]:
            self.remove(old)

    def remove(self, offset: int) -> None:
        """Nothing if there is none of this offset."""
        remove_if_there(self._files, self._path(offset))
        if offset in self.offsets:
            self.offsets.remove(offset)

    def _path(self, offset: int) -> str:
        return os.path.join(self._folder, file_name(offset, SNAPSHOT_SUFFIX))
