"""Nothing that a client asks for makes the loop wait for a device: threads do, and answers are what they are anyway.

The broker runs in this process on files whose device is held by the test (`SlowFiles.gate`), with Linux's way to tell
what is in memory and without.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_tests.bench.slow_files import BrokerThread, SlowFiles
from klamm.storage.pace import Pace
from klamm.storage.time_search import LOOP_PIECES
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.delete_records import (
    DeleteRecordsPartition,
    DeleteRecordsRequest,
    DeleteRecordsTopic,
)
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.metadata import MetadataRequest
from klamm.wire.record_times import SINGLE_RECORDS
from klamm.wire.records import Record, encode_batch, iter_records

from .raw_client import RawClient, ask, wait_for
from .steps import batch, create_topic, delete_topic, fetch, fetch_request, list_offset, produce_request, produced
from .transactions import TransactionalProducer

WAIT_S = 30.0
#: Batches of 50 KB, 20 to a segment: the log of a topic has several of these.
BATCHES = 70
SEGMENT = {"segment.bytes": "1048576", "retention.ms": "-1"}
FIRST_MS = 1_700_000_000_000
#: The last version that names topics.
FETCH = 12


def value(number: int) -> bytes:
    return b"%d-" % number + bytes([number]) * 50_000


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with a topic `cold` of several segments and an aborted transaction, and a topic `live`."""
    folder = tmp_path_factory.mktemp("cold") / "data"
    broker = BrokerThread(folder, SlowFiles())
    try:
        create_topic(broker.address, SEGMENT, name="cold")
        create_topic(broker.address, name="live")
        with RawClient(broker.address, WAIT_S) as client:
            for number in range(BATCHES):
                produced(client, "cold", batch(value(number), timestamp_ms=FIRST_MS + number))
            producer = TransactionalProducer(client).init()
            assert producer.add("cold") == [ErrorCode.NONE]
            assert producer.send("cold", b"never was").error_code == ErrorCode.NONE
            producer.end(commit=False)
    finally:
        broker.stop()
    return folder


class Held:
    """A broker on that folder that has opened both topics and has nothing of them in memory."""

    def __init__(self, folder: Path, nowait: bool) -> None:
        self.folder = folder
        self.files = SlowFiles(nowait=nowait)
        self.broker = BrokerThread(folder, self.files)
        self.files.loop_thread = self.broker.thread
        self.address = self.broker.address
        with RawClient(self.address, WAIT_S) as client:
            for topic in ("cold", "live"):
                list_offset(client, topic, -1)
            produced(client, "live", batch(b"warm up"))
        self.files.drop()
        self.files.reading.clear()
        self.files.cold_reads = 0

    def drop(self) -> None:
        """Nothing is in memory, if that can be noticed: a system that does not tell is believed to keep a little."""
        if self.files.tells:
            self.files.drop()

    def hold(self) -> None:
        """From now on the device does not answer."""
        self.files.reading.clear()
        self.files.gate.clear()

    def is_reading(self) -> None:
        """Returns when a thread waits for the device."""
        assert self.files.reading.wait(WAIT_S)

    def go_on(self) -> None:
        self.files.gate.set()

    def live(self) -> None:
        """The rest of the broker serves."""
        with RawClient(self.address, WAIT_S) as client:
            offset = produced(client, "live", batch(b"live"))
            answer = fetch(client, "live", offset, FETCH)
            assert [record.value for record in iter_records(bytes(answer.records))] == [b"live"]

    def leases(self) -> int:
        cache = self.broker.logs.cache
        found = self.broker.on_loop(lambda: sum(handle.leases for handle in cache.opened()))
        assert isinstance(found, int)
        return found

    def check(self) -> None:
        """All is given back, and the loop never waited."""
        wait_for(lambda: self.leases() == 0, "all leases to be back", WAIT_S)
        assert self.files.cold_reads
        assert self.files.stalls == []


@pytest.fixture(params=[True, False], ids=["the system tells", "the system does not tell"])
def held(request: pytest.FixtureRequest, tmp_path: Path, data: Path) -> Iterator[Held]:
    shutil.copytree(data, tmp_path / "data")
    found = Held(tmp_path / "data", request.param)
    try:
        yield found
    finally:
        found.files.gate.set()
        found.broker.stop()


def read_all(client: RawClient, end: int = BATCHES, **more: Any) -> list[bytes]:
    """The values of `cold` from its start on."""
    values: list[bytes] = []
    while len(values) < end:
        records = bytes(fetch(client, "cold", len(values), FETCH, **more).records)
        values += [record.value or b"" for record in iter_records(records)]
    return values


def test_a_backlog_is_read_as_it_was_written(held: Held) -> None:
    with RawClient(held.address, WAIT_S) as client:
        assert read_all(client)[:BATCHES] == [value(number) for number in range(BATCHES)]
    held.check()


def test_logs_are_opened_from_memory(held: Held) -> None:
    """Each by the first request that needs it, while others are served."""
    held.broker.stop()
    again = SlowFiles(nowait=held.files.tells)
    held.files = again
    held.broker = BrokerThread(held.folder, again)
    again.loop_thread = held.broker.thread
    held.address = held.broker.address
    with RawClient(held.address, WAIT_S) as client:
        client.request(MetadataRequest(topics=None), 12)
        held.hold()
        client.send(produce_request("live", batch(b"first")), 9)
        client.send(fetch_request({"live": [(0, 0)]}), FETCH)
        held.is_reading()
        with RawClient(held.address, WAIT_S) as other:
            other.request(MetadataRequest(topics=None), 12)
        held.go_on()
        assert client.receive().responses[0].partition_responses[0].error_code == ErrorCode.NONE
        values = [r.value for r in iter_records(bytes(client.receive().responses[0].partitions[0].records))]
        assert values[-1] == b"first"
    held.check()


def test_others_are_served_while_one_waits_for_the_device(held: Held) -> None:
    held.hold()
    with RawClient(held.address, WAIT_S) as client:
        client.send(fetch_request({"cold": [(0, 0)]}), FETCH)
        # Behind it on the same connection: answered after it, whatever is in memory.
        client.send(MetadataRequest(topics=None), 12)
        client.send(fetch_request({"live": [(0, 0)]}), FETCH)
        held.is_reading()
        held.live()
        held.go_on()
        (partition,) = client.receive().responses[0].partitions
        assert next(iter_records(bytes(partition.records))).value == value(0)
        assert {topic.name for topic in client.receive().topics} >= {"cold", "live"}
        (partition,) = client.receive().responses[0].partitions
        assert partition.records
    held.check()


def test_one_cold_partition_of_several_comes_with_the_others(held: Held) -> None:
    held.live()  # what was just appended is in memory
    held.hold()
    with RawClient(held.address, WAIT_S) as client:
        client.send(fetch_request({"live": [(0, 0)], "cold": [(0, 30)]}, min_bytes=1, max_wait_ms=1), FETCH)
        held.is_reading()
        held.go_on()
        live, cold = (topic.partitions[0] for topic in client.receive().responses)
        assert live.records
        assert next(iter_records(bytes(cold.records))).value == value(30)
    held.check()


def test_look_ups_by_time(held: Held) -> None:
    held.hold()
    with RawClient(held.address, WAIT_S) as client:
        asked = ListOffsetsPartition(partition_index=0, timestamp=FIRST_MS + 45)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="cold", partitions=[asked])])
        client.send(request, 7)
        held.is_reading()
        held.live()
        held.go_on()
        found = client.receive().topics[0].partitions[0]
        assert (found.error_code, found.offset, found.timestamp) == (0, 45, FIRST_MS + 45)
        held.drop()
        assert list_offset(client, "cold", -3).offset == BATCHES + 1  # the marker of the abort is the newest
        held.drop()
        assert list_offset(client, "cold", FIRST_MS - 1).offset == 0
    held.check()


def test_a_long_walk_along_records_is_a_threads(held: Held, monkeypatch: pytest.MonkeyPatch) -> None:
    """No two neighbours of these are as long as each other."""
    last = LOOP_PIECES * SINGLE_RECORDS
    walking, go_on = threading.Event(), threading.Event()

    def rest(pace: Pace) -> None:
        assert threading.get_ident() != held.broker.thread
        walking.set()
        assert go_on.wait(WAIT_S)

    monkeypatch.setattr(Pace, "rest", rest)
    create_topic(held.address, name="long")
    with RawClient(held.address, WAIT_S) as client:
        records = [Record(value=bytes(number % 2), timestamp_ms=FIRST_MS + number) for number in range(last + 1)]
        produced(client, "long", encode_batch(records))
        asked = ListOffsetsPartition(partition_index=0, timestamp=FIRST_MS + last)
        request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name="long", partitions=[asked])])
        client.send(request, 7)
        assert walking.wait(WAIT_S)
        held.live()
        go_on.set()
        found = client.receive().topics[0].partitions[0]
    assert (found.error_code, found.offset, found.timestamp) == (0, last, FIRST_MS + last)
    assert held.files.stalls == []


def test_aborted_transactions(held: Held) -> None:
    with RawClient(held.address, WAIT_S) as client:
        answer = fetch(client, "cold", BATCHES, FETCH, isolation_level=1)
        assert [aborted.first_offset for aborted in answer.aborted_transactions] == [BATCHES]
    held.check()


def test_a_client_that_goes_leaves_nothing_behind(held: Held) -> None:
    with RawClient(held.address, WAIT_S) as warming_up:
        fetch(warming_up, "cold", 5, FETCH, partition_max_bytes=1)  # the indexes
    for offset in (5, 50):  # while its records are waited for, and while they are looked up
        held.hold()
        client = RawClient(held.address, WAIT_S)
        client.send(fetch_request({"cold": [(0, offset)]}), FETCH)
        held.is_reading()
        client.close()
        held.live()
        held.go_on()
        wait_for(lambda: held.leases() == 0, "all leases to be back", WAIT_S)
        held.drop()
    held.check()


@pytest.mark.parametrize("what", ["topic", "records"])
def test_what_is_deleted_meanwhile_is_read_to_its_end_or_not_at_all(held: Held, what: str) -> None:
    with RawClient(held.address, WAIT_S) as warming_up:
        fetch(warming_up, "cold", 5, FETCH, partition_max_bytes=1)
    for offset in (5, 25):  # of the first its records are waited for, of the second the look-up too
        held.hold()
        with RawClient(held.address, WAIT_S) as client:
            client.send(fetch_request({"cold": [(0, offset)]}), FETCH)
            held.is_reading()
            if what == "topic":
                if offset == 5:
                    delete_topic(held.address, "cold")
            else:
                partition = DeleteRecordsPartition(partition_index=0, offset=offset + 1)
                topic = DeleteRecordsTopic(name="cold", partitions=[partition])
                ask(held.address, DeleteRecordsRequest(topics=[topic], timeout_ms=10_000), 2)
            held.go_on()
            (answer,) = client.receive().responses[0].partitions
            if answer.error_code:
                assert answer.error_code in (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.OFFSET_OUT_OF_RANGE)
            else:
                assert next(iter_records(bytes(answer.records))).value == value(offset)
        if what == "topic":
            break
    held.check()
