"""Groups of KIP-848 with librdkafka (group.protocol=consumer): the broker assigns.

Members join, leave and come back; patterns are resolved by the broker; the broker itself goes down.
"""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, ConsumerGroupType, TopicPartition

from ..support import Broker, unique, wait_until
from .clients import WAIT_S, admin, consumer, create_topic, producer

#: A member hears of changes at its next heartbeat: every 5 s by default.
BROKER_CONFIG = {
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "200",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.assignment.interval.ms": "0",
}

pytestmark = pytest.mark.oracle


class Member:
    """Polls in a thread of its own and commits what it has read."""

    def __init__(self, broker: Broker, *topics: str, group: str, **config: Any) -> None:
        self._consumer = consumer(broker, **{"group_id": group, "group_protocol": "consumer", **config})
        self._consumer.subscribe(list(topics))
        self.assignment: set[tuple[str, int]] = set()
        self.values: list[bytes] = []
        self.error: BaseException | None = None
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._end.is_set():
                message = self._consumer.poll(0.05)
                if message is not None and not message.error():
                    self.values.append(message.value())
                    self._consumer.commit(message, asynchronous=True)
                self.assignment = {(part.topic, part.partition) for part in self._consumer.assignment()}
        except BaseException as error:  # shown by the test: a thread has nobody to raise to
            self.error = error
        finally:
            self.assignment = set()
            self._consumer.close()

    def leave(self) -> None:
        self._end.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def settle(members: list[Member], partitions: set[tuple[str, int]]) -> list[set[tuple[str, int]]]:
    """Waits until the members hold every partition, each once and each about as many; what each holds."""

    def settled() -> bool:
        for member in members:
            assert member.error is None, member.error
        shares = [len(member.assignment) for member in members]
        held = sorted(place for member in members for place in member.assignment)
        return held == sorted(partitions) and max(shares) - min(shares) <= 1

    wait_until(settled, WAIT_S, f"{len(members)} members to share {len(partitions)} partitions")
    return [set(member.assignment) for member in members]


def places(topic: str, count: int) -> set[tuple[str, int]]:
    return {(topic, index) for index in range(count)}


def fill(broker: Broker, topic: str, partition_count: int, *values: str) -> None:
    sender = producer(broker)
    for number, value in enumerate(values):
        sender.produce(topic, value.encode(), partition=number % partition_count)
    assert sender.flush(WAIT_S) == 0


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_three_members_join_and_leave(broker: Broker, assignor: str) -> None:
    topic = create_topic(broker, unique("cg"), 6)
    members = []
    for _ in range(3):
        members.append(Member(broker, topic, group=topic, group_remote_assignor=assignor))
        before = settle(members, places(topic, 6))
    members.pop(1).leave()
    after = settle(members, places(topic, 6))
    if assignor == "uniform":  # who stays keeps what it has
        assert after[0] >= before[0]
        assert after[1] >= before[2]
    fill(broker, topic, 6, *map(str, range(30)))
    wait_until(lambda: sum(len(member.values) for member in members) == 30, WAIT_S, "30 records")
    for member in members:
        member.leave()


def test_a_group_is_described(broker: Broker) -> None:
    topic = create_topic(broker, unique("cg"), 2)
    member = Member(broker, topic, group=topic, client_id="me")
    settle([member], places(topic, 2))
    client = admin(broker)
    found = client.describe_consumer_groups([topic])[topic].result(WAIT_S)
    assert (found.state, found.type) == (ConsumerGroupState.STABLE, ConsumerGroupType.CONSUMER)
    [described] = found.members
    assert described.client_id == "me"
    assert {(part.topic, part.partition) for part in described.assignment.topic_partitions} == places(topic, 2)
    listed = client.list_consumer_groups(types={ConsumerGroupType.CONSUMER}).result(WAIT_S)
    assert [group.type for group in listed.valid if group.group_id == topic] == [ConsumerGroupType.CONSUMER]
    member.leave()
    client.delete_consumer_groups([topic])[topic].result(WAIT_S)


def test_partitions_that_are_added_and_topics_that_come_are_found(broker: Broker) -> None:
    name = unique("cg")
    first = create_topic(broker, name, 1)
    member = Member(broker, f"^{name}.*", group=name)
    settle([member], places(first, 1))
    # Patterns are looked at again 10 s after the last time at the earliest.
    later = create_topic(broker, f"{name}-later", 2)
    settle([member], places(first, 1) | places(later, 2))
    member.leave()


def test_a_static_member_comes_back_to_its_partitions(broker: Broker) -> None:
    topic = create_topic(broker, unique("cg"), 4)
    one = Member(broker, topic, group=topic, group_instance_id="one")
    two = Member(broker, topic, group=topic, group_instance_id="two")
    held = settle([one, two], places(topic, 4))
    one.leave()
    again = Member(broker, topic, group=topic, group_instance_id="one")
    assert settle([again, two], places(topic, 4)) == held
    again.leave()
    two.leave()


def test_commits_are_found_by_the_next_member(broker: Broker) -> None:
    topic = create_topic(broker, unique("cg"), 1)
    fill(broker, topic, 1, "a", "b")
    first = Member(broker, topic, group=topic)
    wait_until(lambda: first.values == [b"a", b"b"], WAIT_S, "two records")
    first.leave()
    fill(broker, topic, 1, "c")
    second = Member(broker, topic, group=topic)
    wait_until(lambda: second.values, WAIT_S, "the third record")
    assert second.values == [b"c"]
    second.leave()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_members_go_on_when_the_broker_is_back(broker: Broker, end: str) -> None:
    topic = create_topic(broker, unique("cg"), 6)
    members = [Member(broker, topic, group=topic, reconnect_backoff_max_ms=200) for _ in range(3)]
    held = settle(members, places(topic, 6))
    fill(broker, topic, 6, *map(str, range(12)))
    wait_until(lambda: sum(len(member.values) for member in members) >= 12, WAIT_S, "12 records")
    getattr(broker, end)()
    broker.start()
    fill(broker, topic, 6, *map(str, range(12, 24)))
    seen = {b"%d" % number for number in range(24)}
    wait_until(lambda: {value for member in members for value in member.values} == seen, WAIT_S, "24 records")
    assert settle(members, places(topic, 6)) == held
    for member in members:
        member.leave()


def test_a_group_moves_from_classic_to_consumer_and_back(broker: Broker) -> None:
    topic = create_topic(broker, unique("cg"), 4)
    quick = {"heartbeat_interval_ms": 100, "session_timeout_ms": 10_000, "partition_assignment_strategy": "range"}
    old = Member(broker, topic, group=topic, group_protocol="classic", **quick)
    settle([old], places(topic, 4))
    new = Member(broker, topic, group=topic)
    settle([old, new], places(topic, 4))
    kind = admin(broker)
    assert kind.describe_consumer_groups([topic])[topic].result(WAIT_S).type == ConsumerGroupType.CONSUMER
    new.leave()
    settle([old], places(topic, 4))
    assert kind.describe_consumer_groups([topic])[topic].result(WAIT_S).type == ConsumerGroupType.CLASSIC
    old.leave()


def test_offsets_of_a_member_can_be_listed(broker: Broker) -> None:
    topic = create_topic(broker, unique("cg"), 1)
    fill(broker, topic, 1, "a")
    reader = consumer(broker, group_id=topic, group_protocol="consumer")
    reader.subscribe([topic])
    wait_until(lambda: (message := reader.poll(0.1)) is not None and not message.error(), WAIT_S, "a record")
    reader.commit(asynchronous=False)
    [committed] = reader.committed([TopicPartition(topic, 0)], WAIT_S)
    assert committed.offset == 1
    reader.close()
