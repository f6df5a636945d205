"""What is taken away from a log: its end (truncation), its beginning (DeleteRecords, retention), idle producers.

Source: UnifiedLog.truncateTo, maybeIncrementLogStartOffset, deleteOldSegments.
"""

from __future__ import annotations

from ..wire.errors import ErrorCode, KafkaError
from .log_state import LogState, no_waiting, storage_errors
from .recovery import producers_at
from .retention import segments_to_delete


class ShrinkingLog(LogState):
    """Removals. A segment that is removed while a reader has a lease is read on."""

    @storage_errors
    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Takes away the records at `offset` and after it, and a batch that begins before it and ends after it.

        An offset below the log's start empties the log and begins it there. An error in the middle fails the log.
        """
        if offset >= self.log_end_offset:
            return
        self.failed = f"truncation in {self.folder} did not end well"
        self.truncations += 1
        if self.first_dirty_offset is not None:
            # What comes in place of the records that go was never compacted.
            self.first_dirty_offset = min(self.first_dirty_offset, offset)
        if self.recovery_point > offset:
            # First, or a crash would take a torn tail written after it for a known good one.
            self.recovery_point = offset
            self._checkpoint()
        if offset < self.log_start_offset or offset < self._segments.bases[0]:
            self._begin_at(offset, now_ms)
        else:
            self._remove_segments(self._segments.number_of(offset) + 1, len(self._segments))
            segment = self._segments.items[-1]
            found = segment.find(offset)
            position, end_offset = (found[0], min(offset, found[1].base_offset)) if found else (segment.size, offset)
            segment.truncate(position, end_offset)
            self.log_end_offset = end_offset
            self.log_start_offset = min(self.log_start_offset, end_offset)
            self.recovery_point = min(self.recovery_point, end_offset)
            self.flushed_offset = min(self.flushed_offset, end_offset)
            self._high_watermark = min(self._high_watermark, end_offset)
            self.leader_epochs.truncate_end(end_offset)
            self._save_epochs()
            self.producers = producers_at(self._segments, self._snapshots, end_offset)
            self.producers.replicated(self._high_watermark)
            self._activate(now_ms)
        self.failed = None

    @storage_errors
    def begin_again_at(self, offset: int, now_ms: int) -> None:
        """Takes everything away and begins an empty log at `offset`, which may lie behind its end: something else, such
        as a snapshot, has all before it. Source: UnifiedLog.truncateFullyAndStartAt."""
        self.failed = f"a new beginning in {self.folder} did not end well"
        self.truncations += 1
        self._begin_at(offset, now_ms)
        self._checkpoint()
        self.failed = None

    @storage_errors
    def delete_before(self, offset: int) -> int:
        """Moves the log's start to `offset` and removes the segments that lie before it whole; returns the start.

        A lower offset changes nothing. Raises KafkaError(OFFSET_OUT_OF_RANGE) above the high watermark.
        """
        if offset > self._high_watermark:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Cannot increment the log start offset to {offset} since it is larger than the high watermark "
                f"{self._high_watermark}",
            )
        if offset > self.log_start_offset:
            before, self.log_start_offset = self.log_start_offset, offset
            try:
                self._checkpoint()
            except KafkaError:
                self.log_start_offset = before
                raise
            self._drop_oldest(self._segments.number_of(offset))
        return self.log_start_offset

    @storage_errors
    def apply_retention(self, now_ms: int) -> int:
        """Removes whole segments that retention.ms, retention.bytes or the log's start condemn; returns how many.

        Compaction is not done here: a compacted log only loses what lies before its start. Raises ColdRead on a
        broker's loop, before anything is changed.
        """
        count = self._condemned(now_ms)
        if count == len(self._segments):
            self._roll(now_ms)
        if count:
            self.log_start_offset = max(self.log_start_offset, self._segments.bases[count])
            self._drop_oldest(count)
        return count

    @no_waiting
    def _condemned(self, now_ms: int) -> int:
        return segments_to_delete(
            self._segments.items,
            self.config,
            now_ms=now_ms,
            log_start_offset=self.log_start_offset,
            log_end_offset=self.log_end_offset,
            high_watermark=self._high_watermark,
            modified_ms=self.files.modified_ms,
        )

    def _drop_oldest(self, count: int) -> None:
        self._remove_segments(0, count)
        self._snapshots.remove_below(self._segments.bases[0])
        self.leader_epochs.truncate_start(self.log_start_offset)
        self._save_epochs()

    def expire_producers(self, now_ms: int) -> list[int]:
        """Forgets producer ids silent for producer.id.expiration.ms; returns them."""
        return self.producers.expire(now_ms, self.expiration_ms)
