"""Finding records by time. Headers only say where to look; the answer comes from the records themselves
(`time_search.py`).

Source: UnifiedLog.fetchOffsetByTimestamp, LogSegment.findOffsetByTimestamp, FileRecords.searchForTimestamp.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..wire.batches import BatchHeader
from .interface import NOT_FOUND, TimestampOffset
from .segment import Segment
from .segments import load_some


def first_at_or_after(segments: Sequence[Segment], timestamp_ms: int, log_start_offset: int) -> TimestampOffset:
    """The first record, in the order of offsets, with this timestamp or a later one; also inside compressed batches.

    Raises OSError, RecordError.
    """
    for number, segment in enumerate(segments):
        load_some(segments, number)
        if segment.max_timestamp_ms < timestamp_ms:
            continue
        timed = segment.time_index.floor(timestamp_ms)
        # All batches before the one that the entry names are older than the entry, and so than what is looked for.
        start = max(log_start_offset, segment.base_offset + timed[1] if timed else 0)
        indexed = segment.offset_index.floor(start - segment.base_offset)
        for position, header in segment.headers(indexed[1] if indexed else 0):
            if header.max_timestamp_ms < timestamp_ms or header.last_offset < log_start_offset:
                continue
            found = segment.find_in_batch(position, header, timestamp_ms, log_start_offset)
            if found is not None:
                return TimestampOffset(*found, header.partition_leader_epoch)
    return NOT_FOUND


def with_max_timestamp(segments: Sequence[Segment], log_start_offset: int) -> TimestampOffset:
    """The first record that has the largest timestamp of all. Raises OSError, RecordError."""
    best = NOT_FOUND
    for number, segment in enumerate(segments):
        load_some(segments, number)
        if segment.max_timestamp_ms <= best.timestamp_ms:
            continue
        found = segment.find(segment.max_timestamp_offset)
        if found is not None and (found[1].base_offset < log_start_offset or not found[1].records_count):
            # DeleteRecords or compaction took that record or some beside it; the index does not know the next best one.
            candidate = _largest_from(segment, log_start_offset)
        else:
            candidate = NOT_FOUND if found is None else _largest_in(segment, *found, log_start_offset)
        if candidate.timestamp_ms > best.timestamp_ms:
            best = candidate
    return best


def _largest_in(segment: Segment, position: int, header: BatchHeader, log_start_offset: int) -> TimestampOffset:
    """The first record of one batch that has its largest timestamp."""
    found = segment.find_in_batch(position, header, None, log_start_offset)
    return NOT_FOUND if found is None else TimestampOffset(*found, header.partition_leader_epoch)


def _largest_from(segment: Segment, offset: int) -> TimestampOffset:
    """The first record with the largest timestamp among those of a segment at `offset` or later."""
    found = segment.find(offset)
    best = NOT_FOUND
    if found is not None:
        for position, header in segment.headers(found[0]):
            if header.max_timestamp_ms > best.timestamp_ms:
                candidate = _largest_in(segment, position, header, offset)
                best = candidate if candidate.timestamp_ms > best.timestamp_ms else best
    return best
