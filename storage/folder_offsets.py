"""What a data folder's checkpoints say of each of its logs: where it was whole, begins, ends, and was compacted to.

Read at the start, kept in memory for the logs that are not open, written when the broker asks for it.
Source: OffsetCheckpointFile, LogManager.checkpointLogRecoveryOffsets, LogCleanerManager.updateCheckpoints.
"""

from __future__ import annotations

import os

from . import checkpoints
from .files import Files, read_file, replace_file
from .log import Log

Key = tuple[str, int]


class FolderOffsets:
    """By (topic, partition). Files are `*-offset-checkpoint` in `folder`. Everything that writes raises OSError."""

    def __init__(self, files: Files, folder: str) -> None:
        """Reads them. Raises OSError."""
        self._files = files
        self._folder = folder
        self.recovery_points = self._read(checkpoints.RECOVERY_POINTS)
        self.log_start_offsets = self._read(checkpoints.LOG_START_OFFSETS)
        self.high_watermarks = self._read(checkpoints.HIGH_WATERMARKS)
        self.first_dirty_offsets = self._read(checkpoints.FIRST_DIRTY_OFFSETS)
        self._first_dirty_offsets_on_disk = dict(self.first_dirty_offsets)

    def _read(self, name: str) -> dict[Key, int]:
        """A lost or damaged checkpoint costs a longer recovery, no data."""
        data = read_file(self._files, os.path.join(self._folder, name))
        try:
            return checkpoints.decode_offsets(data) if data else {}
        except checkpoints.CheckpointError:
            return {}

    def note(self, key: Key, log: Log) -> None:
        """What the checkpoints shall say of an open log, but for where its compaction ended."""
        self.recovery_points[key] = log.recovery_point
        self.log_start_offsets[key] = log.log_start_offset
        self.high_watermarks[key] = log.high_watermark

    def note_compaction(self, key: Key, log: Log) -> None:
        if log.first_dirty_offset is not None:
            self.first_dirty_offsets[key] = log.first_dirty_offset

    def forget(self, key: Key) -> None:
        for offsets in (self.recovery_points, self.log_start_offsets, self.high_watermarks, self.first_dirty_offsets):
            offsets.pop(key, None)

    def write(self, *, sync: bool) -> None:
        """All but where compactions ended; with `sync` to the device."""
        starts = {key: offset for key, offset in self.log_start_offsets.items() if offset > 0}
        for name, offsets in (
            (checkpoints.RECOVERY_POINTS, self.recovery_points),
            (checkpoints.LOG_START_OFFSETS, starts),
            (checkpoints.HIGH_WATERMARKS, self.high_watermarks),
        ):
            self._replace(name, offsets, sync=sync)

    def write_compaction(self) -> None:
        """Where compactions ended, if one has come further."""
        if self.first_dirty_offsets != self._first_dirty_offsets_on_disk:
            self._replace(checkpoints.FIRST_DIRTY_OFFSETS, self.first_dirty_offsets, sync=False)
            self._first_dirty_offsets_on_disk = dict(self.first_dirty_offsets)

    def _replace(self, name: str, offsets: dict[Key, int], *, sync: bool) -> None:
        replace_file(self._files, os.path.join(self._folder, name), checkpoints.encode_offsets(offsets), sync=sync)
