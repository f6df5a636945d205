"""A partition as this broker leads it: its log, its leader epoch, its high watermark, and who waits for them.

With one replica the high watermark is the log end; waiting for it is written as if it were not, because replies of
coordinators and acks=all mean the high watermark and nothing else. Source: kafka.cluster.Partition.

Left out: followers, ISR and min.insync.replicas above one come with replication.
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Final, Protocol

from ..storage.checks import Origin
from ..wire.batches import CONTROL_FLAG
from ..wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from ..storage.interface import AppendInfo
    from ..storage.log import Log
    from .group_commit import AskFlush

#: Where the low byte of a batch's attributes stands.
ATTRIBUTES_LOW: Final = 22
#: More than any fetch waits for.
MANY_BYTES: Final = 1 << 31


class AppendWaiter(Protocol):
    """A parked fetch."""

    def on_appended(self, partition: Partition, size_bytes: int, ends_transaction: bool) -> None: ...

    def on_removed(self) -> None: ...


class Partition:
    """`topic_id`: 16 bytes; `leader_epoch`: of this leadership; `waiters`: fetches parked on this partition;
    `ask_flush(partition)`: has its log flushed soon, and `flushed` or `failed` called then. `bytes_in`, `bytes_out`: of
    batches appended and of batches read for clients, since this process has it."""

    __slots__ = (
        *("_ask_flush", "_count", "_first_offset", "_watermark_waiters", "bytes_in", "bytes_out"),
        *("index", "leader_epoch", "log", "topic", "topic_id", "waiters"),
    )

    def __init__(
        self, topic: str, index: int, topic_id: bytes, leader_epoch: int, log: Log, ask_flush: AskFlush
    ) -> None:
        self.topic = topic
        self.index = index
        self.topic_id = topic_id
        self.leader_epoch = leader_epoch
        self.log = log
        self.waiters: set[AppendWaiter] = set()
        self._watermark_waiters: list[tuple[int, int, Callable[[KafkaError | None], None]]] = []
        self._count = 0
        self._ask_flush = ask_flush
        self._first_offset = log.log_end_offset
        self.bytes_in = 0
        self.bytes_out = 0

    @property
    def records_in(self) -> int:
        """Records appended since this process has the partition."""
        return self.log.log_end_offset - self._first_offset

    @property
    def high_watermark(self) -> int:
        return self.log.high_watermark

    def append(
        self, batch: bytes | memoryview, now_ms: int, origin: Origin = Origin.CLIENT, transaction_version: int = 0
    ) -> AppendInfo:
        """Append one batch and advance the high watermark; wakes who waits. `transaction_version`: of the client whose
        transaction an end marker ends. Raises KafkaError.

        Under flush.messages=1 the high watermark follows when the batch is on the device, and is what acks=1 waits for
        too."""
        log = self.log
        info = log.append_as_leader(
            batch,
            leader_epoch=self.leader_epoch,
            now_ms=now_ms,
            origin=origin,
            transaction_version=transaction_version,
        )
        if not info.duplicate:
            self.bytes_in += len(batch)
            if log.log_end_offset - log.flushed_offset >= log.config.flush_messages:
                self._ask_flush(self)
                if log.config.flushes_before_ack:
                    return info
            # The only replica has it: the high watermark is the log end.
            log.high_watermark = log.log_end_offset
            if self.waiters:
                ends_transaction = origin is not Origin.CLIENT and bool(batch[ATTRIBUTES_LOW] & CONTROL_FLAG)
                for waiter in tuple(self.waiters):
                    waiter.on_appended(self, len(batch), ends_transaction)
            if self._watermark_waiters:
                self._wake_watermark_waiters()
        return info

    def when_high_watermark(self, offset: int, callback: Callable[[KafkaError | None], None]) -> None:
        """Call `callback(None)` once the high watermark is `offset` or above, at once if it is; with an error
        (NOT_LEADER_OR_FOLLOWER, KAFKA_STORAGE_ERROR) if the partition goes or fails before that."""
        if self.log.high_watermark >= offset:
            callback(None)
        else:
            self._count += 1
            heappush(self._watermark_waiters, (offset, self._count, callback))

    def flushed(self, offset: int) -> None:
        """All before `offset` is on the device."""
        log = self.log
        if offset > log.high_watermark:
            log.high_watermark = offset
            for waiter in tuple(self.waiters):
                waiter.on_appended(self, MANY_BYTES, True)  # several batches of any kind: it must look
            self._wake_watermark_waiters()

    def failed(self, error: KafkaError) -> None:
        """The log has failed: what it was given last is perhaps not on the device, and will not be known to be."""
        self._send_away(error)

    def _wake_watermark_waiters(self) -> None:
        waiters, reached = self._watermark_waiters, self.log.high_watermark
        while waiters and waiters[0][0] <= reached:
            heappop(waiters)[2](None)

    def check_leader_epoch(self, epoch: int) -> ErrorCode:
        """What a client's idea of the leader epoch is answered with (KIP-320); -1 means that it has none."""
        if epoch == -1 or epoch == self.leader_epoch:
            return ErrorCode.NONE
        return ErrorCode.FENCED_LEADER_EPOCH if epoch < self.leader_epoch else ErrorCode.UNKNOWN_LEADER_EPOCH

    def removed(self, error: ErrorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER) -> None:
        """The topic was deleted, or the log is out of reach: nobody is left waiting."""
        self._send_away(KafkaError(error))

    def _send_away(self, error: KafkaError) -> None:
        for waiter in tuple(self.waiters):
            waiter.on_removed()
        waiters, self._watermark_waiters = self._watermark_waiters, []
        for _, _, callback in waiters:
            callback(error)
