"""Batches of records on their way to one topic's leaders, several requests in flight on each connection.

A batch keeps its place: what fails is sent again before what came after it, under the sequence numbers it had, so an
idempotent producer's records stay in order and come once (KIP-98). Nothing runs by itself: `send` and `drain` do the
work, and tell `on_done` of every batch.

Source: org.apache.kafka.clients.producer.internals (Sender, RecordAccumulator, TransactionManager).
Left out: batches that are too large are not split; a leader named in an answer (KIP-951) is asked for again.
"""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Final, NamedTuple

from ...wire.batches import add_sequence
from ...wire.compression import Codec
from ...wire.declare import ZERO_UUID, Message
from ...wire.errors import RETRIABLE, ErrorCode
from ...wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from ...wire.records import Record, encode_batch
from .client import Client
from .connection import Connection
from .errors import ClientError, ServerError, UnreachableError, check
from .producer_ids import ProducerId, init_producer_id

#: What a record takes beside its key, value and headers; Kafka's own estimate is as rough.
RECORD_OVERHEAD_BYTES: Final = 14

_NO_TOPIC_YET: Final = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE)
#: The last version that leaves it to AddPartitionsToTxn which partitions a transaction has.
_WITH_ADDED_PARTITIONS: Final = 11
_NO_PRODUCER: Final = ProducerId(-1, -1)


#: What Kafka's producer reckons for a batch's header and for a record's, at most.
_BATCH_OVERHEAD_BYTES: Final = 61
_MOST_RECORD_OVERHEAD_BYTES: Final = 21


def check_size(record: Record, max_request_bytes: int) -> None:
    """Raises ServerError MESSAGE_TOO_LARGE for a record that no request can carry (max.request.size), as Kafka does."""

    def varint(number: int) -> int:
        return ((2 * number | 1).bit_length() + 6) // 7

    def size_of(data: bytes | None) -> int:
        return varint(len(data or b"")) + len(data or b"")

    size = _BATCH_OVERHEAD_BYTES + _MOST_RECORD_OVERHEAD_BYTES + size_of(record.key) + size_of(record.value)
    size += varint(len(record.headers))
    size += sum(size_of(name.encode()) + size_of(value) for name, value in record.headers)
    if size > max_request_bytes:
        text = (
            f"The message is {size} bytes when serialized which is larger than {max_request_bytes}, which is the value"
            " of the max.request.size configuration."
        )
        raise ServerError(ErrorCode.MESSAGE_TOO_LARGE, text)


class PipelineSettings(NamedTuple):
    """Kafka's acks (-1 for all), retries, max.in.flight.requests.per.connection and so on, with its defaults."""

    acks: int = -1
    codec: Codec = Codec.NONE
    retries: int = 2**31 - 1
    request_timeout_ms: int = 30_000
    delivery_timeout_ms: int = 120_000
    max_block_ms: int = 60_000
    metadata_max_age_ms: int = 300_000
    max_in_flight: int = 5
    max_request_bytes: int = 1_048_576
    idempotent: bool = True


class Batch:
    """Records of one partition. `since_s`: time.monotonic() when it was handed over.

    `base_offset` and `log_append_time_ms`: what the broker answered, -1 where it said neither.
    """

    __slots__ = (
        *("attempts", "base_offset", "log_append_time_ms", "number", "partition", "records", "sequence", "since_s"),
        "size_bytes",
    )

    def __init__(self, partition: int, records: Sequence[Record], number: int) -> None:
        self.partition = partition
        self.records = records
        self.number = number
        self.since_s = time.monotonic()
        self.attempts = 0
        self.sequence = -1
        self.size_bytes = 0
        self.base_offset = -1
        self.log_append_time_ms = -1


class _Flight(NamedTuple):
    batches: list[Batch]
    until_s: float
    connection: Connection


Done = Callable[[Batch, ClientError | None], None]


class Pipeline:
    """Sends to one topic. `on_done(batch, error)`: it is stored (None) or lost.

    `transactional`: (transactional id, its producer id), whose transaction the caller begins and ends; between its last
    `drain` and the next batch nothing is under way.
    """

    def __init__(
        self,
        client: Client,
        topic: str,
        settings: PipelineSettings,
        on_done: Done,
        transactional: tuple[str, ProducerId] | None = None,
    ) -> None:
        self.waiting_bytes = 0
        self.requests = 0
        self._client = client
        self._topic = topic
        self._settings = settings
        self._on_done = on_done
        self._transactional_id = None if transactional is None else transactional[0]
        self._producer = None if transactional is None else transactional[1]
        self._topic_id = ZERO_UUID
        self._leaders: list[int] = []
        self._leaders_until_s = 0.0
        self._queues: dict[int, deque[Batch]] = {}
        self._sequences: dict[int, int] = {}
        self._flights: dict[int, deque[_Flight]] = {}
        self._flying: dict[int, int] = {}
        #: Partitions where something failed: one batch at a time until that has been sent.
        self._careful: set[int] = set()
        self._not_before_s = 0.0
        self._numbers = 0

    # --- what the caller does -------------------------------------------------------------------------------------

    @property
    def partitions(self) -> int:
        """How many partitions the topic has. Waits max.block.ms for one that asking may create. Raises ClientError."""
        return len(self._find_leaders())

    def send(self, partition: int, records: Sequence[Record], size_bytes: int) -> None:
        """Takes a batch of about `size_bytes` before compression; sends and receives what can be without waiting."""
        batch = Batch(partition, records, self._numbers)
        batch.size_bytes = size_bytes
        self._numbers += 1
        self.waiting_bytes += size_bytes
        self._queues.setdefault(partition, deque()).append(batch)
        self.work(0)

    def drain(self, down_to_bytes: int = 0) -> None:
        """Waits until at most `down_to_bytes` are not answered yet."""
        while self.waiting_bytes > down_to_bytes:
            self.work(1)

    def work(self, wait_s: float) -> None:
        """Sends what may go, and takes the answers that come within `wait_s`."""
        self._dispatch()
        flying = [flights[0].connection for flights in self._flights.values() if flights]
        if not flying:
            if wait_s:
                time.sleep(max(0.0, min(wait_s, self._not_before_s - time.monotonic())))
            return
        ready = select.select(flying, [], [], wait_s)[0]
        now_s = time.monotonic()
        for node_id, flights in list(self._flights.items()):
            if flights and (flights[0].connection in ready or flights[0].until_s < now_s):
                self._receive(node_id, flights)
        self._dispatch()

    # --- out ------------------------------------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """One request after the other to every leader that has room for it."""
        while time.monotonic() >= self._not_before_s and any(self._queues.values()):
            if any(self._flying.values()) and (self._leaders_are_old or self._needs_producer):
                return  # answers on a connection come in their order: first those of the batches
            try:
                leaders = self._find_leaders()
                if self._needs_producer:
                    self._renew_producer()
            except ClientError as error:
                for queue in self._queues.values():
                    while queue:
                        self._finish(queue.popleft(), error)
                return
            by_node = self._next_batches(leaders)
            if not by_node:
                return
            for node_id, batches in by_node.items():
                self._fly(node_id, batches)

    @property
    def _leaders_are_old(self) -> bool:
        return not self._leaders or time.monotonic() >= self._leaders_until_s

    @property
    def _needs_producer(self) -> bool:
        return self._settings.idempotent and self._producer is None

    def _next_batches(self, leaders: list[int]) -> dict[int, list[Batch]]:
        """Node id -> a batch of each of its partitions, as far as max.in.flight and max.request.size let it."""
        found: dict[int, list[Batch]] = {}
        room: dict[int, int] = {}
        for partition, queue in self._queues.items():
            if not queue or (partition in self._careful and self._flying.get(partition)):
                continue
            node_id = leaders[partition]
            if node_id not in self._client.nodes:
                self._retry(queue.popleft(), ServerError(ErrorCode.LEADER_NOT_AVAILABLE))
                continue
            if len(self._flights.get(node_id, ())) >= self._settings.max_in_flight:
                continue
            left = room.setdefault(node_id, self._settings.max_request_bytes)
            if left >= queue[0].size_bytes or left == self._settings.max_request_bytes:
                batch = queue.popleft()
                room[node_id] = left - batch.size_bytes
                found.setdefault(node_id, []).append(batch)
        return found

    def _fly(self, node_id: int, batches: list[Batch]) -> None:
        settings = self._settings
        producer = self._producer or _NO_PRODUCER
        rows = []
        for batch in batches:
            if settings.idempotent and batch.sequence < 0:
                batch.sequence = self._sequences.get(batch.partition, 0)
                self._sequences[batch.partition] = add_sequence(batch.sequence, len(batch.records))
            data = encode_batch(
                batch.records,
                codec=settings.codec,
                producer_id=producer.id,
                producer_epoch=producer.epoch,
                base_sequence=batch.sequence,
                transactional=self._transactional_id is not None,
            )
            rows.append(PartitionProduceData(index=batch.partition, records=data))
            self._flying[batch.partition] = self._flying.get(batch.partition, 0) + 1
        request = ProduceRequest(
            transactional_id=self._transactional_id,
            acks=settings.acks,
            timeout_ms=settings.request_timeout_ms,
            topic_data=[TopicProduceData(name=self._topic, topic_id=self._topic_id, partition_data=rows)],
        )
        until_s = self._client.deadline(settings.request_timeout_ms)
        highest = None if self._transactional_id is None else _WITH_ADDED_PARTITIONS
        try:
            connection = self._client.connection(node_id, until_s)
            connection.post(request, until_s, highest)
        except UnreachableError as error:
            self._client.drop(node_id)
            self._lost_connection(node_id, error, batches)
            return
        except ClientError as error:
            for batch in batches:
                self._land(batch, error)
            return
        self.requests += 1
        if settings.acks == 0:
            for batch in batches:
                self._land(batch, None)
        else:
            self._flights.setdefault(node_id, deque()).append(_Flight(batches, until_s, connection))

    # --- in -------------------------------------------------------------------------------------------------------

    def _receive(self, node_id: int, flights: deque[_Flight]) -> None:
        flight = flights[0]
        try:
            if time.monotonic() >= flight.until_s:
                raise UnreachableError(f"no answer within {self._settings.request_timeout_ms} ms")
            answers: Iterable[Message] = flight.connection.take()
        except UnreachableError as error:
            self._client.drop(node_id)
            self._lost_connection(node_id, error, [])
            return
        for answer in answers:
            landed = flights.popleft()
            assert isinstance(answer, ProduceResponse)
            rows = {row.index: row for topic in answer.responses for row in topic.partition_responses}
            for batch in landed.batches:
                row = rows[batch.partition]
                # A duplicate is what an earlier attempt already stored.
                stored = row.error_code in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER)
                batch.base_offset, batch.log_append_time_ms = row.base_offset, row.log_append_time_ms
                self._land(batch, None if stored else ServerError(row.error_code, row.error_message))

    def _lost_connection(self, node_id: int, error: ClientError, more: list[Batch]) -> None:
        """Nobody knows what the broker stored of what was under way to it."""
        flights = self._flights.pop(node_id, ())
        for batch in [batch for flight in flights for batch in flight.batches] + more:
            self._land(batch, error)

    def _land(self, batch: Batch, error: ClientError | None) -> None:
        self._flying[batch.partition] -= 1
        if error is None:
            queue = self._queues[batch.partition]
            if not self._flying[batch.partition] and not (queue and queue[0].attempts):
                self._careful.discard(batch.partition)
            self._finish(batch, None)
        else:
            self._retry(batch, error)

    def _retry(self, batch: Batch, error: ClientError) -> None:
        """Puts it back where it was in its queue, or gives it up."""
        age_ms = (time.monotonic() - batch.since_s) * 1000
        # Behind a batch that failed, the next ones are out of order: they are not at fault.
        follows = isinstance(error, ServerError) and error.code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        again = isinstance(error, UnreachableError) or (isinstance(error, ServerError) and error.code in RETRIABLE)
        if follows and batch.partition in self._careful:
            again = True
        else:
            batch.attempts += 1
        if not again or batch.attempts > self._settings.retries or age_ms > self._settings.delivery_timeout_ms:
            self._give_up(batch, error)
            return
        self._careful.add(batch.partition)
        queue = self._queues[batch.partition]
        at = next((at for at, other in enumerate(queue) if other.number > batch.number), len(queue))
        queue.insert(at, batch)
        self._leaders_until_s = 0.0
        self._not_before_s = time.monotonic() + self._client.settings.retry_backoff_ms / 1000

    def _give_up(self, batch: Batch, error: ClientError) -> None:
        if self._settings.idempotent and self._transactional_id is None and batch.sequence >= 0:
            # The broker has not seen these sequence numbers and would refuse the next: a new producer id.
            self._producer = None
        self._finish(batch, error)

    def _finish(self, batch: Batch, error: ClientError | None) -> None:
        self.waiting_bytes -= batch.size_bytes
        self._on_done(batch, error)

    def _renew_producer(self) -> None:
        self._producer = init_producer_id(self._client)
        self._sequences.clear()
        for queue in self._queues.values():
            for batch in queue:
                batch.sequence = -1

    # --- where to -------------------------------------------------------------------------------------------------

    def _find_leaders(self) -> list[int]:
        """Node ids by partition, asked for again after metadata.max.age.ms and after an error."""

        def ask() -> list[int]:
            topic = self._client.metadata([self._topic], create=True).topics[0]
            check(topic.error_code)
            self._topic_id = topic.topic_id
            found = {row.partition_index: row.leader_id for row in topic.partitions}
            return [found.get(index, -1) for index in range(len(found))]

        if self._leaders_are_old:
            end = self._client.deadline(self._settings.max_block_ms)
            try:
                self._leaders = self._client.until(ask, _NO_TOPIC_YET, end)
            except ServerError as error:
                if error.code == ErrorCode.INVALID_TOPIC_EXCEPTION:
                    raise ServerError(error.code, f"Invalid topics: [{self._topic}]") from None
                if error.code in _NO_TOPIC_YET:
                    text = f"Topic {self._topic} not present in metadata after {self._settings.max_block_ms} ms."
                    raise UnreachableError(text) from None
                raise
            self._leaders_until_s = self._client.deadline(self._settings.metadata_max_age_ms)
        return self._leaders
