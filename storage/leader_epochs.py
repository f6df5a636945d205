"""Which leader epoch began at which offset: how a follower finds where its log and the leader's part (KIP-101).

Source: org.apache.kafka.storage.internals.epoch.LeaderEpochFileCache. Rows ascend in both columns.
"""

from __future__ import annotations

import bisect
import os
from typing import Final

from .checkpoints import LEADER_EPOCHS, CheckpointError, decode_epochs, encode_checkpoint
from .files import Files, read_file, replace_file

UNDEFINED_EPOCH: Final = -1
UNDEFINED_OFFSET: Final = -1


class LeaderEpochCache:
    """Rows (epoch, start offset) in memory. `is_dirty` says that the file does not have them yet."""

    __slots__ = ("_epochs", "_starts", "is_dirty", "latest")

    def __init__(self, rows: list[tuple[int, int]] | None = None) -> None:
        self._epochs: list[int] = []
        self._starts: list[int] = []
        self.is_dirty = False
        #: The newest epoch, -1 if there is none.
        self.latest = UNDEFINED_EPOCH
        for epoch, start in rows or ():
            self.assign(epoch, start)
        self.is_dirty = False

    @property
    def rows(self) -> list[tuple[int, int]]:
        return list(zip(self._epochs, self._starts, strict=True))

    def assign(self, epoch: int, start_offset: int) -> None:
        """`epoch` begins at `start_offset`; rows that contradict it (an epoch without records) give way."""
        if self._epochs and epoch == self._epochs[-1] and start_offset >= self._starts[-1]:
            return
        if epoch < 0:
            return
        keep = min(bisect.bisect_left(self._epochs, epoch), bisect.bisect_left(self._starts, start_offset))
        self._set([*self._epochs[:keep], epoch], [*self._starts[:keep], start_offset])

    def epoch_of(self, offset: int) -> int:
        """The epoch in which the record at `offset` was written, -1 if it is older than all that is known."""
        number = bisect.bisect_right(self._starts, offset)
        return self._epochs[number - 1] if number else UNDEFINED_EPOCH

    def end_offset(self, epoch: int, log_end_offset: int) -> tuple[int, int]:
        """(epoch, end offset) as OffsetForLeaderEpoch answers: of `epoch` or the largest one below it.

        (-1, -1) when `epoch` is above all that is known.
        """
        if epoch == UNDEFINED_EPOCH or not self._epochs or epoch > self._epochs[-1]:
            return UNDEFINED_EPOCH, UNDEFINED_OFFSET
        if epoch == self._epochs[-1]:
            return epoch, log_end_offset
        higher = bisect.bisect_right(self._epochs, epoch)
        return (self._epochs[higher - 1] if higher else epoch), self._starts[higher]

    def truncate_end(self, end_offset: int) -> None:
        """Forgets epochs that begin at `end_offset` or later."""
        keep = bisect.bisect_left(self._starts, end_offset)
        if keep < len(self._starts):
            self._set(self._epochs[:keep], self._starts[:keep])

    def truncate_start(self, start_offset: int) -> None:
        """Forgets what lies before the log's new start; the epoch that covers it begins there from now on."""
        covering = bisect.bisect_right(self._starts, start_offset) - 1
        if covering > 0 or (covering == 0 and self._starts[0] < start_offset):
            self._set(self._epochs[covering:], [start_offset, *self._starts[covering + 1 :]])

    def clear(self) -> None:
        if self._epochs:
            self._set([], [])

    def _set(self, epochs: list[int], starts: list[int]) -> None:
        self._epochs = epochs
        self._starts = starts
        self.latest = epochs[-1] if epochs else UNDEFINED_EPOCH
        self.is_dirty = True


def load_leader_epochs(files: Files, folder: str) -> LeaderEpochCache | None:
    """What the partition's leader-epoch-checkpoint says; None if it is lost or damaged. Raises OSError."""
    data = read_file(files, os.path.join(folder, LEADER_EPOCHS))
    try:
        return LeaderEpochCache(decode_epochs(data or b""))
    except CheckpointError:
        return None


def save_leader_epochs(epochs: LeaderEpochCache, files: Files, folder: str) -> None:
    """Writes the checkpoint if it is out of date (into the page cache). Raises OSError."""
    if epochs.is_dirty:
        replace_file(files, os.path.join(folder, LEADER_EPOCHS), encode_checkpoint(epochs.rows), sync=False)
        epochs.is_dirty = False
