"""Classic members of a consumer group: JoinGroup, SyncGroup, Heartbeat and LeaveGroup (KIP-848, online migration).

For them the coordinator plays the leader: a JoinGroup is a heartbeat that takes the next step, SyncGroup fetches what
it came to, and Heartbeat says REBALANCE_IN_PROGRESS while there is a step to take.
Source: GroupMetadataManager.classicGroupJoinToConsumerGroup, classicGroupSyncToConsumerGroup,
classicGroupHeartbeatToConsumerGroup, classicGroupLeaveToConsumerGroup.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..wire.codec import DecodeError
from ..wire.errors import ErrorCode, KafkaError
from ..wire.log_records.consumer_group import ClassicMemberMetadata, ClassicProtocol
from ..wire.messages.consumer_group_heartbeat import TopicPartitions
from ..wire.messages.consumer_protocol import ConsumerProtocolSubscription
from ..wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest, MemberIdentity, MemberResponse
from ..wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from .classic_group import UNKNOWN_MEMBER_ID
from .classic_join import MEMBER_ID_REQUIRED_FROM, rebalance_timeout_of
from .cluster_view import ClusterView
from .consumer_convert import is_migration_disabled, may_downgrade, to_classic_group
from .consumer_fence import fence
from .consumer_group import ConsumerGroup
from .consumer_heartbeat import (
    NO_TIMEOUT,
    advance,
    member_or_new,
    note_metadata,
    refuse_if_full,
    replace_member,
    static_member_of,
)
from .consumer_member import ConsumerMember, MemberState
from .consumer_regex import RegexChange, update_regex
from .consumer_target import NewTarget, must_refresh, update_epoch, update_target
from .consumer_timers import JOIN, SYNC, await_join, restart_session
from .embedded_protocol import CONSUMER, decode_subscription, decode_version, encode_assignment
from .records import CoordinatorRecord
from .responses import MEMBER_ERRORS_FROM, join_response, leave_response
from .turn import Request, Turn

# --- JoinGroup ------------------------------------------------------------------------------------------------------


def join(group: ConsumerGroup, request: Request, turn: Turn) -> None:
    try:
        _join(group, request, turn)
    except KafkaError as error:
        turn.reply(request, join_response(request, error.code, member_id=request.message.member_id))


def _join(group: ConsumerGroup, request: Request, turn: Turn) -> None:
    message: JoinGroupRequest = request.message
    if is_migration_disabled(turn):
        raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    is_new = message.member_id == UNKNOWN_MEMBER_ID
    member_id = turn.new_uuid() if is_new else message.member_id
    refuse_if_full(group, member_id, turn)
    if not group.supports(message.protocol_type, [protocol.name for protocol in message.protocols]):
        raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
    if is_new and message.group_instance_id is None and request.api_version >= MEMBER_ID_REQUIRED_FROM:
        turn.reply(request, join_response(request, ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id))
        return
    written: list[CoordinatorRecord] = []
    before = _member(group, member_id, message.group_instance_id, is_new, written)
    replaced = group.static_member(message.group_instance_id)
    downgrades = replaced is not None and may_downgrade(group, [replaced], len(group.members), turn)
    subscription = _subscription(message)
    after = _updated(before, request, subscription)
    names_changed = note_metadata(group, before, after, written)
    changed = update_regex(group, before, after, written, turn) is not RegexChange.NONE or names_changed
    epoch = group.epoch
    if changed or must_refresh(group, turn):
        epoch = update_epoch(group, after, changed, written, turn)
    owned = _owned(subscription, turn.cluster)
    if not downgrades:
        target = update_target(group, epoch, after, written, turn)
        after = advance(group, after, target, owned, changed, written, turn)
    else:
        rebalance = group.assignment_epoch < epoch
        if not rebalance:
            target = NewTarget(group.assignment_epoch, group.target_of(after.member_id, after.instance_id))
            after = advance(group, after, target, owned, changed, written, turn)
        to_classic_group(group, [], after, rebalance, written, turn)
    turn.records += written
    turn.deadlines.cancel((JOIN, group.group_id, after.member_id))
    if not downgrades:
        restart_session(group, after, turn)
        turn.deadlines.set((SYNC, group.group_id, after.member_id), turn.now_ms + rebalance_timeout_of(request))
    turn.reply(
        request,
        join_response(
            request,
            member_id=after.member_id,
            generation=after.member_epoch,
            protocol_type=CONSUMER,
            protocol_name=message.protocols[0].name,
        ),
    )


def _member(
    group: ConsumerGroup, member_id: str, instance_id: str | None, is_new: bool, written: list[CoordinatorRecord]
) -> ConsumerMember:
    """A classic member may take over the instance id of any other, as in a classic group."""
    if instance_id is None:
        return member_or_new(group, member_id, True)
    if not is_new:
        return static_member_of(group, instance_id, member_id)
    existing = group.static_member(instance_id)
    if existing is None:
        return member_or_new(group, member_id, True)
    return replace_member(group, existing, member_id, written)


def _subscription(message: JoinGroupRequest) -> ConsumerProtocolSubscription:
    """Kafka fails on a malformed one with an IllegalStateException."""
    try:
        return decode_subscription(message.protocols[0].metadata)
    except DecodeError:
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR) from None


def _updated(before: ConsumerMember, request: Request, subscription: ConsumerProtocolSubscription) -> ConsumerMember:
    message: JoinGroupRequest = request.message
    changes: dict[str, Any] = {
        "topic_names": frozenset(subscription.topics),
        "topic_regex": "",  # a classic member's client resolves its pattern itself
        "client_id": request.client_id,
        "client_host": request.client_host,
        "classic": ClassicMemberMetadata(
            session_timeout_ms=message.session_timeout_ms,
            supported_protocols=[
                ClassicProtocol(name=protocol.name, metadata=protocol.metadata) for protocol in message.protocols
            ],
        ),
    }
    if message.group_instance_id is not None:
        changes["instance_id"] = message.group_instance_id
    if subscription.rack_id:
        changes["rack_id"] = subscription.rack_id
    timeout_ms = rebalance_timeout_of(request)
    if timeout_ms != NO_TIMEOUT:
        changes["rebalance_timeout_ms"] = timeout_ms
    return replace(before, **changes)


def _owned(subscription: ConsumerProtocolSubscription, cluster: ClusterView) -> list[TopicPartitions]:
    found = [(cluster.topic_id(row.topic), row.partitions) for row in subscription.owned_partitions]
    return [TopicPartitions(topic_id=topic_id, partitions=rows) for topic_id, rows in found if topic_id is not None]


# --- SyncGroup, Heartbeat -------------------------------------------------------------------------------------------


def _classic_member(group: ConsumerGroup, member_id: str, instance_id: str | None, generation: int) -> ConsumerMember:
    """A member that speaks the classic protocol and is in that generation. Raises KafkaError."""
    if instance_id is None:
        member = member_or_new(group, member_id, False)
    else:
        member = static_member_of(group, instance_id, member_id)
    if member.classic is None:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
    if member.member_epoch != generation:
        raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
    return member


def sync(group: ConsumerGroup, request: Request, turn: Turn) -> None:
    message: SyncGroupRequest = request.message
    try:
        member = _classic_member(group, message.member_id, message.group_instance_id, message.generation_id)
        assert member.classic is not None
        chosen = member.classic.supported_protocols[0]
        if message.protocol_type not in (None, CONSUMER) or message.protocol_name not in (None, chosen.name):
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if group.assignment_epoch > member.member_epoch and member.state is not MemberState.UNREVOKED_PARTITIONS:
            await_join(group, member, turn)
            raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)
    except KafkaError as error:
        turn.reply(request, SyncGroupResponse(error_code=error.code))
        return
    turn.deadlines.cancel((SYNC, group.group_id, member.member_id))
    restart_session(group, member, turn)
    turn.reply(
        request,
        SyncGroupResponse(
            error_code=ErrorCode.NONE,
            protocol_type=message.protocol_type,
            protocol_name=message.protocol_name,
            assignment=encode_assignment(member.assigned, decode_version(chosen.metadata), turn.cluster),
        ),
    )


def heartbeat(group: ConsumerGroup, request: Request, turn: Turn) -> None:
    """REBALANCE_IN_PROGRESS while the member has a step to take: to a new target, to give up what it was told to, or
    to take what others have given up."""
    message: HeartbeatRequest = request.message
    try:
        member = _classic_member(group, message.member_id, message.group_instance_id, message.generation_id)
    except KafkaError as error:
        turn.reply(request, HeartbeatResponse(error_code=error.code))
        return
    restart_session(group, member, turn)
    error_code = ErrorCode.NONE
    if (
        member.member_epoch < group.assignment_epoch
        or member.state is MemberState.UNREVOKED_PARTITIONS
        or (member.state is MemberState.UNRELEASED_PARTITIONS and not group.awaits_release(member))
    ):
        error_code = ErrorCode.REBALANCE_IN_PROGRESS
        await_join(group, member, turn)
    turn.reply(request, HeartbeatResponse(error_code=error_code))


# --- LeaveGroup -----------------------------------------------------------------------------------------------------


def leave(group: ConsumerGroup, request: Request, turn: Turn) -> None:
    """Members of both protocols may be taken out so: it is how an administrator does it."""
    message: LeaveGroupRequest = request.message
    leaving = message.members
    if request.api_version < MEMBER_ERRORS_FROM:
        leaving = [MemberIdentity(member_id=message.member_id)]
    answers = []
    out: dict[str, ConsumerMember] = {}
    for identity in leaving:
        answer = MemberResponse(member_id=identity.member_id, group_instance_id=identity.group_instance_id)
        try:
            member = _leaving(group, identity)
            out[member.member_id] = member
        except KafkaError as error:
            answer.error_code = error.code
        answers.append(answer)
    fence(group, list(out.values()), turn)
    turn.reply(request, leave_response(request, answers))


def _leaving(group: ConsumerGroup, identity: MemberIdentity) -> ConsumerMember:
    """An empty member id with an instance id is how an administrator removes a static member (KIP-345)."""
    if identity.group_instance_id is None:
        return member_or_new(group, identity.member_id, False)
    member_id = identity.member_id
    if member_id == UNKNOWN_MEMBER_ID:
        member_id = group.static_members.get(identity.group_instance_id, member_id)
    return static_member_of(group, identity.group_instance_id, member_id)
