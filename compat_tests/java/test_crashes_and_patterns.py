"""Members whose process is killed, in both protocols, and patterns that the broker resolves (SubscriptionPattern)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..support import Broker
from .clients import Java
from .jvm import Program
from .test_consumer_groups import BROKER_CONFIG as SOON
from .test_consumer_groups import places, settle

HERE = Path(__file__).resolve().parent
BROKER_CONFIG = {**SOON, "group.min.session.timeout.ms": "500"}


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_the_partitions_of_a_member_that_is_killed_go_to_the_others(
    java: Java, broker: Broker, tmp_path: Path, protocol: str
) -> None:
    topic = java.create_topic(partitions=6)
    session = {"heartbeat_interval_ms": 100, "session_timeout_ms": 1500} if protocol == "classic" else {}
    config: dict[str, Any] = {"group_id": topic, "group_protocol": protocol, "commit": True, **session}
    first, second = java.consumer(topic, **config), java.consumer(topic, **config)
    settle(java, [first, second], places(topic, 6))
    with Program(HERE, "klamm.compat.Main", tmp_path / "third.log") as other:
        third = Java(other, broker).consumer(topic, **config)
        other.wait_for(lambda: len(third.owned()) == 2, "the third member's share")
        java.program.wait_for(lambda: len(first.owned()) == len(second.owned()) == 2, "the others' shares")
        java.producer().send(topic, [(b"%d" % number, b"", []) for number in range(60)])
        other.wait_for(third.committed, "a commit of the third member")
        other.kill()
    after = settle(java, [first, second], places(topic, 6))
    assert sorted(map(len, after.values())) == [3, 3]
    java.producer().send(topic, [(b"%d" % number, b"again", []) for number in range(60)])
    read = {(record.partition, record.offset) for record in third.records()}

    def all_read() -> bool:
        return len(read | {(one.partition, one.offset) for one in [*first.records(), *second.records()]}) == 120

    java.program.wait_for(all_read, "all 120 records at one member or another")


def test_a_pattern_of_the_brokers_follows_topics_that_come_and_go(java: Java) -> None:
    name = java.create_topic()
    admin = java.admin()

    def create(suffix: str, partitions: int) -> str:
        row = {"name": name + suffix, "partitions": partitions, "replication": 1, "configs": {}}
        assert "error" not in admin.call("create_topics", topics=[row])[name + suffix]
        return name + suffix

    gone, kept, _longer = create("-a", 1), create("-b", 2), create("-abc", 1)
    # RE2 and the whole name: neither the first topic nor the last one.
    member = java.consumer(
        re2=f"{name}-[a-c]", group_id=name, group_protocol="consumer", allow_auto_create_topics=False
    )
    settle(java, [member], places(gone, 1) | places(kept, 2))
    # Patterns are looked at again 10 s after the last time at the earliest.
    later = create("-c", 2)
    settle(java, [member], places(gone, 1) | places(kept, 2) | places(later, 2))
    java.producer().send_values(later, ["hello"], 1)
    assert [record.value for record in member.take(1)] == [b"hello"]
    assert admin.call("delete_topics", names=[gone]) == {gone: None}
    settle(java, [member], places(kept, 2) | places(later, 2))


def test_a_pattern_that_is_none_is_refused(java: Java) -> None:
    name = java.create_topic()
    consumer = java.consumer(re2="a(", group_id=name, group_protocol="consumer")
    assert consumer.failure() == "InvalidRegularExpression"
