"""Groups of KIP-848 with the Java client (group.protocol=consumer): the broker assigns, members move step by step."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .clients import Consumer, Java, Partition

#: A member hears of changes at its next heartbeat: every 5 s by default.
BROKER_CONFIG = {
    "group.consumer.min.heartbeat.interval.ms": "100",
    "group.consumer.heartbeat.interval.ms": "200",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.session.timeout.ms": "3000",
    "group.consumer.assignment.interval.ms": "0",
}

pytestmark = pytest.mark.oracle


def join(java: Java, topic: str, **config: object) -> Consumer:
    return java.consumer(topic, group_id=topic, group_protocol="consumer", **config)


def settle(java: Java, members: Sequence[Consumer], partitions: set[Partition]) -> dict[str, set[Partition]]:
    """Waits until the members hold every partition, each once and each about as many; what each holds."""

    def settled() -> bool:
        held = [member.owned() for member in members]
        shares = [len(share) for share in held]
        return (
            sorted(place for share in held for place in share) == sorted(partitions) and max(shares) - min(shares) < 2
        )

    java.program.wait_for(settled, f"{len(members)} members to share {len(partitions)} partitions")
    return {member.name: member.owned() for member in members}


def places(topic: str, count: int) -> set[Partition]:
    return {(topic, index) for index in range(count)}


@pytest.mark.parametrize("assignor", ["uniform", "range"])
def test_three_members_join_and_leave(java: Java, assignor: str) -> None:
    topic = java.create_topic(partitions=6)
    members: list[Consumer] = []
    for _ in range(3):
        members.append(join(java, topic, group_remote_assignor=assignor))
        before = settle(java, members, places(topic, 6))
    first, second, third = members
    # KIP-848 is incremental: the first gives up what others get, and nothing it goes on holding. (Range deals anew
    # each time, by the order of member ids, which are random.)
    revoked = [tuple(partition) for event in first.events("revoked") for partition in event["partitions"]]
    assert assignor == "range" or not set(revoked) & before[first.name]
    java.close_client(second)
    after = settle(java, [first, third], places(topic, 6))
    if assignor == "uniform":
        assert after[first.name] >= before[first.name]
        assert after[third.name] >= before[third.name]
    java.producer().send(topic, [(b"%d" % number, b"", []) for number in range(40)])
    java.program.wait_for(lambda: first.count() + third.count() >= 40, "40 records at two members")
    assert first.count() + third.count() == 40


def test_a_static_member_comes_back_to_its_partitions(java: Java) -> None:
    topic = java.create_topic(partitions=4)
    one, two = (join(java, topic, group_instance_id=name) for name in ("one", "two"))
    held = settle(java, [one, two], places(topic, 4))
    rebalances = len(two.events("assigned", "revoked"))
    java.close_client(one)  # it leaves for a while: its partitions stay its own
    again = join(java, topic, group_instance_id="one")
    after = settle(java, [again, two], places(topic, 4))
    assert after[again.name] == held[one.name]
    assert len(two.events("assigned", "revoked")) == rebalances


def test_an_instance_id_that_is_taken_is_refused(java: Java) -> None:
    topic = java.create_topic()
    first = join(java, topic, group_instance_id="same")
    settle(java, [first], {(topic, 0)})
    assert join(java, topic, group_instance_id="same").failure() == "UnreleasedInstanceIdException"


def test_an_assignor_that_is_not_there_is_refused(java: Java) -> None:
    topic = java.create_topic()
    assert join(java, topic, group_remote_assignor="none").failure() == "UnsupportedAssignorException"


def test_a_member_that_vanishes_is_missed(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    first, gone = (join(java, topic) for _ in range(2))
    settle(java, [first, gone], places(topic, 2))
    java.close_client(gone, leave=False)
    settle(java, [first], places(topic, 2))


def test_a_topic_that_comes_later_is_found(java: Java) -> None:
    first = java.create_topic()
    later = first + "-later"
    consumer = java.consumer(first, later, group_id=first, group_protocol="consumer", allow_auto_create_topics=False)
    settle(java, [consumer], {(first, 0)})
    java.producer().send_values(later, ["hello"])
    settle(java, [consumer], {(first, 0), (later, 0)})
    assert [record.value for record in consumer.take(1)] == [b"hello"]


def test_commits_are_found_by_the_next_member(java: Java) -> None:
    topic = java.create_topic()
    producer = java.producer()
    producer.send_values(topic, ["a", "b"])
    first = join(java, topic, enable_auto_commit=True)
    first.take(2)
    java.close_client(first)
    producer.send_values(topic, ["c"])
    second = join(java, topic, enable_auto_commit=True)
    assert [record.value for record in second.take(1)] == [b"c"]


def test_classic_and_new_members_share_a_group(java: Java) -> None:
    """Online, up and down again: at no time does anybody leave who does not want to."""
    topic = java.create_topic(partitions=6)
    old = java.consumer(topic, group_id=topic, heartbeat_interval_ms=100)
    settle(java, [old], places(topic, 6))
    new = join(java, topic)
    settle(java, [old, new], places(topic, 6))
    also_old = java.consumer(topic, group_id=topic, heartbeat_interval_ms=100)
    settle(java, [old, new, also_old], places(topic, 6))
    java.close_client(new)
    settle(java, [old, also_old], places(topic, 6))
    admin = java.admin()
    assert admin.call("describe_groups", groups=[topic])[topic]["assignor"] == "range"


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_three_members_go_on_when_the_broker_is_back(java: Java, how: str) -> None:
    topic = java.create_topic(partitions=6)
    members = [join(java, topic, commit=True, reconnect_backoff_max_ms=200) for _ in range(3)]
    held = settle(java, members, places(topic, 6))
    producer = java.producer(reconnect_backoff_max_ms=200)
    for number in range(6):
        producer.send_values(topic, [f"before-{number}"], number)
    java.program.wait_for(lambda: sum(member.count() for member in members) == 6, "6 records")
    java.program.wait_for(
        lambda: {place for member in members for place in member.committed()} == places(topic, 6), "6 commits"
    )
    getattr(java.broker, how)()
    java.broker.start()
    for number in range(6):
        producer.send_values(topic, [f"after-{number}"], number)
    java.program.wait_for(lambda: sum(member.count() for member in members) >= 12, "12 records")
    assert settle(java, members, places(topic, 6)) == held
    values = sorted(record.value or b"" for member in members for record in member.records())
    assert values == sorted(f"{when}-{number}".encode() for when in ("before", "after") for number in range(6))
