"""Which offsets a group takes from a producer in its transaction (TxnOffsetCommit), and the records they become.

Until the transaction ends they are pending: `pending_offsets.py`. Source:
org.apache.kafka.coordinator.group.OffsetMetadataManager.commitTransactionalOffset, ClassicGroup and
ConsumerGroup.validateOffsetCommit.
"""

from __future__ import annotations

from ..wire.declare import ZERO_UUID
from ..wire.errors import ErrorCode
from ..wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from . import records
from .classic_group import UNKNOWN_MEMBER_ID, ClassicGroup, State
from .consumer_group import ConsumerGroup
from .offsets import utf16_length
from .turn import Turn


def commit(message: TxnOffsetCommitRequest, turn: Turn) -> TxnOffsetCommitResponse:
    """Records of the offsets, in the producer's transaction, and the answer. The group has been asked before."""
    turn.producer = message.producer_id, message.producer_epoch
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(
                        partition_index=row.partition_index,
                        error_code=_commit_one(message.group_id, topic.name, row, turn),
                    )
                    for row in topic.partitions
                ],
            )
            for topic in message.topics
        ]
    )


def _commit_one(group_id: str, topic: str, row: TxnOffsetCommitRequestPartition, turn: Turn) -> ErrorCode:
    metadata = row.committed_metadata or ""
    if utf16_length(metadata) > turn.settings.offset_metadata_max_bytes:
        return ErrorCode.OFFSET_METADATA_TOO_LARGE
    turn.records.append(
        records.offset_commit(
            group_id,
            topic,
            ZERO_UUID,
            row.partition_index,
            offset=row.committed_offset,
            leader_epoch=row.committed_leader_epoch,
            metadata=metadata,
            commit_timestamp_ms=turn.now_ms,
        )
    )
    return ErrorCode.NONE


def check_transactional_commit(
    group: ClassicGroup | ConsumerGroup | None, message: TxnOffsetCommitRequest
) -> ErrorCode:
    """Whether a group takes offsets from a producer. Member and generation are looked at if the producer names one."""
    epoch, member_id, instance_id = message.generation_id, message.member_id, message.group_instance_id
    if group is None:
        return ErrorCode.NONE if epoch < 0 else ErrorCode.ILLEGAL_GENERATION
    if epoch < 0 and member_id == UNKNOWN_MEMBER_ID and instance_id is None:
        return ErrorCode.NONE
    if isinstance(group, ConsumerGroup):
        if epoch < 0 and not group.members:
            return ErrorCode.NONE
        member = group.members.get(member_id)
        if member is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        # STALE_MEMBER_EPOCH is not known to producers.
        return ErrorCode.NONE if epoch == member.member_epoch else ErrorCode.ILLEGAL_GENERATION
    if epoch < 0 and group.state is State.EMPTY:
        return ErrorCode.NONE
    error = group.check_member(member_id, instance_id)
    if error:
        return error
    return ErrorCode.NONE if epoch == group.generation else ErrorCode.ILLEGAL_GENERATION
