"""Which part of a log may be compacted, and whether it is worth it.

Source: org.apache.kafka.storage.internals.log.LogCleanerManager (cleanableOffsets, maxCompactionDelay), LogToClean.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from .config import LogConfig
from .segment import Segment


class Cleanable(NamedTuple):
    """Segments below `end_offset`, which is one's base offset, may be compacted; below `first_dirty_offset` all was.

    `clean_bytes` and `dirty_bytes`: of the segments that begin below it, and of the others. `must_clean`: some record
    has been waiting for max.compaction.lag.ms.
    """

    first_dirty_offset: int
    end_offset: int
    clean_bytes: int
    dirty_bytes: int
    must_clean: bool

    @property
    def dirty_ratio(self) -> float:
        total = self.clean_bytes + self.dirty_bytes
        return self.dirty_bytes / total if total else 0.0

    def is_due(self, config: LogConfig) -> bool:
        return self.dirty_bytes > 0 and (self.must_clean or self.dirty_ratio > config.min_cleanable_dirty_ratio)


def cleanable_part(
    segments: Sequence[Segment],
    config: LogConfig,
    *,
    now_ms: int,
    first_dirty_offset: int | None,
    log_start_offset: int,
    log_end_offset: int,
    last_stable_offset: int,
) -> Cleanable:
    """`first_dirty_offset`: where the last compaction ended, None if there was none. Raises OSError.

    Not compacted are: the active segment, one that reaches above the last stable offset, and those from the first one
    on that has a timestamp within min.compaction.lag.ms.
    """
    start = log_start_offset if first_dirty_offset is None else first_dirty_offset
    if not log_start_offset <= start <= log_end_offset:
        start = log_start_offset  # records were deleted, or the checkpoint speaks of a log that was longer
    closed = segments[:-1]
    for segment in closed:
        segment.load()
    end_offset = segments[-1].base_offset
    for number, segment in enumerate(closed):
        is_unstable = segments[number + 1].base_offset > last_stable_offset
        is_young = (
            config.min_compaction_lag_ms > 0
            and segments[number + 1].base_offset > start
            and segment.max_timestamp_ms > now_ms - config.min_compaction_lag_ms
        )
        if is_unstable or is_young:
            end_offset = segment.base_offset
            break
    waiting_since_ms = min(
        (
            timestamp_ms
            for segment, after in pairwise(segments)
            if after.base_offset > start and (timestamp_ms := segment.first_timestamp()) > 0
        ),
        default=now_ms,
    )
    return Cleanable(
        start,
        end_offset,
        sum(segment.size for segment in closed if segment.base_offset < min(start, end_offset)),
        # As in Kafka, the segment in which the dirty part begins is counted with both.
        sum(
            segment.size
            for segment, after in pairwise(segments)
            if after.base_offset > start and segment.base_offset < end_offset
        ),
        waiting_since_ms < now_ms - config.max_compaction_lag_ms,
    )
