"""Where the newest batches of the active segment stand, so that a consumer at the log's end costs no search."""

from __future__ import annotations

from bisect import bisect_left
from typing import Final

#: So many are kept; beyond twice as many the older half goes.
RECENT_BATCHES: Final = 1024


class RecentBatches:
    """Last offsets and positions of the batches from offset `start` to the log's end, without a hole."""

    __slots__ = ("last_offsets", "positions", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.last_offsets: list[int] = []
        self.positions: list[int] = []

    def append(self, last_offset: int, position: int) -> None:
        last_offsets = self.last_offsets
        last_offsets.append(last_offset)
        self.positions.append(position)
        if len(last_offsets) > 2 * RECENT_BATCHES:
            self.start = last_offsets[RECENT_BATCHES - 1] + 1
            del last_offsets[:RECENT_BATCHES]
            del self.positions[:RECENT_BATCHES]

    def number_of(self, offset: int) -> int:
        """The number (in `positions`) of the first batch that ends at `offset` or later; there must be one."""
        return bisect_left(self.last_offsets, offset)
