"""How a classic group goes from one generation to the next.

    Empty --join--> PreparingRebalance --all joined, or time is up--> CompletingRebalance --leader's SyncGroup--> Stable
                          ^--- a join, a leave, an expiry, a changed subscription ---------'----------------------'

Each function here moves a group on and notes in the turn what is to be answered, written and waited for.
Source: org.apache.kafka.coordinator.group.GroupMetadataManager (prepareRebalance, completeClassicGroupJoin, ...).
"""

from __future__ import annotations

from ..wire.errors import ErrorCode
from ..wire.messages.join_group import JoinGroupResponse, JoinGroupResponseMember
from ..wire.messages.sync_group import SyncGroupResponse
from . import records
from .classic_group import ClassicGroup, Member, State
from .responses import join_response
from .turn import Request, Turn


def restart_session(group: ClassicGroup, member: Member, turn: Turn) -> None:
    """The member has been heard of."""
    turn.deadlines.set(("session", group.group_id, member.member_id), turn.now_ms + member.session_timeout_ms)


def answer_join(group: ClassicGroup, member: Member, turn: Turn, error: ErrorCode, member_id: str = "") -> None:
    """Answer the member's JoinGroup with an error if one is waiting."""
    request = group.take_waiting_join(member)
    if request is not None:
        turn.reply(request, join_response(request, error, member_id=member_id))


def answer_sync(member: Member, turn: Turn, error: ErrorCode) -> None:
    """Answer the member's SyncGroup with an error if one is waiting."""
    request, member.waiting_sync = member.waiting_sync, None
    if request is not None:
        turn.reply(request, SyncGroupResponse(error_code=error))


def current_generation(group: ClassicGroup, member: Member, request: Request) -> JoinGroupResponse:
    """A JoinGroup's answer: the generation, and to the leader its members."""
    return join_response(
        request,
        member_id=member.member_id,
        generation=group.generation,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        leader=group.leader or "",
        members=member_list(group) if member.member_id == group.leader else None,
    )


def member_list(group: ClassicGroup) -> list[JoinGroupResponseMember]:
    """What the leader assigns from."""
    return [
        JoinGroupResponseMember(
            member_id=member.member_id,
            group_instance_id=member.group_instance_id,
            metadata=member.metadata(group.protocol_name),
        )
        for member in group.members.values()
    ]


def prepare_rebalance(group: ClassicGroup, turn: Turn) -> None:
    """Have all members join again. Those who wait for an assignment are told so.

    A rebalance that begins in an empty group waits for the initial delay, others for all members or the longest
    rebalance timeout.
    """
    if group.state is State.COMPLETING_REBALANCE:
        for member in group.members.values():
            member.assignment = b""
            if member.waiting_sync is not None:
                answer_sync(member, turn, ErrorCode.REBALANCE_IN_PROGRESS)
                restart_session(group, member, turn)
    group.pending_sync.clear()
    turn.deadlines.cancel(("sync", group.group_id, ""))
    group.initial_rebalance = group.state is State.EMPTY
    group.become(State.PREPARING_REBALANCE, turn.now_ms)
    if group.initial_rebalance:
        delay_ms = turn.settings.initial_rebalance_delay_ms
        group.member_added = False
        group.initial_delay_ms = delay_ms
        group.initial_remaining_ms = max(group.rebalance_timeout_ms() - delay_ms, 0)
        turn.deadlines.set(("join", group.group_id, ""), turn.now_ms + delay_ms)
    elif group.all_have_joined():
        complete_join(group, turn)
    else:
        turn.deadlines.set(("join", group.group_id, ""), turn.now_ms + group.rebalance_timeout_ms())


def rebalance_or_complete(group: ClassicGroup, turn: Turn) -> None:
    """After a change of members or protocols: begin a rebalance, or see whether the one in progress has them all."""
    if group.state is State.PREPARING_REBALANCE:
        complete_join_if_all(group, turn)
    else:
        prepare_rebalance(group, turn)


def complete_join_if_all(group: ClassicGroup, turn: Turn) -> None:
    """An initial rebalance waits for its delay even if all have joined: more may come."""
    if not group.initial_rebalance and group.all_have_joined():
        complete_join(group, turn)


def join_timeout(group: ClassicGroup, turn: Turn) -> None:
    """The wait for members is over. In an initial rebalance those that came meanwhile prolong it, in all up to the
    rebalance timeout."""
    if group.initial_rebalance and group.member_added and group.initial_remaining_ms:
        group.member_added = False
        delay_ms = min(turn.settings.initial_rebalance_delay_ms, group.initial_remaining_ms)
        group.initial_remaining_ms = max(group.initial_remaining_ms - group.initial_delay_ms, 0)
        group.initial_delay_ms = delay_ms
        turn.deadlines.set(("join", group.group_id, ""), turn.now_ms + delay_ms)
    else:
        complete_join(group, turn)


def complete_join(group: ClassicGroup, turn: Turn) -> None:
    """Begin the next generation with those who have joined; dynamic members who have not are out.

    Static members keep their place until their session ends: that is what they are static for. If nobody has joined,
    the wait starts again.
    """
    turn.deadlines.cancel(("join", group.group_id, ""))
    for member in [m for m in group.members.values() if m.waiting_join is None and m.group_instance_id is None]:
        group.remove(member.member_id)
        turn.deadlines.cancel(("session", group.group_id, member.member_id))
    if group.members and not group.elect_joined_leader():
        group.initial_remaining_ms = 0
        turn.deadlines.set(("join", group.group_id, ""), turn.now_ms + group.rebalance_timeout_ms())
        return
    group.next_generation(turn.now_ms)
    if not group.members:
        turn.records.append(records.group_metadata(group.group_id, group.to_value()))
        return
    for member in group.members.values():
        request = group.take_waiting_join(member)
        if request is not None:
            turn.reply(request, current_generation(group, member, request))
        member.is_new = False
        restart_session(group, member, turn)
        group.pending_sync.add(member.member_id)
    turn.deadlines.set(("sync", group.group_id, ""), turn.now_ms + group.rebalance_timeout_ms())


def sync_timeout(group: ClassicGroup, turn: Turn) -> None:
    """Members that joined and never asked for their assignment are out (KAFKA-9752)."""
    evicted = [member_id for member_id in group.members if member_id in group.pending_sync]
    if not evicted:
        return
    for member_id in evicted:
        group.remove(member_id)
        turn.deadlines.cancel(("session", group.group_id, member_id))
    prepare_rebalance(group, turn)
