"""A heartbeat that brings nothing new is answered by comparisons alone, and as it would be without them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.coordinator import consumer_heartbeat
from klamm.coordinator.consumer_group import ConsumerGroup
from klamm.coordinator.settings import GroupSettings
from klamm.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions

from .consumer_bench import ConsumerBench, id_of

MEMBERS = ("a", "b")
#: What a heartbeat may carry besides the epoch; most carry nothing.
NEWS: tuple[dict[str, Any], ...] = (
    {"subscribed_topic_names": ["t", "u"]},
    {"subscribed_topic_names": ["t"]},
    {"rebalance_timeout_ms": 7},
    {"rack_id": "rack"},
    {"server_assignor": "range"},
    {"subscribed_topic_regex": ""},
    {"topic_partitions": []},
    {"topic_partitions": [TopicPartitions(topic_id=id_of("t"), partitions=[0, 1])]},
)


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda number: st.just(usual) if number else st.sampled_from(others))


HEARTBEATS = st.tuples(
    st.sampled_from(MEMBERS),
    st.one_of(st.just({}), st.sampled_from(NEWS)),
    mostly(0, -1, 1),
    mostly(False, True),
)
STEPS = st.lists(
    st.one_of(HEARTBEATS, HEARTBEATS, st.sampled_from(("join a", "join b", "leave a", "topic", "wait"))), max_size=30
)


def play(steps: list[Any], assignment_interval_ms: int) -> list[Any]:
    """Every reply, and what is left in the end. A member answers with the epoch it was last told, give or take."""
    bench = ConsumerBench(GroupSettings(consumer_assignment_interval_ms=assignment_interval_ms))
    bench.topics.put("t", 2)
    epochs = dict.fromkeys(MEMBERS, 0)

    def ask(member_id: str, epoch: int, client_id: str = "client", **fields: Any) -> None:
        bench.ask(
            ConsumerGroupHeartbeatRequest(group_id="g", member_id=member_id, member_epoch=epoch, **fields), 1, client_id
        )
        epochs[member_id] = max(bench.delivered[-1].response.member_epoch, 0)  # type: ignore[attr-defined]

    for step in ["join a", *steps]:
        if isinstance(step, tuple):
            member_id, news, off, other_client = step
            ask(member_id, epochs[member_id] + off, "other" if other_client else "client", **news)
        elif step == "topic":
            bench.topics.put("t", bench.topics.counts["t"] + 1)
        elif step == "wait":
            bench.advance(10_000)
        elif step.startswith("join"):
            ask(step[-1], 0, rebalance_timeout_ms=1000, subscribed_topic_names=["t"], topic_partitions=[])
        else:
            ask(step[-1], -1)
    due = []
    for _ in range(20):
        due.append(bench.shard.next_deadline_ms())
        bench.advance(5_000)
    return [[reply.response for reply in bench.delivered], bench.log, due]


@settings(max_examples=150, deadline=None)
@given(STEPS, st.sampled_from((0, 5000)))
def test_the_shortcut_changes_nothing(steps: list[Any], assignment_interval_ms: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(consumer_heartbeat, "_simply_stays", lambda *_: False)
        without = play(steps, assignment_interval_ms)
    assert play(steps, assignment_interval_ms) == without


def test_a_member_that_stays_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[bool] = []
    original = consumer_heartbeat._simply_stays

    def watched(*arguments: Any) -> bool:
        taken.append(original(*arguments))
        return taken[-1]

    monkeypatch.setattr(consumer_heartbeat, "_simply_stays", watched)
    bench = ConsumerBench()
    bench.topics.put("t", 2)
    join: dict[str, Any] = {"rebalance_timeout_ms": 1000, "subscribed_topic_names": ["t"], "topic_partitions": []}
    bench.ask(ConsumerGroupHeartbeatRequest(group_id="g", member_id="a", member_epoch=0, **join), 1)
    group = bench.shard.groups["g"]
    assert isinstance(group, ConsumerGroup)
    for _ in range(2):
        bench.ask(ConsumerGroupHeartbeatRequest(group_id="g", member_id="a", member_epoch=group.epoch), 1)
    # At the first the new group has yet to look at the topics.
    assert taken == [False, True]
