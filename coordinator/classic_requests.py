"""Requests of the classic protocol to a classic group: what is looked at before the group's table is asked.

Source: GroupMetadataManager.classicGroupJoin, classicGroupSync, classicGroupHeartbeat, classicGroupLeave.
"""

from __future__ import annotations

from typing import Final

from ..wire.errors import ErrorCode
from ..wire.log_records.classic_group import GroupMetadataValue
from ..wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest, MemberIdentity, MemberResponse
from ..wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from . import records
from .classic_group import UNKNOWN_MEMBER_ID, ClassicGroup
from .classic_join import accepts, name_is_too_long, protocols_of, refuse_member
from .classic_member import check_sync, leave
from .classic_table import Event, fire
from .consumer_group import ConsumerGroup
from .responses import MEMBER_ERRORS_FROM, error_response, join_response, leave_response
from .shard_state import ShardState
from .turn import Request, Turn

#: The first SyncGroup in which protocol type and name must be there.
PROTOCOL_REQUIRED_FROM: Final = 5


def join(state: ShardState, request: Request, turn: Turn) -> None:
    """A member comes, comes back, or is told why it cannot. Makes the group if there is none."""
    message: JoinGroupRequest = request.message
    member_id = message.member_id
    settings = turn.settings
    error = ErrorCode.NONE
    if not message.group_id:
        error = ErrorCode.INVALID_GROUP_ID
    elif not settings.min_session_timeout_ms <= message.session_timeout_ms <= settings.max_session_timeout_ms:
        error = ErrorCode.INVALID_SESSION_TIMEOUT
    elif name_is_too_long(request):
        error = ErrorCode.INVALID_REQUEST
    group = state.classic(message.group_id)
    if not error and group is None and member_id != UNKNOWN_MEMBER_ID:
        error = ErrorCode.UNKNOWN_MEMBER_ID
    if error:
        turn.reply(request, join_response(request, error, member_id=member_id))
        return
    is_new = group is None
    if group is None:
        empty_one = state.groups.get(message.group_id)
        if isinstance(empty_one, ConsumerGroup):
            turn.records += empty_one.tombstones()
        group = state.groups[message.group_id] = ClassicGroup(message.group_id, turn.now_ms)
    ended = len(turn.records)
    _join_group(group, request, turn)
    if is_new and len(turn.records) == ended:
        # Kafka keeps a group from its first JoinGroup on, even from a refused one.
        empty = GroupMetadataValue(
            protocol=None, leader=None, generation=0, current_state_timestamp=group.state_timestamp_ms
        )
        turn.records.append(records.group_metadata(group.group_id, empty))


def _join_group(group: ClassicGroup, request: Request, turn: Turn) -> None:
    message: JoinGroupRequest = request.message
    member_id, instance_id = message.member_id, message.group_instance_id
    if not accepts(group, member_id, turn.settings.max_size):
        refuse_member(group, request, turn)
    elif not group.supports(message.protocol_type, protocols_of(message)):
        error = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        turn.reply(request, join_response(request, error, member_id=member_id))
    elif member_id == UNKNOWN_MEMBER_ID:
        returns = instance_id is not None and instance_id in group.static_members
        fire(group, Event.JOIN_STATIC if returns else Event.JOIN_NEW, request, turn)
    elif member_id in group.pending_join:
        fire(group, Event.JOIN_PENDING, request, turn)
    elif error := group.check_member(member_id, instance_id):
        turn.reply(request, join_response(request, error, member_id=member_id))
    else:
        fire(group, Event.JOIN_AGAIN, request, turn)


def sync(state: ShardState, request: Request, turn: Turn) -> None:
    """The leader brings the assignment, every member takes its part."""
    message: SyncGroupRequest = request.message
    group = state.classic(message.group_id)
    if request.api_version >= PROTOCOL_REQUIRED_FROM and None in (message.protocol_type, message.protocol_name):
        error = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    elif not message.group_id:
        error = ErrorCode.INVALID_GROUP_ID
    elif group is None:
        error = ErrorCode.UNKNOWN_MEMBER_ID
    else:
        error = check_sync(group, message)
    if error or group is None:
        turn.reply(request, SyncGroupResponse(error_code=error))
    else:
        fire(group, Event.SYNC, request, turn)


def heartbeat(state: ShardState, request: Request, turn: Turn) -> None:
    """A member lives; it is told if it must join again."""
    message: HeartbeatRequest = request.message
    group = state.classic(message.group_id)
    if not message.group_id:
        error = ErrorCode.INVALID_GROUP_ID
    elif group is None:
        error = ErrorCode.UNKNOWN_MEMBER_ID
    else:
        error = group.check_member(message.member_id, message.group_instance_id)
        if not error and message.generation_id != group.generation:
            error = ErrorCode.ILLEGAL_GENERATION
    if error or group is None:
        turn.reply(request, HeartbeatResponse(error_code=error))
    else:
        fire(group, Event.HEARTBEAT, request, turn)


def leave_group(state: ShardState, request: Request, turn: Turn) -> None:
    """Members go, by their ids or those of their instances."""
    message: LeaveGroupRequest = request.message
    if not message.group_id:
        turn.reply(request, error_response(request, ErrorCode.INVALID_GROUP_ID))
        return
    group = state.classic(message.group_id)
    leaving = message.members
    if request.api_version < MEMBER_ERRORS_FROM:
        leaving = [MemberIdentity(member_id=message.member_id)]
    answers = [
        MemberResponse(
            member_id=identity.member_id,
            group_instance_id=identity.group_instance_id,
            error_code=ErrorCode.UNKNOWN_MEMBER_ID if group is None else leave(group, identity, turn),
        )
        for identity in leaving
    ]
    turn.reply(request, leave_response(request, answers))
    if group is not None and any(answer.error_code == ErrorCode.NONE for answer in answers):
        fire(group, Event.LEFT, None, turn)
