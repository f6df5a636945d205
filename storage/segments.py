"""A log's segments in their order."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from ..wire.batches import BatchHeader
from .handles import HandleCache
from .segment import Segment
from .warmth import ColdRead

#: Segments that are brought into memory together when the first of them is looked at.
LOADED_TOGETHER: Final = 16


def load_some(segments: Sequence[Segment], number: int) -> None:
    """Loads the segment of that number. Where it must not wait, raises ColdRead for it and the next ones together: who
    walks along thousands of segments stops a few hundred times."""
    try:
        segments[number].load()
    except ColdRead as cold:
        ranges = [*cold.ranges]
        for segment in segments[number + 1 : number + LOADED_TOGETHER]:
            try:
                segment.load()
            except ColdRead as more:
                ranges += more.ranges
        raise ColdRead(ranges) from None


class SegmentList:
    """Segments by ascending base offset; the last one is the active one. Raises OSError from the files."""

    __slots__ = ("_cache", "_folder", "bases", "items", "leftover", "new_names")

    def __init__(self, cache: HandleCache, folder: str, bases: list[int]) -> None:
        self._cache = cache
        self._folder = folder
        self.bases = bases
        #: A file that could neither be made whole nor removed: the log would seem to go on at its offset.
        self.leftover: str | None = None
        #: Files were made or removed since the folder was last synced, as far as anybody knows.
        self.new_names = True
        self.items = [Segment(cache, folder, base) for base in bases]

    def __len__(self) -> int:
        return len(self.items)

    def add(self, base_offset: int, now_ms: int, file_bytes: int = 0) -> Segment:
        """A new, empty segment at the end, on disk too, with a file of that length. After an OSError see `leftover`."""
        segment = Segment(self._cache, self._folder, base_offset)
        self.new_names = True
        try:
            segment.create(now_ms, file_bytes)
        except OSError:
            try:
                segment.delete()
            except OSError:
                self.leftover = segment.handle.path
            raise
        self.items.append(segment)
        self.bases.append(base_offset)
        return segment

    def remove(self, first: int, end: int, delete: Callable[[Segment], None] = Segment.delete) -> None:
        """Removes those of number `first` to `end`; from the newest on if the log loses its end, so no hole is left.

        `delete` takes a segment's files out of the log's way.
        """
        removed = self.items[first:end]
        self.new_names = True
        at_end = end == len(self.items)
        del self.items[first:end], self.bases[first:end]
        for segment in removed:
            segment.discard()  # all of them: they are out of reach when removing one fails
        for segment in reversed(removed) if at_end else removed:
            delete(segment)

    def replace(self, first: int, end: int, delete: Callable[[Segment], None], new: Segment) -> None:
        """Removes those of number `first` to `end`, oldest first, in whose place `new` comes, with their base offset.

        Oldest first, so that after a crash nothing is left without what supersedes it.
        """
        removed = self.items[first:end]
        self.new_names = True
        for segment in removed:
            segment.discard()
        for segment in removed:
            delete(segment)
        self.items[first:end], self.bases[first:end] = [new], [new.base_offset]

    def number_of(self, offset: int) -> int:
        """The number of the segment that holds `offset`; the first one for an offset before all."""
        return max(0, bisect_right(self.bases, offset) - 1)

    def walk(self, start_offset: int, end_offset: int) -> Iterator[tuple[Segment, int, BatchHeader]]:
        """(segment, position, header) of the batches that end at `start_offset` or later and begin before the end."""
        for segment in self.items[self.number_of(start_offset) :]:
            if segment.base_offset >= end_offset:
                return
            found = segment.find(start_offset)
            if found is None:
                continue
            for position, header in segment.headers(found[0]):
                if header.base_offset >= end_offset:
                    return
                yield segment, position, header
