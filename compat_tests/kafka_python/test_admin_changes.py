"""What kafka-python's admin client changes: partitions, records, configs, groups, credentials, features."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import (
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ConfigResource,
    ConfigResourceType,
    ResourcePatternFilter,
    ResourceType,
)
from kafka.errors import (
    CoordinatorNotAvailableError,
    ElectionNotNeededError,
    InvalidPartitionsError,
    NoError,
    OffsetOutOfRangeError,
    SecurityDisabledError,
)
from kafka.structs import OffsetAndMetadata

from ..support import Broker, unique, wait_until

pytestmark = pytest.mark.oracle


@pytest.fixture
def admin(broker: Broker) -> Iterator[KafkaAdminClient]:
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    yield client
    client.close()


@pytest.fixture
def topic(admin: KafkaAdminClient) -> str:
    name = unique("changed")
    admin.create_topics({name: {"num_partitions": 2}}, wait_for_metadata=True)
    return name


def produce(broker: Broker, topic: str, count: int, partition: int = 0) -> None:
    producer = KafkaProducer(bootstrap_servers=broker.bootstrap_servers)
    for number in range(count):
        producer.send(topic, b"%d" % number, partition=partition).get(20)
    producer.close()


def test_partitions_are_added_and_can_be_written_to(admin: KafkaAdminClient, broker: Broker, topic: str) -> None:
    admin.create_partitions({topic: 4})
    wait_until(lambda: len(admin.describe_topics([topic])[0]["partitions"]) == 4, 20, "the new partitions")
    produce(broker, topic, 1, partition=3)
    with pytest.raises(InvalidPartitionsError):
        admin.create_partitions({topic: 4})
    paged = admin.describe_topic_partitions([topic], response_partition_limit=3)
    assert [row["partition_index"] for row in paged["topics"][0]["partitions"]] == [0, 1, 2]
    assert (paged["next_cursor"]["topic_name"], paged["next_cursor"]["partition_index"]) == (topic, 3)


def test_records_are_deleted(admin: KafkaAdminClient, broker: Broker, topic: str) -> None:
    produce(broker, topic, 5)
    partition = TopicPartition(topic, 0)
    assert admin.delete_records({partition: 3})[partition]["low_watermark"] == 3
    with pytest.raises(OffsetOutOfRangeError):
        admin.delete_records({partition: 9})
    (folder,) = admin.describe_log_dirs({topic: [0, 1]})
    (described,) = folder["log_dirs"][0]["topics"]
    sizes = {row["partition_index"]: row["partition_size"] for row in described["partitions"]}
    assert sizes[0] > 0
    assert sizes[1] == 0


def test_configs_are_set_and_reset(admin: KafkaAdminClient, topic: str) -> None:
    resource = ConfigResourceType.TOPIC

    def shown() -> tuple[str, str]:
        found = admin.describe_configs([ConfigResource(resource, topic)], config_filter="all")["topic"][topic]
        return found["retention.ms"]["value"], found["retention.ms"]["config_source"]

    admin.alter_configs([ConfigResource(resource, topic, {"retention.ms": "60000"})])
    wait_until(lambda: shown() == ("60000", "DYNAMIC_TOPIC_CONFIG"), 20, "the config")
    (refused,) = admin.alter_configs([ConfigResource(resource, topic, {"retention.ms": "soon"})])["topic"].values()
    assert "InvalidConfigurationError" in refused
    admin.reset_configs([ConfigResource(resource, topic, ["retention.ms"])])
    wait_until(lambda: shown() == ("604800000", "DEFAULT_CONFIG"), 20, "the default")


def test_offsets_and_groups_are_deleted(admin: KafkaAdminClient, topic: str) -> None:
    group = unique("group")
    first, second = TopicPartition(topic, 0), TopicPartition(topic, 1)
    offsets = {partition: OffsetAndMetadata(7, "", -1) for partition in (first, second)}

    def committed() -> bool:
        try:
            return admin.alter_group_offsets(group, offsets)[first] is NoError
        except CoordinatorNotAvailableError:  # Kafka makes __consumer_offsets now
            return False

    wait_until(committed, 20, "the commit")
    assert admin.delete_group_offsets(group, [first]) == {first: NoError}
    assert set(admin.list_group_offsets({group: None})[group]) == {second}
    assert admin.delete_groups([group]) == {group: "OK"}
    assert "GroupIdNotFoundError" in admin.delete_groups([group])[group]


def test_what_one_broker_has_nothing_to_do_for(admin: KafkaAdminClient, topic: str) -> None:
    (result,) = admin.elect_leaders(0, {topic: [0]}).replica_election_results
    assert [row.error_code for row in result.partition_result] == [ElectionNotNeededError.errno]
    assert admin.list_partition_reassignments() == {}
    node = admin.describe_cluster()["brokers"][0]["broker_id"]
    assert admin.alter_partition_reassignments({TopicPartition(topic, 0): [node]})[TopicPartition(topic, 0)] is None


def test_the_quorum_the_producers_and_access_control(admin: KafkaAdminClient, broker: Broker, topic: str) -> None:
    quorum = admin.describe_metadata_quorum()["topics"][0]["partitions"][0]
    assert [voter["replica_id"] for voter in quorum["current_voters"]] == [quorum["leader_id"]]
    produce(broker, topic, 1)
    partition = TopicPartition(topic, 0)
    (producer,) = admin.describe_producers([partition])[partition].active_producers
    assert producer.producer_id >= 0
    everything = ACLFilter(
        principal=None,
        host=None,
        operation=ACLOperation.ANY,
        permission_type=ACLPermissionType.ANY,
        resource_pattern=ResourcePatternFilter(ResourceType.ANY, None, ACLResourcePatternType.ANY),
    )
    with pytest.raises(SecurityDisabledError):
        admin.describe_acls(everything)
