"""After a crash a log is opened in slices of the loop: who asks for it waits, all others are served between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_tests.bench.slow_files import BrokerThread
from klamm.storage import checkpoints
from klamm.storage.files import Files
from klamm.storage.opening import LogOpening
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from klamm.wire.messages.describe_producers import DescribeProducersRequest, TopicRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from klamm.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from klamm.wire.records import iter_records

from .raw_client import RawClient
from .steps import batch, create_topic, delete_topic, fetch, fetch_request, produce_request, produced

WAIT_S = 30.0
BATCHES = 40
FETCH = 12


class Gate:
    """Openings make no progress while it is closed; the loop goes round."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.closed = False
        self.asked = threading.Event()
        self.slices = 0
        step = LogOpening.step

        def gated(opening: LogOpening) -> bool:
            self.asked.set()
            if self.closed:
                return False
            self.slices += 1
            return step(opening)

        monkeypatch.setattr(LogOpening, "step", gated)
        monkeypatch.setattr("klamm.storage.opening.SLICE_S", 0.0)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    return Gate(monkeypatch)


@pytest.fixture
def broker(tmp_path: Path, gate: Gate) -> Iterator[BrokerThread]:
    """One that was killed, and has `large` to walk along; `live` is open."""
    first = BrokerThread(tmp_path, Files())
    try:
        for name in ("large", "live"):
            create_topic(first.address, name=name)
        with RawClient(first.address, WAIT_S) as client:
            for number in range(BATCHES):
                produced(client, "large", batch(b"%d" % number))
            produced(client, "live", batch(b"live"))
    finally:
        first.stop()
    (tmp_path / checkpoints.CLEAN_SHUTDOWN).unlink()
    (tmp_path / checkpoints.RECOVERY_POINTS).unlink()
    again = BrokerThread(tmp_path, Files())
    try:
        with RawClient(again.address, WAIT_S) as client:
            produced(client, "live", batch(b"live"))
        gate.closed = True
        gate.asked.clear()
        gate.slices = 0
        yield again
    finally:
        gate.closed = False
        again.stop()


def error_of(answer: Any) -> int:
    code: int = answer.responses[0].partition_responses[0].error_code
    return code


ASKED: dict[str, tuple[Callable[[], Any], int, Callable[[Any], object], object]] = {
    "Produce": (lambda: produce_request("large", batch(b"new")), 9, error_of, 0),
    "Fetch": (
        lambda: fetch_request({"large": [(0, 7)]}),
        FETCH,
        lambda answer: next(iter_records(bytes(answer.responses[0].partitions[0].records))).value,
        b"7",
    ),
    "ListOffsets": (
        lambda: ListOffsetsRequest(
            replica_id=-1,
            topics=[ListOffsetsTopic(name="large", partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])],
        ),
        7,
        lambda answer: answer.topics[0].partitions[0].offset,
        BATCHES,
    ),
    "DescribeProducers": (
        lambda: DescribeProducersRequest(topics=[TopicRequest(name="large", partition_indexes=[0])]),
        0,
        lambda answer: answer.topics[0].partitions[0].error_code,
        0,
    ),
    "OffsetForLeaderEpoch": (
        lambda: OffsetForLeaderEpochRequest(
            replica_id=-1,
            topics=[
                OffsetForLeaderTopic(
                    topic="large",
                    partitions=[OffsetForLeaderPartition(partition=0, current_leader_epoch=-1, leader_epoch=0)],
                )
            ],
        ),
        4,
        lambda answer: answer.topics[0].partitions[0].end_offset,
        BATCHES,
    ),
    "DeleteRecords": (
        lambda: DeleteRecordsRequest(
            topics=[DeleteRecordsTopic(name="large", partitions=[DeleteRecordsPartition(partition_index=0, offset=5)])],
            timeout_ms=10_000,
        ),
        2,
        lambda answer: answer.topics[0].partitions[0].low_watermark,
        5,
    ),
    "WriteTxnMarkers": (
        lambda: WriteTxnMarkersRequest(
            markers=[
                WritableTxnMarker(
                    producer_id=5,
                    producer_epoch=0,
                    transaction_result=False,
                    coordinator_epoch=0,
                    topics=[WritableTxnMarkerTopic(name="large", partition_indexes=[0])],
                )
            ]
        ),
        1,
        lambda answer: answer.markers[0].topics[0].partitions[0].error_code,
        0,
    ),
}


@pytest.mark.parametrize("name", ASKED)
def test_others_are_served_while_one_waits_for_a_log_to_be_opened(broker: BrokerThread, gate: Gate, name: str) -> None:
    request, version, read, expected = ASKED[name]
    with RawClient(broker.address, WAIT_S) as client, RawClient(broker.address, WAIT_S) as other:
        client.send(request(), version)
        assert gate.asked.wait(WAIT_S)
        offset = produced(other, "live", batch(b"meanwhile"))
        answer = fetch(other, "live", offset, FETCH)
        assert [record.value for record in iter_records(bytes(answer.records))] == [b"meanwhile"]
        gate.closed = False
        assert read(client.receive()) == expected
    assert gate.slices >= BATCHES


def test_several_wait_for_the_same_opening(broker: BrokerThread, gate: Gate) -> None:
    with RawClient(broker.address, WAIT_S) as one, RawClient(broker.address, WAIT_S) as other:
        for client in (one, other):
            client.send(produce_request("large", batch(b"new")), 9)
        assert gate.asked.wait(WAIT_S)
        gate.closed = False
        offsets = {client.receive().responses[0].partition_responses[0].base_offset for client in (one, other)}
    assert offsets == {BATCHES, BATCHES + 1}


def test_a_topic_that_is_deleted_meanwhile_is_unknown(broker: BrokerThread, gate: Gate) -> None:
    with RawClient(broker.address, WAIT_S) as client:
        client.send(produce_request("large", batch(b"new")), 9)
        assert gate.asked.wait(WAIT_S)
        delete_topic(broker.address, "large")
        gate.closed = False
        assert error_of(client.receive()) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_stop_does_not_wait_for_an_opening(broker: BrokerThread, gate: Gate, tmp_path: Path) -> None:
    with RawClient(broker.address, WAIT_S) as client:
        client.send(produce_request("large", batch(b"new")), 9)
        assert gate.asked.wait(WAIT_S)
        broker.stop()
    assert not (tmp_path / checkpoints.CLEAN_SHUTDOWN).exists()
