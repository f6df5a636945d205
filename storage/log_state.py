"""What all operations on a log share: its parts, how they are opened and begun, its offsets, its active segment.

Source: org.apache.kafka.storage.internals.log.UnifiedLog, LocalLog.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from functools import wraps
from random import randrange
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, TypeVar

from ..wire.batches import MAX_INT32
from ..wire.errors import ErrorCode, KafkaError
from .config import MAX_INT64, LogConfig
from .deleted_files import DeletedFiles
from .file_range import FileRange
from .handles import HandleCache
from .interface import EpochEndOffset
from .leader_epochs import LeaderEpochCache, save_leader_epochs
from .producers import DEFAULT_EXPIRATION_MS, ProducerState
from .recent import RecentBatches
from .recovery import recover_log
from .segment import Segment
from .segments import SegmentList
from .snapshots import Snapshots

if TYPE_CHECKING:
    from .compaction import CompactionJob

P = ParamSpec("P")
T = TypeVar("T")
S = TypeVar("S", bound="LogState")


def storage_errors(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """Refuses a log that has failed, and turns an OSError into KAFKA_STORAGE_ERROR."""

    @wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if self.failed is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, self.failed)
        try:
            return method(self, *args, **kwargs)
        except OSError as error:
            raise self.health.error(error, f"{method.__name__} in {self.folder}") from error

    return guarded


def no_waiting(method: Callable[Concatenate[S, P], T]) -> Callable[Concatenate[S, P], T]:
    """For what changes nothing: on a broker's loop it raises ColdRead for what is not in memory."""

    @wraps(method)
    def guarded(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        cache = self._cache
        before, cache.no_waiting = cache.no_waiting, cache.serves_loop
        try:
            return method(self, *args, **kwargs)
        finally:
            cache.no_waiting = before

    return guarded


class LogState:
    """The state of one log. `log.Log` adds the operations, a file a kind."""

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
        first_dirty_offset: int | None = None,
        expiration_ms: int = DEFAULT_EXPIRATION_MS,
        checkpoint: Callable[[], None] = lambda: None,
        deleted: DeletedFiles | None = None,
        random_below: Callable[[int], int] = randrange,
        in_steps: bool = False,
    ) -> None:
        """Opens the log in `folder`, or begins one there.

        `recovery_point`, `log_start_offset` and `high_watermark` are what the data folder's checkpoints say, `clean`
        that the last process ended well; `first_dirty_offset` is where the last compaction ended. `checkpoint` is
        called when one of the first two has moved in a way that must be on disk before files change. `deleted` takes
        the files of removed segments (None: they are unlinked at once). `random_below`: a random non-negative number
        below its argument, for segment.jitter.ms. `in_steps`: nothing is opened before somebody walks `opening`, and
        nothing else may be done before its end. Raises KafkaError(KAFKA_STORAGE_ERROR).
        """
        self.files: Final = cache.files
        self.health: Final = cache.health_of(folder)
        self.folder: Final = folder
        self.config = config
        self.expiration_ms = expiration_ms
        #: Everything before it is on the device; batches alone up to `flushed_offset`.
        self.recovery_point = recovery_point
        self.flushed_offset = recovery_point
        #: When that was last seen to (flush.ms).
        self.last_flush_ms = now_ms
        self.log_start_offset = log_start_offset
        self.log_end_offset = 0
        self.leader_epochs = LeaderEpochCache()
        self.producers = ProducerState()
        #: Why nothing may be done with this log until it is opened anew; None while it is well.
        self.failed: str | None = None
        #: Everything is on disk and no more will come.
        self.closed_well = False
        self.truncations = 0
        #: All before it has been compacted; None if the log never was.
        self.first_dirty_offset = first_dirty_offset
        #: Why this log is not compacted although it should be: a batch that cannot be read.
        self.uncleanable: str | None = None
        self._cache: Final = cache
        self._compaction: CompactionJob | None = None
        self._deleted: Final = deleted
        self._checkpoint: Final = checkpoint
        self._random_below: Final = random_below
        self._high_watermark = high_watermark
        self._segments = SegmentList(cache, folder, [])
        self._snapshots = Snapshots(self.files, folder, [])
        self._nothing: Final = FileRange(cache, None, 0, 0)
        #: Stops after each batch that is walked. Raises KafkaError(KAFKA_STORAGE_ERROR).
        self.opening: Final = self._open_or_discard(now_ms, clean)
        if not in_steps:
            for _ in self.opening:
                pass

    # --- opening --------------------------------------------------------------------------------------------------

    def _open_or_discard(self, now_ms: int, clean: bool) -> Generator[None, None, None]:
        try:
            yield from self._open(now_ms, clean)
        except OSError as error:
            self.discard()
            raise self.health.error(error, f"cannot open the log in {self.folder}") from error
        except BaseException:
            self.discard()
            raise

    def _open(self, now_ms: int, clean: bool) -> Iterator[None]:
        self.files.make_folder(self.folder)
        trusted_offset = MAX_INT64 if clean else self.recovery_point
        found = yield from recover_log(self._cache, self.folder, self.config, trusted_offset, verify=not clean)
        again_from = None
        if clean and self.recovery_point < found.log_end_offset:
            # A clean end vouches for what was open then. This log was not since an unclean end before that, or its
            # bytes were not waited for: only its own recovery point says what is on the device.
            again_from = self.recovery_point
        elif self.recovery_point > found.log_end_offset >= self.log_start_offset:
            # It speaks of more than there is: another log of this name, or bytes that the device has lost.
            again_from = 0
        if again_from is not None:
            self.recovery_point = again_from
            for segment in found.segments.items:
                segment.discard()
            found = yield from recover_log(self._cache, self.folder, self.config, again_from, verify=True)
        self._segments, self._snapshots = found.segments, found.snapshots
        self.leader_epochs, self.producers = found.leader_epochs, found.producers
        if not found.segments.items or self.log_start_offset > found.log_end_offset:
            # There is no log yet, or all that is left of it lies before the start that DeleteRecords gave it.
            self._begin_at(self.log_start_offset, now_ms)
            return
        self.log_end_offset = found.log_end_offset
        self.log_start_offset = max(self.log_start_offset, self._segments.bases[0])
        self.recovery_point = self.flushed_offset = min(self.recovery_point, self.log_end_offset)
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
        self._remove_segments(0, len(self._segments))
        self._snapshots.load(up_to=-1)
        self.leader_epochs.clear()
        self._save_epochs()
        self.producers = ProducerState()
        self.log_start_offset = self.log_end_offset = self._high_watermark = offset
        self.recovery_point = self.flushed_offset = offset
        self._segments.add(offset, now_ms, self.config.initial_file_bytes)
        self._activate(now_ms)

    def discard(self) -> None:
        """Closes the files and writes nothing, as a crash would. The log is of no use afterwards."""
        self.abort_compaction()
        self.failed = f"{self.folder} is closed"
        for segment in self._segments.items:
            segment.discard()

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
        return sum(segment.measure() for segment in self._segments.items)

    @property
    def segment_offsets(self) -> list[int]:
        """Base offsets of the segments, ascending; the last one is the active segment's."""
        return list(self._segments.bases)

    def configure(self, config: LogConfig) -> None:
        """New configs hold from the next append on."""
        if not config.is_compacted:
            self.abort_compaction()
        self.config = config
        self._set_roll_limits()

    # --- segments -------------------------------------------------------------------------------------------------

    def abort_compaction(self) -> None:
        """If one is under way, it ends soon and changes nothing more; another may begin when it has ended."""
        if self._compaction is not None:
            self._compaction.abort()

    def _remove_segments(self, first: int, end: int) -> None:
        if first < end:
            self.abort_compaction()
            self._segments.remove(first, end, self._set_aside)

    def _set_aside(self, segment: Segment) -> None:
        """Takes a segment's files out of the log's way. Raises OSError."""
        if self._deleted is None:
            segment.delete()
        else:
            self._deleted.add(segment.set_aside(), self.config.file_delete_delay_ms)

    def _roll(self, now_ms: int) -> Segment:
        """Ends the active segment. May be tried again after an OSError."""
        self._active.finish()
        self._snapshots.take(self.log_end_offset, self.producers)
        try:
            segment = self._segments.add(self.log_end_offset, now_ms, self.config.initial_file_bytes)
        except OSError:
            if self._segments.leftover is not None:
                self.failed = f"{self._segments.leftover} could not be removed"
                self.health.fail(self.failed)
            raise
        self._activate(now_ms)
        return segment

    def _activate(self, now_ms: int) -> None:
        """The last segment is the active one now, and nothing is known of its batches' positions."""
        self._active = self._segments.items[-1]
        self._active.created_ms = self._active.created_ms or now_ms
        self._recent = RecentBatches(self.log_end_offset)
        # As LogConfig.randomSegmentJitter: logs that began together do not all roll together.
        jitter_ms = min(self.config.segment_jitter_ms, self.config.segment_ms)
        self._roll_jitter_ms = self._random_below(jitter_ms) if jitter_ms else 0
        self._set_roll_limits()

    def _set_roll_limits(self) -> None:
        """What the next append is compared with, worked out once a segment, config or first batch."""
        config, segment = self.config, self._active
        self._roll_size = 0 if segment.indexes_are_full(config.segment_index_bytes) else config.segment_bytes
        self._roll_offset = segment.base_offset + MAX_INT32
        self._roll_timestamp_ms = self._roll_wall_ms = MAX_INT64
        first_timestamp, roll_ms = segment.first_timestamp(), config.roll_ms - self._roll_jitter_ms
        if first_timestamp >= 0:
            self._roll_timestamp_ms = first_timestamp + roll_ms
        else:
            self._roll_wall_ms = segment.created_ms + roll_ms

    # --- epochs ---------------------------------------------------------------------------------------------------

    def end_offset_for_epoch(self, epoch: int) -> EpochEndOffset:
        """Where `epoch`, or the largest known one below it, ends; (-1, -1) above the newest one."""
        return EpochEndOffset(*self.leader_epochs.end_offset(epoch, self.log_end_offset))

    def assign_leader_epoch(self, epoch: int) -> None:
        """A leader of this epoch begins at the log's end. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        if epoch > self.leader_epochs.latest:
            self._assign_epoch(epoch, self.log_end_offset)

    @storage_errors
    def _assign_epoch(self, epoch: int, offset: int) -> None:
        """On disk before the first batch that carries it."""
        before = self.leader_epochs.rows
        self.leader_epochs.assign(epoch, offset)
        try:
            self._save_epochs()
        except OSError:
            self.leader_epochs = LeaderEpochCache(before)
            raise

    def _save_epochs(self) -> None:
        save_leader_epochs(self.leader_epochs, self.files, self.folder)
