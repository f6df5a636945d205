"""Collects records into batches and sends them: a small producer, idempotent as Kafka's is unless told otherwise.

Left out: transactions, several batches in flight (each is answered before the next goes), a thread of its own: what
waits goes when `flush` or `flush_due` is called.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from ...wire.compression import Codec
from ...wire.declare import ZERO_UUID
from ...wire.errors import RETRIABLE, ErrorCode
from ...wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ...wire.messages.produce import (
    PartitionProduceData,
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceData,
)
from ...wire.records import Record, add_sequence, encode_batch
from ..client import Client, ClientError, ServerError, UnreachableError
from ..client.errors import check
from .partitioner import partition_of

#: What a record takes beside its key, value and headers; Kafka's own estimate is as rough.
_RECORD_OVERHEAD_BYTES: Final = 14

_NO_TOPIC_YET: Final = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.LEADER_NOT_AVAILABLE)


class SenderSettings(NamedTuple):
    """Kafka's acks (-1 for all), batch.size, linger.ms, retries and so on, with the console producer's defaults."""

    acks: int = -1
    codec: Codec = Codec.NONE
    batch_bytes: int = 16384
    linger_ms: int = 1000
    retries: int = 3
    request_timeout_ms: int = 1500
    max_block_ms: int = 60_000
    metadata_max_age_ms: int = 300_000
    buffer_bytes: int = 33_554_432
    idempotent: bool = True


class Sender:
    """Sends to one topic. `on_error(record, error)` hears of each record that is lost."""

    def __init__(
        self,
        client: Client,
        topic: str,
        settings: SenderSettings,
        on_error: Callable[[Record, ClientError], None],
    ) -> None:
        self._client = client
        self._topic = topic
        self._settings = settings
        self._on_error = on_error
        self._topic_id = ZERO_UUID
        self._leaders: list[int] = []
        self._leaders_until_s = 0.0
        self._waiting: dict[int, list[Record]] = {}
        self._waiting_bytes: dict[int, int] = {}
        self._waiting_since_s = 0.0
        self._keyless = -1
        self._producer: tuple[int, int] | None = None
        self._sequences: dict[int, int] = {}

    def add(self, record: Record) -> None:
        """Takes a record; sends its partition's batch if that is full. Raises ClientError where there is no topic."""
        partitions = len(self._find_leaders())
        if record.key is not None:
            partition = partition_of(record.key, partitions)
        else:
            if self._keyless < 0:
                self._keyless = random.randrange(partitions)
            partition = self._keyless
        if not self._waiting:
            self._waiting_since_s = time.monotonic()
        size = _RECORD_OVERHEAD_BYTES + len(record.key or b"") + len(record.value or b"")
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
        stamped = record._replace(timestamp_ms=time.time_ns() // 1_000_000)
        if partition in self._waiting and self._waiting_bytes[partition] + size > self._settings.batch_bytes:
            self._send(partition)
        self._waiting.setdefault(partition, []).append(stamped)
        self._waiting_bytes[partition] = self._waiting_bytes.get(partition, 0) + size
        if sum(self._waiting_bytes.values()) > self._settings.buffer_bytes:
            self.flush()

    def due_s(self) -> float | None:
        """Seconds until what waits must go (linger.ms), None if nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, self._waiting_since_s + self._settings.linger_ms / 1000 - time.monotonic())

    def flush(self) -> None:
        """Sends all that waits."""
        for partition in list(self._waiting):
            self._send(partition)

    # --- inside ---------------------------------------------------------------------------------------------------

    def _find_leaders(self) -> list[int]:
        """Node ids by partition. Waits max.block.ms for a topic that the question itself may create."""

        def ask() -> list[int]:
            topic = self._client.metadata([self._topic], create=True).topics[0]
            check(topic.error_code)
            self._topic_id = topic.topic_id
            found = {row.partition_index: row.leader_id for row in topic.partitions}
            return [found.get(index, -1) for index in range(len(found))]

        if not self._leaders or time.monotonic() >= self._leaders_until_s:
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

    def _send(self, partition: int) -> None:
        records = self._waiting.pop(partition)
        del self._waiting_bytes[partition]
        if partition == self._keyless:
            # As Kafka's partitioner: the next batch without keys goes elsewhere.
            self._keyless = -1
        left = self._settings.retries
        while True:
            try:
                self._send_once(partition, records)
                return
            except ClientError as error:
                again = not isinstance(error, ServerError) or error.code in RETRIABLE
                if left <= 0 or not again:
                    # The broker has not seen these sequence numbers and would refuse the next: a new producer id.
                    self._producer = None
                    for record in records:
                        self._on_error(record, error)
                    return
            left -= 1
            self._leaders_until_s = 0.0
            time.sleep(self._client.settings.retry_backoff_ms / 1000)

    def _send_once(self, partition: int, records: list[Record]) -> None:
        settings = self._settings
        producer_id, epoch, sequence = -1, -1, -1
        if settings.idempotent:
            if self._producer is None:
                self._producer = self._init_producer_id()
                self._sequences.clear()
            producer_id, epoch = self._producer
            sequence = self._sequences.get(partition, 0)
        batch = encode_batch(
            records, codec=settings.codec, producer_id=producer_id, producer_epoch=epoch, base_sequence=sequence
        )
        request = ProduceRequest(
            acks=settings.acks,
            timeout_ms=settings.request_timeout_ms,
            topic_data=[
                TopicProduceData(
                    name=self._topic,
                    topic_id=self._topic_id,
                    partition_data=[PartitionProduceData(index=partition, records=batch)],
                )
            ],
        )
        leader = self._find_leaders()[partition]
        if leader not in self._client.nodes:
            raise ServerError(ErrorCode.LEADER_NOT_AVAILABLE)
        deadline_s = self._client.deadline(settings.request_timeout_ms)
        if settings.acks == 0:
            self._client.connection(leader, deadline_s).send(request, deadline_s)
        else:
            answer = self._client.node(leader, request, ProduceResponse, deadline_s=deadline_s)
            self._check(answer.responses[0].partition_responses[0])
        if settings.idempotent:
            self._sequences[partition] = add_sequence(sequence, len(records))

    @staticmethod
    def _check(row: PartitionProduceResponse) -> None:
        # A duplicate is what an earlier attempt already stored.
        if row.error_code != ErrorCode.DUPLICATE_SEQUENCE_NUMBER:
            check(row.error_code, row.error_message)

    def _init_producer_id(self) -> tuple[int, int]:
        def ask() -> tuple[int, int]:
            answer = self._client.any(
                InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=2**31 - 1), InitProducerIdResponse
            )
            check(answer.error_code)
            return answer.producer_id, answer.producer_epoch

        return self._client.until(ask, RETRIABLE)
