"""JoinGroup to a classic group: new members, members that come back with their id, static members that come back.

Source: org.apache.kafka.coordinator.group.GroupMetadataManager.classicGroupJoin and below.
"""

from __future__ import annotations

from typing import Final

from ..wire.errors import ErrorCode
from ..wire.messages.join_group import JoinGroupRequest
from . import records
from .classic_group import UNKNOWN_MEMBER_ID, ClassicGroup, Member, Protocols, Replacement, State
from .classic_rebalance import (
    answer_join,
    answer_sync,
    complete_join_if_all,
    current_generation,
    member_list,
    prepare_rebalance,
    rebalance_or_complete,
    restart_session,
)
from .responses import join_response
from .turn import Request, Turn

#: A dynamic member must come back with the id it is given, so that a client that gave up leaves no member behind.
MEMBER_ID_REQUIRED_FROM: Final = 4
#: What an int16 length leaves for the name in front of "-" and a uuid.
MAX_PREFIX_BYTES: Final = 32_767 - 37
#: The leader that came back is told to leave the assignment as it is (KIP-814).
SKIP_ASSIGNMENT_FROM: Final = 9


def protocols_of(message: JoinGroupRequest) -> Protocols:
    return tuple((protocol.name, protocol.metadata) for protocol in message.protocols)


def rebalance_timeout_of(request: Request) -> int:
    """Version 0 has none: the session timeout is both."""
    message: JoinGroupRequest = request.message
    return message.session_timeout_ms if request.api_version == 0 else message.rebalance_timeout_ms


def name_is_too_long(request: Request) -> bool:
    """Whether the client's or the instance's name makes a member id, or is itself (bytes that are not UTF-8 grow when
    they are replaced), longer than a string of a record may be. Kafka fails when it writes it."""
    names = (request.client_id, request.message.group_instance_id or "")
    return any(len(name.encode()) > MAX_PREFIX_BYTES for name in names)


def new_member_id(request: Request, turn: Turn) -> str:
    prefix = request.message.group_instance_id
    return f"{request.client_id if prefix is None else prefix}-{turn.new_uuid()}"


# --- rows of the table --------------------------------------------------------------------------------------------


def join_new(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """A client without a member id: static ones are in at once, dynamic ones since v4 when they come back."""
    member_id = new_member_id(request, turn)
    message: JoinGroupRequest = request.message
    if message.group_instance_id is None and request.api_version >= MEMBER_ID_REQUIRED_FROM:
        group.pending_join.add(member_id)
        turn.deadlines.set(("session", group.group_id, member_id), turn.now_ms + message.session_timeout_ms)
        turn.reply(request, join_response(request, ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id))
    else:
        _add_member(group, request, member_id, turn)


def join_pending(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """A client that comes back with the id it was given. Such an id is never a static member's, and Kafka fails on
    one with an IllegalStateException."""
    if request.message.group_instance_id is not None:
        turn.reply(request, join_response(request, ErrorCode.UNKNOWN_SERVER_ERROR))
        return
    _add_member(group, request, request.message.member_id, turn)


def join_again(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """A member joins the rebalance in progress."""
    _update_member(group, request, turn)
    rebalance_or_complete(group, turn)


def join_again_completing(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """With nothing changed the member may not have got its answer: it gets it again."""
    _join_again_unless_same(group, request, turn)


def join_again_stable(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """The leader's JoinGroup is how a rebalance is asked for (topics have changed). Any other member that says what
    it said before gets the generation as it is."""
    if request.message.member_id == group.leader:
        join_again(group, request, turn)
    else:
        _join_again_unless_same(group, request, turn)


def replace_static(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """A static member without its id while a rebalance is being prepared: it joins it in its old place."""
    _replace_member(group, request, turn, waits=True)
    complete_join_if_all(group, turn)


def replace_static_completing(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """The leader may already be assigning to the old id, so that the new one would get nothing: begin again."""
    _replace_member(group, request, turn, waits=True)
    prepare_rebalance(group, turn)


def replace_static_stable(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """A static member is back within its session: no rebalance, unless its preferences change the protocol.

    Before v9 the answer names the leader that was before, and no members, so that a leader that came back takes
    itself for a follower and does not assign (KAFKA-7728); since v9 it is told to skip the assignment (KIP-814).
    """
    old_leader = group.leader
    old = group.members[group.static_members[request.message.group_instance_id]]
    group.unwritten = Replacement(old, old.member_id, old.protocols, old.rebalance_timeout_ms, old.session_timeout_ms)
    member = _replace_member(group, request, turn, waits=False)
    if group.select_protocol() != group.protocol_name:
        group.unwritten = None
        _wait_for_join(group, member, request, turn)
        prepare_rebalance(group, turn)
        return
    turn.records.append(records.group_metadata(group.group_id, group.to_value()))
    leads = member.member_id == group.leader
    skips = request.api_version >= SKIP_ASSIGNMENT_FROM
    turn.reply(
        request,
        join_response(
            request,
            member_id=member.member_id,
            generation=group.generation,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            leader=(group.leader if skips else old_leader) or "",
            members=member_list(group) if skips and leads else None,
            skip_assignment=skips and leads,
        ),
    )


def replacement_failed(group: ClassicGroup, turn: Turn) -> None:
    """The new id of a static member could not be written: the old one stays."""
    replaced, group.unwritten = group.unwritten, None
    if replaced is not None:
        member = replaced.member
        turn.deadlines.cancel(("session", group.group_id, member.member_id))
        group.rename(member, replaced.member_id)
        group.set_protocols(member, replaced.protocols)
        member.rebalance_timeout_ms = replaced.rebalance_timeout_ms
        member.session_timeout_ms = replaced.session_timeout_ms
        restart_session(group, member, turn)


# --- steps --------------------------------------------------------------------------------------------------------


def accepts(group: ClassicGroup, member_id: str, max_size: int) -> bool:
    """Whether the group has room (group.max.size).

    In a rebalance those who have joined count, so that a group that is too large loses the last to join.
    """
    if group.state is State.EMPTY:
        return True
    member = group.members.get(member_id)
    if group.state is State.PREPARING_REBALANCE:
        return (member is not None and member.waiting_join is not None) or group.waiting_joins < max_size
    return member is not None or len(group.members) < max_size


def refuse_member(group: ClassicGroup, request: Request, turn: Turn) -> None:
    """The group is full; a member of it that came too late is out."""
    group.remove(request.message.member_id)
    turn.reply(request, join_response(request, ErrorCode.GROUP_MAX_SIZE_REACHED, member_id=UNKNOWN_MEMBER_ID))


def _wait_for_join(group: ClassicGroup, member: Member, request: Request, turn: Turn) -> None:
    """Kafka forgets an earlier JoinGroup of the same member that still waits; it is told to try again."""
    displaced = group.wait_for_join(member, request)
    if displaced is not None:
        turn.reply(displaced, join_response(displaced, ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id))


def _add_member(group: ClassicGroup, request: Request, member_id: str, turn: Turn) -> None:
    message: JoinGroupRequest = request.message
    if not group.members:
        group.protocol_type = message.protocol_type
    if group.state is State.PREPARING_REBALANCE and group.initial_rebalance:
        group.member_added = True
    member = Member(
        member_id,
        message.group_instance_id,
        request.client_id,
        request.client_host,
        rebalance_timeout_of(request),
        message.session_timeout_ms,
        protocols_of(message),
    )
    member.is_new = True
    group.add(member)
    _wait_for_join(group, member, request, turn)
    timeout_ms = turn.settings.new_member_join_timeout_ms
    turn.deadlines.set(("session", group.group_id, member_id), turn.now_ms + timeout_ms)
    rebalance_or_complete(group, turn)


def _update_member(group: ClassicGroup, request: Request, turn: Turn) -> None:
    message: JoinGroupRequest = request.message
    member = group.members[message.member_id]
    group.set_protocols(member, protocols_of(message))
    member.rebalance_timeout_ms = rebalance_timeout_of(request)
    member.session_timeout_ms = message.session_timeout_ms
    _wait_for_join(group, member, request, turn)


def _join_again_unless_same(group: ClassicGroup, request: Request, turn: Turn) -> None:
    member = group.members[request.message.member_id]
    if member.protocols == protocols_of(request.message):
        turn.reply(request, current_generation(group, member, request))
    else:
        join_again(group, request, turn)


def _replace_member(group: ClassicGroup, request: Request, turn: Turn, *, waits: bool) -> Member:
    """Give a static member's place to a new id; who still uses the old one is fenced."""
    message: JoinGroupRequest = request.message
    old_member_id = group.static_members[message.group_instance_id or ""]
    member = group.members[old_member_id]
    answer_join(group, member, turn, ErrorCode.FENCED_INSTANCE_ID, old_member_id)
    answer_sync(member, turn, ErrorCode.FENCED_INSTANCE_ID)
    group.rename(member, new_member_id(request, turn))
    turn.deadlines.cancel(("session", group.group_id, old_member_id))
    group.set_protocols(member, protocols_of(message))
    member.rebalance_timeout_ms = rebalance_timeout_of(request)
    member.session_timeout_ms = message.session_timeout_ms
    restart_session(group, member, turn)
    if waits:
        _wait_for_join(group, member, request, turn)
    return member
