"""Topics, configurations and the cluster as kafka-python's admin client sees them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import (
    InvalidConfigurationError,
    InvalidPartitionsError,
    InvalidReplicationFactorError,
    InvalidTopicError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)

from ..support import Broker, unique, wait_until

pytestmark = pytest.mark.oracle


@pytest.fixture
def admin(broker: Broker) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    yield client
    client.close()


def test_topics_are_created_described_and_deleted(admin: KafkaAdminClient) -> None:
    name = unique("topic")
    answer = admin.create_topics({name: {"num_partitions": 3, "configs": {"retention.ms": "60000"}}})
    (created,) = answer["topics"]
    assert (created["name"], created["num_partitions"], created["replication_factor"]) == (name, 3, 1)
    assert created["configs"]["retention.ms"]["value"] == "60000"
    admin.wait_for_topics([name])
    assert name in admin.list_topics()
    (described,) = admin.describe_topics([name])
    assert [partition["partition_index"] for partition in described["partitions"]] == [0, 1, 2]
    assert described["topic_id"] == created["topic_id"]
    with pytest.raises(TopicAlreadyExistsError):
        admin.create_topics([name])
    admin.delete_topics([name])
    wait_until(lambda: name not in admin.list_topics(), 20, "the topic to be gone")
    with pytest.raises(UnknownTopicOrPartitionError):
        admin.delete_topics([name])


def test_a_topic_is_deleted_by_its_id(admin: KafkaAdminClient) -> None:
    name = unique("by-id")
    (created,) = admin.create_topics([name])["topics"]
    admin.wait_for_topics([name])
    admin.delete_topics([uuid.UUID(created["topic_id"])])
    wait_until(lambda: name not in admin.list_topics(), 20, "the topic to be gone")


def test_what_is_only_validated_is_not_created(admin: KafkaAdminClient) -> None:
    name = unique("dry")
    admin.create_topics([name], validate_only=True)
    assert name not in admin.list_topics()


@pytest.mark.parametrize(
    ("name", "options", "error"),
    [
        ("what?", {}, InvalidTopicError),
        ("zero", {"num_partitions": 0}, InvalidPartitionsError),
        ("three", {"num_partitions": 1, "replication_factor": 3}, InvalidReplicationFactorError),
        ("bad-config", {"configs": {"retention.ms": "soon"}}, InvalidConfigurationError),
        ("no-config", {"configs": {"no.such.key": "1"}}, InvalidConfigurationError),
    ],
)
def test_bad_topics_are_refused(admin: KafkaAdminClient, name: str, options: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        admin.create_topics({name: options})
    assert name not in admin.list_topics()


def test_topic_configs_tell_where_they_come_from(admin: KafkaAdminClient) -> None:
    name = unique("configured")
    admin.create_topics({name: {"configs": {"cleanup.policy": "compact"}}}, wait_for_metadata=True)
    resource = ConfigResource(ConfigResourceType.TOPIC, name)
    everything = admin.describe_configs([resource], config_filter="all")["topic"][name]
    assert everything["cleanup.policy"]["value"] == "compact"
    assert everything["cleanup.policy"]["config_source"] == "DYNAMIC_TOPIC_CONFIG"
    assert everything["max.message.bytes"]["value"] == "1048588"
    assert everything["max.message.bytes"]["config_source"] == "DEFAULT_CONFIG"
    assert everything["max.message.bytes"]["config_type"] == "INT"
    one_key = ConfigResource(ConfigResourceType.TOPIC, name, {"retention.ms": None})
    assert set(admin.describe_configs([one_key], config_filter="all")["topic"][name]) == {"retention.ms"}


def test_broker_configs_are_answered(admin: KafkaAdminClient) -> None:
    node = str(admin.describe_cluster()["brokers"][0]["broker_id"])
    resource = ConfigResource(ConfigResourceType.BROKER, node)
    everything = admin.describe_configs([resource], config_filter="all")["broker"][node]
    assert everything["num.partitions"]["value"] == "1"
    assert everything["node.id"]["read_only"] is True


def test_the_cluster_is_described(admin: KafkaAdminClient, broker: Broker) -> None:
    cluster = admin.describe_cluster()
    (node,) = cluster["brokers"]
    assert (node["host"], node["port"]) == ("127.0.0.1", broker.port)
    assert cluster["controller_id"] == node["broker_id"]
    assert len(cluster["cluster_id"]) == 22
