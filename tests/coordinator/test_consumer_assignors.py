"""The server's assignors: what Kafka's own classes gave for the same input, and what holds for any.

tests/data/consumer_assignments.jsonl was written by RangeAssignor and UniformAssignor of Kafka 4.3.1: groups that grow,
shrink and change their subscriptions, each step with the target that the one before it had left.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klamm.coordinator.consumer_assignors import ASSIGNORS, GroupSpec, MemberSpec, Target
from klamm.coordinator.java_order import string_set_order

VECTORS = Path(__file__).parents[1] / "data" / "consumer_assignments.jsonl"

Topics = dict[str, tuple[bytes, int]]


def spec(topics: Topics, members: dict[str, tuple[str | None, list[str], Target]], homogeneous: bool) -> GroupSpec:
    specs = {
        member_id: MemberSpec(instance_id, {topics[name][0]: topics[name][1] for name in string_set_order(names)}, old)
        for member_id, (instance_id, names, old) in members.items()
    }
    assigned = {
        (topic_id, partition)
        for _, _, old in members.values()
        for topic_id, partitions in old.items()
        for partition in partitions
    }
    return GroupSpec(specs, homogeneous, assigned)


def test_kafkas_answers() -> None:
    lines = VECTORS.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 120
    for number, line in enumerate(lines, 1):
        case: dict[str, Any] = json.loads(line)
        topics = {name: (bytes.fromhex(topic_id), count) for name, (topic_id, count) in case["topics"].items()}
        members = {
            row["id"]: (
                row["instance"],
                row["names"],
                {bytes.fromhex(topic_id): frozenset(rows) for topic_id, rows in row["target"].items()},
            )
            for row in case["members"]
        }
        found = ASSIGNORS[case["assignor"]](spec(topics, members, case["homogeneous"]))
        told = {
            member_id: {topic_id.hex(): sorted(rows) for topic_id, rows in found.get(member_id, {}).items()}
            for member_id in members
        }
        assert told == case["assignment"], f"line {number}"


@st.composite
def groups(draw: st.DrawFn, same: bool) -> tuple[Topics, dict[str, tuple[str | None, list[str], Target]]]:
    names = draw(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True))
    halves = st.binary(min_size=15, max_size=15)
    topics = {name: (draw(halves) + name.encode(), draw(st.integers(1, 12))) for name in sorted(names)}
    member_ids = draw(st.lists(st.text("xyz123", min_size=1, max_size=5), min_size=1, max_size=6, unique=True))
    free = {(topic_id, partition) for topic_id, count in topics.values() for partition in range(count)}
    members: dict[str, tuple[str | None, list[str], Target]] = {}
    for member_id in member_ids:
        mine = sorted(names) if same else draw(st.lists(st.sampled_from(names), unique=True))
        had = draw(st.sets(st.sampled_from(sorted(free)), max_size=8)) if free else set()
        free -= had
        old: dict[bytes, frozenset[int]] = {}
        for topic_id, partition in had:
            old[topic_id] = old.get(topic_id, frozenset()) | {partition}
        members[member_id] = (None, mine, old)
    return topics, members


@pytest.mark.parametrize("name", ASSIGNORS)
@pytest.mark.parametrize("same", [True, False])
@given(data=st.data())
def test_every_partition_has_one_owner_who_is_subscribed_to_it(name: str, same: bool, data: st.DataObject) -> None:
    topics, members = data.draw(groups(same))
    found = ASSIGNORS[name](spec(topics, members, same))
    owners = Counter(
        (topic_id, partition) for target in found.values() for topic_id, rows in target.items() for partition in rows
    )
    wanted = {names for _, mine, _ in members.values() for names in mine}
    assert owners == {(topics[topic][0], index): 1 for topic in wanted for index in range(topics[topic][1])}
    for member_id, target in found.items():
        assert set(target) <= {topics[topic][0] for topic in members[member_id][1]}
        assert all(target.values())


@given(drawn=groups(same=True))
def test_uniform_is_even_and_moves_nothing_twice(drawn: Any) -> None:
    topics, members = drawn
    found = ASSIGNORS["uniform"](spec(topics, members, True))
    sizes = [sum(map(len, target.values())) for target in found.values()]
    assert max(sizes) - min(sizes) <= 1
    again = {member_id: (None, names, found[member_id]) for member_id, (_, names, _) in members.items()}
    assert ASSIGNORS["uniform"](spec(topics, again, True)) == found
