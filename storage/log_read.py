"""What is read from a log: batches by offset, aborted transactions, records by time.

Source: UnifiedLog.read, collectAbortedTransactions, fetchOffsetByTimestamp.
"""

from __future__ import annotations

from ..wire.errors import ErrorCode, KafkaError
from .file_range import FileRange
from .interface import TimestampOffset
from .log_state import LogState, no_waiting, storage_errors
from .lookups import first_at_or_after, with_max_timestamp
from .segment import Segment
from .transactions import AbortedTransaction


class ReadableLog(LogState):
    """Reads and look-ups; nothing is changed. On a broker's loop they raise ColdRead rather than wait for a device."""

    def read(self, offset: int, max_bytes: int, *, max_offset: int, min_one: bool = True) -> FileRange:
        """The batches from the one that holds `offset` on, in one segment, of offsets below `max_offset`.

        At most `max_bytes`, cut in the middle of a batch as Kafka does; a first batch that is larger comes whole
        with `min_one` and not at all without. Length 0 when there is nothing to read (yet). Give it back with
        `release`. Raises KafkaError: OFFSET_OUT_OF_RANGE below the log's start or beyond its end.
        """
        log_end_offset = self.log_end_offset
        if not self.log_start_offset <= offset <= log_end_offset:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Received request for offset {offset}, but we only have log segments in the range "
                f"{self.log_start_offset} to {log_end_offset}.",
            )
        if offset >= max_offset or offset == log_end_offset:
            return self._nothing
        recent = self._recent
        if offset < recent.start:
            return self._read_older(offset, max_bytes, max_offset, min_one)
        positions = recent.positions
        number = recent.number_of(offset)
        position = positions[number]
        segment = self._active
        first_end = positions[number + 1] if number + 1 < len(positions) else segment.size
        end = segment.size if max_offset >= log_end_offset else positions[recent.number_of(max_offset)]
        return self._range(segment, position, first_end - position, end, max_bytes, min_one)

    @no_waiting
    @storage_errors
    def _read_older(self, offset: int, max_bytes: int, max_offset: int, min_one: bool) -> FileRange:
        bases = self._segments.bases
        for number in range(self._segments.number_of(offset), len(bases)):
            segment = self._segments.items[number]
            found = segment.find(offset)
            if found is None:
                continue  # compaction left a gap at the segment's end
            next_base = bases[number + 1] if number + 1 < len(bases) else self.log_end_offset
            last = segment.find(max_offset) if max_offset < next_base else None
            end = segment.size if last is None else last[0]
            return self._range(segment, found[0], found[1].size_bytes, end, max_bytes, min_one)
        return self._nothing

    def _range(
        self, segment: Segment, position: int, first_size: int, end: int, max_bytes: int, min_one: bool
    ) -> FileRange:
        length = end - position
        if length > max_bytes:
            if first_size > max_bytes:
                length = min(length, first_size) if min_one else 0
            else:
                length = max_bytes
        if length <= 0:
            return self._nothing
        try:
            recent_until = segment.recent_until if position >= segment.recent_position else -1
            return FileRange(self._cache, segment.handle, position, length, recent_until)
        except OSError as error:
            raise self.health.error(error, f"read in {self.folder}") from error

    @no_waiting
    @storage_errors
    def aborted_transactions(self, offset: int, end_offset: int) -> list[AbortedTransaction]:
        """The aborted transactions with records in [offset, end_offset), by ascending markers."""
        found: list[AbortedTransaction] = []
        for segment in self._segments.items[self._segments.number_of(offset) :]:
            some, complete = segment.transactions.between(offset, end_offset)
            found += some
            if complete:
                break
        return found

    @no_waiting
    @storage_errors
    def aborted_in_read(self, offset: int, size_bytes: int) -> list[AbortedTransaction]:
        """The aborted transactions that a reader of `size_bytes` from `offset` on must know; perhaps a few more that
        begin a little behind."""
        segments = self._segments.items[self._segments.number_of(offset) :]
        if not any(segment.transactions for segment in segments):
            return []
        end_offset = self.log_end_offset
        for number, segment in enumerate(segments):
            found = segment.find(offset)
            if found is not None:
                next_base = segments[number + 1].base_offset if number + 1 < len(segments) else end_offset
                end_offset = segment.end_offset_of(found[0] + size_bytes) or next_base
                break
        return self.aborted_transactions(offset, end_offset)

    @no_waiting
    @storage_errors
    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampOffset:
        """The first record at or after `timestamp_ms`; NOT_FOUND if there is none. Looks up to the log's end."""
        return first_at_or_after(self._segments.items, timestamp_ms, self.log_start_offset)

    @no_waiting
    @storage_errors
    def max_timestamp_offset(self) -> TimestampOffset:
        """The first record with the largest timestamp; NOT_FOUND if there is none."""
        return with_max_timestamp(self._segments.items, self.log_start_offset)

    def earliest(self) -> TimestampOffset:
        """The log's start with its record's epoch, or the current epoch if the log is empty; timestamp -1."""
        empty = self.log_start_offset == self.log_end_offset
        epoch = self.leader_epochs.latest if empty else self.leader_epochs.epoch_of(self.log_start_offset)
        return TimestampOffset(-1, self.log_start_offset, epoch)
