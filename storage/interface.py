"""What the broker asks of a log, by operation, so that other engines can stand behind the same broker.

The file engine (`log.Log`, `folder.DataFolder`) answers with values. An engine in a database may answer `Pending`
wherever the type says so, and then assigns offsets when it completes. All calls come from one thread, the loop.
Errors are `KafkaError` (raised, or through the Pending).
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from .checks import Batch, Origin
from .config import LogConfig
from .pending import Pending
from .transactions import AbortedTransaction
from .warmth import WarmJob


class AppendInfo(NamedTuple):
    """Where a batch went.

    `log_append_time_ms` is -1 under CreateTime, but a duplicate's largest timestamp (Kafka answers so). A duplicate
    has the offsets of the batch that is in the log; nothing was written.
    """

    base_offset: int
    last_offset: int
    log_append_time_ms: int
    log_start_offset: int
    duplicate: bool = False


class TimestampOffset(NamedTuple):
    """A record found by its timestamp (ms). What was not found is -1 in all three."""

    timestamp_ms: int
    offset: int
    leader_epoch: int


NOT_FOUND = TimestampOffset(-1, -1, -1)


class EpochEndOffset(NamedTuple):
    """An epoch and the offset after its last record; (-1, -1) when unknown."""

    leader_epoch: int
    end_offset: int


class ReadResult(Protocol):
    """A run of bytes of whole batches, but for a cut at the byte limit. Give it back with `release`, once.

    An engine without files has fd -1 and only `read`.
    """

    @property
    def fd(self) -> int:
        """Descriptor for sendfile, good until `release`; -1 if there is nothing to send or no file."""

    @property
    def position(self) -> int: ...

    @property
    def length(self) -> int:
        """Bytes; 0 if there is nothing at the offset (yet)."""

    def is_warm(self, position: int, size: int) -> bool:
        """Are `size` bytes at `position` of the file in memory, so that nobody waits for a device?"""

    def warm_job(self, position: int, size: int, ahead_bytes: int) -> WarmJob:
        """What brings them there, and `ahead_bytes` behind them on their way."""

    def ahead_job(self, position: int, ahead_bytes: int) -> WarmJob | None:
        """What asks the device for more before a reader at `position` needs it; None while it has enough."""

    def send(self, socket_fd: int, position: int, size: int) -> int:
        """Sends at most `size` bytes at `position` to a socket: how many it took. Raises BlockingIOError, OSError."""

    def read(self) -> bytes:
        """The bytes themselves, for small runs. Raises KafkaError, ColdRead."""

    def release(self) -> None:
        """Ends the lease."""


class PartitionLog(Protocol):
    """One partition's log. Offsets: log_start <= last_stable <= high_watermark <= log_end."""

    @property
    def log_start_offset(self) -> int: ...

    @property
    def log_end_offset(self) -> int: ...

    @property
    def last_stable_offset(self) -> int: ...

    @property
    def high_watermark(self) -> int: ...

    @high_watermark.setter
    def high_watermark(self, offset: int) -> None: ...

    def append_as_leader(
        self,
        batch: Batch,
        *,
        leader_epoch: int,
        now_ms: int,
        origin: Origin = Origin.CLIENT,
        transaction_version: int = 0,
    ) -> AppendInfo | Pending[AppendInfo]: ...

    def append_as_follower(self, batches: Batch, *, now_ms: int) -> AppendInfo | Pending[AppendInfo]: ...

    def read(
        self, offset: int, max_bytes: int, *, max_offset: int, min_one: bool = True
    ) -> ReadResult | Pending[ReadResult]: ...

    def aborted_in_read(
        self, offset: int, size_bytes: int
    ) -> list[AbortedTransaction] | Pending[list[AbortedTransaction]]: ...

    def offset_for_timestamp(self, timestamp_ms: int) -> TimestampOffset | Pending[TimestampOffset]: ...

    def max_timestamp_offset(self) -> TimestampOffset | Pending[TimestampOffset]: ...

    def earliest(self) -> TimestampOffset: ...

    def end_offset_for_epoch(self, epoch: int) -> EpochEndOffset: ...

    def assign_leader_epoch(self, epoch: int) -> None: ...

    def truncate_to(self, offset: int, now_ms: int) -> Pending[None] | None: ...

    def delete_before(self, offset: int) -> int | Pending[int]: ...

    def apply_retention(self, now_ms: int) -> int | Pending[int]: ...

    def configure(self, config: LogConfig) -> None: ...

    def flush(self) -> Pending[None] | None: ...


class LogEngine(Protocol):
    """All partitions of one broker."""

    def partitions(self) -> list[tuple[str, int]]:
        """(topic, partition) of every log there is."""

    def create(self, topic: str, partition: int, topic_id: bytes, config: LogConfig, now_ms: int) -> PartitionLog: ...

    def open(self, topic: str, partition: int, config: LogConfig, now_ms: int) -> PartitionLog: ...

    def delete(self, topic: str, partition: int) -> None: ...

    def close(self) -> None: ...
