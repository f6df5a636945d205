"""Consumer groups of librdkafka: eager and incremental assignment, commits, static members, describing groups."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from confluent_kafka import ConsumerGroupState, KafkaError, KafkaException, Message, TopicPartition

from ..support import Broker, unique, wait_until
from .clients import WAIT_S, admin, consumer, create_topic, partitions, producer, to_the_end, while_polling

ASSIGNORS = ("range", "roundrobin", "cooperative-sticky")
QUICK = {"heartbeat_interval_ms": 100, "session_timeout_ms": 10_000}


def fill(broker: Broker, topic: str, count: int, partition_count: int) -> set[bytes]:
    sender = producer(broker)
    for number in range(count):
        sender.produce(topic, b"%d" % number, partition=number % partition_count)
    assert sender.flush(WAIT_S) == 0
    return {b"%d" % number for number in range(count)}


class Member:
    """A group member that polls in its own thread, as an application would; commits what it has read."""

    def __init__(self, broker: Broker, topic: str, group: str, **config: Any) -> None:
        self._consumer = consumer(broker, group_id=group, **{**QUICK, **config})
        self._consumer.subscribe([topic])
        self.assignment: set[tuple[str, int]] = set()
        self.values: list[bytes] = []
        self.committed = 0  # how many of `values`
        self.error: BaseException | None = None
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._leave.is_set():
                message = self._consumer.poll(0.05)
                if message is not None and not message.error():
                    self.values.append(message.value())
                self.assignment = {(part.topic, part.partition) for part in self._consumer.assignment()}
                if self.assignment and self.committed < len(self.values):
                    self._commit()
        except BaseException as error:  # shown by the test: a thread has nobody to raise to
            self.error = error
        finally:
            self.assignment = set()
            self._consumer.close()

    def _commit(self) -> None:
        try:
            self._consumer.commit(asynchronous=False)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.REBALANCE_IN_PROGRESS:  # the next turn tries again
                raise
        else:
            self.committed = len(self.values)

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def settled(members: list[Member], topic: str, partition_count: int) -> bool:
    for member in members:
        assert member.error is None, member.error
    owned = [partition for member in members for partition in member.assignment]
    return all(member.assignment for member in members) and sorted(owned) == [
        (topic, n) for n in range(partition_count)
    ]


@pytest.mark.parametrize("assignor", ASSIGNORS)
def test_members_share_partitions_and_take_over(broker: Broker, assignor: str) -> None:
    topic, group = create_topic(broker, unique("shared"), 4), unique("group")
    config = {"partition_assignment_strategy": assignor}
    first = Member(broker, topic, group, **config)
    members = [first]
    try:
        wait_until(lambda: settled([first], topic, 4), 20, "one member to own all")
        members.append(Member(broker, topic, group, **config))
        wait_until(lambda: settled(members, topic, 4), 20, "two members to share")
        assert {len(member.assignment) for member in members} == {2}
        sent = fill(broker, topic, 40, 4)
        wait_until(lambda: sum(member.committed for member in members) >= 40, 20, "all records, committed")
        first.leave()
        wait_until(lambda: settled(members[1:], topic, 4), 20, "the one that stays to own all")
    finally:
        for member in members:
            member.leave()
    # All was committed before the last rebalance, so that it made nothing come twice.
    assert sorted(members[0].values + members[1].values) == sorted(sent)


def test_a_group_goes_on_where_it_committed(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("resume"), 3), unique("group")
    sent = fill(broker, topic, 60, 3)
    seen: list[Message] = []

    def take(message: Message) -> None:
        if not message.error():
            seen.append(message)

    one = consumer(broker, group_id=group)
    one.subscribe([topic])
    while_polling(one, lambda: len(seen) >= 20, take)
    one.commit(asynchronous=False)
    one.close()
    two = consumer(broker, group_id=group)
    two.subscribe([topic])
    seen += to_the_end(two, 3)
    two.close()
    assert sorted(message.value() for message in seen) == sorted(sent)


def test_auto_commit_on_close(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("auto")), unique("group")
    fill(broker, topic, 10, 1)
    one = consumer(broker, group_id=group, enable_auto_commit=True)
    one.subscribe([topic])
    assert len(to_the_end(one, 1)) == 10
    one.close()
    two = consumer(broker, group_id=group)
    assert two.committed(partitions(topic, 1), timeout=WAIT_S)[0].offset == 10
    two.close()


def test_commits_keep_metadata_and_answer_without_a_member(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("commit"), 2), unique("group")
    alone = consumer(broker, group_id=group)
    alone.assign(partitions(topic, 2))
    alone.commit(offsets=[TopicPartition(topic, 0, 7, "a note")], asynchronous=False)
    first, second = alone.committed(partitions(topic, 2), timeout=WAIT_S)
    assert (first.offset, first.metadata) == (7, "a note")
    assert second.offset < 0
    alone.close()


def test_a_static_member_returns_to_its_partitions(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("static"), 2), unique("group")

    def member_id() -> str:
        one = consumer(broker, group_id=group, group_instance_id="one", **QUICK)
        one.subscribe([topic])
        assert to_the_end(one, 2) == []
        name: str = one.memberid()
        one.close()
        return name

    client = admin(broker)
    first = member_id()
    described = client.describe_consumer_groups([group])[group].result(WAIT_S)
    assert [(member.member_id, member.group_instance_id) for member in described.members] == [(first, "one")]
    second = member_id()
    described = client.describe_consumer_groups([group])[group].result(WAIT_S)
    assert [(member.member_id, member.group_instance_id) for member in described.members] == [(second, "one")]
    assert described.state == ConsumerGroupState.STABLE
    assert first != second


def test_a_second_owner_of_an_instance_id_fences_the_first(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("fenced"), 2), unique("group")
    first = consumer(broker, group_id=group, group_instance_id="one", **QUICK)
    first.subscribe([topic])
    to_the_end(first, 2)
    second = consumer(broker, group_id=group, group_instance_id="one", **QUICK)
    second.subscribe([topic])
    to_the_end(second, 2)
    with pytest.raises(KafkaException) as raised:
        while_polling(first, lambda: False, lambda message: None)
    assert raised.value.args[0].code() in (KafkaError._FATAL, KafkaError.FENCED_INSTANCE_ID)
    first.close()
    second.close()


def test_groups_are_listed_and_described(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("described"), 2), unique("group")
    client = admin(broker)
    member = Member(broker, topic, group, client_id="me")
    try:
        wait_until(lambda: settled([member], topic, 2), 20, "one member to own all")
        listed = client.list_consumer_groups().result(WAIT_S)
        assert listed.errors == []
        assert (group, ConsumerGroupState.STABLE) in [(entry.group_id, entry.state) for entry in listed.valid]
        stable = client.list_consumer_groups(states={ConsumerGroupState.EMPTY}).result(WAIT_S)
        assert group not in [entry.group_id for entry in stable.valid]
        described = client.describe_consumer_groups([group])[group].result(WAIT_S)
        assert (described.state, described.partition_assignor) == (ConsumerGroupState.STABLE, "range")
        (one,) = described.members
        assert (one.client_id, one.host.strip("/")) == ("me", "127.0.0.1")
        assert sorted(part.partition for part in one.assignment.topic_partitions) == [0, 1]
    finally:
        member.leave()
    described = client.describe_consumer_groups([group])[group].result(WAIT_S)
    assert (described.state, described.members) == (ConsumerGroupState.EMPTY, [])
