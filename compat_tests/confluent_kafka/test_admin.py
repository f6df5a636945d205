"""Topics, configurations and the cluster as librdkafka's admin client sees them."""

from __future__ import annotations

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import ConfigResource, ConfigSource, NewTopic, OffsetSpec

from ..support import Broker, sample_records, unique, wait_until
from .clients import WAIT_S, admin, create_topic, producer, send

pytestmark = pytest.mark.oracle


def test_topics_are_created_described_and_deleted(broker: Broker) -> None:
    name = unique("topic")
    client = admin(broker)
    create_topic(broker, name, 3, {"retention.ms": "60000"})
    assert sorted(client.list_topics(name, timeout=WAIT_S).topics[name].partitions) == [0, 1, 2]
    described = client.describe_topics(TopicCollection([name]))[name].result(WAIT_S)
    assert [partition.id for partition in described.partitions] == [0, 1, 2]
    with pytest.raises(KafkaException) as raised:
        create_topic(broker, name)
    assert raised.value.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS
    client.delete_topics([name])[name].result(WAIT_S)
    wait_until(lambda: name not in client.list_topics(timeout=WAIT_S).topics, 20, "the topic to be gone")
    with pytest.raises(KafkaException) as raised:
        client.delete_topics([name])[name].result(WAIT_S)
    assert raised.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART


def test_a_topic_of_the_same_name_starts_empty(broker: Broker) -> None:
    name = create_topic(broker, unique("again"))
    client = admin(broker)
    send(producer(broker), name, sample_records(3))
    client.delete_topics([name])[name].result(WAIT_S)
    wait_until(lambda: name not in client.list_topics(timeout=WAIT_S).topics, 20, "the topic to be gone")
    create_topic(broker, name)
    (answer,) = send(producer(broker), name, sample_records(1))
    assert answer.offset() == 0


@pytest.mark.parametrize(
    ("name", "options", "code"),
    [
        ("what?", {}, KafkaError.TOPIC_EXCEPTION),
        ("zero", {"num_partitions": 0}, KafkaError.INVALID_PARTITIONS),
        ("three", {"replication_factor": 3}, KafkaError.INVALID_REPLICATION_FACTOR),
        ("bad-config", {"config": {"retention.ms": "soon"}}, KafkaError.INVALID_CONFIG),
        ("no-config", {"config": {"no.such.key": "1"}}, KafkaError.INVALID_CONFIG),
    ],
)
@pytest.mark.parametrize("validate_only", [False, True])
def test_bad_topics_are_refused(broker: Broker, name: str, options: dict, code: int, validate_only: bool) -> None:
    client = admin(broker)
    new = NewTopic(name, **{"num_partitions": 1, "replication_factor": 1, **options})
    with pytest.raises(KafkaException) as raised:
        client.create_topics([new], validate_only=validate_only)[name].result(WAIT_S)
    assert raised.value.args[0].code() == code
    assert name not in client.list_topics(timeout=WAIT_S).topics


def test_topic_configs_tell_where_they_come_from(broker: Broker) -> None:
    name = create_topic(broker, unique("configured"), configs={"cleanup.policy": "compact"})
    resource = ConfigResource(ConfigResource.Type.TOPIC, name)
    client = admin(broker)
    configs = client.describe_configs([resource])[resource].result(WAIT_S)
    assert configs["cleanup.policy"].value == "compact"
    assert configs["cleanup.policy"].source == ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    assert configs["max.message.bytes"].value == "1048588"
    assert configs["max.message.bytes"].source == ConfigSource.DEFAULT_CONFIG.value
    assert configs["max.message.bytes"].is_default


def test_the_cluster_is_described(broker: Broker) -> None:
    client = admin(broker)
    cluster = client.describe_cluster().result(WAIT_S)
    (node,) = cluster.nodes
    assert (node.host, node.port, node.id) == ("127.0.0.1", broker.port, cluster.controller.id)
    assert len(cluster.cluster_id) == 22
    resource = ConfigResource(ConfigResource.Type.BROKER, str(node.id))
    configs = client.describe_configs([resource])[resource].result(WAIT_S)
    assert configs["num.partitions"].value == "1"


def test_offsets_are_listed_by_kind(broker: Broker) -> None:
    name = create_topic(broker, unique("offsets"))
    sender = producer(broker)
    for number in (3, 9, 5):
        send(sender, name, [(None, b"v", [])], timestamp=1_600_000_000_000 + number)

    client = admin(broker)

    def offset(spec: OffsetSpec) -> int:
        part = TopicPartition(name, 0)
        return client.list_offsets({part: spec})[part].result(WAIT_S).offset

    assert [offset(spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest())] == [0, 3]
    assert offset(OffsetSpec.max_timestamp()) == 1
    assert offset(OffsetSpec.for_timestamp(1_600_000_000_004)) == 1
