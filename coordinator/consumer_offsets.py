"""Whose offsets a consumer group takes, and to whom it gives them (KIP-848).

Source: org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroup.validateOffsetCommit and validateOffsetFetch.
"""

from __future__ import annotations

from typing import Final

from ..wire.errors import ErrorCode
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_fetch import OffsetFetchRequestGroup
from .consumer_group import ConsumerGroup
from .consumer_member import ConsumerMember

#: The first OffsetCommit that knows of member epochs.
MEMBER_EPOCHS_FROM: Final = 9


def check_commit(group: ConsumerGroup, message: OffsetCommitRequest, version: int) -> ErrorCode:
    """An older epoch passes for partitions that the member has had since then, or is giving up (KIP-1251): the rest
    of the request with them, or nothing."""
    epoch = message.generation_id_or_member_epoch
    if epoch < 0 and not group.members:
        return ErrorCode.NONE
    member = group.members.get(message.member_id)
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    if member.classic is None and version < MEMBER_EPOCHS_FROM:
        return ErrorCode.UNSUPPORTED_VERSION
    if epoch == member.member_epoch:
        return ErrorCode.NONE
    if epoch > member.member_epoch:
        return _wrong_epoch(member)
    for topic in message.topics:
        for row in topic.partitions:
            given_in = member.epoch_of(topic.topic_id, row.partition_index)
            if given_in is None or epoch < given_in:
                return _wrong_epoch(member)
    return ErrorCode.NONE


def check_fetch(group: ConsumerGroup, asked: OffsetFetchRequestGroup) -> ErrorCode:
    """Who names a member must name its epoch: its offsets may be another's to move by now."""
    if asked.member_id is None and asked.member_epoch < 0:
        return ErrorCode.NONE
    member = group.members.get(asked.member_id or "")
    if member is None:
        return ErrorCode.UNKNOWN_MEMBER_ID
    return ErrorCode.NONE if asked.member_epoch == member.member_epoch else _wrong_epoch(member)


def _wrong_epoch(member: ConsumerMember) -> ErrorCode:
    return ErrorCode.STALE_MEMBER_EPOCH if member.classic is None else ErrorCode.ILLEGAL_GENERATION
