"""Which old segments may go: before the log's start, too old, or too much.

Source: UnifiedLog.deleteOldSegments (deleteLogStartOffsetBreachedSegments, deleteRetentionMsBreachedSegments,
deleteRetentionSizeBreachedSegments).

A log that is compacted and not deleted from only loses what lies before its start here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .config import LogConfig
from .segment import Segment
from .segments import load_some


def segments_to_delete(
    segments: Sequence[Segment],
    config: LogConfig,
    *,
    now_ms: int,
    log_start_offset: int,
    log_end_offset: int,
    high_watermark: int,
    modified_ms: Callable[[str], int],
) -> int:
    """How many segments from the oldest on may be deleted; all of them if even the active one is to be rolled first.

    What lies above the high watermark stays. `modified_ms` tells a file's age for segments without timestamps. None is
    looked into that need not be. Raises OSError, ColdRead.
    """
    excess = -1
    if config.is_deleted and config.retention_bytes >= 0:
        excess = sum(segment.measure() for segment in segments) - config.retention_bytes
    too_old_ms = now_ms - config.retention_ms if config.is_deleted and config.retention_ms >= 0 else None
    count = 0
    for number, segment in enumerate(segments):
        is_active = number + 1 == len(segments)
        end_offset = log_end_offset if is_active else segments[number + 1].base_offset
        size = segment.measure()
        if end_offset > high_watermark or (is_active and not size):
            break
        before_start = not is_active and end_offset <= log_start_offset
        too_much = excess >= size
        if not (before_start or too_much):
            if too_old_ms is None:
                break
            load_some(segments, number)
            if _age_ms(segment, modified_ms) >= too_old_ms:
                break
        excess -= size
        count += 1
    return count


def _age_ms(segment: Segment, modified_ms: Callable[[str], int]) -> int:
    return segment.max_timestamp_ms if segment.max_timestamp_ms >= 0 else modified_ms(segment.handle.path)
