"""A partition folder from another cluster, led there in higher epochs than the catalogue's here.

A real Kafka 4.3.1 goes on in its own epoch: its leader-epoch-checkpoint loses the higher ones, and a fetch by somebody
who has read them is OFFSET_OUT_OF_RANGE. klamm's epochs never go back.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from klamm.tools.log_command import run as log_command
from klamm.wire.batches import MAX_INT32, iter_batches
from klamm.wire.declare import Message
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from klamm.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)
from tests.coordinator.site import Site

from .steps import batch, led_in, produce_request


def ask(site: Site, request: Message, version: int) -> Any:
    """A log that is used for the first time is read by a thread, and the answer comes later."""
    answer = site.send(request, version)
    site.pump()
    return answer.result()


def produce(site: Site) -> tuple[int, int]:
    """(error code, base offset)"""
    answer = (
        ask(site, produce_request("t", batch(b"v", timestamp_ms=site.now_ms)), 9).responses[0].partition_responses[0]
    )
    return answer.error_code, answer.base_offset


def fetch(site: Site, offset: int, last_fetched_epoch: int, current_epoch: int = -1) -> Any:
    asked = FetchPartition(
        partition=0,
        fetch_offset=offset,
        partition_max_bytes=1000,
        last_fetched_epoch=last_fetched_epoch,
        current_leader_epoch=current_epoch,
    )
    request = FetchRequest(
        max_wait_ms=0, min_bytes=0, max_bytes=1000, topics=[FetchTopic(topic="t", partitions=[asked])]
    )
    return ask(site, request, 12)


def epoch_end(site: Site, epoch: int) -> tuple[int, int]:
    asked = OffsetForLeaderPartition(partition=0, current_leader_epoch=-1, leader_epoch=epoch)
    request = OffsetForLeaderEpochRequest(replica_id=-1, topics=[OffsetForLeaderTopic(topic="t", partitions=[asked])])
    answer = ask(site, request, 4).topics[0].partitions[0]
    assert answer.error_code == 0
    return answer.leader_epoch, answer.end_offset


def metadata_epoch(site: Site) -> int:
    request = MetadataRequest(topics=[MetadataRequestTopic(name="t")], allow_auto_topic_creation=False)
    found: int = ask(site, request, 12).topics[0].partitions[0].leader_epoch
    return found


def batch_epochs(path: Path) -> list[int]:
    data = (path / "t-0" / f"{0:020d}.log").read_bytes()
    return [header.partition_leader_epoch for _, header in iter_batches(memoryview(data))]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    found = Site(tmp_path)
    found.create("t")
    assert [produce(found) for _ in range(3)] == [(0, 0), (0, 1), (0, 2)]
    found.stop()
    return found


def test_the_next_epoch_is_above_all_there_were(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    led_in(site.path / "t-0", 5, 7, 7)
    site.start()
    assert metadata_epoch(site) == 0  # nobody has used the partition yet
    assert produce(site) == (0, 3)
    assert metadata_epoch(site) == 8
    assert batch_epochs(site.path) == [5, 7, 7, 8]
    assert [epoch_end(site, epoch) for epoch in (5, 7, 8)] == [(5, 1), (7, 3), (8, 4)]
    for last_fetched in (-1, 7):
        answer = fetch(site, 3, last_fetched).responses[0].partitions[0]
        assert (answer.error_code, answer.diverging_epoch.epoch) == (0, -1)
        assert answer.records
    # A client that does not know of it yet asks for metadata again.
    stale = fetch(site, 3, 7, current_epoch=0).responses[0].partitions[0]
    assert stale.error_code == ErrorCode.FENCED_LEADER_EPOCH
    partition = site.broker.catalogue.topics["t"].partitions[0]
    for _ in range(2):
        site.stop()
        assert log_command(["verify", str(site.path)]) == 0, capsys.readouterr().out
        site.start()
        assert site.broker.catalogue.topics["t"].partitions[0] == partition
    site.broker.metadata_snapshots.take_if_changed()
    site.pump()
    site.logs.abandon()
    site.broker.reactor.poller.close()
    site.start()
    assert produce(site) == (0, 4)
    assert metadata_epoch(site) == 9  # it was killed: an epoch of its own, as ever
    assert batch_epochs(site.path) == [5, 7, 7, 8, 9]
    site.stop()


@pytest.mark.parametrize(("epochs", "expected"), [((0, 0, 0), 0), ((0, 0, 1), 2), ((MAX_INT32 - 1,) * 3, MAX_INT32)])
def test_it_is_no_higher_than_need_be(site: Site, epochs: tuple[int, ...], expected: int) -> None:
    led_in(site.path / "t-0", *epochs)
    site.start()
    assert produce(site) == (0, 3)
    assert metadata_epoch(site) == expected
    assert batch_epochs(site.path) == [*epochs, expected]
    site.stop()


def test_the_highest_epoch_there_is_stays(site: Site) -> None:
    led_in(site.path / "t-0", *(MAX_INT32,) * 3)
    for _ in range(2):
        site.start()
        assert produce(site)[0] == 0
        assert metadata_epoch(site) == MAX_INT32
        site.stop()


def test_without_the_checkpoint_the_batches_say_it(site: Site) -> None:
    led_in(site.path / "t-0", 5, 7, 7)
    (site.path / "t-0" / "leader-epoch-checkpoint").unlink()
    (site.path / ".kafka_cleanshutdown").unlink()
    (site.path / "recovery-point-offset-checkpoint").unlink()
    site.start()
    assert produce(site) == (0, 3)
    assert batch_epochs(site.path) == [5, 7, 7, 8]
    site.stop()


def test_a_catalogue_that_takes_no_change_opens_no_log(site: Site) -> None:
    led_in(site.path / "t-0", 5, 7, 7)
    site.start()
    commit = site.broker.commit

    def full(records: Any) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "no room")

    site.broker.commit = full  # type: ignore[method-assign]
    assert produce(site) == (ErrorCode.KAFKA_STORAGE_ERROR, -1)
    assert batch_epochs(site.path) == [5, 7, 7]
    site.broker.commit = commit  # type: ignore[method-assign]
    assert produce(site) == (0, 3)
    assert batch_epochs(site.path) == [5, 7, 7, 8]
    site.stop()
