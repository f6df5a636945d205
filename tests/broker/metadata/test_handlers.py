"""What one request cannot show against a lone broker: listeners, other brokers, switched-off configs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from klamm.broker.metadata.uuids import UNASSIGNED_DIRECTORY
from klamm.wire.errors import ErrorCode
from klamm.wire.log_records.metadata_cluster import BrokerEndpoint, RegisterBrokerRecord
from klamm.wire.log_records.metadata_topics import PartitionChangeRecord
from klamm.wire.messages.create_topics import CreatableReplicaAssignment, CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from klamm.wire.messages.describe_cluster import DescribeClusterRequest
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic

METADATA_VERSIONS = range(14)


def metadata(broker: Any, version: int, *names: str, listener: str = "PLAINTEXT", auto: bool = True) -> Any:
    topics = [MetadataRequestTopic(name=name) for name in names]
    request = MetadataRequest(topics=topics, allow_auto_topic_creation=auto or version < 4)
    return broker.ask(request, version, listener)


def register(broker: Any, node_id: int, *listeners: str, fenced: bool = False, log_dirs: int = 1) -> None:
    broker.commit(
        [
            RegisterBrokerRecord(
                broker_id=node_id,
                broker_epoch=99,
                end_points=[
                    BrokerEndpoint(name=name, host=f"host{node_id}", port=9000 + node_id) for name in listeners
                ],
                rack="r2",
                fenced=fenced,
                log_dirs=[bytes([number]) * 16 for number in range(1, 1 + log_dirs)],
            )
        ]
    )


def create(broker: Any, name: str, *assignments: list[int]) -> None:
    topic = CreatableTopic(
        name=name,
        num_partitions=-1,
        replication_factor=-1,
        assignments=[
            CreatableReplicaAssignment(partition_index=index, broker_ids=replicas)
            for index, replicas in enumerate(assignments)
        ],
    )
    response = broker.ask(CreateTopicsRequest(topics=[topic]), 7)
    assert response.topics[0].error_code == 0


# --- addresses ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listener", ["PLAINTEXT", "DOCKER"])
def test_this_brokers_address_is_that_of_the_connection(broker: Any, listener: str) -> None:
    for version in METADATA_VERSIONS:
        (found,) = metadata(broker, version, "a", listener=listener).brokers
        assert (found.node_id, found.host, found.port) == (1, f"{listener.lower()}.example", 9092)
    for version in range(3):
        (found,) = broker.ask(DescribeClusterRequest(), version, listener).brokers
        assert found.host == f"{listener.lower()}.example"


def test_others_are_named_by_their_listener(broker: Any) -> None:
    register(broker, 2, "PLAINTEXT")
    register(broker, 3, "DOCKER")
    register(broker, 4, "PLAINTEXT", fenced=True)
    found = metadata(broker, 12).brokers
    assert [(b.node_id, b.host, b.port, b.rack) for b in found] == [
        (1, "plaintext.example", 9092, None),
        (2, "host2", 9002, "r2"),
    ]
    assert [b.node_id for b in metadata(broker, 12, listener="DOCKER").brokers] == [1, 3]
    described = broker.ask(DescribeClusterRequest(include_fenced_brokers=True), 2)
    assert [(b.broker_id, b.is_fenced) for b in described.brokers] == [(1, False), (2, False), (4, True)]
    assert [b.broker_id for b in broker.ask(DescribeClusterRequest(), 2).brokers] == [1, 2]


def test_the_controller_is_a_broker_that_the_client_can_reach(broker: Any) -> None:
    register(broker, 2, "PLAINTEXT")
    for leader, shown in ((1, 1), (2, 2), (3000, 1)):
        broker.catalogue.controller_id = leader
        assert metadata(broker, 12).controller_id == shown
        assert broker.ask(DescribeClusterRequest(), 2).controller_id == shown


# --- partitions ---------------------------------------------------------------------------------------------------


def partition(broker: Any, version: int, listener: str = "PLAINTEXT") -> tuple[Any, ...]:
    (found,) = metadata(broker, version, "a", listener=listener).topics[0].partitions
    return found.error_code, found.leader_id, found.replica_nodes, found.isr_nodes, found.offline_replicas


def test_replicas_that_cannot_be_reached_are_offline(broker: Any) -> None:
    register(broker, 2, "PLAINTEXT")
    create(broker, "a", [1, 2])
    assert partition(broker, 12) == (ErrorCode.NONE, 1, [1, 2], [1, 2], [])
    register(broker, 2, "PLAINTEXT", fenced=True)
    assert partition(broker, 12) == (ErrorCode.NONE, 1, [1, 2], [1, 2], [2])
    assert partition(broker, 1) == (ErrorCode.NONE, 1, [1, 2], [1, 2], [])
    assert partition(broker, 0) == (ErrorCode.REPLICA_NOT_AVAILABLE, 1, [1], [1], [])


def test_a_leader_without_the_clients_listener(broker: Any) -> None:
    register(broker, 2, "DOCKER")
    create(broker, "a", [2, 1])
    assert partition(broker, 12, "DOCKER") == (ErrorCode.NONE, 2, [2, 1], [2, 1], [])
    assert partition(broker, 6) == (ErrorCode.LISTENER_NOT_FOUND, -1, [2, 1], [2, 1], [2])
    assert partition(broker, 5) == (ErrorCode.LEADER_NOT_AVAILABLE, -1, [2, 1], [2, 1], [2])
    assert partition(broker, 0) == (ErrorCode.LEADER_NOT_AVAILABLE, -1, [1], [1], [])


def test_a_partition_without_a_leader(broker: Any) -> None:
    create(broker, "a", [1])
    topic_id = broker.catalogue.topic("a").topic_id
    broker.commit([PartitionChangeRecord(partition_id=0, topic_id=topic_id, leader=-1)])
    for version in METADATA_VERSIONS:
        assert partition(broker, version)[:2] == (ErrorCode.LEADER_NOT_AVAILABLE, -1)
    assert metadata(broker, 7, "a").topics[0].partitions[0].leader_epoch == 1


def test_the_directory_of_a_replica_is_named_when_it_is_certain(broker: Any) -> None:
    register(broker, 2, "PLAINTEXT")
    register(broker, 3, "PLAINTEXT", log_dirs=2)
    create(broker, "a", [1, 2, 3])
    assert broker.catalogue.topic("a").partitions[0].directories == [b"d" * 16, b"\1" * 16, UNASSIGNED_DIRECTORY]


def test_all_topics_at_once(broker: Any) -> None:
    for number in range(50):
        create(broker, f"t{number}", *[[1]] * 100)
    for version in METADATA_VERSIONS:
        response = broker.ask(MetadataRequest(topics=None if version else []), version)
        assert [topic.name for topic in response.topics] == [f"t{number}" for number in range(50)]
        assert sum(len(topic.partitions) for topic in response.topics) == 5000


# --- creation and deletion ----------------------------------------------------------------------------------------


@pytest.mark.behaviour("44")
def test_a_topic_created_on_demand_is_there_in_the_first_answer(broker: Any) -> None:
    told: list[str] = []
    broker.metadata_log.listeners.append(lambda delta: told.extend(topic.name for topic in delta.created_topics))
    for version in METADATA_VERSIONS:
        name = f"auto{version}"
        (topic,) = metadata(broker, version, name).topics
        assert (topic.error_code, len(topic.partitions)) == (0, 3)
        assert told[-1] == name, "the broker had its partitions before the answer went out"


def test_no_topic_is_created_on_demand_where_that_is_off(one_broker: Callable[..., Any], broker: Any) -> None:
    off = one_broker(auto_create_topics_enable="false")
    for version in METADATA_VERSIONS:
        assert metadata(off, version, "a").topics[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    for version in range(4, 14):
        assert metadata(broker, version, "a", auto=False).topics[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert off.catalogue.topics == broker.catalogue.topics == {}


@pytest.mark.parametrize(
    ("name", "partitions", "configs"),
    [
        ("__consumer_offsets", 4, {"cleanup.policy": "compact", "compression.type": "producer"}),
        (
            "__transaction_state",
            50,
            {
                "cleanup.policy": "compact",
                "compression.type": "uncompressed",
                "min.insync.replicas": "1",
                "unclean.leader.election.enable": "false",
            },
        ),
        (
            "__share_group_state",
            50,
            {
                "cleanup.policy": "delete",
                "compression.type": "producer",
                "min.insync.replicas": "1",
                "retention.ms": "-1",
            },
        ),
    ],
)
def test_internal_topics_get_what_their_coordinator_needs(
    broker: Any, name: str, partitions: int, configs: dict[str, str]
) -> None:
    """What a real Kafka 4.3.1 gave them, as its metadata log tells."""
    (topic,) = metadata(broker, 12, name).topics
    assert (topic.error_code, topic.is_internal, len(topic.partitions)) == (0, True, partitions)
    assert broker.catalogue.topic(name).configs == configs | {"segment.bytes": "104857600"}


def test_default_replication_beyond_the_brokers(one_broker: Callable[..., Any]) -> None:
    broker = one_broker(default_replication_factor="2")
    response = broker.ask(
        CreateTopicsRequest(topics=[CreatableTopic(name="a", num_partitions=-1, replication_factor=-1)]), 7
    )
    assert response.topics[0].error_code == ErrorCode.INVALID_REPLICATION_FACTOR
    assert metadata(broker, 12, "a").topics[0].error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_a_validated_topic_is_not_there(broker: Any) -> None:
    before = bytes(broker.log)
    topic = CreatableTopic(name="a", num_partitions=1, replication_factor=1)
    (result,) = broker.ask(CreateTopicsRequest(topics=[topic], validate_only=True), 7).topics
    assert result.error_code == 0
    assert any(result.topic_id)
    assert bytes(broker.log) == before


def test_one_bad_topic_does_not_stop_the_others(broker: Any) -> None:
    topics = [CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in ("good", "bad name")]
    assert [topic.error_code for topic in broker.ask(CreateTopicsRequest(topics=topics), 7).topics] == [0, 17]
    assert list(broker.catalogue.topics) == ["good"]


def test_topics_stay_where_deletion_is_off(one_broker: Callable[..., Any]) -> None:
    broker = one_broker(delete_topic_enable="false")
    create(broker, "a", [1])
    for version in range(1, 7):
        request = DeleteTopicsRequest(topics=[DeleteTopicState(name="a")], timeout_ms=1)
        if version < 6:
            request = DeleteTopicsRequest(topic_names=["a"], timeout_ms=1)
        code = ErrorCode.TOPIC_DELETION_DISABLED if version >= 3 else ErrorCode.INVALID_REQUEST
        (result,) = broker.ask(request, version).responses
        assert (result.name, result.error_code, result.error_message) == ("a", code, None)
    assert "a" in broker.catalogue.topics


@pytest.mark.parametrize("create_version", [0, 1])
def test_the_versions_that_3_9_still_spoke(broker: Any, create_version: int) -> None:
    topic = CreatableTopic(name="a", num_partitions=2, replication_factor=1)
    assert broker.ask(CreateTopicsRequest(topics=[topic]), create_version).topics[0].error_code == 0
    assert len(broker.catalogue.topic("a").partitions) == 2
    response = broker.ask(DeleteTopicsRequest(topic_names=["a", "b"], timeout_ms=1), 0)
    assert {result.name: result.error_code for result in response.responses} == {"a": 0, "b": 3}
    assert broker.catalogue.topics == {}
