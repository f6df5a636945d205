"""Which transactions were aborted: the `.txnindex` beside a segment, by which read_committed consumers skip records.

Entries of 34 bytes in the order of their markers; only segments that hold an abort marker have the file:

    offset size field
         0    2 version (0)
         2    8 producerId
        10    8 firstOffset of the transaction in this partition
        18    8 lastOffset: of its abort marker, which lies in this segment
        26    8 lastStableOffset when the marker was written

Source: org.apache.kafka.storage.internals.log.TransactionIndex, AbortedTxn.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from typing import Final, NamedTuple

from .files import write_all
from .handles import Handle, HandleCache

_VERSION: Final = 0
_ENTRY: Final = struct.Struct(">hqqqq")


class AbortedTransaction(NamedTuple):
    """`first_offset` and `last_offset` are those of its first record and of its marker in this partition; before
    `last_stable_offset` all was decided once the marker was there."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TransactionIndex:
    """The aborted transactions whose markers lie in one segment. Read at the first question, then kept in memory.

    What is not on disk yet is made again from the log after a crash, so nothing has to be written while appending.
    `has_file`: there is one. Raises OSError from it.
    """

    __slots__ = ("_cache", "_data", "_on_disk", "handle", "has_file")

    def __init__(self, cache: HandleCache, handle: Handle) -> None:
        self._cache = cache
        self._data: bytearray | None = None
        self._on_disk = 0
        self.handle = handle
        self.has_file = False

    def __bool__(self) -> bool:
        """May there be an entry?"""
        return self.has_file or bool(self._data)

    def entries(self) -> Iterator[AbortedTransaction]:
        """All of them, by ascending last offset."""
        for _, *fields in _ENTRY.iter_unpack(self._load()):
            yield AbortedTransaction(*fields)

    def append(self, aborted: AbortedTransaction) -> None:
        """Remembers an entry; one that was there already is passed over, as when the log is replayed."""
        data = self._load()
        if not data or aborted.last_offset > self._last_offset(len(data) // _ENTRY.size - 1):
            data += _ENTRY.pack(_VERSION, *aborted)

    def between(self, offset: int, end_offset: int) -> tuple[list[AbortedTransaction], bool]:
        """Those that reach into [offset, end_offset), and whether no later segment can have more of them."""
        found: list[AbortedTransaction] = []
        if not self:
            return found, False
        data = self._load()
        count = len(data) // _ENTRY.size
        for number in range(bisect_left(range(count), offset, key=self._last_offset), count):
            _, *fields = _ENTRY.unpack_from(data, number * _ENTRY.size)
            aborted = AbortedTransaction(*fields)
            if aborted.first_offset < end_offset:
                found.append(aborted)
            if aborted.last_stable_offset >= end_offset:
                return found, True
        return found, False

    def flush(self) -> None:
        """Writes what is only in memory (into the page cache). May be tried again after an OSError."""
        data = self._data
        if data is not None and len(data) > self._on_disk:
            self._cache.create(self.handle)
            self.has_file = True
            self._cut_file(self._on_disk)
            write_all(self._cache.files, self.handle.get(), bytes(data[self._on_disk :]), self._on_disk)
            self._on_disk = len(data)

    def keep_below(self, offset: int) -> None:
        """Drops the entries at the end whose marker is at `offset` or later."""
        if not self:
            return
        data = self._load()
        kept = bisect_left(range(len(data) // _ENTRY.size), offset, key=self._last_offset) * _ENTRY.size
        if self.has_file:
            self._cut_file(kept)
            self._on_disk = min(self._on_disk, kept)
        del data[kept:]

    def _cut_file(self, size: int) -> None:
        if self._cache.files.size(self.handle.get()) > size:
            self._cache.files.truncate(self.handle.get(), size)

    def _last_offset(self, number: int) -> int:
        assert self._data is not None
        last_offset: int = _ENTRY.unpack_from(self._data, number * _ENTRY.size)[3]
        return last_offset

    def _load(self) -> bytearray:
        if self._data is None:
            data = bytearray()
            if self.has_file:
                data += _sound_part(self.handle.pread(self._cache.files.size(self.handle.get()), 0))
                self._on_disk = len(data)
            self._data = data
        return self._data


def _sound_part(data: bytes) -> bytes:
    """The entries up to the first one that cannot be: half of one, another version, one before its predecessor."""
    data = data[: len(data) // _ENTRY.size * _ENTRY.size]
    before = -1
    for number, (version, _, first_offset, last_offset, _) in enumerate(_ENTRY.iter_unpack(data)):
        # (A marker stands behind the first record. Zeros, which a loss of power leaves, are no entry.)
        if version != _VERSION or first_offset >= last_offset or last_offset <= before:
            return data[: number * _ENTRY.size]
        before = last_offset
    return data
