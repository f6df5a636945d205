"""Kafka's Admin client: topics, configs, the cluster, groups and their offsets, offsets of partitions."""

from __future__ import annotations

from typing import Any

from ..support import unique, wait_until
from .clients import Java

UUID_LENGTH = 22


def test_create_topics_with_configs(java: Java) -> None:
    admin, topic = java.admin(), unique("java")
    configs = {"cleanup.policy": "compact", "max.message.bytes": "12345"}
    [created] = admin.call(
        "create_topics", topics=[{"name": topic, "partitions": 3, "replication": 1, "configs": configs}]
    ).values()
    assert (created["partitions"], created["replication"], len(created["id"])) == (3, 1, UUID_LENGTH)
    for key, value in configs.items():
        assert (created["configs"][key]["value"], created["configs"][key]["source"]) == (value, "DYNAMIC_TOPIC_CONFIG")
    assert created["configs"]["retention.ms"]["value"] == "604800000"
    assert created["configs"]["retention.ms"]["default"] is True
    listed = {"id": created["id"], "internal": False}
    # Kafka's controller answers a moment before its broker knows: what was made is waited for here and below.
    wait_until(lambda: admin.call("list_topics").get(topic) == listed, 10, "the topic in the list")


def test_the_broker_chooses_what_is_not_given(java: Java) -> None:
    admin, topic = java.admin(), unique("java")
    [created] = admin.call("create_topics", topics=[{"name": topic}]).values()
    assert (created["partitions"], created["replication"]) == (1, 1)


def test_validate_only_creates_nothing(java: Java) -> None:
    admin, topic = java.admin(), unique("java")
    [created] = admin.call("create_topics", topics=[{"name": topic, "partitions": 2}], validate_only=True).values()
    assert created["partitions"] == 2
    assert topic not in admin.call("list_topics")


def test_create_topics_that_are_refused(java: Java) -> None:
    admin, good, taken = java.admin(), unique("java"), java.create_topic()
    refused: dict[str, tuple[str, dict[str, Any]]] = {
        taken: ("TopicExistsException", {}),
        "not/a/name": ("InvalidTopicException", {}),
        "." * 2: ("InvalidTopicException", {}),
        unique("factor"): ("InvalidReplicationFactorException", {"replication": 3}),
        unique("none"): ("InvalidPartitionsException", {"partitions": 0}),
        unique("key"): ("InvalidConfigurationException", {"configs": {"no.such.key": "1"}}),
        unique("value"): ("InvalidConfigurationException", {"configs": {"retention.ms": "long"}}),
    }
    topics = [{"name": name, "partitions": 1, "replication": 1, **row} for name, (_, row) in refused.items()]
    made = admin.call("create_topics", topics=[*topics, {"name": good, "partitions": 1}])
    assert made.pop(good)["partitions"] == 1
    assert {name: row["error"] for name, row in made.items()} == {name: error for name, (error, _) in refused.items()}


def test_delete_topics_by_name_and_by_id(java: Java) -> None:
    admin, first, second, absent = java.admin(), java.create_topic(), java.create_topic(), unique("absent")
    deleted = admin.call("delete_topics", names=[first, absent])
    assert deleted[first] is None
    assert deleted[absent]["error"] == "UnknownTopicOrPartitionException"
    topic_id = admin.call("list_topics")[second]["id"]
    assert admin.call("delete_topics", ids=[topic_id]) == {topic_id: None}
    assert admin.call("delete_topics", ids=[topic_id])[topic_id]["error"] == "UnknownTopicIdException"
    wait_until(lambda: {first, second}.isdisjoint(admin.call("list_topics")), 10, "the topics to go from the list")


def test_describe_topics_by_name_and_by_id(java: Java) -> None:
    admin, topic = java.admin(), java.create_topic(partitions=2)
    [node] = admin.call("describe_cluster")["nodes"]
    described = admin.call("describe_topics", names=[topic, unique("absent")])
    assert described.pop(topic) | {"id": ""} == {
        "name": topic,
        "id": "",
        "internal": False,
        "partitions": [
            {"partition": number, "leader": node[0], "replicas": [node[0]], "isr": [node[0]]} for number in (0, 1)
        ],
        "operations": None,
    }
    [absent] = described.values()
    assert absent["error"] == "UnknownTopicOrPartitionException"
    topic_id = admin.call("list_topics")[topic]["id"]
    assert admin.call("describe_topics", ids=[topic_id])[topic_id]["name"] == topic


def test_many_topics_are_described_at_once(java: Java) -> None:
    admin = java.admin()
    names = [unique("many") for _ in range(60)]
    made = admin.call("create_topics", topics=[{"name": name, "partitions": 2} for name in names])
    assert [name for name, row in made.items() if "error" in row] == []
    wait_until(lambda: set(names) <= set(admin.call("list_topics")), 10, "the topics in the list")
    described = admin.call("describe_topics", names=names)
    assert {name: len(row["partitions"]) for name, row in described.items()} == dict.fromkeys(names, 2)


def test_the_internal_topic_is_told_apart(java: Java) -> None:
    admin, topic = java.admin(), java.create_topic()
    java.consumer(partitions=[(topic, 0, None)], group_id=topic).call("commit", offsets=[(topic, 0, 0)])
    assert "__consumer_offsets" not in admin.call("list_topics")
    assert admin.call("list_topics", internal=True)["__consumer_offsets"]["internal"] is True
    assert len(admin.call("describe_topics", names=["__consumer_offsets"])["__consumer_offsets"]["partitions"]) == 50


def test_describe_cluster(java: Java) -> None:
    cluster = java.admin().call("describe_cluster")
    assert cluster["nodes"] == [[cluster["controller"], "127.0.0.1", java.broker.port]]
    assert len(cluster["id"]) == UUID_LENGTH
    assert cluster["operations"] is None


def test_authorized_operations_are_told_when_asked_for(java: Java) -> None:
    """Without an authorizer everything is allowed; consoles draw their buttons from this."""
    admin, topic = java.admin(), java.create_topic()
    java.consumer(partitions=[(topic, 0, None)], group_id=topic).call("commit", offsets=[(topic, 0, 0)])
    cluster = admin.call("describe_cluster", operations=True)["operations"]
    assert sorted(cluster) == [
        "ALTER",
        "ALTER_CONFIGS",
        "CLUSTER_ACTION",
        "CREATE",
        "DESCRIBE",
        "DESCRIBE_CONFIGS",
        "IDEMPOTENT_WRITE",
    ]
    topics = admin.call("describe_topics", names=[topic], operations=True)[topic]["operations"]
    assert sorted(topics) == sorted(
        ["ALTER", "ALTER_CONFIGS", "CREATE", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ", "WRITE"]
    )
    groups = admin.call("describe_groups", groups=[topic], operations=True)[topic]["operations"]
    assert sorted(groups) == ["ALTER_CONFIGS", "DELETE", "DESCRIBE", "DESCRIBE_CONFIGS", "READ"]


def test_describe_configs(java: Java) -> None:
    admin, topic = java.admin(), java.create_topic(retention_ms=1000)
    described = admin.call("describe_configs", type="TOPIC", names=[topic, unique("absent")])
    configs = described.pop(topic)
    assert configs["retention.ms"] == {
        "value": "1000",
        "source": "DYNAMIC_TOPIC_CONFIG",
        "read_only": False,
        "sensitive": False,
        "default": False,
    }
    assert configs["cleanup.policy"] | {"source": ""} == {
        "value": "delete",
        "source": "",
        "read_only": False,
        "sensitive": False,
        "default": True,
    }
    assert [row["error"] for row in described.values()] == ["UnknownTopicOrPartitionException"]
    node = admin.call("describe_cluster")["controller"]
    broker = admin.call("describe_configs", type="BROKER", names=[str(node)])[str(node)]
    assert broker["num.partitions"]["value"] == "1"
    assert broker["message.max.bytes"]["value"] == "1048588"
    assert broker["node.id"]["read_only"] is True


def test_a_group_is_listed_and_described(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    consumer = java.consumer(topic, group_id=topic, group_instance_id="here", commit=True)
    java.producer().send_values(topic, ["a"], 1)
    java.program.wait_for(lambda: consumer.committed().get((topic, 1)) == 1, "a commit")
    admin = java.admin()
    assert admin.call("list_groups")[topic] == {"type": "Classic", "protocol": "consumer", "state": "Stable"}
    group = admin.call("describe_groups", groups=[topic])[topic]
    [member] = group.pop("members")
    assert member["client_id"] == consumer.name
    assert member["host"].strip("/") == "127.0.0.1"
    assert member["instance"] == "here"
    assert member["partitions"] == [[topic, 0], [topic, 1]]
    node = admin.call("describe_cluster")["controller"]
    assert group == {
        "type": "Classic",
        "state": "Stable",
        "assignor": "range",
        "coordinator": node,
        "operations": None,
    }
    offsets = admin.call("group_offsets", groups=[topic])[topic]
    assert [topic, 1, 1, ""] in offsets
    java.close_client(consumer)
    # The static member stays in the group until it is removed by its name.
    admin.call("remove_members", group=topic, instances=["here"])
    assert admin.call("describe_groups", groups=[topic])[topic]["state"] == "Empty"
    assert admin.call("list_groups")[topic]["state"] == "Empty"


def test_unknown_groups(java: Java) -> None:
    admin, absent = java.admin(), unique("absent")
    assert absent not in admin.call("list_groups")
    assert admin.call("describe_groups", groups=[absent])[absent]["error"] == "GroupIdNotFoundException"
    assert admin.call("group_offsets", groups=[absent]) == {absent: []}


def test_every_member_can_be_removed_at_once(java: Java) -> None:
    topic = java.create_topic()
    consumer = java.consumer(topic, group_id=topic, heartbeat_interval_ms=100)
    java.program.wait_for(lambda: consumer.owned(), "an assignment")
    java.admin().call("remove_members", group=topic)
    # It finds out by its heartbeat, loses its partitions and joins anew.
    java.program.wait_for(lambda: consumer.events("lost"), "the loss of its partitions")
    java.program.wait_for(lambda: consumer.owned(), "an assignment after it")


def test_offsets_of_several_groups_are_read_and_altered(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    java.producer().send_values(topic, map(str, range(10)), 0)
    admin, groups = java.admin(), [unique("group") for _ in range(3)]
    for number, group in enumerate(groups):
        admin.call("alter_group_offsets", group=group, offsets=[(topic, 0, number, f"note {number}")])
    assert admin.call("group_offsets", groups=groups) == {
        group: [[topic, 0, number, f"note {number}"]] for number, group in enumerate(groups)
    }
    consumed = java.consumer(topic, group_id=groups[2]).take(8)
    assert [record.offset for record in consumed] == list(range(2, 10))


def test_list_offsets(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    java.producer(linger_ms=100).send(topic, [(None, b"", [])] * 4, 0, [1000, 4000, 2000, 3000])
    admin = java.admin()

    def look(spec: str | int, partition: int = 0) -> tuple[int, int, int | None]:
        [found] = admin.call("list_offsets", specs=[(topic, partition, spec)]).values()
        return found["offset"], found["timestamp"], found["leader_epoch"]

    assert look("earliest") == (0, -1, 0)
    assert look("latest") == (4, -1, 0)
    assert look("max_timestamp") == (1, 4000, 0)
    assert look(1500) == (1, 4000, 0)
    assert look(4001) == (-1, -1, None)
    assert look("earliest", 1) == (0, -1, 0)
    assert look("latest", 1) == (0, -1, 0)
    assert look("max_timestamp", 1) == (-1, -1, None)
    absent = unique("absent")
    [unknown] = (
        java.admin(default_api_timeout_ms=1000, request_timeout_ms=1000)
        .call("list_offsets", specs=[(absent, 0, "latest")])
        .values()
    )
    assert unknown["error"] in ("UnknownTopicOrPartitionException", "TimeoutException")
