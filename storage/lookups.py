"""Finding records by time. Headers only say where to look; the answer comes from the records themselves.

Source: UnifiedLog.fetchOffsetByTimestamp, LogSegment.findOffsetByTimestamp, FileRecords.searchForTimestamp.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..wire.records import BatchHeader, batch_records
from .interface import NOT_FOUND, TimestampOffset
from .segment import Segment


def first_at_or_after(segments: Sequence[Segment], timestamp_ms: int, log_start_offset: int) -> TimestampOffset:
    """The first record, in the order of offsets, with this timestamp or a later one; also inside compressed batches.

    Raises OSError, RecordError.
    """
    for segment in segments:
        segment.load()
        if segment.max_timestamp_ms < timestamp_ms:
            continue
        timed = segment.time_index.floor(timestamp_ms)
        # All batches before the one that the entry names are older than the entry, and so than what is looked for.
        start = max(log_start_offset, segment.base_offset + timed[1] if timed else 0)
        indexed = segment.offset_index.floor(start - segment.base_offset)
        for position, header in segment.headers(indexed[1] if indexed else 0):
            if header.max_timestamp_ms < timestamp_ms or header.last_offset < log_start_offset:
                continue
            for record in batch_records(segment.read(position, header.size_bytes), skip_values=True):
                if record.timestamp_ms >= timestamp_ms and record.offset >= log_start_offset:
                    return TimestampOffset(record.timestamp_ms, record.offset, header.partition_leader_epoch)
    return NOT_FOUND


def with_max_timestamp(segments: Sequence[Segment], log_start_offset: int) -> TimestampOffset:
    """The first record that has the largest timestamp of all. Raises OSError, RecordError."""
    best: tuple[int, Segment, int] | None = None
    for segment in segments:
        segment.load()
        timestamp_ms, offset = segment.max_timestamp_ms, segment.max_timestamp_offset
        if 0 <= offset < log_start_offset:
            # That batch was deleted by DeleteRecords: its segment's index does not know the next best one.
            timestamp_ms, offset = _max_from(segment, log_start_offset)
        if timestamp_ms >= 0 and (best is None or timestamp_ms > best[0]):
            best = (timestamp_ms, segment, offset)
    if best is None:
        return NOT_FOUND
    found = best[1].find(best[2])
    if found is None:
        return NOT_FOUND
    position, header = found
    records = [
        record
        for record in batch_records(best[1].read(position, header.size_bytes), skip_values=True)
        if record.offset >= log_start_offset
    ]
    if not records:
        return NOT_FOUND
    record = max(records, key=lambda record: record.timestamp_ms)  # the first of equals
    return TimestampOffset(record.timestamp_ms, record.offset, header.partition_leader_epoch)


def _max_from(segment: Segment, offset: int) -> tuple[int, int]:
    """(timestamp, last offset) of the batch with the largest timestamp among those that end at `offset` or later."""
    found = segment.find(offset)
    if found is None:
        return -1, -1
    best: BatchHeader = found[1]
    for _, header in segment.headers(found[0]):
        if header.max_timestamp_ms > best.max_timestamp_ms:
            best = header
    return best.max_timestamp_ms, best.last_offset
