"""Consumer groups of kafka-python: assignment, commits, rebalances, static members, every assignor it has."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from kafka.errors import CommitFailedError, RebalanceInProgressError

from ..support import Broker, unique, wait_until
from .clients import consumer, create_topic, partitions, producer, to_the_end, while_polling

ASSIGNORS = [
    RangePartitionAssignor,
    RoundRobinPartitionAssignor,
    StickyPartitionAssignor,
    CooperativeStickyAssignor,
]
# Quick to notice that the group rebalances, slow to be evicted.
QUICK = {"heartbeat_interval_ms": 100, "session_timeout_ms": 10_000}


def fill(broker: Broker, topic: str, count: int, partition_count: int) -> set[bytes]:
    with producer(broker, linger_ms=20) as sender:
        futures = [sender.send(topic, value=b"%d" % n, partition=n % partition_count) for n in range(count)]
        for future in futures:
            future.get(30)
    return {b"%d" % n for n in range(count)}


class Member:
    """A group member that polls in its own thread, as an application would; commits after each poll."""

    def __init__(self, broker: Broker, topic: str, group: str, **config: Any) -> None:
        self._consumer: KafkaConsumer = consumer(broker, topic, group_id=group, **{**QUICK, **config})
        self.assignment: set[TopicPartition] = set()
        self.values: list[bytes] = []
        self.committed = 0  # how many of `values`
        self.error: BaseException | None = None
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            while not self._leave.is_set():
                # A poll that times out between JoinGroup and SyncGroup loses the assignment for good (FINDINGS.md).
                for records in self._consumer.poll(timeout_ms=1_000).values():
                    self.values.extend(record.value for record in records)
                self.assignment = set(self._consumer.assignment())
                if self.assignment and self.committed < len(self.values):
                    with contextlib.suppress(RebalanceInProgressError, CommitFailedError):  # the next turn tries again
                        self._consumer.commit()
                        self.committed = len(self.values)
        except BaseException as error:  # shown by the test: a thread has nobody to raise to
            self.error = error
        finally:
            self.assignment = set()
            self._consumer.close()

    def leave(self) -> None:
        self._leave.set()
        self._thread.join(30)
        assert not self._thread.is_alive()


def settled(members: list[Member], topic: str, partition_count: int) -> bool:
    for member in members:
        assert member.error is None, member.error
    owned = [partition for member in members for partition in member.assignment]
    return all(member.assignment for member in members) and sorted(owned) == partitions(topic, partition_count)


@pytest.mark.parametrize("assignor", ASSIGNORS, ids=lambda assignor: assignor.name)
def test_members_share_partitions_and_take_over(broker: Broker, assignor: Any) -> None:
    topic, group = create_topic(broker, unique("shared"), 4), unique("group")
    config = {"partition_assignment_strategy": [assignor]}
    first = Member(broker, topic, group, **config)
    members = [first]
    try:
        wait_until(lambda: settled([first], topic, 4), 40, "one member to own all")
        members.append(Member(broker, topic, group, **config))
        wait_until(lambda: settled(members, topic, 4), 40, "two members to share")
        assert {len(member.assignment) for member in members} == {2}
        sent = fill(broker, topic, 40, 4)
        wait_until(lambda: sum(member.committed for member in members) >= 40, 40, "all records, committed")
        first.leave()
        wait_until(lambda: settled(members[1:], topic, 4), 40, "the one that stays to own all")
    finally:
        for member in members:
            member.leave()
    # All was committed before the last rebalance, so that it made nothing come twice.
    assert sorted(members[0].values + members[1].values) == sorted(sent)


def test_a_group_goes_on_where_it_committed(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("resume"), 3), unique("group")
    sent = fill(broker, topic, 60, 3)
    seen: list[Any] = []
    with consumer(broker, topic, group_id=group, **QUICK) as one:
        while_polling(one, lambda: len(seen) >= 20, seen.extend, max_records=10)
        one.commit()
    assert len(seen) < 60
    with consumer(broker, topic, group_id=group, **QUICK) as two:
        while_polling(two, lambda: len(seen) >= 60, seen.extend)
        assert to_the_end(two) == []
    assert {record.value for record in seen} == sent
    assert len(seen) == 60


def test_commits_keep_metadata_and_answer_without_a_member(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("commit"), 2), unique("group")
    first, second = partitions(topic, 2)
    with consumer(broker, group_id=group) as alone:
        alone.assign([first, second])
        assert alone.committed(first) is None
        alone.commit({first: OffsetAndMetadata(7, "a note", -1)})
        assert alone.committed(first, metadata=True)[:2] == (7, "a note")
    with consumer(broker, group_id=group) as again:
        again.assign([first, second])
        assert (again.committed(first), again.committed(second)) == (7, None)


def test_commits_without_waiting_arrive(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("async")), unique("group")
    fill(broker, topic, 5, 1)
    with consumer(broker, topic, group_id=group, **QUICK) as one:
        seen: list[Any] = []
        answers: list[Any] = []
        while_polling(one, lambda: len(seen) >= 5, seen.extend)
        one.commit_async(callback=lambda offsets, result: answers.append(result))
        while_polling(one, lambda: answers, seen.extend)
        assert not isinstance(answers[0], Exception)
        assert one.committed(TopicPartition(topic, 0)) == 5


def test_a_static_member_returns_to_its_partitions(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("static"), 2), unique("group")
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    with consumer(broker, topic, group_id=group, group_instance_id="one", **QUICK) as one:
        while_polling(one, one.assignment, lambda records: None)
        before = (one.group_metadata().generation_id, one.assignment())
    # close() of a static member leaves nothing: the member stays until its session times out.
    (member,) = admin.describe_groups([group])[group]["members"]
    assert member["group_instance_id"] == "one"
    with consumer(broker, topic, group_id=group, group_instance_id="one", **QUICK) as back:
        while_polling(back, back.assignment, lambda records: None)
        assert (back.group_metadata().generation_id, back.assignment()) == before
        (again,) = admin.describe_groups([group])[group]["members"]
        assert again["member_id"] == back.group_metadata().member_id != member["member_id"]
    admin.close()


def test_a_vanished_member_times_out(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("vanish"), 2), unique("group")
    # Static, and so does not leave: to the broker it is a process that died.
    with consumer(broker, topic, group_id=group, group_instance_id="gone", session_timeout_ms=6000) as gone:
        while_polling(gone, gone.assignment, lambda records: None)
    stays = Member(broker, topic, group)
    try:
        wait_until(lambda: settled([stays], topic, 2), 20, "the other member to inherit")
    finally:
        stays.leave()


def test_groups_are_listed_and_described(broker: Broker) -> None:
    topic, group = create_topic(broker, unique("described"), 2), unique("group")
    admin = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    member = Member(broker, topic, group)
    try:
        wait_until(lambda: settled([member], topic, 2), 40, "one member to own all")
        listed = {entry["group_id"]: entry for entry in admin.list_groups()}
        assert listed[group]["protocol_type"] == "consumer"
        description = admin.describe_groups([group])[group]
        assert (description["group_state"], description["protocol_data"]) == ("Stable", "range")
        (one,) = description["members"]
        assert one["client_host"].strip("/") == "127.0.0.1"
        assigned = {
            (part["topic"], tuple(part["partitions"])) for part in one["member_assignment"]["assigned_partitions"]
        }
        assert assigned == {(topic, (0, 1))}
    finally:
        member.leave()
    assert admin.describe_groups([group])[group]["group_state"] == "Empty"
    unknown = admin.describe_groups(["nobody-knows-it"])["nobody-knows-it"]
    assert (unknown["group_state"], unknown["members"]) == ("Dead", [])
    admin.close()
