"""One segment: a `.log` of record batches with its indexes.

Source: org.apache.kafka.storage.internals.log.LogSegment, FileRecords.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Final

from ..wire.batches import NO_TIMESTAMP, BatchHeader
from ..wire.record_times import TimedRecord
from .batch_walks import LOOKUP_BLOCK_BYTES, WALK_BLOCK_BYTES, walk_batches, walk_headers
from .files import empty, remove_if_there, rename_if_there
from .handles import Handle, HandleCache
from .indexes import OFFSET_ENTRY, TIME_ENTRY, SortedIndex
from .time_search import TimeQuestion, search_batch
from .transactions import TransactionIndex
from .warmth import ColdRange, ColdRead

LOG_SUFFIX: Final = ".log"
INDEX_SUFFIX: Final = ".index"
TIME_INDEX_SUFFIX: Final = ".timeindex"
TRANSACTION_INDEX_SUFFIX: Final = ".txnindex"
SNAPSHOT_SUFFIX: Final = ".snapshot"
#: Of all files that a segment may have.
SEGMENT_SUFFIXES: Final = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX)
#: Appended to the names of a segment's files while compaction writes it, while it takes the place of others, and until
#: the files of a removed one are unlinked.
CLEANED_SUFFIX: Final = ".cleaned"
SWAP_SUFFIX: Final = ".swap"
DELETED_SUFFIX: Final = ".deleted"

#: Density of an index that is made again (the default of index.interval.bytes).
REBUILT_INTERVAL_BYTES: Final = 4096


def file_name(offset: int, suffix: str) -> str:
    """Twenty digits, so that names sort as offsets do."""
    return f"{offset:020d}{suffix}"


class Segment:
    """Batches from `base_offset` on, in one file of `size` bytes. Raises OSError from the files.

    `max_timestamp_ms` and `max_timestamp_offset` (the last offset of the batch that has it) are -1 for an empty one.
    """

    __slots__ = (
        "_cache",
        "_folder",
        "_loaded",
        "_read_whole",
        "_state_suffix",
        "base_offset",
        "bytes_since_index",
        "created_ms",
        "first_timestamp_ms",
        "handle",
        "max_timestamp_ms",
        "max_timestamp_offset",
        "offset_index",
        "preallocated",
        "recent_position",
        "recent_until",
        "size",
        "time_index",
        "transactions",
    )

    def __init__(self, cache: HandleCache, folder: str, base_offset: int, state_suffix: str = "") -> None:
        """`state_suffix`: after the names of its files, CLEANED_SUFFIX for one that compaction makes."""
        self._cache = cache
        self._folder = folder
        self._state_suffix = state_suffix
        self._loaded = False
        self._read_whole = False
        self.base_offset = base_offset
        self.handle = cache.handle(self.path(LOG_SUFFIX))
        self.offset_index = SortedIndex(cache, cache.handle(self.path(INDEX_SUFFIX)), OFFSET_ENTRY)
        self.time_index = SortedIndex(cache, cache.handle(self.path(TIME_INDEX_SUFFIX)), TIME_ENTRY)
        self.transactions = TransactionIndex(cache, cache.handle(self.path(TRANSACTION_INDEX_SUFFIX)))
        self.size = 0
        #: The file is longer than `size`, by zeros.
        self.preallocated = False
        #: What stands at this position or behind it was appended lately, and is so until the cache's `written_bytes` is
        #: above `recent_until`.
        self.recent_position = 0
        self.recent_until = -1
        self.bytes_since_index = 0
        self.max_timestamp_ms = NO_TIMESTAMP
        self.max_timestamp_offset = -1
        #: Largest timestamp of the first batch, which segment.ms counts from; None until it is known.
        self.first_timestamp_ms: int | None = None
        #: When this process made or opened it; segment.ms counts from here if the first batch has no timestamp.
        self.created_ms = 0

    def path(self, suffix: str) -> str:
        return os.path.join(self._folder, file_name(self.base_offset, suffix) + self._state_suffix)

    def create(self, now_ms: int, file_bytes: int = 0) -> None:
        """Makes the three files, empty, the log's `file_bytes` long (preallocate)."""
        files = self._cache.files
        self._cache.create(self.handle)
        empty(files, self.handle.get())
        if file_bytes:
            # Its length alone, as Kafka (FileRecords.openChannel): the blocks come with the batches.
            files.truncate(self.handle.get(), file_bytes)
            self.preallocated = True
        self.offset_index.create()
        self.time_index.create()
        self.created_ms = now_ms
        self._loaded = True

    def measure(self) -> int:
        """Its size in bytes, without a look into it."""
        if not self._loaded and not self.size:
            self.size = self._cache.files.path_size(self.handle.path)
        return self.size

    def load(self) -> None:
        """Opens what is on disk; cheap, and nothing if it was done before. Indexes that are not right are rebuilt."""
        if not self._loaded and not self.load_as_is():
            no_waiting, self._cache.no_waiting = self._cache.no_waiting, False
            try:
                self._rebuild_indexes()
            finally:
                self._cache.no_waiting = no_waiting

    def load_as_is(self) -> bool:
        """Opens what is on disk; False if the indexes are of no use and stand empty now."""
        self.size = self._cache.files.size(self.handle.get())
        try:
            self.offset_index.load()
            self.time_index.load()
            if self._cache.no_waiting:
                self._need_tails()
            sound = self._indexes_are_sound()
        except FileNotFoundError:
            sound = False
        if not sound and self._cache.no_waiting and not self._read_whole:
            self._read_whole = True  # it is asked for once: there may be less memory than this
            raise ColdRead([ColdRange(self.handle, 0, self.size)])
        self._loaded = True
        if sound:
            self._take_max_timestamp()
        else:
            self.reset_indexes(0)
        return sound

    def _need_tails(self) -> None:
        """Raises one ColdRead for all that `load` looks at, which else would raise one after the other."""
        tail = max(0, self.size - LOOKUP_BLOCK_BYTES)
        missing: list[ColdRange] = []
        for handle, position, size in (
            (self.offset_index.handle, self.offset_index.size_bytes - OFFSET_ENTRY.size, OFFSET_ENTRY.size),
            (self.time_index.handle, self.time_index.size_bytes - TIME_ENTRY.size, TIME_ENTRY.size),
            (self.handle, tail, self.size - tail),
        ):
            if position >= 0 and not self._cache.is_warm(handle, position, size):
                missing.append(ColdRange(handle, position, size))
        if missing:
            raise ColdRead(missing)

    def load_trusted(self, end_offset: int) -> None:
        """Opens what is on disk after a crash, and keeps of the indexes what they say of batches before `end_offset`,
        which is on the device; beyond it a loss of power may have left anything."""
        self.size = self._cache.files.size(self.handle.get())
        self._loaded = True
        try:
            self.offset_index.load()
            self.time_index.load()
        except FileNotFoundError:
            self.reset_indexes(0)
            return
        self.offset_index.keep_ascending()
        self.time_index.keep_ascending()
        self.offset_index.keep_keys_below(end_offset - self.base_offset)
        last = self.offset_index.last
        self.reset_indexes(last[0] + 1 if last is not None and self._names_its_batch(last) else 0)

    def _indexes_are_sound(self) -> bool:
        """Does the last entry point at the batch it names? A crash of Kafka, which maps them, leaves zeros behind."""
        last, timed = self.offset_index.last, self.time_index.last
        if timed is not None and (timed[0] < 0 or timed[1] < 0):
            return False
        if last is None:
            # A segment shorter than the interval has no entry; a longer one must have.
            return len(self.time_index) <= 1 and self.size <= 2 * LOOKUP_BLOCK_BYTES
        return self._names_its_batch(last)

    def _names_its_batch(self, entry: tuple[int, int]) -> bool:
        """Does the batch at the position of an offset index's entry end at its offset? The first never has an entry."""
        if entry[1] > 0:
            for _, header in walk_headers(self.handle, entry[1], self.size):
                return header.last_offset == self.base_offset + entry[0]
        return False

    def _rebuild_indexes(self) -> None:
        """Makes both indexes again from the batches."""
        for position, header in walk_headers(self.handle, 0, self.size, block_bytes=WALK_BLOCK_BYTES):
            self.note_batch(
                position, header.size_bytes, header.last_offset, header.max_timestamp_ms, REBUILT_INTERVAL_BYTES
            )
        self.finish()

    # --- the indexes while batches come in ------------------------------------------------------------------------

    def note_batch(self, position: int, size: int, last_offset: int, timestamp_ms: int, interval_bytes: int) -> None:
        """A batch of `size` bytes stands at `position` now."""
        if position == 0:
            self.first_timestamp_ms = timestamp_ms
        if timestamp_ms > self.max_timestamp_ms:
            self.max_timestamp_ms = timestamp_ms
            self.max_timestamp_offset = last_offset
        if self.bytes_since_index > interval_bytes:
            self.offset_index.append(last_offset - self.base_offset, position)
            self._index_time()
            self.bytes_since_index = 0
            if self.offset_index.tail_is_long:
                with contextlib.suppress(OSError):  # the entries stay in memory; `finish` writes them or says why not
                    self.flush_indexes()
        self.bytes_since_index += size

    def _index_time(self) -> None:
        if self.max_timestamp_ms < 0:
            return
        last = self.time_index.last
        if last is None or self.max_timestamp_ms > last[0]:
            self.time_index.append(self.max_timestamp_ms, self.max_timestamp_offset - self.base_offset)

    def flush_indexes(self) -> None:
        """Writes the entries that are only in memory."""
        self.offset_index.flush()
        self.time_index.flush()
        self.transactions.flush()

    def finish(self) -> None:
        """Nothing more is appended (or the process ends): the largest timestamp goes into the time index, and a
        preallocated file ends where its batches do."""
        if self.size:
            self._index_time()
        self.flush_indexes()
        if self.preallocated:
            self.cut(self.size)

    def cut(self, size: int) -> None:
        """The file ends there; nothing is preallocated behind it."""
        self._cache.files.truncate(self.handle.get(), size)
        self.size = size
        self.preallocated = False

    def cut_tail(self) -> None:
        """Takes away what is no batch at the end of a segment of which all batches are known to be there: a loss of
        power may have undone the cut of a preallocated file."""
        self.load()
        last = self.offset_index.last
        end = last[1] if last else 0
        for position, header in walk_headers(self.handle, end, self.size, WALK_BLOCK_BYTES):
            end = position + header.size_bytes
        if end < self.size:
            self.cut(end)

    def indexes_are_full(self, limit_bytes: int) -> bool:
        """Is one of them as large as segment.index.bytes allows? The time index keeps room for the entry of `finish`
        (TimeIndex.isFull): Kafka does not start where the last segment of a log has an index above the limit."""
        return len(self.offset_index) >= limit_bytes // OFFSET_ENTRY.size or (
            len(self.time_index) >= limit_bytes // TIME_ENTRY.size - 1
        )

    def reset_indexes(self, relative_offset: int) -> None:
        """Drops what the indexes say of batches that end at `base_offset + relative_offset` or later."""
        if relative_offset <= 0:
            self.offset_index.create()
            self.time_index.create()
        else:
            self.offset_index.keep_keys_below(relative_offset)
            self.time_index.keep_values_below(relative_offset)
        self._take_max_timestamp()
        self.bytes_since_index = 0

    def _take_max_timestamp(self) -> None:
        last = self.time_index.last
        self.max_timestamp_ms, self.max_timestamp_offset = (
            (last[0], self.base_offset + last[1]) if last else (NO_TIMESTAMP, -1)
        )

    # --- finding --------------------------------------------------------------------------------------------------

    def find(self, offset: int) -> tuple[int, BatchHeader] | None:
        """Position and header of the first batch that ends at `offset` or later; None if the segment ends before."""
        self.load()
        entry = self.offset_index.floor(offset - self.base_offset)
        start = entry[1] if entry else 0
        for position, header in walk_headers(self.handle, start, self.size):
            if header.last_offset >= offset:
                return position, header
        return None

    def end_offset_of(self, position: int) -> int | None:
        """An offset above all of the batches that end at `position` or before, near the last one's; None if the
        index names no batch from there on."""
        entry = self.offset_index.ceiling_value(position)
        return self.base_offset + entry[0] if entry else None

    def first_timestamp(self) -> int:
        """The largest timestamp of the first batch, -1 if there is none."""
        if self.first_timestamp_ms is None:
            for _, header in walk_headers(self.handle, 0, self.size):
                self.first_timestamp_ms = header.max_timestamp_ms
                return header.max_timestamp_ms
        return NO_TIMESTAMP if self.first_timestamp_ms is None else self.first_timestamp_ms

    def headers(self, position: int = 0) -> Iterator[tuple[int, BatchHeader]]:
        """All headers from `position` on, for a walk along the whole segment."""
        self.load()
        return walk_headers(self.handle, position, self.size, WALK_BLOCK_BYTES)

    def batches(self, position: int = 0) -> Iterator[tuple[int, BatchHeader, memoryview]]:
        """All batches from `position` on."""
        self.load()
        return walk_batches(self.handle, position, self.size)

    def read(self, position: int, size: int) -> bytes:
        return self.handle.pread(size, position)

    def find_in_batch(
        self, position: int, header: BatchHeader, timestamp_ms: int | None, offset: int
    ) -> TimedRecord | None:
        """The first record of a batch with that timestamp or a later one (None: with the largest one), of those at
        `offset` or later. Raises RecordError."""
        return search_batch(self._cache, TimeQuestion(self.handle, position, header, timestamp_ms, offset))

    # --- changing -------------------------------------------------------------------------------------------------

    def truncate(self, position: int, end_offset: int) -> None:
        """Cuts the file at `position`, where the batches before `end_offset` end."""
        self.load()
        self.transactions.keep_below(end_offset)
        self.reset_indexes(end_offset - self.base_offset)
        self.cut(position)
        # The time index is sparse: batches behind its last entry may hold a later timestamp.
        last = self.offset_index.last
        start = last[1] if last else 0
        for at, header in walk_headers(self.handle, start, position):
            if header.max_timestamp_ms > self.max_timestamp_ms:
                self.max_timestamp_ms, self.max_timestamp_offset = header.max_timestamp_ms, header.last_offset
            self.bytes_since_index = at + header.size_bytes - start
        if position == 0:
            self.first_timestamp_ms = None

    @property
    def handles(self) -> list[Handle]:
        """Of the files that there are."""
        handles = [self.handle, self.offset_index.handle, self.time_index.handle]
        if self.transactions.has_file:
            handles.append(self.transactions.handle)
        return handles

    def discard(self) -> None:
        """Closes its files as soon as no lease is out."""
        for handle in self.handles:
            handle.discard()

    def set_aside(self) -> list[str]:
        """Renames its files so that a start takes no notice of them; their new paths. Readers with a lease read on."""
        self.discard()
        return [
            path + DELETED_SUFFIX
            for path in map(self.path, SEGMENT_SUFFIXES)
            if rename_if_there(self._cache.files, path, path + DELETED_SUFFIX)
        ]

    def delete(self) -> None:
        """Removes its files; readers with a lease read on."""
        self.discard()
        for suffix in SEGMENT_SUFFIXES:
            remove_if_there(self._cache.files, self.path(suffix))
