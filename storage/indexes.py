"""The sparse indexes beside a segment: files of sorted pairs, searched on disk and written in batches.

`.index`: (offset relative to the segment's base, position of its batch), 4 + 4 bytes: the *last* offset of a batch.
`.timeindex`: (largest timestamp so far in ms, relative last offset of the batch that has it), 8 + 4 bytes.
Both columns grow from entry to entry. Entries that are not on disk yet are kept in memory and searched too; whoever
opens the segment after a crash makes them again from the log, so nothing has to be written while appending.
Source: org.apache.kafka.storage.internals.log.OffsetIndex, TimeIndex.
"""

from __future__ import annotations

import bisect
import math
import struct
from typing import Final

from .files import empty, write_all
from .handles import Handle, HandleCache

OFFSET_ENTRY: Final = struct.Struct(">ii")
TIME_ENTRY: Final = struct.Struct(">qi")

#: Entries kept in memory before they are worth a write.
TAIL_ENTRIES: Final = 512

#: Entries read at once when a search has come this close.
_SEARCH_BLOCK_ENTRIES: Final = 256


class SortedIndex:
    """A file of pairs (key, value), both ascending. Raises OSError from the file."""

    __slots__ = ("_cache", "_entry", "_on_disk", "_tail", "handle")

    def __init__(self, cache: HandleCache, handle: Handle, entry: struct.Struct) -> None:
        self._cache = cache
        self.handle = handle
        self._entry = entry
        self._on_disk = 0
        self._tail: list[tuple[int, int]] = []

    def load(self) -> None:
        """Counts what is on disk; a part of an entry at the end is nothing. Raises FileNotFoundError."""
        self._on_disk = self._cache.files.size(self.handle.get()) // self._entry.size
        self._tail.clear()

    def create(self) -> None:
        """An empty index, whatever the file held."""
        self._cache.create(self.handle)
        empty(self._cache.files, self.handle.get())
        self._on_disk = 0
        self._tail.clear()

    def __len__(self) -> int:
        return self._on_disk + len(self._tail)

    def __getitem__(self, number: int) -> tuple[int, int]:
        if number >= self._on_disk:
            return self._tail[number - self._on_disk]
        data = self.handle.pread(self._entry.size, number * self._entry.size)
        key, value = self._entry.unpack(data)
        return key, value

    @property
    def last(self) -> tuple[int, int] | None:
        count = len(self)
        return self[count - 1] if count else None

    @property
    def size_bytes(self) -> int:
        return len(self) * self._entry.size

    @property
    def tail_is_long(self) -> bool:
        """Enough entries wait for a `flush` to pay."""
        return len(self._tail) >= TAIL_ENTRIES

    def append(self, key: int, value: int) -> None:
        """Remembers an entry; both must be above the last one's."""
        self._tail.append((key, value))

    def flush(self) -> None:
        """Writes what is only in memory to the file (into the page cache). May be tried again after an OSError."""
        if self._tail:
            data = b"".join([self._entry.pack(key, value) for key, value in self._tail])
            write_all(self._cache.files, self.handle.get(), data, self._on_disk * self._entry.size)
            self._on_disk += len(self._tail)
            self._tail.clear()

    def floor(self, key: int) -> tuple[int, int] | None:
        """The last entry whose key is at most `key`, None if there is none."""
        if self._tail and key >= self._tail[0][0]:
            return self._tail[bisect.bisect_right(self._tail, (key, math.inf)) - 1]
        number = self._search(key, 0)
        return self[number - 1] if number else None

    def ceiling_value(self, value: int) -> tuple[int, int] | None:
        """The first entry whose value is at least `value`, None if there is none."""
        number = self._search(value - 1, 1)
        return self[number] if number < len(self) else None

    def keep_ascending(self) -> None:
        """Drops what follows the first entry that is not above its predecessor in both columns: a loss of power may
        leave zeros in place of any part that was not on the device, and a search would be led astray by them."""
        data = self.handle.pread(self._on_disk * self._entry.size, 0)
        last_key = last_value = -1
        for number, (key, value) in enumerate(self._entry.iter_unpack(data)):
            if key <= last_key or value <= last_value:
                self._keep(number)
                return
            last_key, last_value = key, value

    def keep_values_below(self, value: int) -> None:
        """Drops the entries at the end whose value is `value` or more."""
        self._keep(self._search(value - 1, 1))

    def keep_keys_below(self, key: int) -> None:
        """Drops the entries at the end whose key is `key` or more."""
        self._keep(self._search(key - 1, 0))

    def _keep(self, count: int) -> None:
        if count < self._on_disk:
            self._tail.clear()
            self._cache.files.truncate(self.handle.get(), count * self._entry.size)
            self._on_disk = count
        else:
            del self._tail[count - self._on_disk :]

    def _search(self, target: int, column: int) -> int:
        """How many entries have at most `target` in `column`."""
        if self._tail and self._tail[0][column] <= target:
            return self._on_disk + bisect.bisect_right(self._tail, target, key=lambda entry: entry[column])
        low, high = 0, self._on_disk
        while high - low > _SEARCH_BLOCK_ENTRIES:
            middle = (low + high) // 2
            if self[middle][column] <= target:
                low = middle + 1
            else:
                high = middle
        if low == high:
            return low
        size = self._entry.size
        block = self.handle.pread((high - low) * size, low * size)
        first = low
        while low < high:
            middle = (low + high) // 2
            if self._entry.unpack_from(block, (middle - first) * size)[column] <= target:
                low = middle + 1
            else:
                high = middle
        return low
