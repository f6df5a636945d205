"""Fetch v4-18 (KIP-227 sessions v7, KIP-320 epochs v9, KIP-516 topic ids v13, KIP-951 endpoints v16).

Records leave as file ranges, unread. The first batch of a request is given even if it is larger than the limits; beyond
it a batch may be cut by the byte limit. A request that finds fewer than `min_bytes` is parked: an append to one of its
partitions wakes it, or `max_wait_ms` passes. An error of a log ends the wait at once; a topic, partition or id that is
unknown does not, unless all are. Source: kafka.server.KafkaApis.handleFetchRequest, DelayedFetch, ReplicaManager.

Kafka 4 neither down-converts nor refuses zstd to old versions.

Under read_committed nothing is read at or behind the last stable offset, and bytes of open transactions do not count
for `min_bytes`; the end of a transaction wakes those who wait. The answer names the aborted transactions that reach
into what is read, also one that began before.

What a look-up needs and is not in memory (index pages, headers) is read by a thread for all partitions of the request
together, and the request is read again (`broker/warmer.py`). The records themselves are not waited for here: they stay
in the file, and the connection sees to them as it sends. So an answer has all that was asked for: a partition on a slow
device delays the answers of its own connection, as it does in Kafka, and nobody else's.

Left out: replicas as fetchers come with replication (until then none is known: NOT_LEADER_OR_FOLLOWER).
"""

from __future__ import annotations

from typing import Any, Final

from ...storage.interface import ReadResult
from ...storage.pending import Pending
from ...storage.warmth import ColdRead, Missing
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.fetch import (
    AbortedTransaction,
    EpochEndOffset,
    FetchableTopicResponse,
    FetchRequest,
    FetchResponse,
    PartitionData,
)
from ..context import RequestContext
from ..fetch_sessions import Fetch, FetchPartition
from ..file_slice import FileSlice
from ..partition import Partition
from ..warmer import Progress, waiting

#: Up to this size one read and one send of header and records together are cheaper than sendfile behind a header.
COPY_BYTES: Final = 16_384
_TOPIC_IDS_FROM: Final = 13
_READ_COMMITTED: Final = 1
#: States of a reading: under way or parked for more records; waiting for what is to be in memory, and then to park if
#: there is too little, or to answer in any case; nobody wants the answer.
_READING, _WARMING, _WARMING_LAST, _ABANDONED = range(4)
#: Errors that no wait can mend but that do not end one either: other partitions may have records.
_PATIENT: Final = frozenset(
    {ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID, ErrorCode.INCONSISTENT_TOPIC_ID}
)


def handle(request: FetchRequest, context: RequestContext) -> FetchResponse | Pending[FetchResponse]:
    by_id = context.api_version >= _TOPIC_IDS_FROM
    try:
        fetch = context.broker.fetch_sessions.begin(request, by_id, context.now_ms)
    except KafkaError as error:
        return FetchResponse(throttle_time_ms=0, error_code=error.code, responses=[])
    reading = Reading(request, fetch, context)
    parked = reading.read()
    return parked if parked is not None else reading.response()


class Reading:
    """One fetch: its partitions read, its answer, and its wait if there is too little to answer."""

    __slots__ = (
        "answers",
        "context",
        "fetch",
        "missing_bytes",
        "partitions",
        "pending",
        "progress",
        "replica_id",
        "request",
        "state",
        "timer",
    )

    def __init__(self, request: FetchRequest, fetch: Fetch, context: RequestContext) -> None:
        self.request = request
        self.fetch = fetch
        self.context = context
        # From v15 on the replica is named in a struct of its own (KIP-903).
        self.replica_id = request.replica_id if context.api_version < 15 else request.replica_state.replica_id
        self.answers: list[tuple[FetchPartition, PartitionData]] = []
        self.partitions: list[Partition] = []
        self.missing_bytes = 0
        self.pending: Pending[FetchResponse] | None = None
        self.timer: Any = None
        self.progress: Progress | None = None
        self.state = _READING

    def read(self, last: bool = False) -> Pending[FetchResponse] | None:
        """Read all partitions. Parks, and returns the pending answer, if there is too little; `last` does not park for
        that."""
        cold: list[Missing] = []
        request = self.request
        left = min(request.max_bytes, self.context.broker.fetch_max_bytes)
        self.answers = []
        self.partitions = []
        size, failed, patient = 0, False, 0
        for asked in self.fetch.partitions:
            try:
                partition = self._find(asked)
                answer = self._read_partition(partition, asked, left - size, first=size == 0)
                self.partitions.append(partition)
                if answer.diverging_epoch.epoch >= 0:
                    failed = True
            except ColdRead as missing:
                cold += missing.ranges
                continue
            except KafkaError as error:
                answer = _failure(asked.index, error.code)
                if error.code in _PATIENT:
                    answer.aborted_transactions = []
                    patient += 1
                else:
                    failed = True
            size += len(answer.records or b"")
            self.answers.append((asked, answer))
        if cold:
            return self._warm(cold, last)
        if (
            last
            or failed
            or size >= request.min_bytes
            or request.max_wait_ms <= 0
            or patient == len(self.fetch.partitions)
        ):
            return None
        self.missing_bytes = request.min_bytes - size
        return self._park()

    def _find(self, asked: FetchPartition) -> Partition:
        broker = self.context.broker
        name = asked.topic
        if isinstance(name, bytes):
            image = broker.catalogue.topic_by_id(name)
            if image is None:
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
            name = image.name
        partition = broker.partitions.find(name, asked.index)
        if partition is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return partition

    def _read_partition(self, partition: Partition, asked: FetchPartition, left: int, first: bool) -> PartitionData:
        # Any negative epoch is none here, where ListOffsets takes only -1 for none.
        error = partition.check_leader_epoch(max(asked.current_leader_epoch, -1))
        if error:
            raise KafkaError(error)
        if self.replica_id >= 0:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        log = partition.log
        answer = PartitionData(
            partition_index=asked.index,
            error_code=0,
            high_watermark=log.high_watermark,
            last_stable_offset=log.last_stable_offset,
            log_start_offset=log.log_start_offset,
            aborted_transactions=[] if self.request.isolation_level == _READ_COMMITTED else None,
            records=b"",
        )
        if asked.last_fetched_epoch >= 0:
            known = log.end_offset_for_epoch(asked.last_fetched_epoch)
            if known.end_offset < 0:
                raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
            if known.leader_epoch < asked.last_fetched_epoch or known.end_offset < asked.fetch_offset:
                answer.diverging_epoch = EpochEndOffset(epoch=known.leader_epoch, end_offset=known.end_offset)
                return answer
        end = log.last_stable_offset if self.request.isolation_level == _READ_COMMITTED else log.high_watermark
        found = log.read(asked.fetch_offset, min(left, asked.max_bytes), min_one=first, max_offset=end)
        if found.length and self.request.isolation_level == _READ_COMMITTED:
            try:
                aborted_transactions = log.aborted_in_read(asked.fetch_offset, found.length)
            except BaseException:
                found.release()
                raise
            answer.aborted_transactions = [
                AbortedTransaction(producer_id=aborted.producer_id, first_offset=aborted.first_offset)
                for aborted in aborted_transactions
            ]
        partition.bytes_out += found.length
        answer.records = _records(found)
        return answer

    # --- waiting --------------------------------------------------------------------------------------------------

    def _wait(self) -> Pending[FetchResponse]:
        """The answer comes later; what has been read so far is read again then."""
        self._release()
        if self.pending is None:
            self.pending = Pending()
            self.pending.on_abandoned = self._abandon
        return self.pending

    def _warm(self, cold: list[Missing], last: bool) -> Pending[FetchResponse]:
        """Have brought into memory what is missing, and read again."""
        pending = self._wait()
        self.state = _WARMING_LAST if last else _WARMING
        if self.progress is None:
            self.progress = Progress()
        self.context.broker.warmer.warm(self.progress.widened(ColdRead(cold)), self._warmed)
        return pending

    def _warmed(self) -> None:
        state, self.state = self.state, _READING if self.state != _ABANDONED else _ABANDONED
        if state == _ABANDONED:
            return
        assert self.progress is not None
        last = state == _WARMING_LAST
        if self.progress.is_stuck:
            parked = waiting(self.context.broker.logs.cache, lambda: self.read(last))
        else:
            parked = self.read(last)
        if parked is None:
            self._answer()

    def _park(self) -> Pending[FetchResponse]:
        pending = self._wait()
        if self.timer is None:
            deadline_ms = self.context.now_ms + self.request.max_wait_ms
            self.timer = self.context.broker.timers.call_at(deadline_ms, self._finish)
            for partition in self.partitions:
                partition.waiters.add(self)
        return pending

    def on_appended(self, partition: Partition, size_bytes: int, ends_transaction: bool) -> None:
        """A partition that this fetch waits for has grown."""
        if self.state != _READING:
            return  # it is about to be read anyway
        if self.request.isolation_level == _READ_COMMITTED:
            if ends_transaction:
                self.missing_bytes = 0  # who knows how much may be read now
            elif partition.log.last_stable_offset < partition.log.high_watermark:
                return
        self.missing_bytes -= size_bytes
        if self.missing_bytes <= 0 and self.read() is None:
            self._answer()

    def on_removed(self) -> None:
        """A partition that this fetch waits for was deleted."""
        self._finish()

    def _finish(self) -> None:
        """Answer with what there is."""
        if self.state == _READING:
            if self.read(last=True) is None:
                self._answer()
        elif self.state == _WARMING:
            self.state = _WARMING_LAST

    def _answer(self) -> None:
        assert self.pending is not None
        self._unpark()
        self.pending.complete(self.response())

    def _abandon(self) -> None:
        self.state = _ABANDONED
        self._unpark()

    def _unpark(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
        for partition in self.partitions:
            partition.waiters.discard(self)

    def _release(self) -> None:
        """Give back the file ranges of a reading that will be done again."""
        for asked, answer in self.answers:
            if answer.records:
                self._find(asked).bytes_out -= len(answer.records)
            if isinstance(answer.records, FileSlice):
                answer.records.release()
        self.answers = []

    # --- the answer -----------------------------------------------------------------------------------------------

    def response(self) -> FetchResponse:
        """The answer; in an incremental session without the partitions that have no news."""
        session = self.fetch.session
        answers = self.answers
        if session is not None:
            news = [(asked, answer) for asked, answer in answers if asked.is_news(answer) or not self.fetch.incremental]
            session.served([(asked.topic, asked.index) for asked, answer in news if answer.records])
            answers = news
        topics: list[FetchableTopicResponse] = []
        current: str | bytes | None = None
        for asked, answer in answers:
            if asked.topic != current:
                current = asked.topic
                topics.append(
                    FetchableTopicResponse(topic_id=current, topic="", partitions=[])
                    if isinstance(current, bytes)
                    else FetchableTopicResponse(topic=current, topic_id=bytes(16), partitions=[])
                )
            topics[-1].partitions.append(answer)
        return FetchResponse(
            throttle_time_ms=0, error_code=0, session_id=session.id if session is not None else 0, responses=topics
        )


def _records(found: ReadResult) -> bytes | FileSlice:
    """What was read, as a response carries it: a few bytes are copied, more of them, and what is not in memory, stay in
    the file."""
    length = found.length
    if found.fd >= 0 and (length > COPY_BYTES or not found.is_warm(found.position, length)):
        return FileSlice(found)
    data = found.read() if length else b""
    found.release()
    return data


def _failure(index: int, code: ErrorCode) -> PartitionData:
    return PartitionData(
        partition_index=index, error_code=code, high_watermark=-1, aborted_transactions=None, records=b""
    )
