"""Compaction of a log: which part of it, when, and how the cleaned segments come into it. (The work: compaction.py.)

Source: LogCleanerManager.cleanableOffsets, UnifiedLog.replaceSegments, LocalLog.replaceSegments.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Final

from ..wire.errors import KafkaError
from .cleanable import Cleanable, cleanable_part
from .cleaner_config import CleanerConfig
from .compaction import CompactionJob, CompactionStats, Plan, Source, remove_cleaned
from .files import rename_if_there
from .log_state import LogState, no_waiting, storage_errors
from .pace import Pace
from .segment import CLEANED_SUFFIX, SEGMENT_SUFFIXES, SWAP_SUFFIX, TRANSACTION_INDEX_SUFFIX, Segment

_DEFAULTS: Final = CleanerConfig()


class CompactingLog(LogState):
    """Compaction, one at a time. Reads, appends and flushes go on meanwhile; what takes segments away aborts it."""

    @storage_errors
    @no_waiting
    def cleanable(self, now_ms: int) -> Cleanable | None:
        """What a compaction would find; None if there is none to be had now. Raises ColdRead on a broker's loop."""
        return self._cleanable(now_ms)

    def _cleanable(self, now_ms: int) -> Cleanable | None:
        if not self.config.is_compacted or self._compaction is not None or self.uncleanable is not None:
            return None
        return cleanable_part(
            self._segments.items,
            self.config,
            now_ms=now_ms,
            first_dirty_offset=self.first_dirty_offset,
            log_start_offset=self.log_start_offset,
            log_end_offset=self.log_end_offset,
            last_stable_offset=self.last_stable_offset,
        )

    @storage_errors
    def begin_compaction(self, now_ms: int, cleaner: CleanerConfig = _DEFAULTS) -> CompactionJob | None:
        """A compaction of all that may be compacted, dirty enough or not; None if there is nothing.

        `run` in a worker, `finish` here, until that says that there is no more.
        """
        part = self._cleanable(now_ms)
        if part is None or not part.dirty_bytes:
            return None
        segments = self._segments.items
        end = self._segments.number_of(part.end_offset)
        plan = Plan(
            folder=self.folder,
            config=self.config,
            cleaner=cleaner,
            sources=tuple(
                Source(
                    segment.base_offset,
                    after.base_offset,
                    segment.size,
                    segment.offset_index.size_bytes,
                    segment.time_index.size_bytes,
                )
                for segment, after in pairwise(segments[: end + 1])
            ),
            first_dirty_offset=part.first_dirty_offset,
            end_offset=part.end_offset,
            aborted=tuple(
                aborted
                for segment in segments
                for aborted in segment.transactions.entries()
                if aborted.first_offset < part.end_offset
            ),
            last_records={
                producer_id: (entry.batches[-1].last_offset if entry.batches else -1, entry.epoch)
                for producer_id, entry in self.producers.entries.items()
            },
            now_ms=now_ms,
        )
        pace = Pace(cleaner.io_max_bytes_per_second)
        job = CompactionJob(plan, self.files, self._swap_in, lambda stats, error: None, pace)
        job.done = partial(self._compacted, job)
        self._compaction = job
        return job

    def _compacted(self, job: CompactionJob, stats: CompactionStats | None, error: Exception | None) -> None:
        """The compaction is over."""
        if self._compaction is job:
            self._compaction = None
        if stats is not None:
            self.first_dirty_offset = stats.end_offset
        elif isinstance(error, KafkaError):
            # What cannot be read now will not be later: Kafka, too, leaves such a partition alone until it is
            # opened again (LogCleanerManager.markPartitionUncleanable).
            self.uncleanable = str(error)
        elif isinstance(error, OSError):
            self.health.error(error, f"compaction of {self.folder}")

    def _swap_in(self, group: Sequence[Source]) -> None:
        """The cleaned segment takes the place of those it was made from. Raises OSError.

        The new files' names go from `.cleaned` to `.swap` and, once the old files are out of the way, to none: a start
        in between (recovery.py) goes back if it finds a `.cleaned` file, and forward if it finds only `.swap` files.
        """
        base_offset = group[0].base_offset
        new = Segment(self._cache, self.folder, base_offset)
        swapped: list[str] = []
        try:
            for suffix in SEGMENT_SUFFIXES:
                path = new.path(suffix)
                if rename_if_there(self.files, path + CLEANED_SUFFIX, path + SWAP_SUFFIX):
                    swapped.append(path)
        except OSError:
            remove_cleaned(self.files, self.folder, base_offset)
            raise
        first = self._segments.number_of(base_offset)
        new.transactions.has_file = new.path(TRANSACTION_INDEX_SUFFIX) in swapped
        new.created_ms = self._segments.items[first].created_ms
        self.failed = f"segments in {self.folder} could not be replaced"
        self._segments.replace(first, first + len(group), self._set_aside, new)
        for path in swapped:
            self.files.rename(path + SWAP_SUFFIX, path)
        for source in group[1:]:
            self._snapshots.remove(source.base_offset)
        self.failed = None
