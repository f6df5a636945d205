"""How batches get into a log, as its leader and as a follower.

A batch that is refused for its producer's sake, or is there already, changes nothing (in Kafka it may begin a segment).
Source: UnifiedLog.append, appendAsLeader, appendAsFollower.
"""

from __future__ import annotations

import struct
from typing import Final

from ..wire.batches import (
    CONTROL_FLAG,
    LOG_APPEND_TIME_FLAG,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    add_sequence,
    iter_batches,
    verify_batch,
)
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import batch_records, decode_end_txn_marker
from .checks import Batch, Origin, accept
from .files import write_all
from .interface import AppendInfo
from .log_flush import FlushingLog
from .recovery import end_transaction, replay
from .segment import Segment

_BATCH_HEAD: Final = struct.Struct(">qii")  # base offset, length, partition leader epoch
_pack_head: Final = _BATCH_HEAD.pack

#: What was appended before so many other bytes counts as being in memory, unasked.
RECENT_BYTES: Final = 16_777_216


class AppendingLog(FlushingLog):
    """Append. What follows a leader is flushed in the append (flush.messages)."""

    def append_as_leader(
        self,
        batch: Batch,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: Origin = Origin.CLIENT,
        transaction_version: int = 0,
    ) -> AppendInfo:
        """Gives one batch its offsets and writes it (into the page cache: flush.messages is the caller's business).

        `transaction_version`: of the client whose transaction an end marker ends. Raises RecordError, RecordsRejected,
        KafkaError (checks.py, producers.py), RECORD_LIST_TOO_LARGE for one larger than a segment, KAFKA_STORAGE_ERROR
        when the disk fails or is full: the log is then as it was before.
        """
        header, batch = accept(batch, self.config, now_ms, origin)
        _, length, _, _, _, attributes, delta, _, timestamp, producer_id, producer_epoch, sequence, _ = header
        size = length + 12
        if size > self.config.segment_bytes:
            raise KafkaError(
                ErrorCode.RECORD_LIST_TOO_LARGE,
                f"Message batch size is {size} bytes in append, which exceeds the maximum configured segment size of "
                f"{self.config.segment_bytes}.",
            )
        marker: tuple[int, int] | None = None
        if producer_id >= 0:
            if origin is Origin.CLIENT:
                earlier = self.producers.check(
                    producer_id,
                    producer_epoch,
                    sequence,
                    add_sequence(sequence, delta),
                    bool(attributes & TRANSACTIONAL_FLAG),
                )
                if earlier is not None:
                    return AppendInfo(
                        earlier.first_offset, earlier.last_offset, earlier.timestamp_ms, self.log_start_offset, True
                    )
            elif attributes & CONTROL_FLAG:
                marker = next(map(decode_end_txn_marker, batch_records(batch)), None)
                if marker is not None:
                    self.producers.check_marker(producer_id, producer_epoch, marker[1], transaction_version)
            else:
                self.producers.check_epoch(producer_id, producer_epoch)
        base_offset = self.log_end_offset
        last_offset = base_offset + delta
        if leader_epoch > self.leader_epochs.latest:
            self.assign_leader_epoch(leader_epoch)
        head = _pack_head(base_offset, length, leader_epoch)
        self._write((head, memoryview(batch)[16:]), size, last_offset, timestamp, now_ms)
        if producer_id >= 0:
            if marker is not None:
                end_transaction(self.producers, self._active, base_offset, BatchHeader._make(header), marker)
            elif not attributes & CONTROL_FLAG:
                self.producers.record(
                    producer_id,
                    producer_epoch,
                    sequence,
                    base_offset,
                    last_offset,
                    timestamp,
                    bool(attributes & TRANSACTIONAL_FLAG),
                )
        return AppendInfo(
            base_offset, last_offset, timestamp if attributes & LOG_APPEND_TIME_FLAG else -1, self.log_start_offset
        )

    def append_as_follower(self, batches: Batch, *, now_ms: int) -> AppendInfo:
        """Writes whole batches as a leader's log has them, with their offsets and epochs; drops a part at the end.

        Raises RecordError(CORRUPT_MESSAGE), KafkaError(OFFSET_OUT_OF_RANGE) if one begins before the log's end;
        those before it are kept. KAFKA_STORAGE_ERROR as in `append_as_leader`.
        """
        view = memoryview(batches)
        first_offset = self.log_end_offset
        for position, header in iter_batches(view):
            batch = view[position : position + header.size_bytes]
            verify_batch(batch)
            if header.base_offset < self.log_end_offset or header.last_offset_delta < 0:
                raise KafkaError(
                    ErrorCode.OFFSET_OUT_OF_RANGE,
                    f"batch of offsets {header.base_offset}..{header.last_offset} after offset {self.log_end_offset}",
                )
            if header.partition_leader_epoch > self.leader_epochs.latest:
                self._assign_epoch(header.partition_leader_epoch, header.base_offset)
            at = self._write((batch,), len(batch), header.last_offset, header.max_timestamp_ms, now_ms)
            replay(self.producers, self._active, at, header)
        if self.log_end_offset - self.flushed_offset >= self.config.flush_messages:
            self.flush_data()
        return AppendInfo(first_offset, self.log_end_offset - 1, -1, self.log_start_offset)

    def _write(self, buffers: tuple[Batch, ...], size: int, last_offset: int, timestamp_ms: int, now_ms: int) -> int:
        """One batch at the end of the active segment, or of a new one: its position. All writes to a log are here."""
        if self.failed is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, self.failed)
        segment = self._active
        position = segment.size
        try:
            if position and (
                position + size > self._roll_size
                or timestamp_ms > self._roll_timestamp_ms
                or now_ms > self._roll_wall_ms
                or last_offset > self._roll_offset
            ):
                if self.config.flushes_before_ack or self.config.klamm_flush_before_roll:
                    if segment.preallocated:
                        segment.cut(segment.size)
                    self.flush_data()  # or a loss of power could take the end of this segment and leave the next one
                segment = self._roll(now_ms)
                position = 0
            fd = segment.handle.get()
        except OSError as error:
            raise self.health.error(error, f"append in {self.folder}") from error
        try:
            written = self.files.pwritev(fd, buffers, position)
            if written != size:
                write_all(self.files, fd, memoryview(b"".join(buffers))[written:], position + written)
        except OSError as error:
            self._undo_write(segment, position)
            raise self.health.error(error, f"append in {self.folder}") from error
        segment.size = position + size
        cache = self._cache
        cache.written_bytes += size
        if cache.written_bytes > segment.recent_until:
            segment.recent_position = position
            segment.recent_until = cache.written_bytes + RECENT_BYTES
        segment.note_batch(position, size, last_offset, timestamp_ms, self.config.index_interval_bytes)
        if not position or segment.indexes_are_full(self.config.segment_index_bytes):
            self._set_roll_limits()
        self._recent.append(last_offset, position)
        self.log_end_offset = last_offset + 1
        return position

    def _undo_write(self, segment: Segment, position: int) -> None:
        """Cuts off what a failed write may have left, so that no reader of the file takes it for a batch."""
        try:
            segment.cut(position)
        except OSError as error:
            self.failed = f"a torn write could not be undone in {self.folder}: {error}"
            self.health.fail(self.failed)
