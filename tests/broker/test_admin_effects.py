"""What administrators change takes effect at once, and does so again after a kill -9."""

from __future__ import annotations

import socket

import pytest

from compat_tests.support import Klamm
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.alter_configs import AlterableConfig as LegacyConfig
from klamm.wire.messages.alter_configs import AlterConfigsRequest
from klamm.wire.messages.alter_configs import AlterConfigsResource as LegacyResource
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsTopic
from klamm.wire.messages.describe_log_dirs import DescribeLogDirsRequest
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic

from .raw_client import ClosedError, RawClient, ask, wait_for
from .steps import batch, create_topic, list_offset, produced
from .test_behaviours_admin import delete_before

BROKER_CONFIG = {"log.retention.check.interval.ms": "20"}

TOPIC, BROKER = 2, 4
SET, DELETE = 0, 1


def alter(address: str, kind: int, name: str, config: str, value: str | None) -> None:
    """Set one config, or delete it with None."""
    operation = DELETE if value is None else SET
    configs = [AlterableConfig(name=config, config_operation=operation, value=value)]
    resource = AlterConfigsResource(resource_type=kind, resource_name=name, configs=configs)
    (answer,) = ask(address, IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == ErrorCode.NONE, answer


def filled(address: str) -> str:
    """A topic with three segments of a batch each."""
    topic, _ = create_topic(address, {"segment.bytes": "1048576", "max.message.bytes": "1048576"})
    with RawClient(address) as client:
        for _ in range(3):
            produced(client, topic, batch(bytes(700_000)))
    return topic


def start_of(address: str, topic: str) -> int:
    with RawClient(address) as client:
        offset: int = list_offset(client, topic, -2).offset
        return offset


def test_retention_of_a_topic_changes_live(klamm: Klamm) -> None:
    address = klamm.bootstrap_servers
    topic = filled(address)
    assert start_of(address, topic) == 0
    alter(address, TOPIC, topic, "retention.bytes", "690000")
    wait_for(lambda: start_of(address, topic) == 2, "old segments to be deleted")


def test_a_default_of_the_cluster_reaches_topics_that_follow_it(klamm: Klamm) -> None:
    address = klamm.bootstrap_servers
    follower, own = filled(address), filled(address)
    alter(address, TOPIC, own, "retention.bytes", "-1")
    alter(address, BROKER, "", "log.retention.bytes", "690000")
    wait_for(lambda: start_of(address, follower) == 2, "old segments to be deleted")
    assert start_of(address, own) == 0
    klamm.kill()
    klamm.start()
    # Also for partitions that are opened, and topics that are made, after a start.
    late = filled(address)
    wait_for(lambda: start_of(address, late) == 2, "old segments to be deleted")
    alter(address, BROKER, "", "log.retention.bytes", None)
    unlimited = filled(address)
    alter(address, TOPIC, own, "retention.bytes", "690000")
    wait_for(lambda: start_of(address, own) == 2, "old segments to be deleted")
    assert start_of(address, unlimited) == 0


def test_max_connections_of_one_broker_changes_live(klamm: Klamm) -> None:
    address = klamm.bootstrap_servers
    alter(address, BROKER, "1", "max.connections", "1")
    with RawClient(address) as first:
        first.request(ApiVersionsRequest(), 0)
        with RawClient(address) as second, pytest.raises(ClosedError):
            second.request(ApiVersionsRequest(), 0)
        unset = AlterableConfig(name="max.connections", config_operation=DELETE, value=None)
        resource = AlterConfigsResource(resource_type=BROKER, resource_name="1", configs=[unset])
        first.request(IncrementalAlterConfigsRequest(resources=[resource]), 1)
        ask(address, ApiVersionsRequest(), 0)


def test_connections_of_one_address_are_limited_live(klamm: Klamm) -> None:
    address, each, overrides = klamm.bootstrap_servers, "max.connections.per.ip", "max.connections.per.ip.overrides"
    with RawClient(address) as first:

        def set_to(name: str, value: str | None) -> None:
            """Once it is answered the broker has also seen who closed before."""
            config = AlterableConfig(name=name, config_operation=DELETE if value is None else SET, value=value)
            resource = AlterConfigsResource(resource_type=BROKER, resource_name="", configs=[config])
            answer = first.request(IncrementalAlterConfigsRequest(resources=[resource]), 1)
            assert answer.responses[0].error_code == ErrorCode.NONE

        set_to(each, "1")
        with RawClient(address) as second, pytest.raises(ClosedError):
            second.request(ApiVersionsRequest(), 0)
        set_to(overrides, "10.9.8.7:0, localhost:2")
        with RawClient(address) as second, RawClient(address) as third:
            second.request(ApiVersionsRequest(), 0)
            with pytest.raises(ClosedError):
                third.request(ApiVersionsRequest(), 0)
        set_to(overrides, None)
        set_to(each, None)
        with RawClient(address) as second, RawClient(address) as third:
            second.request(ApiVersionsRequest(), 0)
            third.request(ApiVersionsRequest(), 0)


def test_a_resource_named_twice_is_refused(klamm: Klamm) -> None:
    """Kafka 4.3.1 never answers this one."""
    topic, _ = create_topic(klamm.bootstrap_servers)
    configs = [LegacyConfig(name="retention.ms", value="9")]
    resource = LegacyResource(resource_type=TOPIC, resource_name=topic, configs=configs)
    answers = ask(klamm.bootstrap_servers, AlterConfigsRequest(resources=[resource, resource]), 2).responses
    assert [answer.error_code for answer in answers] == [ErrorCode.INVALID_REQUEST] * 2


def test_too_many_partitions_are_refused_and_none_created(klamm: Klamm) -> None:
    """Kafka 4.3.1 answers UNKNOWN_SERVER_ERROR, and creates 10,000 of them."""
    address = klamm.bootstrap_servers
    topic, _ = create_topic(address)
    wanted = [CreatePartitionsTopic(name=topic, count=20_000, assignments=None)]
    (answer,) = ask(address, CreatePartitionsRequest(topics=wanted, timeout_ms=1000), 3).results
    assert answer.error_code == ErrorCode.POLICY_VIOLATION
    (described,) = ask(address, MetadataRequest(topics=[MetadataRequestTopic(name=topic)]), 4).topics
    assert len(described.partitions) == 1


def test_listeners_cannot_be_changed_live(klamm: Klamm) -> None:
    """Kafka opens them; klamm says that it does not."""
    configs = [AlterableConfig(name="listeners", config_operation=SET, value="PLAINTEXT://127.0.0.1:1")]
    resource = AlterConfigsResource(resource_type=BROKER, resource_name="1", configs=configs)
    (answer,) = ask(klamm.bootstrap_servers, IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == ErrorCode.INVALID_REQUEST
    assert "listeners" in answer.error_message
    host, port = klamm.bootstrap_servers.split(":")
    socket.create_connection((host, int(port)), 5).close()


def test_deleted_records_stay_deleted_and_their_segments_go(klamm: Klamm) -> None:
    address = klamm.bootstrap_servers
    topic = filled(address)

    def size_bytes() -> int:
        (folder,) = ask(address, DescribeLogDirsRequest(topics=None), 4).results
        (described,) = [found for found in folder.topics if found.name == topic]
        size: int = described.partitions[0].partition_size
        return size

    before = size_bytes()
    with RawClient(address) as client:
        assert delete_before(client, topic, 2).low_watermark == 2
    assert size_bytes() == before // 3
    klamm.kill()
    klamm.start()
    assert start_of(address, topic) == 2
    assert size_bytes() == before // 3
