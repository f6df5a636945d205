"""The broker goes and comes back under Java clients: nothing acknowledged is lost, nothing committed is seen again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from .clients import Consumed, Java, Partition, Producer

PARTITIONS = 3


def wait_for_500(producer: Producer) -> None:
    """Waits until the broker has acknowledged 500 more records of a stream."""
    so_far = len(producer.events("acknowledged"))  # one each hundred
    producer.program.wait_for(lambda: len(producer.events("acknowledged")) >= so_far + 5, "500 acknowledgements")


def end_of(java: Java, how: str) -> None:
    if how == "SIGTERM":
        java.broker.stop()
    else:
        java.broker.kill()
    java.broker.start()


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_producer_and_a_group_work_through_restarts(java: Java, how: str) -> None:
    topic = java.create_topic(partitions=PARTITIONS)
    # Small batches, so that many requests are on their way when the broker goes.
    producer = java.producer(batch_size=100, reconnect_backoff_max_ms=200)
    group = java.consumer(topic, group_id=topic, commit=True, reconnect_backoff_max_ms=200)
    stream = producer.start("stream", topic=topic, partitions=PARTITIONS, outstanding=40)
    for _ in range(2):
        wait_for_500(producer)
        java.program.wait_for(lambda: group.committed(), "a commit")
        end_of(java, how)
    wait_for_500(producer)
    producer.call("stop_stream")
    outcome = java.program.finish(stream)
    assert outcome["failed"] == {}
    sent = outcome["sent"]

    # The log: each record once, in order, at the offset that was acknowledged.
    whole = java.consumer(partitions=[(topic, partition, None) for partition in range(PARTITIONS)])
    log = whole.take(sent)
    assert len(log) == sent
    for partition in range(PARTITIONS):
        records = [record for record in log if record.partition == partition]
        assert [int(record.value or b"") for record in records] == list(range(partition, sent, PARTITIONS))
        assert [record.offset for record in records] == list(range(len(records)))
    assert {int(number): offset for number, offset in outcome["offsets"].items()} == {
        int(record.value or b""): record.offset for record in log
    }

    # The group: everything, and nothing again that lies below an offset it had committed.
    java.program.wait_for(lambda: group.count() >= sent, f"all {sent} records at the group")
    committed: dict[Partition, int] = {}
    for event in group.events("records", "committed"):
        for record in event.get("records", ()):
            assert record["offset"] >= committed.get((record["topic"], record["partition"]), 0), "seen again"
        for name, partition, offset, _metadata in event.get("offsets", ()):
            committed[name, partition] = offset
    # One member, whose session outlives the restart: not even what was uncommitted comes twice.
    places = Counter((record.partition, record.offset) for record in group.records())
    assert {place: count for place, count in places.items() if count > 1} == {}


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_new_member_resumes_at_the_committed_offset(java: Java, how: str) -> None:
    topic = java.create_topic(partitions=PARTITIONS)
    producer = java.producer()
    producer.send_values(topic, map(str, range(300)))
    first = java.consumer(topic, group_id=topic, commit=True, max_poll_records=17)
    java.program.wait_for(lambda: sum(first.committed().values()) >= 100, "100 committed records")
    java.close_client(first)
    seen = first.records()
    committed = first.committed()
    assert {place: offset for place, offset in _next_offsets(seen).items() if committed.get(place) != offset} == {}
    end_of(java, how)
    producer.send_values(topic, map(str, range(300, 400)))
    second = java.consumer(topic, group_id=topic, commit=True)
    rest = second.take(400 - len(seen))
    assert len(rest) == 400 - len(seen)
    assert sorted(int(record.value or b"") for record in [*seen, *rest]) == list(range(400))


def _next_offsets(records: Iterable[Consumed]) -> dict[Partition, int]:
    return {(record.topic, record.partition): record.offset + 1 for record in records}


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_group_outlives_the_broker(java: Java, how: str) -> None:
    """Its generation and members are records in __consumer_offsets: no rebalance follows a restart."""
    topic = java.create_topic(partitions=4)
    # The client's own answer to a broker that is gone is to forget all metadata (KIP-899); the group's leader then
    # sees its topic without partitions and may ask for a rebalance. Switched off here: the broker is what is tested.
    config: dict[str, Any] = {
        "metadata_recovery_strategy": "none",
        "heartbeat_interval_ms": 100,
        "reconnect_backoff_max_ms": 200,
    }
    members = [java.consumer(topic, group_id=topic, **config) for _ in range(2)]
    java.program.wait_for(lambda: [len(member.owned()) for member in members] == [2, 2], "two partitions each")
    before = [len(member.events("assigned", "revoked", "lost")) for member in members]
    end_of(java, how)
    java.producer().send(topic, [(b"%d" % number, b"", []) for number in range(40)])
    java.program.wait_for(lambda: sum(member.count() for member in members) >= 40, "40 records at two members")
    # A commit is refused in another generation, so its success shows that the group is the one from before.
    for member in members:
        topic_partition = min(member.owned())
        member.call("commit", offsets=[(*topic_partition, 1)])
    assert [len(member.events("assigned", "revoked", "lost")) for member in members] == before


def test_topics_configs_and_ids_outlive_the_broker(java: Java) -> None:
    topic = java.create_topic(partitions=2, retention_ms=123_456, cleanup_policy="compact")
    admin = java.admin()

    def look() -> object:
        configs = admin.call("describe_configs", type="TOPIC", names=[topic])[topic]
        return (
            admin.call("describe_topics", names=[topic]),
            {key: row for key, row in configs.items() if row["source"] == "DYNAMIC_TOPIC_CONFIG"},
            admin.call("describe_cluster")["id"],
        )

    before = look()
    java.broker.kill()
    java.broker.start()
    assert look() == before
