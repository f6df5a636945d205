"""A classic group becomes a consumer group, and back, while its members go on (KIP-848, online migration).

Up: the first member of the new protocol joins a group of consumers. Down: the last member of the new protocol leaves,
or is replaced by a classic one. The records of the old kind end and those of the new kind begin in one batch.
Source: GroupMetadataManager.convertToConsumerGroup and convertToClassicGroup, ConsumerGroup.fromClassicGroup,
ClassicGroup.fromConsumerGroup.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from ..wire.codec import DecodeError
from ..wire.errors import ErrorCode, KafkaError
from ..wire.log_records.consumer_group import ClassicMemberMetadata, ClassicProtocol
from . import consumer_records
from .classic_group import ClassicGroup, Member
from .classic_rebalance import answer_join, answer_sync, restart_session
from .consumer_group import ConsumerGroup
from .consumer_member import ConsumerMember, in_epoch, without_epochs
from .consumer_target import metadata_hash_of
from .consumer_timers import restart_session as restart_consumer_session
from .embedded_protocol import CONSUMER, decode_assignment, decode_subscription, decode_version, encode_assignment
from .records import CoordinatorRecord, group_metadata
from .turn import Turn

#: group.consumer.migration.policy -> may a group go up, may it go down.
_UP: Final = ("upgrade", "bidirectional")
_DOWN: Final = ("downgrade", "bidirectional")

#: A timer: a group that has come down has its members join again.
DOWNGRADED: Final = "downgraded"


def allows(policy: str, ways: Collection[str]) -> bool:
    return policy.lower() in ways


def is_migration_disabled(turn: Turn) -> bool:
    return not allows(turn.settings.consumer_migration_policy, {*_UP, *_DOWN})


# --- up -------------------------------------------------------------------------------------------------------------


def to_consumer_group(classic: ClassicGroup, written: list[CoordinatorRecord], turn: Turn) -> ConsumerGroup:
    """The group as it will be when `written`, to which its records are added, is replayed. Classic members who wait
    are told to join again. Raises KafkaError GROUP_ID_NOT_FOUND for one that cannot be converted."""
    _check_upgrade(classic, turn)
    try:
        members = [_classic_member(classic, member, turn) for member in classic.members.values()]
    except DecodeError:
        raise _no_upgrade(classic, "because the embedded consumer protocol is malformed.") from None
    written.append(group_metadata(classic.group_id, None))
    records = _records_of(classic, members, turn)
    group = ConsumerGroup(classic.group_id)
    for record in records:
        group.replay(record.key, record.value)
    written += records
    for member in classic.members.values():
        answer_join(classic, member, turn, ErrorCode.REBALANCE_IN_PROGRESS, member.member_id)
        answer_sync(member, turn, ErrorCode.REBALANCE_IN_PROGRESS)
    for converted in members:
        restart_consumer_session(group, converted, turn)
    return group


def _no_upgrade(classic: ClassicGroup, why: str) -> KafkaError:
    return KafkaError(
        ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot upgrade classic group {classic.group_id} to consumer group {why}"
    )


def _check_upgrade(classic: ClassicGroup, turn: Turn) -> None:
    if not allows(turn.settings.consumer_migration_policy, _UP):
        raise _no_upgrade(classic, "because online upgrade is disabled.")
    if classic.protocol_type != CONSUMER:
        raise _no_upgrade(classic, "because the group does not use the consumer embedded protocol.")
    if len(classic.members) > turn.settings.consumer_max_size:
        raise _no_upgrade(classic, "because the group size exceeds the consumer group maximum size.")


def _classic_member(classic: ClassicGroup, member: Member, turn: Turn) -> ConsumerMember:
    """A member in the epoch of its generation, with what it was assigned. Raises DecodeError, KafkaError."""
    assigned: dict[bytes, list[int]] = {}
    if member.assignment:
        assignment = decode_assignment(member.assignment)
        if assignment.user_data:
            raise _no_upgrade(
                classic,
                "because an unsupported custom assignor is in use. Please refer to the documentation or switch to a "
                "default assignor before re-attempting the upgrade.",
            )
        for row in assignment.assigned_partitions:
            topic_id = turn.cluster.topic_id(row.topic)
            if topic_id is not None:
                assigned[topic_id] = row.partitions
    # A group whose first generation is being made has no protocol yet: what the member prefers stands for it.
    subscription = decode_subscription(member.metadata(classic.protocol_name) or member.protocols[0][1])
    return ConsumerMember(
        member.member_id,
        member_epoch=classic.generation,
        previous_member_epoch=classic.generation,
        instance_id=member.group_instance_id,
        rack_id=subscription.rack_id or None,
        rebalance_timeout_ms=member.rebalance_timeout_ms,
        client_id=member.client_id,
        client_host=member.client_host,
        topic_names=frozenset(subscription.topics),
        assigned=in_epoch(assigned, classic.generation),
        classic=ClassicMemberMetadata(
            session_timeout_ms=member.session_timeout_ms,
            supported_protocols=[ClassicProtocol(name=name, metadata=metadata) for name, metadata in member.protocols],
        ),
    )


def _records_of(classic: ClassicGroup, members: list[ConsumerMember], turn: Turn) -> list[CoordinatorRecord]:
    group_id, epoch = classic.group_id, classic.generation
    return [
        *(consumer_records.member_metadata(group_id, member) for member in members),
        consumer_records.group_epoch(group_id, epoch, metadata_hash_of(members, {}, turn.cluster)),
        *(
            consumer_records.target_assignment(group_id, member.member_id, without_epochs(member.assigned))
            for member in members
        ),
        consumer_records.target_assignment_metadata(group_id, epoch, 0),
        *(consumer_records.current_assignment(group_id, member) for member in members),
    ]


# --- down -----------------------------------------------------------------------------------------------------------


def may_downgrade(group: ConsumerGroup, without: Collection[ConsumerMember], size: int, turn: Turn) -> bool:
    """Whether `group` is to become classic once these members are gone and `size` are left."""
    return (
        size > 0
        and group.is_only_classic_without(without)
        and allows(turn.settings.consumer_migration_policy, _DOWN)
        and size <= turn.settings.max_size
    )


def to_classic_group(
    group: ConsumerGroup,
    leaving: Collection[ConsumerMember],
    joining: ConsumerMember | None,
    rebalance: bool,
    written: list[CoordinatorRecord],
    turn: Turn,
) -> None:
    """Add the records with which the group becomes a Stable classic one. `joining`: a static member that takes over
    the place of another; `rebalance`: the members are to join again.

    Raises KafkaError GROUP_ID_NOT_FOUND if a member's subscription cannot be read.
    """
    group_id = group.group_id
    replaced = group.static_member(joining.instance_id) if joining is not None else None
    # The joining member's records stand before these in the batch, in the place of those of the one it replaces.
    took_place = {replaced.member_id: joining.member_id} if joining is not None and replaced is not None else {}
    ending = [took_place.get(member_id, member_id) for member_id in group.members]
    written += consumer_records.all_gone(group_id, ending, group.regexes)
    out = {member.member_id for member in leaving} | ({replaced.member_id} if replaced is not None else set())
    staying = [member for member in group.members.values() if member.member_id not in out]
    if joining is not None:
        staying.append(joining)
    classic = ClassicGroup(group_id, turn.now_ms)
    classic.protocol_type = CONSUMER
    classic.generation = group.epoch
    for member in staying:
        classic.add(_as_classic(member))
    classic.protocol_name = classic.select_protocol()
    assignments = {}
    try:
        for member in staying:
            source = replaced.member_id if replaced is not None and member is joining else member.member_id
            version = decode_version(classic.members[member.member_id].metadata(classic.protocol_name))
            assignments[member.member_id] = encode_assignment(group.target_of(source), version, turn.cluster)
    except DecodeError as error:
        raise KafkaError(
            ErrorCode.GROUP_ID_NOT_FOUND, f"Cannot downgrade the classic group {group_id}: {error}."
        ) from None
    written.append(group_metadata(group_id, classic.to_value(assignments)))
    for converted in classic.members.values():
        restart_session(classic, converted, turn)
    if rebalance:
        turn.deadlines.set((DOWNGRADED, group_id, ""), turn.now_ms)


def _as_classic(member: ConsumerMember) -> Member:
    assert member.classic is not None
    return Member(
        member.member_id,
        member.instance_id,
        member.client_id,
        member.client_host,
        member.rebalance_timeout_ms,
        member.classic.session_timeout_ms,
        tuple((protocol.name, protocol.metadata) for protocol in member.classic.supported_protocols),
    )
