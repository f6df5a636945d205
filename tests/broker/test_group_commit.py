"""flush.messages=1: nothing is acknowledged or shown before it is on the device. No sockets, no threads.

The device works when a test says so: `Site.flush` carries out what was handed to worker threads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.broker import group_commit
from klamm.broker.broker import METADATA_TOPIC
from klamm.storage.files import Files
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from klamm.wire.messages.end_txn import EndTxnRequest
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .site import NOW_MS, Site, codes


class Device(Files):
    """Notes what it is asked to bring to the device; fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.synced: list[str] = []
        self.broken = False
        #: Called in each sync of a log: what goes on while the device works.
        self.meanwhile: Callable[[], None] = lambda: None
        self._paths: dict[int, str] = {}

    def open(self, path: str, *, create: bool = False) -> int:
        fd = super().open(path, create=create)
        self._paths[fd] = path
        return fd

    def sync(self, fd: int) -> None:
        path = Path(self._paths[fd])
        self.synced.append(f"{path.parent.name}/{path.name}")
        if self.broken:
            raise OSError(5, "no such luck")
        if path.suffix == ".log":
            self.meanwhile()

    def sync_folder(self, path: str) -> None:
        self.synced.append(f"{Path(path).name}/")

    def logs(self) -> list[str]:
        """Of the partitions, sorted; forgets what it noted."""
        found = sorted(name.rpartition("/")[0] for name in self.synced if name.endswith(".log"))
        self.synced.clear()
        return found


def add_partition(producer: Any) -> AddPartitionsToTxnRequest:
    """Of the transactional id x, partition 0 of t."""
    return AddPartitionsToTxnRequest(
        v3_and_below_transactional_id="x",
        v3_and_below_producer_id=producer.producer_id,
        v3_and_below_producer_epoch=producer.producer_epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name="t", partitions=[0])],
    )


def end(producer: Any) -> EndTxnRequest:
    return EndTxnRequest(
        transactional_id="x",
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        committed=True,
    )


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def make_site(tmp_path: Path, device: Device, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def start_thread(run: Callable[[], None], deliver: Callable[[object], None]) -> None:
        made[0].work.append((run, deliver))

    def make(**config: str) -> Site:
        made.append(Site(tmp_path, device, **config))
        device.synced.clear()
        return made[0]

    monkeypatch.setattr(group_commit, "start_thread_soon", start_thread)
    yield make
    made[0].kill()


@pytest.fixture
def site(make_site: Callable[..., Site], device: Device) -> Site:
    """With a durable topic `d`, the rest in the page cache."""
    site = make_site()
    site.topic("d", 3, flush_messages="1")
    site.broker._metadata_log_files.flush_data()
    device.synced.clear()
    return site


@pytest.mark.parametrize("acks", [1, -1])
def test_an_acknowledgement_waits_for_the_device(site: Site, acks: int) -> None:
    answer = site.produce("d", acks=acks)
    waiting = site.fetch("d", 500)
    site.round()
    assert not answer.done
    assert not waiting.done
    assert site.latest("d") == 0
    assert not site.fetch("d").result().responses[0].partitions[0].records
    site.flush()
    assert codes(answer) == [ErrorCode.NONE]
    assert waiting.result().responses[0].partitions[0].records
    assert site.latest("d") == 1


def test_without_it_nothing_is_flushed_or_waited_for(site: Site, device: Device) -> None:
    site.topic("t")
    assert codes(site.produce("t")) == [ErrorCode.NONE]
    site.flush()
    assert device.synced == []


def test_acks_0_has_no_answer_and_is_flushed(site: Site) -> None:
    assert site.produce("d", acks=0).result() is None
    assert site.latest("d") == 0
    site.flush()
    assert site.latest("d") == 1


def test_what_comes_in_one_round_shares_a_flush_and_what_comes_meanwhile_the_next(site: Site, device: Device) -> None:
    first = [site.produce("d"), site.produce("d"), site.produce("d", 1)]
    site.round()
    second = site.produce("d")
    third = site.produce("d", 2)
    site.flush()
    assert [codes(answer) for answer in [*first, third]] == [[ErrorCode.NONE]] * 4
    assert not second.done
    assert site.latest("d") == 2
    assert device.logs() == ["d-0", "d-1", "d-2"]  # not d-0 again, which was on its way
    site.flush()
    assert codes(second) == [ErrorCode.NONE]
    assert device.logs() == ["d-0"]
    site.flush()
    assert device.logs() == []
    assert not site.broker.group_commit.busy


def test_an_acknowledgement_does_not_wait_for_the_next_log_of_its_thread(site: Site, device: Device) -> None:
    answers = [site.produce("d"), site.produce("d", 1)]
    seen = []

    def look() -> None:
        site.round()
        seen.append([answer.done for answer in answers])

    device.meanwhile = look
    site.flush()
    assert seen == [[False, False], [True, False]]
    assert [codes(answer) for answer in answers] == [[ErrorCode.NONE]] * 2


def test_a_thread_that_is_at_work_takes_what_comes_meanwhile(site: Site, device: Device) -> None:
    answers = [site.produce("d")]
    site.round()

    def produce() -> None:
        device.meanwhile = lambda: None
        answers.append(site.produce("d", 1))
        site.round()
        assert not site.work

    device.meanwhile = produce
    site.flush()
    assert [codes(answer) for answer in answers] == [[ErrorCode.NONE]] * 2
    assert device.logs() == ["d-0", "d-1"]
    assert not site.broker.group_commit.busy


def test_what_is_handed_to_a_thread_that_has_just_ended_is_flushed_too(site: Site, device: Device) -> None:
    first = site.produce("d")
    site.round()
    run, deliver = site.work.popleft()
    run()
    second = site.produce("d", 1)
    site.round()
    assert not site.work  # the loop does not know yet
    deliver(None)
    site.flush()
    assert [codes(answer) for answer in (first, second)] == [[ErrorCode.NONE]] * 2
    assert device.logs() == ["d-0", "d-1"]


def test_no_more_logs_are_flushed_at_once_than_may_be_open(site: Site, device: Device) -> None:
    site.broker.group_commit._max_logs = 2
    answer = site.produce("d", 0, 1, 2)
    site.flush()
    assert not answer.done
    assert device.logs() == ["d-0", "d-1"]
    site.flush()
    assert codes(answer) == [ErrorCode.NONE] * 3
    assert device.logs() == ["d-2"]
    assert not site.broker.group_commit.busy


def test_threads_are_as_many_as_there_are_logs_for_them(make_site: Callable[..., Site], device: Device) -> None:
    site = make_site()
    site.topic("d", 20, flush_messages="1")
    site.broker._metadata_log_files.flush_data()
    device.synced.clear()
    answers = []
    for number in range(20):
        answers.append(site.produce("d", number))
        site.round()
        wanted = min(group_commit.MAX_THREADS, number // group_commit.LOGS_A_THREAD + 1)
        assert len(site.work) == wanted
    site.flush()  # the first of them to run leaves the others nothing
    assert [codes(answer) for answer in answers] == [[ErrorCode.NONE]] * 20
    assert len(device.logs()) == 20
    assert not site.broker.group_commit.busy


def test_the_metadata_of_a_new_topic_is_flushed_before_its_records(site: Site, device: Device) -> None:
    site.topic("new", flush_messages="1")
    answer = site.produce("new")
    site.flush()
    assert not answer.done
    assert device.logs() == [f"{METADATA_TOPIC}-0"]
    site.flush()
    assert codes(answer) == [ErrorCode.NONE]
    assert device.logs() == ["new-0"]


def test_the_first_flush_makes_the_partitions_files_findable(site: Site, device: Device) -> None:
    site.produce("d")
    site.flush()
    assert {"d-0/", f"{site.path.name}/", "d-0/partition.metadata"} <= set(device.synced)
    device.synced.clear()
    site.produce("d")
    site.flush()
    assert device.synced == ["d-0/00000000000000000000.log"]


def test_a_duplicate_waits_for_the_flush_of_the_original(site: Site) -> None:
    batch = encode_batch([Record(value=b"v", timestamp_ms=NOW_MS)], producer_id=7, producer_epoch=0, base_sequence=0)
    answers = [site.produce("d", batch=batch), site.produce("d", batch=batch)]
    site.round()
    answers.append(site.produce("d", batch=batch))
    assert not any(answer.done for answer in answers)
    site.flush()
    assert [answer.result().responses[0].partition_responses[0].base_offset for answer in answers] == [0, 0, 0]
    assert codes(site.produce("d", batch=batch)) == [ErrorCode.NONE]


def test_a_failed_fsync_is_not_tried_again_and_its_acknowledgements_are_errors(site: Site, device: Device) -> None:
    answers = [site.produce("d", 0, 1), site.produce("d")]
    fetch = site.fetch("d", 500)
    device.broken = True
    site.flush()
    assert [codes(answer) for answer in answers] == [
        [ErrorCode.KAFKA_STORAGE_ERROR] * 2,
        [ErrorCode.KAFKA_STORAGE_ERROR],
    ]
    assert not fetch.result().responses[0].partitions[0].records
    device.broken = False
    device.synced.clear()
    assert codes(site.produce("d")) == [ErrorCode.KAFKA_STORAGE_ERROR]
    site.flush()
    assert device.logs() == []
    # As in Kafka the log dir has failed with the device, and it was the only one.
    assert site.latest("d") == -1
    assert site.broker.halted is not None
    assert not site.broker.group_commit.busy


def test_records_are_not_acknowledged_where_their_topic_could_not_be_made_durable(site: Site, device: Device) -> None:
    site.topic("new", flush_messages="1")
    device.broken = True
    for _ in range(2):  # the second time the metadata log has failed already
        answer = site.produce("new")
        site.flush()
        assert codes(answer) == [ErrorCode.KAFKA_STORAGE_ERROR]
        assert set(device.logs()) <= {f"{METADATA_TOPIC}-0"}
        assert not site.broker.group_commit.busy


def test_after_a_kill_what_is_only_in_the_page_cache_is_flushed_before_it_is_shown(site: Site, device: Device) -> None:
    site.produce("d")
    site.round()
    site.kill()
    site.start()
    site.partition("d")  # a request would have a thread read it first
    assert site.latest("d") == 1
    assert "d-0" in device.logs()


def test_flush_messages_above_1_asks_every_so_many_records_and_nobody_waits(site: Site, device: Device) -> None:
    site.topic("n", flush_messages="3")
    site.broker._metadata_log_files.flush_data()
    for number in range(1, 8):
        assert codes(site.produce("n")) == [ErrorCode.NONE]
        assert site.latest("n") == number
        site.flush()
        assert site.partition("n").log.flushed_offset == number // 3 * 3
        assert "n-0" in device.logs() or number % 3


def test_it_is_turned_on_and_off_while_records_come(site: Site) -> None:
    log = site.partition("d").log
    durable = log.config
    waiting = site.produce("d")
    log.configure(type(durable)())
    assert codes(site.produce("d")) == [ErrorCode.NONE]
    assert codes(waiting) == [ErrorCode.NONE]
    log.configure(durable)
    answer = site.produce("d")
    assert not answer.done
    assert site.latest("d") == 2
    site.flush()
    assert codes(answer) == [ErrorCode.NONE]


def test_coordinators_and_the_catalogue_are_durable_where_the_broker_says_so(
    make_site: Callable[..., Site], device: Device
) -> None:
    site = make_site(log_flush_interval_messages="1")
    site.topic("t")
    assert device.logs() == [f"{METADATA_TOPIC}-0"]
    answer = site.send(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000), 4)
    assert answer.result().producer_id >= 0
    assert device.logs() == [f"{METADATA_TOPIC}-0"]

    site.broker.coordinators.ensure_topic()
    device.synced.clear()
    row = OffsetCommitRequestPartition(partition_index=0, committed_offset=5, committed_metadata="")
    commit = OffsetCommitRequest(
        group_id="g",
        generation_id_or_member_epoch=-1,
        member_id="",
        topics=[OffsetCommitRequestTopic(name="t", partitions=[row])],
    )
    committed = site.send(commit, 8)
    site.round()
    assert not committed.done
    site.flush()
    assert committed.result().topics[0].partitions[0].error_code == ErrorCode.NONE
    assert device.logs() == ["__consumer_offsets-0"]


def test_a_transaction_is_complete_when_its_markers_are_on_the_device(
    make_site: Callable[..., Site], device: Device
) -> None:
    site = make_site(log_flush_interval_messages="1")
    site.topic("t")
    site.broker.transactions.ensure_topic()
    first = site.send(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1000), 4)
    assert not first.done
    site.flush()
    producer = first.result()
    assert producer.error_code == ErrorCode.NONE
    asked = site.send(add_partition(producer), 3)
    site.flush()
    assert asked.result().results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code == 0
    batch = encode_batch(
        [Record(value=b"v", timestamp_ms=NOW_MS)],
        producer_id=producer.producer_id,
        producer_epoch=producer.producer_epoch,
        base_sequence=0,
        transactional=True,
    )
    data = [PartitionProduceData(index=0, records=batch)]
    request = ProduceRequest(
        transactional_id="x", acks=-1, timeout_ms=1000, topic_data=[TopicProduceData(name="t", partition_data=data)]
    )
    produced = site.send(request, 9)
    site.flush()
    assert codes(produced) == [ErrorCode.NONE]
    device.synced.clear()
    order: list[list[str]] = []
    ended = site.send(end(producer), 3)
    while not (ended.done and site.partition("t").log.last_stable_offset == 2 and not site.broker.group_commit.busy):
        site.flush()
        order.append(device.logs())
        assert len(order) < 10
    # The decision, then the marker, then that it is complete: each on the device before the next is written.
    assert [logs for logs in order if logs] == [["__transaction_state-0"], ["t-0"], ["__transaction_state-0"]]
