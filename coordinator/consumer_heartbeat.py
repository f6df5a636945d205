"""ConsumerGroupHeartbeat (KIP-848): how a member joins, stays, changes its mind, gives up partitions and leaves.

One heartbeat: the member is found or made; its subscription is taken over; the group's epoch goes up if that or the
topics have changed; a new epoch gets a target; the member takes its next step towards it. The records of all that are
one batch, so that no half of it is ever seen. Source: GroupMetadataManager.consumerGroupHeartbeat and
consumerGroupLeave, GroupCoordinatorService.throwIfConsumerGroupHeartbeatRequestIsInvalid.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from ..wire.errors import ErrorCode, KafkaError
from ..wire.messages.consumer_group_heartbeat import (
    Assignment,
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from . import consumer_records
from .classic_group import ClassicGroup
from .consumer_convert import to_consumer_group
from .consumer_fence import fence
from .consumer_group import ConsumerGroup
from .consumer_member import JOINING, LEFT, LEFT_FOR_A_WHILE, ConsumerMember, Partitions, in_epoch, is_subset
from .consumer_reconcile import reconcile
from .consumer_regex import RegexChange, update_regex
from .consumer_target import NewTarget, aim_at, must_refresh, update_epoch, update_target
from .consumer_timers import heartbeat_interval_ms, restart_session, watch_revocation
from .records import CoordinatorRecord, group_metadata
from .turn import Request, Turn

#: The first version in which the client makes the member id.
MEMBER_ID_REQUIRED_FROM: Final = 1
NO_TIMEOUT: Final = -1


def heartbeat(group: ConsumerGroup | ClassicGroup | None, request: Request, turn: Turn) -> None:
    """Answer one heartbeat to a group, whatever it is now."""
    message: ConsumerGroupHeartbeatRequest = request.message
    if isinstance(group, ConsumerGroup) and _simply_stays(group, request, turn):
        restart_session(group, group.members[message.member_id], turn)
        turn.reply(request, _answer(group, message.member_id, message.member_epoch, turn))
        return
    try:
        check(message, request.api_version, turn)
        if message.member_epoch in (LEFT, LEFT_FOR_A_WHILE):
            leave(group, request, turn)
        else:
            _heartbeat(group, request, turn)
    except KafkaError as error:
        turn.reply(request, ConsumerGroupHeartbeatResponse(error_code=error.code, error_message=error.message))


def _simply_stays(group: ConsumerGroup, request: Request, turn: Turn) -> bool:
    """Whether there is nothing new on either side: what nearly all heartbeats are, found out by comparisons alone.

    Everything that `_heartbeat` may do then comes to nothing; it would answer the same.
    """
    message: ConsumerGroupHeartbeatRequest = request.message
    member = group.members.get(message.member_id)
    return (
        member is not None
        and member.member_epoch == message.member_epoch
        and message.topic_partitions is None
        and message.subscribed_topic_names is None
        and message.subscribed_topic_regex is None
        and message.instance_id is None
        and message.rack_id is None
        and message.server_assignor is None
        and message.rebalance_timeout_ms == NO_TIMEOUT
        and member.client_id == request.client_id
        and member.client_host == request.client_host
        and member.classic is None
        and not group.patterns
        and group.epoch <= group.assignment_epoch
        and member.is_reconciled_to(group.assignment_epoch)
        and not must_refresh(group, turn)
    )


def _answer(
    group: ConsumerGroup, member_id: str, member_epoch: int, turn: Turn, assignment: Assignment | None = None
) -> ConsumerGroupHeartbeatResponse:
    return ConsumerGroupHeartbeatResponse(
        error_code=ErrorCode.NONE,
        member_id=member_id,
        member_epoch=member_epoch,
        heartbeat_interval_ms=heartbeat_interval_ms(group.group_id, turn),
        assignment=assignment,
    )


def check(message: ConsumerGroupHeartbeatRequest, version: int, turn: Turn) -> None:
    """What can be said without the group. Raises KafkaError."""
    epoch = message.member_epoch
    if version >= MEMBER_ID_REQUIRED_FROM or epoch > 0 or epoch == LEFT:
        _refuse_empty(message.member_id, "MemberId can't be empty.")
    _refuse_empty(message.group_id, "GroupId can't be empty.")
    _refuse_empty(message.instance_id, "InstanceId can't be empty.")
    _refuse_empty(message.rack_id, "RackId can't be empty.")
    if epoch == JOINING:
        if message.rebalance_timeout_ms == NO_TIMEOUT:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "RebalanceTimeoutMs must be provided in first request.")
        if message.topic_partitions is None or message.topic_partitions:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "TopicPartitions must be empty when (re-)joining.")
        if message.subscribed_topic_names is None and message.subscribed_topic_regex is None:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                "Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.",
            )
    elif epoch == LEFT_FOR_A_WHILE:
        if message.instance_id is None:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "InstanceId can't be null.")
    elif epoch < LEFT_FOR_A_WHILE:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "MemberEpoch is invalid.")
    supported = turn.settings.consumer_assignors
    if message.server_assignor is not None and message.server_assignor not in supported:
        raise KafkaError(
            ErrorCode.UNSUPPORTED_ASSIGNOR,
            f"ServerAssignor {message.server_assignor} is not supported. Supported assignors: {', '.join(supported)}.",
        )


def _refuse_empty(value: str | None, problem: str) -> None:
    if value is not None and not value.strip():
        raise KafkaError(ErrorCode.INVALID_REQUEST, problem)


# --- joining and staying --------------------------------------------------------------------------------------------


def _heartbeat(found: ConsumerGroup | ClassicGroup | None, request: Request, turn: Turn) -> None:
    message: ConsumerGroupHeartbeatRequest = request.message
    written: list[CoordinatorRecord] = []
    joins = message.member_epoch == JOINING
    group = _group_for(found, message.group_id, joins, written, turn)
    refuse_if_full(group, message.member_id, turn)
    member_id = message.member_id or turn.new_uuid()
    if message.instance_id is None:
        before = _dynamic_member(group, member_id, message, joins)
    else:
        before = _static_member(group, member_id, message, joins, written)
    after = _updated(before, request)
    names_changed = note_metadata(group, before, after, written)
    regex_change = update_regex(group, before, after, written, turn)
    bump = names_changed or regex_change is RegexChange.RESOLVED
    epoch = group.epoch
    if bump or must_refresh(group, turn):
        epoch = update_epoch(group, after, bump, written, turn)
    target = update_target(group, epoch, after, written, turn)
    subscription_changed = names_changed or regex_change is not RegexChange.NONE
    after = advance(group, after, target, message.topic_partitions, subscription_changed, written, turn)
    turn.records.extend(written)
    restart_session(group, after, turn)
    is_full = (
        message.rebalance_timeout_ms != NO_TIMEOUT
        and (message.subscribed_topic_names is not None or message.subscribed_topic_regex is not None)
        and message.topic_partitions is not None
    )
    tell_assignment = joins or is_full or before.assigned != after.assigned
    assignment = _assignment(after.assigned) if tell_assignment else None
    turn.reply(request, _answer(group, after.member_id, after.member_epoch, turn, assignment))


def _group_for(
    found: ConsumerGroup | ClassicGroup | None,
    group_id: str,
    joins: bool,
    written: list[CoordinatorRecord],
    turn: Turn,
) -> ConsumerGroup:
    """The group; who joins makes it, or makes it out of a classic one. Raises KafkaError GROUP_ID_NOT_FOUND."""
    if isinstance(found, ConsumerGroup):
        return found
    if found is None:
        if not joins:
            raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Consumer group {group_id} not found.")
        return ConsumerGroup(group_id)
    if not joins:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
    if not found.members:
        written.append(group_metadata(group_id, None))
        return ConsumerGroup(group_id)
    return to_consumer_group(found, written, turn)


def refuse_if_full(group: ConsumerGroup, member_id: str, turn: Turn) -> None:
    """Raises KafkaError GROUP_MAX_SIZE_REACHED for one more member than group.consumer.max.size."""
    limit = turn.settings.consumer_max_size
    if len(group.members) >= limit and member_id not in group.members:
        raise KafkaError(
            ErrorCode.GROUP_MAX_SIZE_REACHED,
            f"The consumer group has reached its maximum capacity of {limit} members.",
        )


def _dynamic_member(
    group: ConsumerGroup, member_id: str, message: ConsumerGroupHeartbeatRequest, joins: bool
) -> ConsumerMember:
    member = member_or_new(group, member_id, joins)
    _check_epoch(member, message)
    return member


def member_or_new(group: ConsumerGroup, member_id: str, joins: bool) -> ConsumerMember:
    """Raises KafkaError UNKNOWN_MEMBER_ID."""
    member = group.members.get(member_id)
    if member is None:
        if not joins:
            problem = f"Member {member_id} is not a member of group {group.group_id}."
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, problem)
        member = ConsumerMember(member_id)
    return member


def _static_member(
    group: ConsumerGroup,
    member_id: str,
    message: ConsumerGroupHeartbeatRequest,
    joins: bool,
    written: list[CoordinatorRecord],
) -> ConsumerMember:
    """Who joins with the instance id of a member that has left for a while takes its place (KIP-848)."""
    instance_id = message.instance_id
    if not joins:
        member = static_member_of(group, instance_id, member_id)
        _check_epoch(member, message)
        return member
    existing = group.static_member(instance_id)
    if existing is None:
        return member_or_new(group, member_id, True)
    if existing.classic is None and not existing.has_left_for_a_while:
        raise KafkaError(
            ErrorCode.UNRELEASED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} cannot join the group because the instance id "
            f"is owned by {existing.member_id} member.",
        )
    return replace_member(group, existing, member_id, written)


def static_member_of(group: ConsumerGroup, instance_id: str | None, member_id: str) -> ConsumerMember:
    """The member with that instance id. Raises KafkaError UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID if it is another."""
    member = group.static_member(instance_id)
    if member is None:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID, f"Instance id {instance_id} is unknown.")
    if member.member_id != member_id:
        raise KafkaError(
            ErrorCode.FENCED_INSTANCE_ID,
            f"Static member {member_id} with instance id {instance_id} was fenced by member {member.member_id}.",
        )
    return member


def replace_member(
    group: ConsumerGroup, existing: ConsumerMember, member_id: str, written: list[CoordinatorRecord]
) -> ConsumerMember:
    """A static member's place goes to a new id, with its partitions and its target."""
    group_id = group.group_id
    member = replace(existing, member_id=member_id, member_epoch=JOINING, previous_member_epoch=JOINING)
    written += consumer_records.member_gone(group_id, existing.member_id)
    written += [
        consumer_records.member_metadata(group_id, member),
        consumer_records.target_assignment(group_id, member_id, group.target_of(existing.member_id)),
        consumer_records.current_assignment(group_id, member),
    ]
    return member


def _check_epoch(member: ConsumerMember, message: ConsumerGroupHeartbeatRequest) -> None:
    """An older epoch passes if it is the one before and the member owns nothing that it should not: then the answer
    to its last heartbeat was lost. Raises KafkaError FENCED_MEMBER_EPOCH."""
    said, known = message.member_epoch, member.member_epoch
    if said in (JOINING, known):
        return
    if said < known and said == member.previous_member_epoch and is_subset(message.topic_partitions, member.assigned):
        return
    raise KafkaError(
        ErrorCode.FENCED_MEMBER_EPOCH,
        f"The consumer group member has a {'greater' if said > known else 'smaller'} member epoch ({said}) than the "
        f"one known by the group coordinator ({known}). The member must abandon all its partitions and rejoin.",
    )


def _updated(before: ConsumerMember, request: Request) -> ConsumerMember:
    """The member with what the heartbeat says of it; what it leaves out stays."""
    message: ConsumerGroupHeartbeatRequest = request.message
    changes: dict[str, Any] = {"client_id": request.client_id, "client_host": request.client_host, "classic": None}
    if message.instance_id is not None:
        changes["instance_id"] = message.instance_id
    if message.rack_id is not None:
        changes["rack_id"] = message.rack_id
    if message.rebalance_timeout_ms != NO_TIMEOUT:
        changes["rebalance_timeout_ms"] = message.rebalance_timeout_ms
    if message.server_assignor is not None:
        changes["assignor"] = message.server_assignor
    if message.subscribed_topic_names is not None:
        changes["topic_names"] = frozenset(message.subscribed_topic_names)
    if message.subscribed_topic_regex is not None:
        changes["topic_regex"] = message.subscribed_topic_regex
    if all(getattr(before, name) == value for name, value in changes.items()):
        return before
    return replace(before, **changes)


def note_metadata(
    group: ConsumerGroup, before: ConsumerMember, after: ConsumerMember, written: list[CoordinatorRecord]
) -> bool:
    """Write what has changed of a member; whether the topics that it names have."""
    if after == before:
        return False
    written.append(consumer_records.member_metadata(group.group_id, after))
    return after.topic_names != before.topic_names


def advance(
    group: ConsumerGroup,
    member: ConsumerMember,
    target: NewTarget,
    owned: list[Any] | None,
    subscription_changed: bool,
    written: list[CoordinatorRecord],
    turn: Turn,
) -> ConsumerMember:
    """The member's next step towards the target, written if there is one. Raises KafkaError."""
    if not subscription_changed and member.is_reconciled_to(target.epoch):
        return member
    after = reconcile(member, aim_at(group, member, target, owned, subscription_changed, turn))
    if after != member:
        written.append(consumer_records.current_assignment(group.group_id, after))
        watch_revocation(group, after, turn)
    return after


def _assignment(assigned: Partitions) -> Assignment:
    return Assignment(
        topic_partitions=[
            TopicPartitions(topic_id=topic_id, partitions=sorted(epochs)) for topic_id, epochs in assigned.items()
        ]
    )


# --- leaving --------------------------------------------------------------------------------------------------------


def leave(found: ConsumerGroup | ClassicGroup | None, request: Request, turn: Turn) -> None:
    """Out for good (-1), or for a while with the partitions kept (-2, static members). Raises KafkaError."""
    message: ConsumerGroupHeartbeatRequest = request.message
    group = consumer_group_of(found, message.group_id)
    if message.instance_id is None:
        member = member_or_new(group, message.member_id, False)
    else:
        member = static_member_of(group, message.instance_id, message.member_id)
    if message.instance_id is not None and message.member_epoch == LEFT_FOR_A_WHILE:
        away = replace(member, member_epoch=LEFT_FOR_A_WHILE, revoking={}, assigned=in_epoch(member.assigned, JOINING))
        turn.records.append(consumer_records.current_assignment(group.group_id, away))
    else:
        fence(group, [member], turn)
    turn.reply(
        request,
        ConsumerGroupHeartbeatResponse(
            error_code=ErrorCode.NONE, member_id=message.member_id, member_epoch=message.member_epoch
        ),
    )


def consumer_group_of(found: ConsumerGroup | ClassicGroup | None, group_id: str) -> ConsumerGroup:
    """Raises KafkaError GROUP_ID_NOT_FOUND for none, and for one of another kind."""
    if found is None:
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} not found.")
    if not isinstance(found, ConsumerGroup):
        raise KafkaError(ErrorCode.GROUP_ID_NOT_FOUND, f"Group {group_id} is not a consumer group.")
    return found
