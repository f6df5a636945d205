"""SyncGroup, Heartbeat, LeaveGroup and commits of a classic group's members, and the end of their sessions.

Source: org.apache.kafka.coordinator.group.GroupMetadataManager (classicGroupSync, classicGroupHeartbeat,
classicGroupLeave, expireClassicGroupMemberHeartbeat), ClassicGroup.validateOffsetCommit.
"""

from __future__ import annotations

from ..wire.errors import ErrorCode
from ..wire.messages.heartbeat import HeartbeatResponse
from ..wire.messages.leave_group import MemberIdentity
from ..wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from . import records
from .classic_group import UNKNOWN_MEMBER_ID, ClassicGroup, Member, State
from .classic_rebalance import answer_join, answer_sync, complete_join, prepare_rebalance, restart_session
from .turn import Request, Turn

# --- rows of the table: SyncGroup ---------------------------------------------------------------------------------


def sync_too_early(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """Between two generations there is nothing to sync."""
    turn.reply(request, SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))


def sync_completing(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """Wait for the leader. The leader's own brings the assignment: it is written, and all who wait get their part.

    The group is Stable once the record is replayed. A member that the leader left out gets an empty assignment.
    """
    message: SyncGroupRequest = request.message
    member = group.members[message.member_id]
    # Kafka forgets an earlier SyncGroup of the same member; it is told to try again.
    answer_sync(member, turn, ErrorCode.REBALANCE_IN_PROGRESS)
    member.waiting_sync = request
    _has_synced(group, member, turn)
    if member.member_id != group.leader:
        return
    assignments = {row.member_id: row.assignment for row in message.assignments}
    turn.records.append(records.group_metadata(group.group_id, group.to_value(assignments)))
    for each in group.members.values():
        waiting, each.waiting_sync = each.waiting_sync, None
        if waiting is not None:
            turn.reply(waiting, _assignment(group, assignments.get(each.member_id, b"")))
            restart_session(group, each, turn)


def sync_stable(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """The member gets what it has; an assignment that comes along is not looked at."""
    member = group.members[request.message.member_id]
    _has_synced(group, member, turn)
    turn.reply(request, _assignment(group, member.assignment))


def _assignment(group: ClassicGroup, assignment: bytes) -> SyncGroupResponse:
    return SyncGroupResponse(
        error_code=ErrorCode.NONE,
        protocol_type=group.protocol_type,
        protocol_name=group.protocol_name,
        assignment=assignment,
    )


def _has_synced(group: ClassicGroup, member: Member, turn: Turn) -> None:
    group.pending_sync.discard(member.member_id)
    if not group.pending_sync:
        turn.deadlines.cancel(("sync", group.group_id, ""))


def check_sync(group: ClassicGroup, message: SyncGroupRequest) -> ErrorCode:
    """Since v5 the member says which protocol it means; null leaves the question out."""
    error = group.check_member(message.member_id, message.group_instance_id)
    if error:
        return error
    if message.generation_id != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    if any(
        said is not None and chosen is not None and said != chosen
        for said, chosen in (
            (message.protocol_type, group.protocol_type),
            (message.protocol_name, group.protocol_name),
        )
    ):
        return ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    return ErrorCode.NONE


# --- rows of the table: Heartbeat ---------------------------------------------------------------------------------


def heartbeat(group: ClassicGroup, request: Request, turn: Turn) -> None:
    restart_session(group, group.members[request.message.member_id], turn)
    turn.reply(request, HeartbeatResponse(error_code=ErrorCode.NONE))


def heartbeat_preparing(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """This is how a member learns that it has to join again."""
    restart_session(group, group.members[request.message.member_id], turn)
    turn.reply(request, HeartbeatResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS))


# --- leaving ------------------------------------------------------------------------------------------------------


def leave(group: ClassicGroup, identity: MemberIdentity, turn: Turn) -> ErrorCode:
    """Take one member out; the rebalance that follows is the caller's.

    An empty member id with an instance id is how an administrator removes a static member (KIP-345).
    """
    member_id, instance_id = identity.member_id, identity.group_instance_id
    if member_id == UNKNOWN_MEMBER_ID:
        found = group.static_members.get(instance_id) if instance_id is not None else None
        if found is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        member_id = found
    elif member_id not in group.pending_join:
        error = group.check_member(member_id, instance_id)
        if error:
            return error
    remove(group, member_id, turn)
    return ErrorCode.NONE


def remove(group: ClassicGroup, member_id: str, turn: Turn) -> None:
    """Out with a member or a pending id; requests of it that wait are told that it is unknown."""
    turn.deadlines.cancel(("session", group.group_id, member_id))
    member = group.members.get(member_id)
    if member is not None:
        answer_join(group, member, turn, ErrorCode.UNKNOWN_MEMBER_ID)
        # Kafka 4.3.1 leaves a waiting SyncGroup of a member that goes without an answer.
        answer_sync(member, turn, ErrorCode.UNKNOWN_MEMBER_ID)
    group.remove(member_id)


# --- rows of the table: the end of a session ----------------------------------------------------------------------


def expired_waiting(group: ClassicGroup, member_id: str, turn: Turn) -> None:
    """In a rebalance a member that waits for an answer cannot send heartbeats: it is not expired, unless it is new
    and has waited too long. The last one that was missing may just have gone."""
    member = group.members[member_id]
    if member.waiting_join is not None and not member.is_new:
        return
    remove(group, member_id, turn)
    if group.all_have_joined():
        complete_join(group, turn)


def expired(group: ClassicGroup, member_id: str, turn: Turn) -> None:
    """A member has not been heard of: the others share its partitions."""
    if group.members[member_id].waiting_sync is not None:
        return
    remove(group, member_id, turn)
    prepare_rebalance(group, turn)


def pending_expired(group: ClassicGroup, member_id: str, turn: Turn) -> None:
    """An id that nobody came back with."""
    group.remove(member_id)
    if group.state is State.PREPARING_REBALANCE and group.all_have_joined():
        complete_join(group, turn)


# --- commits ------------------------------------------------------------------------------------------------------


def check_commit(group: ClassicGroup, member_id: str, group_instance_id: str | None, generation: int) -> ErrorCode:
    """Whether a commit is taken.

    Without a generation it comes from an administrator or a consumer that assigns itself: only to an empty group.
    """
    if generation < 0 and group.state is State.EMPTY:
        return ErrorCode.NONE
    if generation < 0 and member_id == UNKNOWN_MEMBER_ID and group_instance_id is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    error = group.check_member(member_id, group_instance_id)
    if error:
        return error
    if generation != group.generation:
        return ErrorCode.ILLEGAL_GENERATION
    if group.state is State.COMPLETING_REBALANCE:
        return ErrorCode.REBALANCE_IN_PROGRESS
    return ErrorCode.NONE


def committed(group: ClassicGroup, member_id: str, turn: Turn) -> None:
    """A commit is a sign of life."""
    member = group.members.get(member_id)
    if member is not None:
        restart_session(group, member, turn)
