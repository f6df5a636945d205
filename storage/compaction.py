"""A compaction of one log in steps: a slow half of each step runs in a worker thread, a quick half on the loop.

The worker reads closed segments, which nobody changes, by their paths and writes `.cleaned` files. The log takes these
in and goes on being read and written meanwhile; if it loses segments (retention, truncation, deletion), the compaction
is aborted and what it has written is removed.

A compaction walks the dirty part for the latest offset of each key, then all segments from the first one on, which it
merges in groups of at most one segment's size. Each group takes its segments' place before the next one is begun, so
that little work is lost and little disk needed. Source: org.apache.kafka.storage.internals.log.Cleaner.

Left out: the message formats v0 and v1 (a log that holds them does not open), log.cleaner.io.buffer.size for reading.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from ..wire.batches import MAX_INT32, RecordError, parse_header
from ..wire.errors import ErrorCode
from .batch_filter import BatchFilter, LastRecords, records_of
from .batch_walks import walk_batches
from .cleaned_transactions import CleanedTransactions
from .cleaner_config import CleanerConfig
from .config import LogConfig
from .files import Files, remove_if_there, write_all
from .handles import HandleCache
from .offset_map import OffsetMap
from .pace import AbortedError, Pace
from .segment import CLEANED_SUFFIX, LOG_SUFFIX, SEGMENT_SUFFIXES, SWAP_SUFFIX, Segment, file_name
from .transactions import AbortedTransaction

#: A worker reads one file and writes four.
_OPEN_FILES: Final = 8


@dataclass(frozen=True, slots=True)
class Source:
    """A segment to be compacted, as it was when the compaction began; it ends before `end_offset`. Sizes in bytes."""

    base_offset: int
    end_offset: int
    size: int
    index_size: int
    time_index_size: int


@dataclass(frozen=True, slots=True)
class Plan:
    """What a compaction works on. `sources` ascend; those below `first_dirty_offset` were compacted before.

    `aborted`: all transactions with records in the sources that were aborted, `last_records`: see `BatchFilter`.
    """

    folder: str
    config: LogConfig
    cleaner: CleanerConfig
    sources: tuple[Source, ...]
    first_dirty_offset: int
    end_offset: int
    aborted: tuple[AbortedTransaction, ...]
    last_records: LastRecords
    now_ms: int


@dataclass(slots=True)
class CompactionStats:
    """Bytes of batches read in both walks and written, keys in the map; `end_offset`: all before it is clean now."""

    index_bytes: int = 0
    read_bytes: int = 0
    written_bytes: int = 0
    keys: int = 0
    end_offset: int = 0


def group_sources(sources: Iterable[Source], config: LogConfig) -> list[list[Source]]:
    """Neighbours that fit in one segment even if nothing is dropped (Cleaner.groupSegmentsBySize)."""
    groups: list[list[Source]] = []
    for source in sources:
        group = groups[-1] if groups else []
        together = [*group, source]
        if (
            group
            and sum(each.size for each in together) <= config.segment_bytes
            and sum(each.index_size for each in together) <= config.segment_index_bytes
            and sum(each.time_index_size for each in together) <= config.segment_index_bytes
            # Offsets in the indexes are relative to the segment's and have 31 bits.
            and source.end_offset - 1 - group[0].base_offset <= MAX_INT32
        ):
            group.append(source)
        else:
            groups.append([source])
    return groups


@dataclass(slots=True)
class CompactionJob:
    """`run` in a worker, then `finish` on the loop, whatever became of it, until that says that there is no more.

    `swap_in(group)` puts the cleaned segment of a group in the place of the group's (on the loop, raises OSError);
    `done(stats)` hears of a compaction's end: stats, or None if it was aborted or failed with `error`.
    """

    plan: Plan
    files: Files
    swap_in: Callable[[Sequence[Source]], None]
    done: Callable[[CompactionStats | None, Exception | None], None]
    pace: Pace = field(default_factory=Pace)
    stats: CompactionStats = field(default_factory=CompactionStats)
    _filter: BatchFilter | None = None
    _retained: list[AbortedTransaction] = field(default_factory=list)
    _groups: list[list[Source]] = field(default_factory=list)
    _ready: list[Source] | None = None

    def abort(self) -> None:
        """It is not wanted any more: `run` ends soon, `finish` takes nothing in."""
        self.pace.abort()

    # --- in the worker --------------------------------------------------------------------------------------------

    def run(self) -> None:
        """The next step, all but its end. Touches nothing of the log's but files that nobody changes.

        Raises OSError, RecordError (for what is no batch or no record), AbortedError: all to be told to `finish`.
        """
        if self._filter is None:
            self._begin()
        else:
            # What the last step has renamed is on the device before anything relies on it.
            self.files.sync_folder(self.plan.folder)
        if self._groups:
            self._clean(self._groups[0])
            self._ready = self._groups.pop(0)

    def _begin(self) -> None:
        plan, stats = self.plan, self.stats
        offsets = OffsetMap(plan.first_dirty_offset, plan.cleaner.map_bytes)
        cache = HandleCache(self.files, _OPEN_FILES)
        transactions = CleanedTransactions(one for one in plan.aborted if one.last_offset >= plan.first_dirty_offset)
        for source in plan.sources:
            if source.end_offset > plan.first_dirty_offset and not self._index(cache, source, offsets, transactions):
                break
        stats.end_offset = offsets.latest_offset + 1
        stats.keys = len(offsets)
        self._filter = BatchFilter(
            offsets,
            CleanedTransactions(plan.aborted, self._retained.append),
            plan.last_records,
            now_ms=plan.now_ms,
            delete_retention_ms=plan.config.delete_retention_ms,
            end_offset=plan.end_offset,
            pace=self.pace,
        )
        self._groups = group_sources(
            (source for source in plan.sources if source.base_offset < stats.end_offset), plan.config
        )

    def _index(self, cache: HandleCache, source: Source, offsets: OffsetMap, transactions: CleanedTransactions) -> bool:
        """Takes a segment's keys into the map; False if it is full."""
        handle = cache.handle(os.path.join(self.plan.folder, file_name(source.base_offset, LOG_SUFFIX)))
        end = 0
        try:
            for position, header, batch in walk_batches(handle, 0, source.size):
                end = position + header.size_bytes
                self.pace.rest()
                self.pace.account(len(batch))
                self.stats.index_bytes += len(batch)
                if header.last_offset < offsets.first_offset:
                    continue
                if header.is_control:
                    transactions.on_marker(header, batch)
                elif not transactions.on_batch(header) and header.records_count:
                    records = records_of(header, batch)
                    try:
                        fits = offsets.index_records(records, header.records_count, header.base_offset, self.pace)
                    except (ValueError, IndexError) as error:
                        raise _damaged(handle.path, position, str(error)) from None
                    if not fits:
                        return False
                offsets.passed(header.last_offset)
        finally:
            handle.discard()
        if end != source.size:
            raise _damaged(handle.path, end, "no whole batch")
        offsets.passed(source.end_offset - 1)
        return True

    def _clean(self, group: Sequence[Source]) -> None:
        """Writes what stays of a group's segments, with new indexes, and has it on the device."""
        files, folder = self.files, self.plan.folder
        remove_cleaned(files, folder, group[0].base_offset)
        cache = HandleCache(files, _OPEN_FILES)
        target = Segment(cache, folder, group[0].base_offset, CLEANED_SUFFIX)
        self._retained.clear()
        try:
            target.create(self.plan.now_ms)
            modified_ms = 0
            for source in group:
                path = os.path.join(folder, file_name(source.base_offset, LOG_SUFFIX))
                self._clean_into(cache, path, source, target)
                modified_ms = files.modified_ms(path)
            for aborted in self._retained:
                target.transactions.append(aborted)
            target.finish()
            for handle in target.handles:
                files.sync(handle.get())
            # Retention of records without timestamps goes by it.
            files.set_modified_ms(target.path(LOG_SUFFIX), modified_ms)
        finally:
            target.discard()

    def _clean_into(self, cache: HandleCache, path: str, source: Source, target: Segment) -> None:
        assert self._filter is not None
        config, handle, waiting = self.plan.config, cache.handle(path), bytearray()
        end = 0
        try:
            for position, header, batch in walk_batches(handle, 0, source.size):
                end = position + header.size_bytes
                self.pace.rest()
                self.pace.account(len(batch))
                self.stats.read_bytes += len(batch)
                kept = self._filter.filter(header, batch)
                if kept is None:
                    continue
                new = header if kept is batch else parse_header(kept)
                target.note_batch(
                    target.size, len(kept), new.last_offset, new.max_timestamp_ms, config.index_interval_bytes
                )
                target.size += len(kept)
                waiting += kept
                if len(waiting) >= self.plan.cleaner.io_buffer_bytes:
                    self._write(target, waiting)
            self._write(target, waiting)
        finally:
            handle.discard()
        if end != source.size:
            raise _damaged(path, end, "no whole batch")

    def _write(self, target: Segment, waiting: bytearray) -> None:
        """`target.size` counts what is waiting already."""
        write_all(self.files, target.handle.get(), bytes(waiting), target.size - len(waiting))
        self.stats.written_bytes += len(waiting)
        self.pace.account(len(waiting))
        waiting.clear()

    # --- on the loop ----------------------------------------------------------------------------------------------

    def finish(self, error: Exception | None = None) -> bool:
        """Takes in what `run` has made; is there more to do? `error` is what it raised. Raises OSError."""
        if error is None and not self.pace.aborted:
            if self._ready is not None:
                group, self._ready = self._ready, None
                try:
                    self.swap_in(group)
                except OSError as failure:
                    self.done(None, failure)
                    raise
                return True
            self.done(self.stats, None)
            return False
        for group in [self._ready] if self._ready else self._groups[:1]:
            with contextlib.suppress(OSError):  # the next compaction or the next start removes them
                remove_cleaned(self.files, self.plan.folder, group[0].base_offset)
        self.done(None, None if isinstance(error, AbortedError) or self.pace.aborted else error)
        return False


def remove_cleaned(files: Files, folder: str, base_offset: int) -> None:
    """Removes what a compaction that did not come to its end has written. Raises OSError."""
    for suffix in SEGMENT_SUFFIXES:
        for state_suffix in (CLEANED_SUFFIX, SWAP_SUFFIX):
            remove_if_there(files, os.path.join(folder, file_name(base_offset, suffix) + state_suffix))


def _damaged(path: str, position: int, what: str) -> RecordError:
    return RecordError(ErrorCode.CORRUPT_MESSAGE, f"{path}, batch at byte {position}: {what}")
