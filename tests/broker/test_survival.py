"""What a broker knows outlives kill -9; what it touches fits into few file descriptors."""

from __future__ import annotations

import resource
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_tests.support import Klamm
from klamm.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from klamm.wire.messages.delete_topics import DeleteTopicsRequest
from klamm.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.metadata import MetadataRequest
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .raw_client import RawClient, ask

TOPIC = 2
KILLS = 4


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Klamm]:
    found = Klamm(tmp_path)
    yield found
    found.kill()


def create(address: str, name: str, partitions: int, configs: dict[str, str]) -> None:
    topic = CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in configs.items()],
    )
    (result,) = ask(address, CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7).topics
    assert result.error_code == 0, result.error_message


def topics(address: str) -> dict[str, tuple[bytes, int]]:
    """Name -> (topic id, number of partitions)."""
    answer = ask(address, MetadataRequest(topics=None), 12)
    assert answer.cluster_id
    return {topic.name: (topic.topic_id, len(topic.partitions)) for topic in answer.topics}


def own_configs(address: str, topic: str) -> dict[str, str]:
    """The configs that were set for the topic itself."""
    resource_asked = DescribeConfigsResource(resource_type=TOPIC, resource_name=topic)
    (result,) = ask(address, DescribeConfigsRequest(resources=[resource_asked]), 4).results
    return {config.name: config.value for config in result.configs if config.config_source == 1}


def producer_ids(address: str, count: int) -> list[int]:
    with RawClient(address) as client:
        answers = [client.request(InitProducerIdRequest(transactional_id=None), 4) for _ in range(count)]
    assert all(answer.error_code == 0 for answer in answers)
    return [answer.producer_id for answer in answers]


def test_topics_ids_and_configs_outlive_kills(broker: Klamm) -> None:
    cluster_id = ask(broker.bootstrap_servers, MetadataRequest(topics=[]), 12).cluster_id
    expected: dict[str, tuple[bytes, int]] = {}
    for number in range(KILLS):
        name = f"t{number}"
        create(broker.bootstrap_servers, name, number + 1, {"retention.ms": str(1000 * (number + 1))})
        create(broker.bootstrap_servers, "gone", 2, {})
        answer = ask(broker.bootstrap_servers, DeleteTopicsRequest(topic_names=["gone"], timeout_ms=10_000), 4)
        assert answer.responses[0].error_code == 0
        before = topics(broker.bootstrap_servers)
        assert set(before) == {*expected, name}
        assert all(before[known] == expected[known] for known in expected)
        expected = before
        broker.kill()
        broker.start()
    assert topics(broker.bootstrap_servers) == expected
    for number in range(KILLS):
        assert own_configs(broker.bootstrap_servers, f"t{number}") == {"retention.ms": str(1000 * (number + 1))}
    assert ask(broker.bootstrap_servers, MetadataRequest(topics=[]), 12).cluster_id == cluster_id


def test_no_producer_id_is_issued_twice(broker: Klamm) -> None:
    issued: list[int] = []
    for number in range(KILLS):
        # More than a block of 1,000 in one of the lives, a few in the others.
        issued += producer_ids(broker.bootstrap_servers, 1100 if number == 1 else 3)
        if number % 2:
            broker.restart()
        else:
            broker.kill()
            broker.start()
    issued += producer_ids(broker.bootstrap_servers, 3)
    assert len(set(issued)) == len(issued)


PARTITIONS = 1000
#: Fewer than the partitions have files; the broker may use half of it for logs.
DESCRIPTORS = 256


def limited(command: Any) -> Any:
    """`subprocess.Popen` for a child with few descriptors."""

    def few() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))

    def start(*arguments: Any, **options: Any) -> Any:
        return command(*arguments, **options, preexec_fn=few)

    return start


def produce(client: RawClient, partitions: range) -> list[int]:
    """One record to each of the partitions; their offsets."""
    # Of now: what is older than retention.ms is deleted at the next start.
    batch = encode_batch([Record(value=b"x" * 100, timestamp_ms=int(time.time() * 1000))])
    data = [PartitionProduceData(index=index, records=batch) for index in partitions]
    request = ProduceRequest(
        acks=-1, timeout_ms=10_000, topic_data=[TopicProduceData(name="many", partition_data=data)]
    )
    (topic,) = client.request(request, 9).responses
    assert {answer.error_code for answer in topic.partition_responses} == {0}
    return [answer.base_offset for answer in topic.partition_responses]


def fetch_sizes(client: RawClient, partitions: range) -> list[int]:
    """Bytes of records at offset 0 of each partition."""
    asked = [FetchPartition(partition=index, fetch_offset=0, partition_max_bytes=1000) for index in partitions]
    request = FetchRequest(
        max_wait_ms=0, min_bytes=1, session_epoch=-1, topics=[FetchTopic(topic="many", partitions=asked)]
    )
    (topic,) = client.request(request, 12).responses
    assert {answer.error_code for answer in topic.partitions} == {0}
    return [len(answer.records) for answer in topic.partitions]


def test_a_thousand_partitions_under_256_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", limited(subprocess.Popen))
    broker = Klamm(tmp_path, config={"log.segment.bytes": "1048576"})
    try:
        create(broker.bootstrap_servers, "many", PARTITIONS, {"segment.ms": "1"})
        with RawClient(broker.bootstrap_servers) as client:
            for round_number in range(3):
                for first in range(0, PARTITIONS, 250):
                    assert produce(client, range(first, first + 250)) == [round_number] * 250
            size = fetch_sizes(client, range(1))[0]
            assert fetch_sizes(client, range(PARTITIONS)) == [size] * PARTITIONS
        broker.restart()
        with RawClient(broker.bootstrap_servers) as client:
            assert fetch_sizes(client, range(PARTITIONS)) == [size] * PARTITIONS
        broker.kill()
        broker.start()
        with RawClient(broker.bootstrap_servers) as client:
            assert produce(client, range(PARTITIONS)) == [3] * PARTITIONS
        broker.stop()
    finally:
        broker.kill()
