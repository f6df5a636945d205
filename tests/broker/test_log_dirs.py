"""Several log.dirs of one broker: where partitions go, what clients see when a folder fails, and that all comes back.

The errors are those that a real Kafka 4.3.1 gives in the same steps (but for the ISR of a partition without a leader,
which is empty there: eligible.leader.replicas.version).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_tests.support import Klamm
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.describe_log_dirs import DescribeLogDirsRequest
from klamm.wire.messages.describe_topic_partitions import DescribeTopicPartitionsRequest, TopicRequest
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData

from .raw_client import ask, wait_for
from .steps import batch, create_topic

#: Long enough for a loaded machine.
PATIENCE_S = 60.0
GOOD = (0, 0, 0)
BAD = (ErrorCode.KAFKA_STORAGE_ERROR,) * 3


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Klamm]:
    """A broker with the folders a and b, which looks at its disks often."""
    log_dirs = ",".join(str(tmp_path / name) for name in "ab")
    config = {"log.dirs": log_dirs, "log.flush.offset.checkpoint.interval.ms": "200"}
    broker = Klamm(tmp_path / "klamm", config=config)
    yield broker
    broker.kill()


def produce(address: str, topic: str, index: int) -> int:
    data = [PartitionProduceData(index=index, records=batch(b"value"))]
    request = ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[TopicProduceData(name=topic, partition_data=data)])
    answer = ask(address, request, 12).responses[0].partition_responses[0]
    assert answer.error_code == 0 or (answer.error_message, answer.base_offset) == (None, -1)
    return int(answer.error_code)


def fetch(address: str, topic: str, index: int) -> int:
    asked = [FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1000)]
    request = FetchRequest(
        max_wait_ms=0, min_bytes=0, max_bytes=1000, topics=[FetchTopic(topic=topic, partitions=asked)]
    )
    return int(ask(address, request, 12).responses[0].partitions[0].error_code)


def latest(address: str, topic: str, index: int) -> Any:
    asked = ListOffsetsPartition(partition_index=index, timestamp=-1)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])])
    return ask(address, request, 5).topics[0].partitions[0]


def codes(address: str, topic: str, index: int) -> tuple[int, int, int]:
    """Of Produce, Fetch and ListOffsets."""
    listed = latest(address, topic, index).error_code
    return produce(address, topic, index), fetch(address, topic, index), int(listed)


def metadata(address: str, topic: str) -> dict[int, Any]:
    request = MetadataRequest(topics=[MetadataRequestTopic(name=topic)], allow_auto_topic_creation=False)
    return {found.partition_index: found for found in ask(address, request, 12).topics[0].partitions}


def log_dirs(address: str) -> dict[str, Any]:
    """By the name of the folder: (error, {(topic, partition): size})."""
    results = ask(address, DescribeLogDirsRequest(topics=None), 5).results
    return {
        Path(found.log_dir).name: (
            found.error_code,
            {
                (topic.name, row.partition_index): row.partition_size
                for topic in found.topics
                for row in topic.partitions
            },
        )
        for found in results
    }


def partitions_in(folder: Path, topic: str) -> set[int]:
    return {int(path.name.rpartition("-")[2]) for path in folder.glob(f"{topic}-*")}


def spread_topic(klamm: Klamm, tmp_path: Path) -> tuple[str, set[int], set[int]]:
    """A topic of four partitions with a record each: its name, those in a and those in b."""
    name, _ = create_topic(klamm.bootstrap_servers, partitions=4)
    for index in range(4):
        assert codes(klamm.bootstrap_servers, name, index) == GOOD
    in_a, in_b = (partitions_in(tmp_path / folder, name) for folder in "ab")
    assert (len(in_a), len(in_b)) == (2, 2)
    assert in_a | in_b == set(range(4))
    return name, in_a, in_b


def is_seen_offline(address: str, topic: str, offline: set[int], online: set[int]) -> None:
    """What clients see of a topic's partitions when the folder of some of them has failed."""
    for index in offline:
        assert codes(address, topic, index) == BAD
    for index in online:
        assert codes(address, topic, index) == GOOD
    found = metadata(address, topic)
    for index in offline:
        shown = found[index]
        assert (shown.error_code, shown.leader_id) == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
        assert (shown.replica_nodes, shown.offline_replicas) == ([1], [1])
    for index in online:
        assert (found[index].error_code, found[index].leader_id, found[index].offline_replicas) == (0, 1, [])
    request = DescribeTopicPartitionsRequest(topics=[TopicRequest(name=topic)], response_partition_limit=100)
    for shown in ask(address, request, 0).topics[0].partitions:
        expected = (-1, [1]) if shown.partition_index in offline else (1, [])
        assert (shown.leader_id, shown.offline_replicas) == expected


def break_folder(folder: Path) -> None:
    """A file in its place: what is open stays readable, and nothing new can be opened."""
    folder.rename(folder.with_suffix(".away"))
    folder.write_bytes(b"")


def mend_folder(folder: Path) -> None:
    folder.unlink()
    folder.with_suffix(".away").rename(folder)


def test_a_folder_fails_while_running_and_comes_back_with_a_start(klamm: Klamm, tmp_path: Path) -> None:
    address = klamm.bootstrap_servers
    topic, in_a, in_b = spread_topic(klamm, tmp_path)
    shown = log_dirs(address)
    assert [shown[name][0] for name in "ab"] == [0, 0]
    for name, expected in (("a", in_a), ("b", in_b)):
        assert {index for found, index in shown[name][1] if found == topic} == expected
        assert all(size > 0 for size in shown[name][1].values())

    break_folder(tmp_path / "b")
    some = min(in_b)
    wait_for(lambda: metadata(address, topic)[some].leader_id == -1, "the failure to be noticed", PATIENCE_S)
    is_seen_offline(address, topic, in_b, in_a)
    epochs = {index: found.leader_epoch for index, found in metadata(address, topic).items()}
    shown = log_dirs(address)
    assert shown["b"] == (ErrorCode.KAFKA_STORAGE_ERROR, {})
    assert {index for found, index in shown["a"][1] if found == topic} == in_a
    # New partitions go where there is a folder.
    other, _ = create_topic(address, partitions=2)
    assert [codes(address, other, index) for index in range(2)] == [GOOD, GOOD]
    assert partitions_in(tmp_path / "a", other) == {0, 1}

    klamm.stop()
    klamm.start()
    address = klamm.bootstrap_servers
    is_seen_offline(address, topic, in_b, in_a)
    assert log_dirs(address)["b"] == (ErrorCode.KAFKA_STORAGE_ERROR, {})

    klamm.stop()
    mend_folder(tmp_path / "b")
    klamm.start()
    address = klamm.bootstrap_servers
    found = metadata(address, topic)
    for index in range(4):
        assert latest(address, topic, index).offset >= 1
        assert codes(address, topic, index) == GOOD
        assert (found[index].leader_id, found[index].isr_nodes, found[index].offline_replicas) == (1, [1], [])
        assert found[index].leader_epoch > epochs[index] or index in in_a
    assert [log_dirs(address)[name][0] for name in "ab"] == [0, 0]
    klamm.stop()


def test_a_broker_without_the_folder_of_its_metadata_log_stops(klamm: Klamm, tmp_path: Path) -> None:
    spread_topic(klamm, tmp_path)
    break_folder(tmp_path / "a")
    wait_for(lambda: not klamm.running, "the broker to stop", PATIENCE_S)
    message = f"Shutdown broker because the metadata log dir {tmp_path / 'a'} has failed"
    assert message in klamm.log_path.read_text()
    with pytest.raises(RuntimeError, match="ended with code 1"):
        klamm.start()
    assert f"metadata log directory {tmp_path / 'a'}. Cannot continue" in klamm.log_path.read_text()
    mend_folder(tmp_path / "a")
    klamm.start()
    klamm.stop()
