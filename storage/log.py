"""One partition's log: the parts (segments, indexes, epochs, producers) put together.

Synchronous and single-threaded: it belongs to the broker's loop. Only `FlushJob.run` may be called from a worker
thread. Source: org.apache.kafka.storage.internals.log.UnifiedLog, LocalLog.

Left out: compaction, file.delete.delay.ms (a removed segment's file is unlinked at once; readers with a lease read
on), tiered storage.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import (
    CONTROL_FLAG,
    LOG_APPEND_TIME_FLAG,
    MAX_INT32,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    add_sequence,
    batch_records,
    decode_end_txn_marker,
    iter_batches,
    verify_batch,
)
from .checks import Batch, Origin, accept
from .config import MAX_INT64, LogConfig
from .file_range import FileRange
from .files import storage_error, write_all
from .flush import FlushJob
from .handles import HandleCache
from .interface import AppendInfo, EpochEndOffset, TimestampOffset
from .leader_epochs import LeaderEpochCache, save_leader_epochs
from .lookups import first_at_or_after, with_max_timestamp
from .producers import DEFAULT_EXPIRATION_MS, ProducerState
from .recent import RecentBatches
from .recovery import end_transaction, producers_at, recover_log, replay
from .retention import segments_to_delete
from .segment import Segment
from .segments import SegmentList
from .snapshots import Snapshots
from .transactions import AbortedTransaction

_BATCH_HEAD: Final = struct.Struct(">qii")  # base offset, length, partition leader epoch
_pack_head: Final = _BATCH_HEAD.pack

P = ParamSpec("P")
T = TypeVar("T")


def _storage_errors(method: Callable[Concatenate[Log, P], T]) -> Callable[Concatenate[Log, P], T]:
    """Refuses a log that has failed, and turns an OSError into KAFKA_STORAGE_ERROR."""

    @wraps(method)
    def guarded(self: Log, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.failed is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, self.failed)
        try:
            return method(self, *args, **kwargs)
        except OSError as error:
            raise storage_error(error, f"{method.__name__} in {self.folder}") from error

    return guarded


class Log:
    """See `interface.PartitionLog`. Errors are KafkaError; a failing disk raises KAFKA_STORAGE_ERROR."""

    def __init__(
        self,
        cache: HandleCache,
        folder: str,
        config: LogConfig,
        now_ms: int,
        *,
        recovery_point: int = 0,
        log_start_offset: int = 0,
        high_watermark: int = 0,
        clean: bool = False,
        expiration_ms: int = DEFAULT_EXPIRATION_MS,
        checkpoint: Callable[[], None] = lambda: None,
    ) -> None:
        """Opens the log in `folder`, or begins one there.

        `recovery_point`, `log_start_offset` and `high_watermark` are what the data folder's checkpoints say, `clean`
        that the last process ended well. `checkpoint` is called when one of the first two has moved in a way that
        must be on disk before files change. Raises KafkaError(KAFKA_STORAGE_ERROR).
        """
        self.files: Final = cache.files
        self.folder: Final = folder
        self.config = config
        self.expiration_ms = expiration_ms
        #: Everything before it is on the device.
        self.recovery_point = recovery_point
        self.log_start_offset = log_start_offset
        self.log_end_offset = 0
        self.leader_epochs = LeaderEpochCache()
        self.producers = ProducerState()
        #: Why nothing may be done with this log until it is opened anew; None while it is well.
        self.failed: str | None = None
        #: Everything is on disk and no more will come.
        self.closed_well = False
        self.truncations = 0
        self._cache: Final = cache
        self._checkpoint: Final = checkpoint
        self._high_watermark = high_watermark
        self._segments = SegmentList(cache, folder, [])
        self._snapshots = Snapshots(self.files, folder, [])
        self._nothing: Final = FileRange(None, 0, 0, self.files.pread)
        try:
            self._open(now_ms, clean)
        except OSError as error:
            self.discard()
            raise storage_error(error, f"cannot open the log in {folder}") from error
        except KafkaError:
            self.discard()
            raise

    # --- opening --------------------------------------------------------------------------------------------------

    def _open(self, now_ms: int, clean: bool) -> None:
        self.files.make_folder(self.folder)
        trusted_offset = MAX_INT64 if clean else self.recovery_point
        found = recover_log(self._cache, self.folder, self.config, trusted_offset, verify=not clean)
        if clean and self.recovery_point < found.log_end_offset:
            # A clean end vouches for what was open then. This log was not since an unclean end before that, or its
            # bytes were not waited for: only its own recovery point says what is on the device.
            for segment in found.segments.items:
                segment.discard()
            found = recover_log(self._cache, self.folder, self.config, self.recovery_point, verify=True)
        self._segments, self._snapshots = found.segments, found.snapshots
        self.leader_epochs, self.producers = found.leader_epochs, found.producers
        if not found.segments.items or self.log_start_offset > found.log_end_offset:
            # There is no log yet, or all that is left of it lies before the start that DeleteRecords gave it.
            self._begin_at(self.log_start_offset, now_ms)
            return
        self.log_end_offset = found.log_end_offset
        self.log_start_offset = max(self.log_start_offset, self._segments.bases[0])
        self.recovery_point = min(self.recovery_point, self.log_end_offset)
        self._high_watermark = max(self.log_start_offset, min(self._high_watermark, self.log_end_offset))
        self.leader_epochs.truncate_end(self.log_end_offset)
        self.leader_epochs.truncate_start(self.log_start_offset)
        self._save_epochs()
        self._snapshots.remove_strays(set(self._segments.bases))
        self.producers.expire(now_ms, self.expiration_ms)
        self.producers.replicated(self._high_watermark)
        self._activate(now_ms)

    def _begin_at(self, offset: int, now_ms: int) -> None:
        """Throws away all there is and begins an empty log at `offset`."""
        self._segments.remove(0, len(self._segments))
        self._snapshots.load(up_to=-1)
        self.leader_epochs.clear()
        self._save_epochs()
        self.producers = ProducerState()
        self.log_start_offset = self.log_end_offset = self.recovery_point = self._high_watermark = offset
        self._segments.add(offset, now_ms)
        self._activate(now_ms)

    # --- offsets --------------------------------------------------------------------------------------------------

    @property
    def high_watermark(self) -> int:
        """All before it is on every in-sync replica. Setting it moves it forward, at most to the log's end."""
        return self._high_watermark

    @high_watermark.setter
    def high_watermark(self, offset: int) -> None:
        if offset > self._high_watermark:
            self._high_watermark = min(offset, self.log_end_offset)
            if self.producers.has_unreplicated:
                self.producers.replicated(self._high_watermark)

    @property
    def last_stable_offset(self) -> int:
        """Before it every transaction is decided and all is below the high watermark: what read_committed reads."""
        first, high_watermark = self.producers.first_unstable_offset, self._high_watermark
        # DeleteRecords may have moved the start beyond the beginning of an open transaction.
        return high_watermark if high_watermark <= first else max(first, self.log_start_offset)

    @property
    def size_bytes(self) -> int:
        """Bytes of all batches (as DescribeLogDirs reports)."""
        for segment in self._segments.items:
            segment.load()
        return sum(segment.size for segment in self._segments.items)

    @property
    def segment_offsets(self) -> list[int]:
        """Base offsets of the segments, ascending; the last one is the active segment's."""
        return list(self._segments.bases)

    def configure(self, config: LogConfig) -> None:
        """New configs hold from the next append on."""
        self.config = config
        self._set_roll_limits()

    # --- appending ------------------------------------------------------------------------------------------------

    def append_as_leader(
        self,
        batch: Batch,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: Origin = Origin.CLIENT,
        transaction_version: int = 0,
    ) -> AppendInfo:
        """Gives one batch its offsets and writes it (into the page cache).

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
        if last_offset - self.recovery_point >= self.config.flush_messages - 1:
            self.flush()
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
        if self.log_end_offset - self.recovery_point >= self.config.flush_messages:
            self.flush()
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
                segment = self._roll(now_ms)
                position = 0
            fd = segment.handle.get()
        except OSError as error:
            raise storage_error(error, f"append in {self.folder}") from error
        try:
            written = self.files.pwritev(fd, buffers, position)
            if written != size:
                write_all(self.files, fd, memoryview(b"".join(buffers))[written:], position + written)
        except OSError as error:
            self._undo_write(segment, position)
            raise storage_error(error, f"append in {self.folder}") from error
        segment.size = position + size
        segment.note_batch(position, size, last_offset, timestamp_ms, self.config.index_interval_bytes)
        if not position or segment.offset_index.size_bytes >= self._index_limit:
            self._set_roll_limits()
        self._recent.append(last_offset, position)
        self.log_end_offset = last_offset + 1
        return position

    def _undo_write(self, segment: Segment, position: int) -> None:
        """Cuts off what a failed write may have left, so that no reader of the file takes it for a batch."""
        try:
            self.files.truncate(segment.handle.get(), position)
        except OSError as error:
            self.failed = f"a torn write could not be undone in {self.folder}: {error}"

    # --- segments -------------------------------------------------------------------------------------------------

    def _roll(self, now_ms: int) -> Segment:
        """Ends the active segment. May be tried again after an OSError."""
        self._active.finish()
        self._snapshots.take(self.log_end_offset, self.producers)
        try:
            segment = self._segments.add(self.log_end_offset, now_ms)
        except OSError:
            if self._segments.leftover is not None:
                self.failed = f"{self._segments.leftover} could not be removed"
            raise
        self._activate(now_ms)
        return segment

    def _activate(self, now_ms: int) -> None:
        """The last segment is the active one now, and nothing is known of its batches' positions."""
        self._active = self._segments.items[-1]
        self._active.created_ms = self._active.created_ms or now_ms
        self._recent = RecentBatches(self.log_end_offset)
        self._set_roll_limits()

    def _set_roll_limits(self) -> None:
        """What the next append is compared with, worked out once a segment, config or first batch."""
        config, segment = self.config, self._active
        self._index_limit = config.segment_index_bytes // 8 * 8
        index_is_full = segment.offset_index.size_bytes >= self._index_limit
        self._roll_size = 0 if index_is_full else config.segment_bytes
        self._roll_offset = segment.base_offset + MAX_INT32
        self._roll_timestamp_ms = self._roll_wall_ms = MAX_INT64
        first_timestamp = segment.first_timestamp()
        if first_timestamp >= 0:
            self._roll_timestamp_ms = first_timestamp + config.segment_ms
        else:
            self._roll_wall_ms = segment.created_ms + config.segment_ms

    # --- reading --------------------------------------------------------------------------------------------------

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

    @_storage_errors
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
            return FileRange(segment.handle, position, length, self.files.pread)
        except OSError as error:
            raise storage_error(error, f"read in {self.folder}") from error

    @_storage_errors
    def aborted_transactions(self, offset: int, end_offset: int) -> list[AbortedTransaction]:
        """The aborted transactions with records in [offset, end_offset), by ascending markers."""
        found: list[AbortedTransaction] = []
        for segment in self._segments.items[self._segments.number_of(offset) :]:
            some, complete = segment.transactions.between(offset, end_offset)
            found += some
            if complete:
                break
        return found

    @_storage_errors
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

    @_storage_errors
    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampOffset:
        """The first record at or after `timestamp_ms`; NOT_FOUND if there is none. Looks up to the log's end."""
        return first_at_or_after(self._segments.items, timestamp_ms, self.log_start_offset)

    @_storage_errors
    def max_timestamp_offset(self) -> TimestampOffset:
        """The first record with the largest timestamp; NOT_FOUND if there is none."""
        return with_max_timestamp(self._segments.items, self.log_start_offset)

    def earliest(self) -> TimestampOffset:
        """The log's start with its record's epoch, or the current epoch if the log is empty; timestamp -1."""
        empty = self.log_start_offset == self.log_end_offset
        epoch = self.leader_epochs.latest if empty else self.leader_epochs.epoch_of(self.log_start_offset)
        return TimestampOffset(-1, self.log_start_offset, epoch)

    # --- epochs ---------------------------------------------------------------------------------------------------

    def end_offset_for_epoch(self, epoch: int) -> EpochEndOffset:
        """Where `epoch`, or the largest known one below it, ends; (-1, -1) above the newest one."""
        return EpochEndOffset(*self.leader_epochs.end_offset(epoch, self.log_end_offset))

    def assign_leader_epoch(self, epoch: int) -> None:
        """A leader of this epoch begins at the log's end. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        if epoch > self.leader_epochs.latest:
            self._assign_epoch(epoch, self.log_end_offset)

    @_storage_errors
    def _assign_epoch(self, epoch: int, offset: int) -> None:
        """On disk before the first batch that carries it."""
        before = self.leader_epochs.rows
        self.leader_epochs.assign(epoch, offset)
        try:
            self._save_epochs()
        except OSError:
            self.leader_epochs = LeaderEpochCache(before)
            raise

    def _save_epochs(self, *, sync: bool = False) -> None:
        save_leader_epochs(self.leader_epochs, self.files, self.folder, sync=sync)

    # --- removing -------------------------------------------------------------------------------------------------

    @_storage_errors
    def truncate_to(self, offset: int, now_ms: int) -> None:
        """Takes away the records at `offset` and after it, and a batch that begins before it and ends after it.

        An offset below the log's start empties the log and begins it there. An error in the middle fails the log.
        """
        if offset >= self.log_end_offset:
            return
        self.failed = f"truncation in {self.folder} did not end well"
        self.truncations += 1
        if self.recovery_point > offset:
            # First, or a crash would take a torn tail written after it for a known good one.
            self.recovery_point = offset
            self._checkpoint()
        if offset < self.log_start_offset or offset < self._segments.bases[0]:
            self._begin_at(offset, now_ms)
        else:
            self._segments.remove(self._segments.number_of(offset) + 1, len(self._segments))
            segment = self._segments.items[-1]
            found = segment.find(offset)
            position, end_offset = (found[0], min(offset, found[1].base_offset)) if found else (segment.size, offset)
            segment.truncate(position, end_offset)
            self.log_end_offset = end_offset
            self.log_start_offset = min(self.log_start_offset, end_offset)
            self.recovery_point = min(self.recovery_point, end_offset)
            self._high_watermark = min(self._high_watermark, end_offset)
            self.leader_epochs.truncate_end(end_offset)
            self._save_epochs()
            self.producers = producers_at(self._segments, self._snapshots, end_offset)
            self.producers.replicated(self._high_watermark)
            self._activate(now_ms)
        self.failed = None

    @_storage_errors
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
            self.log_start_offset = offset
            self._checkpoint()
            self._drop_oldest(self._segments.number_of(offset))
        return self.log_start_offset

    @_storage_errors
    def apply_retention(self, now_ms: int) -> int:
        """Removes whole segments that retention.ms, retention.bytes or the log's start condemn; returns how many.

        Compaction is not done here: a compacted log only loses what lies before its start.
        """
        count = segments_to_delete(
            self._segments.items,
            self.config,
            now_ms=now_ms,
            log_start_offset=self.log_start_offset,
            log_end_offset=self.log_end_offset,
            high_watermark=self._high_watermark,
            modified_ms=self.files.modified_ms,
        )
        if count == len(self._segments):
            self._roll(now_ms)
        if count:
            self.log_start_offset = max(self.log_start_offset, self._segments.bases[count])
            self._drop_oldest(count)
        return count

    def _drop_oldest(self, count: int) -> None:
        self._segments.remove(0, count)
        self._snapshots.remove_below(self._segments.bases[0])
        self.leader_epochs.truncate_start(self.log_start_offset)
        self._save_epochs()

    def expire_producers(self, now_ms: int) -> list[int]:
        """Forgets producer ids silent for producer.id.expiration.ms; returns them."""
        return self.producers.expire(now_ms, self.expiration_ms)

    # --- durability -----------------------------------------------------------------------------------------------

    @property
    def has_unflushed_segments(self) -> bool:
        """A segment was rolled and may not be on the device: time for `begin_flush`, as Kafka does after a roll.

        The recovery point then follows the active segment, and a start after a crash walks no more than that.
        """
        return self.recovery_point < self._active.base_offset

    @_storage_errors
    def begin_flush(self) -> FlushJob | None:
        """What has to be on the device for all that is in the log now; None if it is there already."""
        if self.recovery_point >= self.log_end_offset:
            return None
        self._save_epochs(sync=True)
        segments = self._segments.items[self._segments.number_of(self.recovery_point) :]
        for segment in segments:
            segment.load()
            segment.flush_indexes()
        return FlushJob(self, segments)

    def flush(self) -> None:
        """Everything in the log is on the device afterwards. Raises KafkaError; the log has failed then."""
        job = self.begin_flush()
        if job is None:
            return
        try:
            job.run()
        except OSError as error:
            job.finish(error)
            raise storage_error(error, f"fsync in {self.folder}") from error
        job.finish()

    @_storage_errors
    def close(self, *, sync: bool = True) -> None:
        """Writes what is only in memory (indexes, producers) and closes the files. `sync` as in `flush`."""
        self._active.finish()
        self._snapshots.take(self.log_end_offset, self.producers)
        if sync:
            self.flush()
        self.closed_well = True
        self.discard()

    def discard(self) -> None:
        """Closes the files and writes nothing, as a crash would. The log is of no use afterwards."""
        self.failed = f"{self.folder} is closed"
        for segment in self._segments.items:
            segment.discard()
