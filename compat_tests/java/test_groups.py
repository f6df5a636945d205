"""Classic consumer groups of the Java client: assignors, members that come and go, static members."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from .clients import Consumer, Java, Partition

# A member that vanishes is missed after its session; the least that a broker allows is 6 s by default.
BROKER_CONFIG = {"group.min.session.timeout.ms": "500"}
PACKAGE = "org.apache.kafka.clients.consumer."
# Assignor -> how many of 2 x 4 partitions each of three members gets, sorted.
SHARES_OF_THREE = {
    "RangeAssignor": [2, 2, 4],
    "RoundRobinAssignor": [2, 3, 3],
    "StickyAssignor": [2, 3, 3],
    "CooperativeStickyAssignor": [2, 3, 3],
}


def settle(java: Java, members: Sequence[Consumer], partitions: set[Partition]) -> dict[str, set[Partition]]:
    """Waits until the members hold every partition, each once, in one generation; what each holds."""

    def settled() -> bool:
        last = [member.events("assigned")[-1:] for member in members]
        generations = {event[0]["generation"] if event else None for event in last}
        held = [partition for member in members for partition in member.owned()]
        return len(generations) == 1 and None not in generations and sorted(held) == sorted(partitions)

    java.program.wait_for(settled, f"{len(members)} members to share {len(partitions)} partitions")
    return {member.name: member.owned() for member in members}


@pytest.mark.parametrize("assignor", SHARES_OF_THREE)
def test_members_join_and_leave(java: Java, assignor: str) -> None:
    topics = [java.create_topic(partitions=4) for _ in range(2)]
    partitions = {(topic, partition) for topic in topics for partition in range(4)}

    def join() -> Consumer:
        # A heartbeat is how a member learns of a rebalance: 3 s by default.
        return java.consumer(
            *topics, group_id=topics[0], partition_assignment_strategy=PACKAGE + assignor, heartbeat_interval_ms=100
        )

    first = join()
    settle(java, [first], partitions)
    second = join()
    of_two = settle(java, [first, second], partitions)
    assert len(of_two[first.name]) == len(of_two[second.name]) == 4
    revoked = [tuple(partition) for event in first.events("revoked") for partition in event["partitions"]]
    if assignor == "CooperativeStickyAssignor":
        # KIP-429: it gives up exactly what the second gets, and never stops consuming the rest.
        assert set(revoked) == of_two[second.name]
        assert len(revoked) == 4
    else:
        assert set(revoked) == partitions
    third = join()
    of_three = settle(java, [first, second, third], partitions)
    assert sorted(map(len, of_three.values())) == SHARES_OF_THREE[assignor]
    java.close_client(second)
    after = settle(java, [first, third], partitions)
    if "Sticky" in assignor:
        assert after[first.name] >= of_three[first.name]
        assert after[third.name] >= of_three[third.name]
    # Everyone consumes what it holds.
    java.producer().send(topics[0], [(b"%d" % number, b"", []) for number in range(40)])
    java.program.wait_for(lambda: first.count() + third.count() >= 40, "40 records at two members")
    for member in (first, third):
        assert {(record.topic, record.partition) for record in member.records()} <= after[member.name]
    assert first.count() + third.count() == 40


def test_a_group_moves_to_the_cooperative_protocol_member_by_member(java: Java) -> None:
    topic = java.create_topic(partitions=4)
    partitions = {(topic, partition) for partition in range(4)}
    both = f"{PACKAGE}CooperativeStickyAssignor,{PACKAGE}RangeAssignor"
    old = java.consumer(
        topic, group_id=topic, partition_assignment_strategy=f"{PACKAGE}RangeAssignor", heartbeat_interval_ms=100
    )
    settle(java, [old], partitions)
    new = java.consumer(topic, group_id=topic, partition_assignment_strategy=both, heartbeat_interval_ms=100)
    settle(java, [old, new], partitions)
    admin = java.admin()
    assert admin.call("describe_groups", groups=[topic])[topic]["assignor"] == "range"
    java.close_client(old)
    settle(java, [new], partitions)
    assert admin.call("describe_groups", groups=[topic])[topic]["assignor"] == "cooperative-sticky"


def test_no_assignor_in_common_is_refused(java: Java) -> None:
    topic = java.create_topic()
    first = java.consumer(topic, group_id=topic, partition_assignment_strategy=f"{PACKAGE}RangeAssignor")
    settle(java, [first], {(topic, 0)})
    second = java.consumer(topic, group_id=topic, partition_assignment_strategy=f"{PACKAGE}StickyAssignor")
    assert second.failure() == "InconsistentGroupProtocolException"


def test_a_pattern_finds_a_topic_made_later(java: Java) -> None:
    first = java.create_topic()
    consumer = java.consumer(pattern=f"{first}.*", group_id=first, metadata_max_age_ms=200)
    settle(java, [consumer], {(first, 0)})
    later = first + "-later"
    java.producer().send_values(later, ["hello"])
    settle(java, [consumer], {(first, 0), (later, 0)})
    assert [record.value for record in consumer.take(1)] == [b"hello"]


def test_a_static_member_returns_without_a_rebalance(java: Java) -> None:
    topic = java.create_topic(partitions=4)
    partitions = {(topic, partition) for partition in range(4)}

    def join(instance: str) -> Consumer:
        return java.consumer(
            topic, group_id=topic, group_instance_id=instance, heartbeat_interval_ms=100, session_timeout_ms=45_000
        )

    one, two = join("one"), join("two")
    before = settle(java, [one, two], partitions)
    rebalances = len(two.events("assigned"))
    java.close_client(one)  # A static member does not leave the group when it closes.
    again = join("one")
    java.program.wait_for(lambda: again.events("assigned"), "the member's return")
    assert again.owned() == before[one.name]
    assert len(two.events("assigned")) == rebalances
    [last] = again.events("assigned")
    assert last["generation"] == two.events("assigned")[-1]["generation"]
    # Its id is the instance's name and a new number, so that the one that was there before can be fenced.
    assert last["member_id"].startswith("one-")
    assert last["member_id"] != one.events("assigned")[-1]["member_id"]


def test_the_later_of_two_static_members_of_one_name_wins(java: Java) -> None:
    topic = java.create_topic()
    first = java.consumer(topic, group_id=topic, group_instance_id="same", heartbeat_interval_ms=100)
    settle(java, [first], {(topic, 0)})
    second = java.consumer(topic, group_id=topic, group_instance_id="same", heartbeat_interval_ms=100)
    assert first.failure() == "FencedInstanceIdException"
    settle(java, [second], {(topic, 0)})


def test_a_member_that_vanishes_is_missed(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    partitions = {(topic, 0), (topic, 1)}
    first = java.consumer(topic, group_id=topic, heartbeat_interval_ms=100)
    gone = java.consumer(topic, group_id=topic, heartbeat_interval_ms=100, session_timeout_ms=1000)
    settle(java, [first, gone], partitions)
    java.close_client(gone, leave=False)
    settle(java, [first], partitions)


def test_automatic_commits_are_found_by_the_next_member(java: Java) -> None:
    topic = java.create_topic()
    producer = java.producer()
    producer.send_values(topic, ["a", "b"])
    first = java.consumer(topic, group_id=topic, enable_auto_commit=True)
    first.take(2)
    java.close_client(first)  # commits and leaves
    producer.send_values(topic, ["c"])
    second = java.consumer(topic, group_id=topic, enable_auto_commit=True)
    assert [record.value for record in second.take(1)] == [b"c"]


def test_committed_offsets_and_their_metadata(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    java.producer().send_values(topic, ["a"], 0)
    consumer = java.consumer(partitions=[(topic, 0, None)], group_id=topic)
    assert consumer.ask_offsets("committed", [(topic, 0)]) == {}
    consumer.call("commit", offsets=[(topic, 0, 1, "a note")])
    assert consumer.call("committed", partitions=[(topic, 0), (topic, 1)]) == [[topic, 0, 1, "a note"]]
