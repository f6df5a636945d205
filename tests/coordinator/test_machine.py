"""Random lives of groups on one shard, with the high watermark held back, appends that fail and leaders that are lost.

What must hold, whatever happens:

- every request is in one place: answered once, parked, or waiting in the shard; in the end all are answered;
- nothing is told before the high watermark has passed it: an acknowledged commit is in the log below it;
- an acknowledged offset is never lost, by no rebuild;
- a generation never goes back under one leader, and not below what was written and replicated under the next;
- one leader a generation (a static one may come back with another id);
- a lost shard answers all who wait with NOT_COORDINATOR;
- the shard that is rebuilt from the log is the live one (`Bench.check_rebuilt`, after every step);
- every event leads where the table says (`conftest.held_to_the_table`).
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from klamm.coordinator.settings import GroupSettings
from klamm.wire.errors import ErrorCode
from klamm.wire.log_records.classic_group import GroupMetadataKey, GroupMetadataValue, OffsetCommitValue
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from klamm.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from .bench import Bench, check_table_rows

GROUPS = ("g", "h")
CLIENTS = ("a", "b", "c")
PROTOCOLS = (("range",), ("range", "roundrobin"), ("roundrobin", "range"), ("roundrobin",))
ERRORS = (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.NOT_ENOUGH_REPLICAS)

#: Few, so that what one does meets what another does.
clients = st.sampled_from([("g", "a"), ("g", "b"), ("g", "c"), ("h", "a"), ("h", "b")])


class Groups(RuleBasedStateMachine):
    """In group g clients are dynamic, in h static. A client knows what it has been told, and may be out of date."""

    def __init__(self) -> None:
        super().__init__()
        self._patch = pytest.MonkeyPatch()
        check_table_rows(self._patch)
        self.bench = Bench(GroupSettings(max_size=3, initial_rebalance_delay_ms=500))
        self.members: dict[tuple[str, str], tuple[str, int]] = {}
        self.committed: dict[int, tuple[str, int]] = {}  # token -> group, offset
        self.acknowledged: dict[str, int] = {}
        self.leaders: dict[tuple[int, str, int], set[str]] = {}
        self.generations: dict[str, int] = {}
        self.leadership = 0
        self.next_offset = 0
        self.seen = 0

    # --- what clients do ------------------------------------------------------------------------------------------

    def ask(self, who: tuple[str, str], message: Any, version: int) -> int:
        return self.bench.ask(message, version, who[1])

    @rule(who=clients, forgets=st.booleans(), protocols=st.sampled_from(PROTOCOLS), version=st.sampled_from((3, 5, 9)))
    def join(self, who: tuple[str, str], forgets: bool, protocols: tuple[str, ...], version: int) -> None:
        group, client = who
        static = group == "h" and version >= 5
        message = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=6_000,
            rebalance_timeout_ms=2_000,
            member_id="" if forgets else self.members.get(who, ("", 0))[0],
            group_instance_id=f"i-{client}" if static else None,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name=name, metadata=client.encode()) for name in protocols],
        )
        self.ask(who, message, version)

    @rule(who=clients, assigned=st.booleans())
    def sync(self, who: tuple[str, str], assigned: bool) -> None:
        member_id, generation = self.members.get(who, ("nobody", 0))
        others = [other[0] for place, other in sorted(self.members.items()) if place[0] == who[0]]
        message = SyncGroupRequest(
            group_id=who[0],
            generation_id=generation,
            member_id=member_id,
            assignments=[SyncGroupRequestAssignment(member_id=other, assignment=b"x") for other in others if assigned],
        )
        self.ask(who, message, 3)

    @rule(group=st.sampled_from(GROUPS), count=st.integers(2, 3), protocols=st.sampled_from(PROTOCOLS))
    def everybody_joins(self, group: str, count: int, protocols: tuple[str, ...]) -> None:
        for client in CLIENTS[:count]:
            self.join((group, client), forgets=False, protocols=protocols, version=5 if group == "h" else 3)
        self.bench.advance(500)
        self.listen()

    @rule(group=st.sampled_from(GROUPS), leader=st.booleans())
    def members_sync(self, group: str, leader: bool) -> None:
        """The followers, and then perhaps the leader."""
        found = self.bench.shard.groups.get(group)
        known = [who for who in sorted(self.members) if who[0] == group]
        for leads in (False, True) if leader else (False,):
            for who in known:
                if found is not None and (self.members[who][0] == found.leader) == leads:
                    self.sync(who, assigned=leads)

    @rule(group=st.sampled_from(GROUPS))
    def generation_completes(self, group: str) -> None:
        self.everybody_joins(group, 2, PROTOCOLS[1])
        self.members_sync(group, leader=True)

    @rule(who=clients)
    def heartbeat(self, who: tuple[str, str]) -> None:
        member_id, generation = self.members.get(who, ("nobody", 0))
        self.ask(who, HeartbeatRequest(group_id=who[0], generation_id=generation, member_id=member_id), 3)

    @rule(who=clients)
    def leave(self, who: tuple[str, str]) -> None:
        member_id, _ = self.members.get(who, ("nobody", 0))
        self.ask(who, LeaveGroupRequest(group_id=who[0], members=[MemberIdentity(member_id=member_id)]), 5)

    @rule(who=clients, member=st.booleans())
    def commit(self, who: tuple[str, str], member: bool) -> None:
        member_id, generation = self.members.get(who, ("nobody", 0)) if member else ("", -1)
        self.next_offset += 1
        row = OffsetCommitRequestPartition(
            partition_index=0, committed_offset=self.next_offset, committed_metadata=None
        )
        message = OffsetCommitRequest(
            group_id=who[0],
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            topics=[OffsetCommitRequestTopic(name="t", partitions=[row])],
        )
        self.committed[self.ask(who, message, 9)] = (who[0], self.next_offset)

    # --- what happens to them -------------------------------------------------------------------------------------

    @rule(duration_ms=st.sampled_from((1, 499, 500, 1_999, 2_000, 6_000)))
    def time_passes(self, duration_ms: int) -> None:
        self.bench.advance(duration_ms)

    @rule()
    def replicas_stop(self) -> None:
        self.bench.held = True

    @rule(share=st.floats(0, 1))
    def replicas_come_nearer(self, share: float) -> None:
        behind = len(self.bench.log) - self.bench.high_watermark
        self.bench.release(self.bench.high_watermark + int(behind * share))

    @rule()
    def replicas_catch_up(self) -> None:
        self.bench.held = False
        self.bench.release(len(self.bench.log))

    @rule(error=st.sampled_from(ERRORS))
    def next_append_fails(self, error: ErrorCode) -> None:
        self.bench.fail_next = error

    @precondition(lambda self: len(self.bench.log) > 0)
    @rule()
    def leader_is_lost(self) -> None:
        self.listen()
        before = len(self.bench.delivered)
        owed = sorted([*self.bench.waiting(), *(reply.request.token for _, reply in self.bench.parked._queue)])
        self.bench.drop()
        told = self.bench.delivered[before:]
        assert sorted(reply.request.token for reply in told) == owed
        for reply in told:
            answer: Any = reply.response
            codes = (
                [row.error_code for topic in answer.topics for row in topic.partitions]
                if isinstance(answer, OffsetCommitResponse)
                else [answer.error_code]
            )
            assert set(codes) == {ErrorCode.NOT_COORDINATOR}
        self.listen()
        self.bench.rebuild()
        self.leadership += 1
        self.generations = {
            record.key.group: record.value.generation
            for record in self.bench.records(self.bench.high_watermark)
            if isinstance(record.key, GroupMetadataKey) and isinstance(record.value, GroupMetadataValue)
        }

    # --- what must hold -------------------------------------------------------------------------------------------

    def listen(self) -> None:
        """Clients take in what they were told."""
        for reply in self.bench.delivered[self.seen :]:
            answer: Any = reply.response
            message = reply.request.message
            if isinstance(answer, JoinGroupResponse):
                who = (message.group_id, reply.request.client_id)
                if answer.error_code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
                    self.members[who] = (answer.member_id, answer.generation_id)
                if answer.error_code == ErrorCode.NONE and answer.leader == answer.member_id:
                    key = (self.leadership, message.group_id, answer.generation_id)
                    self.leaders.setdefault(key, set()).add(reply.request.client_id)
                    assert len(self.leaders[key]) == 1, f"two leaders of {key}"
            if isinstance(answer, OffsetCommitResponse) and answer.topics[0].partitions[0].error_code == 0:
                group, offset = self.committed[reply.request.token]
                assert (group, offset) in self.replicated(), f"{offset} was acknowledged and is not replicated"
                self.acknowledged[group] = max(self.acknowledged.get(group, 0), offset)
        self.seen = len(self.bench.delivered)

    def replicated(self) -> set[tuple[str, int]]:
        found = set()
        for record in self.bench.records(self.bench.high_watermark):
            if isinstance(record.value, OffsetCommitValue):
                found.add((record.key.group, record.value.offset))  # type: ignore[attr-defined]
        return found

    @invariant()
    def every_request_is_in_one_place(self) -> None:
        bench = self.bench
        places = [reply.request.token for reply in bench.delivered]
        places += [reply.request.token for _, reply in bench.parked._queue]
        places += bench.waiting()
        assert sorted(places) == sorted(bench.asked)

    @invariant()
    def what_clients_are_told_holds(self) -> None:
        self.listen()

    @invariant()
    def acknowledged_offsets_are_there(self) -> None:
        for group, offset in self.acknowledged.items():
            assert self.bench.shard.offsets.groups[group]["t"][0].offset >= offset

    @invariant()
    def generations_do_not_go_back(self) -> None:
        for group_id, group in self.bench.shard.groups.items():
            assert group.generation >= self.generations.get(group_id, 0)
            self.generations[group_id] = group.generation

    @invariant()
    def members_are_counted_right(self) -> None:
        for group in self.bench.shard.groups.values():
            waiting = [member for member in group.members.values() if member.waiting_join is not None]
            assert group.waiting_joins == len(waiting)
            assert (group.leader in group.members) == bool(group.members)
            assert {member.group_instance_id: member.member_id for member in group.members.values()} | {None: None} == {
                **group.static_members,
                None: None,
            }
            for protocol in ("range", "roundrobin"):
                speakers = sum(protocol in member.protocol_names for member in group.members.values())
                assert group.supported[protocol] == speakers

    def teardown(self) -> None:
        """In the end the replicas catch up and time passes: nobody is left without an answer."""
        try:
            self.bench.fail_next = None
            self.replicas_catch_up()
            self.bench.advance(1_000_000)
            assert self.bench.waiting() == []
            assert len(self.bench.parked) == 0
            self.every_request_is_in_one_place()
            self.what_clients_are_told_holds()
        finally:
            self._patch.undo()


Groups.TestCase.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
TestGroups = Groups.TestCase
