"""The pipeline of batches against a scripted broker: whatever fails on the way, records come in order and once."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.tools.client.client import Node
from klamm.tools.client.errors import ClientError, ServerError, UnreachableError
from klamm.tools.client.pipeline import Batch, Pipeline, PipelineSettings
from klamm.tools.client.settings import Settings
from klamm.wire.batches import parse_header
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.init_producer_id import InitProducerIdResponse
from klamm.wire.messages.metadata import MetadataResponse, MetadataResponsePartition, MetadataResponseTopic
from klamm.wire.messages.produce import (
    PartitionProduceResponse,
    ProduceRequest,
    ProduceResponse,
    TopicProduceResponse,
)
from klamm.wire.records import Record, batch_records

T = TypeVar("T")
PARTITIONS = 3
#: What may happen to a batch: it is stored; refused; its connection breaks before it, or after it was stored.
STORED, REFUSED, BROKEN_BEFORE, BROKEN_AFTER = "stored", "refused", "broken before", "broken after"


class Cluster:
    """Two brokers that check sequence numbers as Kafka's do; `script` says what happens to the next batches."""

    def __init__(self, script: list[str], refusal: ErrorCode) -> None:
        self.script = script
        self.refusal = refusal
        self.stored: dict[int, list[bytes]] = {index: [] for index in range(PARTITIONS)}
        self.producer_ids = 0
        self.connections: dict[int, Wire] = {}
        self.nodes = {1: Node(1, "a", 1), 2: Node(2, "b", 2)}
        self.settings = Settings(retry_backoff_ms=0)
        self._next: dict[tuple[int, int], int] = {}

    def append(self, partition: int, data: bytes) -> ErrorCode:
        header = parse_header(data)
        key = (partition, header.producer_id)
        expected = self._next.get(key, 0)
        if header.producer_id >= 0 and header.base_sequence < expected:
            return ErrorCode.DUPLICATE_SEQUENCE_NUMBER
        if header.producer_id >= 0 and header.base_sequence > expected:
            return ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        self._next[key] = expected + header.records_count
        self.stored[partition] += [record.value or b"" for record in batch_records(data)]
        return ErrorCode.NONE

    # --- what a Pipeline asks of a Client -------------------------------------------------------------------------

    def deadline(self, timeout_ms: int | None = None) -> float:
        return time.monotonic() + 60

    def until(self, ask: Callable[[], T], codes: Any, deadline_s: float | None = None) -> T:
        return ask()

    def metadata(self, topics: list[str], *, create: bool) -> MetadataResponse:
        rows = [MetadataResponsePartition(partition_index=at, leader_id=1 + at % 2) for at in range(PARTITIONS)]
        return MetadataResponse(topics=[MetadataResponseTopic(name=topics[0], partitions=rows)])

    def any(self, request: Any, response: Any) -> InitProducerIdResponse:
        self.producer_ids += 1
        return InitProducerIdResponse(error_code=0, producer_id=self.producer_ids, producer_epoch=0)

    def connection(self, node_id: int, deadline_s: float) -> Wire:
        return self.connections.setdefault(node_id, Wire(self))

    def drop(self, node_id: int) -> None:
        self.connections.pop(node_id).close()


class Wire:
    """One connection, answered one request a `take`."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._ours, self._theirs = socket.socketpair()
        self._answers: list[ProduceResponse | None] = []

    def fileno(self) -> int:
        return self._ours.fileno()

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def post(self, request: ProduceRequest, deadline_s: float, highest: int | None) -> None:
        rows = []
        for row in request.topic_data[0].partition_data:
            what = self._cluster.script.pop() if self._cluster.script else STORED
            code = self._cluster.refusal
            if what in (STORED, BROKEN_AFTER) and None not in self._answers:
                code = self._cluster.append(row.index, bytes(row.records or b""))
            if what in (BROKEN_BEFORE, BROKEN_AFTER):
                self._answers.append(None)
            rows.append(PartitionProduceResponse(index=row.index, error_code=code))
        self._answers.append(ProduceResponse(responses=[TopicProduceResponse(partition_responses=rows)]))
        self._theirs.send(b"!")

    def take(self) -> list[ProduceResponse]:
        answer = self._answers.pop(0)
        if answer is None:
            raise UnreachableError("the broker closed the connection")
        self._ours.recv(1)
        return [answer]


def produced(cluster: Cluster, batches: int, **changed: Any) -> list[tuple[int, ClientError | None]]:
    """Sends batches of three records over all partitions; (batch's number, its error) in the order of the news."""
    news: list[tuple[int, ClientError | None]] = []

    def done(batch: Batch, error: ClientError | None) -> None:
        news.append((batch.number, error))

    client: Any = cluster
    pipeline = Pipeline(client, "t", PipelineSettings(**changed), done)
    for number in range(batches):
        records = [Record(value=b"%d.%d" % (number, at), timestamp_ms=1) for at in range(3)]
        pipeline.send(number % PARTITIONS, records, 100)
    pipeline.drain()
    for node_id in list(cluster.connections):
        cluster.drop(node_id)
    assert pipeline.waiting_bytes == 0
    return news


def expected(batches: int) -> dict[int, list[bytes]]:
    return {
        partition: [b"%d.%d" % (number, at) for number in range(partition, batches, PARTITIONS) for at in range(3)]
        for partition in range(PARTITIONS)
    }


@settings(max_examples=200, deadline=None)
@given(
    script=st.lists(st.sampled_from([STORED, REFUSED, BROKEN_BEFORE, BROKEN_AFTER]), max_size=30),
    in_flight=st.integers(1, 5),
    request_bytes=st.sampled_from([100, 1000]),
)
def test_an_idempotent_producers_records_come_in_order_and_once(
    script: list[str], in_flight: int, request_bytes: int
) -> None:
    cluster = Cluster(script, ErrorCode.NOT_LEADER_OR_FOLLOWER)
    news = produced(cluster, 24, max_in_flight=in_flight, max_request_bytes=request_bytes)
    assert cluster.stored == expected(24)
    assert sorted(news, key=lambda row: row[0]) == [(number, None) for number in range(24)]


def test_what_no_retry_mends_is_lost_and_the_rest_goes_on_under_a_new_id() -> None:
    cluster = Cluster([STORED] * 5 + [REFUSED] + [STORED] * 3, ErrorCode.MESSAGE_TOO_LARGE)
    news = dict(produced(cluster, 12, max_in_flight=1, max_request_bytes=100))
    (lost,) = [number for number, error in news.items() if error is not None]
    error = news[lost]
    assert isinstance(error, ServerError)
    assert error.code == ErrorCode.MESSAGE_TOO_LARGE
    wanted = expected(12)
    assert cluster.stored == {
        partition: [value for value in values if not value.startswith(b"%d." % lost)]
        for partition, values in wanted.items()
    }
    assert cluster.producer_ids == 2


@pytest.mark.parametrize("retries", [0, 2])
def test_retries_are_counted(retries: int) -> None:
    cluster = Cluster([REFUSED] * (retries + 1), ErrorCode.NOT_ENOUGH_REPLICAS)
    ((_, error),) = produced(cluster, 1, retries=retries)
    assert isinstance(error, ServerError)
    assert cluster.script == []


def test_without_answers_every_batch_is_done_when_it_is_sent() -> None:
    cluster = Cluster([], ErrorCode.NONE)
    assert [number for number, _ in produced(cluster, 9, acks=0, idempotent=False)] == list(range(9))
    assert cluster.stored == expected(9)
