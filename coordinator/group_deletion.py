"""Deletion of groups and of single offsets by administrators (DeleteGroups, OffsetDelete).

A group may go when it has no members, an offset when nobody in the group reads its topic; then the log gets their
tombstones. Source: org.apache.kafka.coordinator.group.GroupMetadataManager.validateDeleteGroup, createGroupTombstone;
OffsetMetadataManager.deleteOffsets; ClassicGroup.isSubscribedToTopic.

Left out: share and streams groups.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..wire.codec import DecodeError
from ..wire.errors import ErrorCode
from ..wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from ..wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from . import records
from .classic_group import ClassicGroup, State
from .consumer_group import ConsumerGroup
from .embedded_protocol import CONSUMER, decode_subscription
from .offsets import Offsets
from .records import CoordinatorRecord
from .turn import Turn

Groups = Mapping[str, ClassicGroup | ConsumerGroup]


# --- DeleteGroups -------------------------------------------------------------------------------------------------


def delete_groups(groups: Groups, offsets: Offsets, message: DeleteGroupsRequest, turn: Turn) -> DeleteGroupsResponse:
    """Records that end the groups that may go, and one answer a group."""
    return DeleteGroupsResponse(
        throttle_time_ms=0,
        results=[
            DeletableGroupResult(group_id=group_id, error_code=_delete_group(groups, offsets, group_id, turn))
            for group_id in dict.fromkeys(message.groups_names)
        ],
    )


def _delete_group(groups: Groups, offsets: Offsets, group_id: str, turn: Turn) -> ErrorCode:
    group = groups.get(group_id)
    if group is None:
        return ErrorCode.GROUP_ID_NOT_FOUND
    if not is_empty(group):
        return ErrorCode.NON_EMPTY_GROUP
    turn.records += [records.offset_tombstone(group_id, topic, index) for topic, index in offsets.of_group(group_id)]
    turn.records += group_gone(group)
    return ErrorCode.NONE


def is_empty(group: ClassicGroup | ConsumerGroup) -> bool:
    return not group.members if isinstance(group, ConsumerGroup) else group.state is State.EMPTY


def group_gone(group: ClassicGroup | ConsumerGroup) -> list[CoordinatorRecord]:
    """The records with which an empty group ends; its offsets have ended before."""
    if isinstance(group, ConsumerGroup):
        return group.tombstones()
    return [records.group_metadata(group.group_id, None)]


# --- OffsetDelete -------------------------------------------------------------------------------------------------


def delete_offsets(groups: Groups, offsets: Offsets, message: OffsetDeleteRequest, turn: Turn) -> OffsetDeleteResponse:
    """Tombstones of the offsets that may go, and one answer a partition, whether or not it had an offset."""
    group = groups.get(message.group_id)
    error = _refusal(group, message.group_id)
    if error or group is None:
        return OffsetDeleteResponse(error_code=error, throttle_time_ms=0)
    topics = []
    for topic in message.topics:
        answers = []
        read = is_subscribed_to(group, topic.name)
        for row in topic.partitions:
            key = (message.group_id, topic.name, row.partition_index)
            # A tombstone ends what open transactions hold too.
            if not read and (offsets.has(*key) or key in offsets.pending):
                turn.records.append(records.offset_tombstone(*key))
            code = ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC if read else ErrorCode.NONE
            answers.append(OffsetDeleteResponsePartition(partition_index=row.partition_index, error_code=code))
        topics.append(OffsetDeleteResponseTopic(name=topic.name, partitions=answers))
    return OffsetDeleteResponse(error_code=ErrorCode.NONE, throttle_time_ms=0, topics=topics)


def _refusal(group: ClassicGroup | ConsumerGroup | None, group_id: str) -> ErrorCode:
    if not group_id:
        return ErrorCode.INVALID_GROUP_ID
    if group is None:
        return ErrorCode.GROUP_ID_NOT_FOUND
    # What members of another protocol read is not known here.
    if isinstance(group, ClassicGroup) and group.state is not State.EMPTY and group.protocol_type != CONSUMER:
        return ErrorCode.NON_EMPTY_GROUP
    return ErrorCode.NONE


def is_subscribed_to(group: ClassicGroup | ConsumerGroup, topic: str) -> bool:
    """Whether a member reads the topic; also if that cannot be known."""
    if isinstance(group, ConsumerGroup):
        return group.is_subscribed_to(topic)
    if group.protocol_type != CONSUMER or not group.members:
        return False
    if group.protocol_name is None:
        return True  # they are about to agree on what they read
    try:
        return any(
            topic in decode_subscription(member.metadata(group.protocol_name)).topics
            for member in group.members.values()
        )
    except DecodeError:
        return True
