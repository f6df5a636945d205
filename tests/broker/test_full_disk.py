"""A disk without room: everything that would write is refused, nothing of it has happened, all else is served on; when
there is room again all goes on without a restart.

RLIMIT_FSIZE makes every write of a running broker fail (EFBIG) and is lifted again; a small tmpfs is really full
(ENOSPC), where this process may mount one.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.support import Klamm
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.metadata import MetadataRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic

from .raw_client import ask, wait_for_coordinators
from .steps import RawClient, batch, create_topic, delete_topic, fetch, list_offset, new_producer_id, produce_request

GROUP = "group"
FULL = ErrorCode.KAFKA_STORAGE_ERROR


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Klamm]:
    broker = Klamm(tmp_path, config={"log.flush.offset.checkpoint.interval.ms": "100"})
    yield broker
    broker.kill()


class Limited:
    """No file of the process may grow until `lift`."""

    def __init__(self, pid: int) -> None:
        import resource

        self._resource, self._pid = resource, pid
        self._before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, self._before[1]))

    def lift(self) -> None:
        self._resource.prlimit(self._pid, self._resource.RLIMIT_FSIZE, self._before)


def produced(address: str, topic: str, value: bytes = b"value") -> tuple[int, int]:
    """(error, base offset)"""
    answer = ask(address, produce_request(topic, batch(value)), 12).responses[0].partition_responses[0]
    return int(answer.error_code), int(answer.base_offset)


def created(address: str, name: str) -> int:
    topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1, assignments=[], configs=[])
    (answer,) = ask(address, CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7).topics
    return int(answer.error_code)


def grown(address: str, name: str) -> int:
    topic = CreatePartitionsTopic(name=name, count=2, assignments=None)
    (answer,) = ask(address, CreatePartitionsRequest(topics=[topic], timeout_ms=10_000), 3).results
    return int(answer.error_code)


def configured(address: str, name: str) -> int:
    config = AlterableConfig(name="retention.ms", config_operation=0, value="1000000")
    resource = AlterConfigsResource(resource_type=2, resource_name=name, configs=[config])
    (answer,) = ask(address, IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    return int(answer.error_code)


def committed(address: str, topic: str, offset: int) -> int:
    row = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[row])]
    request = OffsetCommitRequest(group_id=GROUP, generation_id_or_member_epoch=-1, member_id="", topics=topics)
    return int(ask(address, request, 7).topics[0].partitions[0].error_code)


def committed_offset(address: str, topic: str) -> int:
    asked = [OffsetFetchRequestTopic(name=topic, partition_indexes=[0])]
    answer = ask(address, OffsetFetchRequest(group_id=GROUP, topics=asked), 7)
    return int(answer.topics[0].partitions[0].committed_offset)


def deleted_before(address: str, topic: str, offset: int) -> tuple[int, int]:
    """(error, low watermark)"""
    topics = [DeleteRecordsTopic(name=topic, partitions=[DeleteRecordsPartition(partition_index=0, offset=offset)])]
    answer = ask(address, DeleteRecordsRequest(topics=topics, timeout_ms=10_000), 2).topics[0].partitions[0]
    return int(answer.error_code), int(answer.low_watermark)


def topics_of(address: str) -> set[str]:
    return {topic.name for topic in ask(address, MetadataRequest(topics=None), 12).topics if not topic.is_internal}


def test_no_file_may_grow_for_a_while(klamm: Klamm) -> None:
    import resource

    if not hasattr(resource, "prlimit"):
        pytest.skip("the limits of another process can be set on Linux only")
    address = klamm.bootstrap_servers
    wait_for_coordinators(address, GROUP)
    topic, _ = create_topic(address)
    assert [produced(address, topic) for _ in range(3)] == [(0, 0), (0, 1), (0, 2)]
    assert committed(address, topic, 1) == 0
    with RawClient(address) as client:
        first_id = new_producer_id(client)

    limit = Limited(klamm.pid)
    assert [produced(address, topic) for _ in range(3)] == [(FULL, -1)] * 3
    assert created(address, "refused") == FULL
    assert created(address, "refused") == FULL
    assert grown(address, topic) == FULL
    assert configured(address, topic) == FULL
    assert committed(address, topic, 2) == ErrorCode.NOT_COORDINATOR
    assert deleted_before(address, topic, 2) == (FULL, -1)
    # Nothing of it has happened, and the rest is served.
    assert topics_of(address) == {topic}
    assert committed_offset(address, topic) == 1
    with RawClient(address) as client:
        assert list_offset(client, topic, -1).offset == 3
        assert list_offset(client, topic, -2).offset == 0
        answer = fetch(client, topic)
        assert (answer.error_code, answer.high_watermark) == (0, 3)
        assert new_producer_id(client) == first_id + 1  # of the block that it has
    assert klamm.running

    limit.lift()
    assert produced(address, topic) == (0, 3)
    assert created(address, "created") == 0
    assert produced(address, "created") == (0, 0)
    assert grown(address, topic) == 0
    assert configured(address, topic) == 0
    assert committed(address, topic, 2) == 0
    assert deleted_before(address, topic, 2) == (0, 2)
    klamm.kill()
    klamm.start()
    address = klamm.bootstrap_servers
    assert topics_of(address) == {topic, "created"}
    assert committed_offset(address, topic) == 2
    with RawClient(address) as client:
        assert (list_offset(client, topic, -2).offset, list_offset(client, topic, -1).offset) == (2, 4)
        assert new_producer_id(client) > first_id + 1
    assert produced(address, topic) == (0, 4)
    klamm.stop()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True, timeout=60)


def test_a_disk_is_filled_and_made_free_by_deleting_a_topic(small_disk: Path, tmp_path: Path) -> None:
    # Room is there when the files are unlinked, not when the topic is gone.
    config = {"log.dirs": str(small_disk / "data"), "log.segment.delete.delay.ms": "0"}
    klamm = Klamm(tmp_path / "klamm", config=config)
    try:
        address = klamm.bootstrap_servers
        wait_for_coordinators(address, GROUP)
        topic, _ = create_topic(address)
        ballast, _ = create_topic(address)
        value = bytes(100_000)
        assert [produced(address, ballast, value)[0] for _ in range(20)] == [0] * 20
        good = 0
        while produced(address, topic, value) == (0, good):
            good += 1
            assert good < 60
        assert produced(address, topic, value) == (FULL, -1)
        assert good > 10
        with RawClient(address) as client:
            assert list_offset(client, topic, -1).offset == good
        delete_topic(address, ballast)
        deadline = time.monotonic() + 60
        while produced(address, topic, value) == (FULL, -1):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        good += 1
        assert [produced(address, topic, value) for _ in range(10)] == [(0, good + number) for number in range(10)]
        klamm.kill()
        klamm.start()
        address = klamm.bootstrap_servers
        assert produced(address, topic) == (0, good + 10)
        klamm.stop()
    finally:
        klamm.kill()
