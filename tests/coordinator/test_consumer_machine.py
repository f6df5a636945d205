"""Random lives of consumer groups (KIP-848) on one shard: members of both protocols, topics that change, appends that
fail, leaders that are lost, answers that never arrive.

What must hold, whatever happens:

- a partition has one owner at most: no two members that follow what they are told own it at the same time;
- no partition is given to another before its owner has said that it no longer owns it, or is out;
- epochs never go back under one leader: the group's, the target's, a member's; the target's is never above the group's;
- the target gives each partition to one member, who is subscribed to its topic;
- every request is answered once, and not before the high watermark has passed what it rests on;
- the shard that is rebuilt from the log is the live one (`ConsumerBench.check_rebuilt`, after every step);
- in the end, when all heartbeat in peace, the group is Stable and every partition has its owner.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from klamm.coordinator.consumer_group import ConsumerGroup, subscribed_topics
from klamm.coordinator.settings import GroupSettings
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)

from .consumer_bench import ConsumerBench

CLIENTS = ("a", "b", "c", "d")
TOPICS = ("t", "u")
SUBSCRIPTIONS = (["t"], ["t", "u"], ["u"], [])
ERRORS = (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.NOT_ENOUGH_REPLICAS)
SESSION_MS = 10_000
REBALANCE_MS = 4_000

clients = st.sampled_from(CLIENTS)


class Client:
    """A member as KIP-848 wants it: it owns what it was assigned, and gives up what it is told to, when it gets to it.
    One that was fenced, or has not been heard of for its session, owns nothing."""

    def __init__(self, name: str, number: int) -> None:
        self.member_id = f"{name}{number}"
        self.epoch = 0
        self.owned: set[tuple[bytes, int]] = set()
        self.assigned: set[tuple[bytes, int]] = set()
        self.topics: list[str] = []
        self.joined = False
        self.heard_ms = 0

    def forget(self) -> None:
        self.epoch = 0
        self.owned = set()
        self.assigned = set()
        self.joined = False


def rows(places: set[tuple[bytes, int]]) -> list[TopicPartitions]:
    topics: dict[bytes, list[int]] = {}
    for topic_id, index in sorted(places):
        topics.setdefault(topic_id, []).append(index)
    return [TopicPartitions(topic_id=topic_id, partitions=indexes) for topic_id, indexes in topics.items()]


class ConsumerGroups(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bench = ConsumerBench(GroupSettings(consumer_session_timeout_ms=SESSION_MS))
        self.bench.topics.put("t", 4)
        self.clients = {name: Client(name, 0) for name in CLIENTS}
        self.numbers = 0
        self.asked: dict[int, tuple[Client, ConsumerGroupHeartbeatRequest]] = {}
        self.epochs: dict[str, int] = {}
        self.seen = 0

    # --- what members do --------------------------------------------------------------------------------------------

    def heartbeat(self, client: Client, **more: Any) -> None:
        """Nobody sends a second heartbeat while the first has no answer."""
        if any(client is other for other, _ in self.asked.values()):
            return
        message = ConsumerGroupHeartbeatRequest(
            group_id="g", member_id=client.member_id, member_epoch=client.epoch, **more
        )
        token = self.bench.ask(message, 1, "client")
        self.asked[token] = (client, message)
        self.listen()

    @rule(name=clients, topics=st.sampled_from(SUBSCRIPTIONS), assignor=st.sampled_from((None, "range", "uniform")))
    def join(self, name: str, topics: list[str], assignor: str | None) -> None:
        client = self.clients[name]
        if not client.joined:
            client.topics = topics
            self.heartbeat(
                client,
                rebalance_timeout_ms=REBALANCE_MS,
                subscribed_topic_names=topics,
                topic_partitions=[],
                server_assignor=assignor,
            )

    @rule(name=clients, gives_up=st.booleans())
    def go_on(self, name: str, gives_up: bool) -> None:
        client = self.clients[name]
        if client.joined:
            if gives_up:
                client.owned &= client.assigned
            self.heartbeat(client, topic_partitions=rows(client.owned))

    @rule(name=clients)
    def say_nothing_new(self, name: str) -> None:
        if self.clients[name].joined:
            self.heartbeat(self.clients[name])

    @rule(name=clients, topics=st.sampled_from(SUBSCRIPTIONS))
    def change_mind(self, name: str, topics: list[str]) -> None:
        client = self.clients[name]
        if client.joined:
            client.topics = topics
            self.heartbeat(client, subscribed_topic_names=topics, topic_partitions=rows(client.owned))

    @rule(name=clients)
    def leave(self, name: str) -> None:
        client = self.clients[name]
        if client.joined and not any(client is other for other, _ in self.asked.values()):
            client.forget()  # before it says so
            client.epoch = -1
            self.heartbeat(client)
            self.replace(name)

    @rule(name=clients)
    def crash(self, name: str) -> None:
        """Whoever it was is heard of no more; its session ends some time."""
        self.replace(name)

    def replace(self, name: str) -> None:
        self.numbers += 1
        self.clients[name] = Client(name, self.numbers)

    # --- what happens to them ---------------------------------------------------------------------------------------

    @rule(topic=st.sampled_from(TOPICS), more=st.integers(1, 3))
    def partitions_are_added(self, topic: str, more: int) -> None:
        self.bench.topics.put(topic, min(self.bench.topics.counts.get(topic, 0) + more, 9))

    @precondition(lambda self: "u" in self.bench.topics.counts)
    @rule()
    def a_topic_goes(self) -> None:
        self.bench.topics.delete("u")

    @rule(duration_ms=st.sampled_from((1, 3_000, REBALANCE_MS, SESSION_MS)))
    def time_passes(self, duration_ms: int) -> None:
        """A client knows its session: it gives up what it owns when it cannot have been heard of."""
        for client in self.clients.values():
            if client.joined and self.bench.now_ms + duration_ms >= client.heard_ms + REBALANCE_MS:
                client.forget()
                client.member_id += "'"
        if duration_ms >= REBALANCE_MS:
            self.asked.clear()  # whoever has not been answered asks again
        self.bench.advance(duration_ms)

    @rule()
    def replicas_stop(self) -> None:
        self.bench.held = True

    @rule()
    def replicas_catch_up(self) -> None:
        self.bench.held = False
        self.bench.release(len(self.bench.log))
        self.listen()

    @rule(error=st.sampled_from(ERRORS))
    def next_append_fails(self, error: ErrorCode) -> None:
        self.bench.fail_next = error

    @rule()
    def leader_is_lost(self) -> None:
        self.bench.drop()
        self.listen()
        self.bench.rebuild()
        self.epochs.clear()

    # --- what must hold ---------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Clients take in what they were told: what comes is owned at once, what goes when they get to it."""
        for reply in self.bench.delivered[self.seen :]:
            answer: Any = reply.response
            assert isinstance(answer, ConsumerGroupHeartbeatResponse)
            client, message = self.asked.pop(reply.request.token, (None, None))
            if client is None or message is None or message.member_id != client.member_id:
                continue
            if answer.error_code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
                continue
            if answer.error_code == ErrorCode.UNKNOWN_SERVER_ERROR:
                continue
            if answer.error_code:
                client.forget()
                continue
            if message.member_epoch < 0:
                continue
            client.joined = True
            client.heard_ms = self.bench.now_ms
            client.epoch = answer.member_epoch
            if answer.assignment is not None:
                client.assigned = {
                    (row.topic_id, index) for row in answer.assignment.topic_partitions for index in row.partitions
                }
                client.owned |= client.assigned
        self.seen = len(self.bench.delivered)

    @property
    def group(self) -> ConsumerGroup | None:
        found = self.bench.shard.groups.get("g")
        return found if isinstance(found, ConsumerGroup) else None

    @invariant()
    def a_partition_has_one_owner(self) -> None:
        owned = [place for client in self.clients.values() for place in client.owned]
        assert len(owned) == len(set(owned))

    @invariant()
    def the_group_gives_a_partition_once(self) -> None:
        if self.group is not None:
            has = [
                (topic_id, index)
                for member in self.group.members.values()
                for partitions in (member.assigned, member.revoking)
                for topic_id, epochs in partitions.items()
                for index in epochs
            ]
            assert len(has) == len(set(has))
            assert set(has) == set(self.group.owners)

    @invariant()
    def the_target_is_sound(self) -> None:
        group = self.group
        if group is None or group.epoch != group.assignment_epoch:
            return
        planned = [
            (topic_id, index)
            for target in group.target.values()
            for topic_id, indexes in target.items()
            for index in indexes
        ]
        assert len(planned) == len(set(planned))
        for member_id, target in group.target.items():
            names = subscribed_topics(group.members[member_id], group.regexes)
            assert set(target) <= {topic_id for name in names for topic_id in self.bench.topics.ids_of(name)}

    @invariant()
    def epochs_do_not_go_back(self) -> None:
        group = self.group
        if group is None:
            return
        assert group.assignment_epoch <= group.epoch
        now = {"group": group.epoch, "target": group.assignment_epoch}
        now |= {f"member {member.member_id}": member.member_epoch for member in group.members.values()}
        for name, epoch in now.items():
            assert epoch >= self.epochs.get(name, 0), name
        self.epochs |= now

    @invariant()
    def sessions_run(self) -> None:
        if self.group is not None:
            for member_id in self.group.members:
                assert ("consumer-session", "g", member_id) in self.bench.shard.state.deadlines

    def teardown(self) -> None:
        """In the end the members heartbeat in peace."""
        self.bench.fail_next = None
        self.replicas_catch_up()
        self.asked.clear()
        self.bench.advance(SESSION_MS)  # those that are not there any more are out
        for client in self.clients.values():
            client.forget()
        self.a_partition_has_one_owner()
        for _ in range(8):
            for name, client in self.clients.items():
                if client.joined:
                    self.go_on(name, True)
                else:
                    self.join(name, ["t", "u"], None)
        group = self.group
        assert group is not None
        assert group.state.value == "Stable"
        everything = {
            (self.bench.topics.topic_id(name), index)
            for name, count in self.bench.topics.counts.items()
            for index in range(count)
        }
        assert {place for client in self.clients.values() for place in client.owned} == everything
        self.a_partition_has_one_owner()
        assert len(self.bench.parked) == 0


ConsumerGroups.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestConsumerGroups = ConsumerGroups.TestCase


@pytest.mark.parametrize("assignor", ["range", "uniform"])
@pytest.mark.parametrize("other", [["t", "u"], ["u"]])
def test_a_topic_created_again_with_fewer_partitions_is_another(assignor: str, other: list[str]) -> None:
    """With the same subscriptions and with mixed ones: the target is of the new topic alone."""
    bench = ConsumerBench()
    bench.topics.put("t", 1)
    bench.topics.put("u", 4)
    for member_id, names in (("a", ["t", "u"]), ("b", other)):
        join = ConsumerGroupHeartbeatRequest(
            group_id="g",
            member_id=member_id,
            member_epoch=0,
            rebalance_timeout_ms=REBALANCE_MS,
            subscribed_topic_names=names,
            topic_partitions=[],
            server_assignor=assignor,
        )
        bench.ask(join, 1)
    before = bench.topics.topic_id("u")
    bench.topics.delete("u")
    bench.topics.put("u", 1)
    assert bench.topics.topic_id("u") != before
    group = bench.shard.groups["g"]
    assert isinstance(group, ConsumerGroup)
    epoch = group.members["a"].member_epoch
    bench.ask(ConsumerGroupHeartbeatRequest(group_id="g", member_id="a", member_epoch=epoch, topic_partitions=[]), 1)
    assert bench.delivered[-1].response.error_code == ErrorCode.NONE
    planned = sorted((t, index) for target in group.target.values() for t, rows in target.items() for index in rows)
    assert planned == sorted((bench.topics.topic_id(name), 0) for name in ("t", "u"))
