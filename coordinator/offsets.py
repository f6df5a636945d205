"""Committed offsets of a shard's groups: what is stored, committed, fetched.

Source: org.apache.kafka.coordinator.group.OffsetMetadataManager.
"""

from __future__ import annotations

from typing import NamedTuple

from ..wire.batches import NO_PRODUCER_ID
from ..wire.declare import ZERO_UUID
from ..wire.errors import ErrorCode
from ..wire.log_records.classic_group import OffsetCommitValue
from ..wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..wire.messages.offset_fetch import (
    OffsetFetchRequestGroup,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopics,
)
from . import records
from .pending_offsets import PendingOffsets
from .records import NO_EXPIRY, CoordinatorRecord
from .responses import NO_LEADER_EPOCH, NO_OFFSET
from .turn import Turn

#: OffsetCommit.retention_time_ms: the broker's offsets.retention.minutes applies.
DEFAULT_RETENTION = -1


class CommittedOffset(NamedTuple):
    """`leader_epoch` -1: unknown; `expire_timestamp_ms` -1: by the broker's retention; `topic_id`: 16 bytes, zero if
    the commit did not know it; `record_offset`: of the commit's record in the log, by which the later one is known."""

    offset: int
    leader_epoch: int
    metadata: str
    commit_timestamp_ms: int
    expire_timestamp_ms: int
    topic_id: bytes
    record_offset: int


class Offsets:
    """Group id -> topic name -> partition -> offset. Only `put`, `remove` and `end_transaction` change it, and only
    replay calls them. `pending`: what open transactions hold."""

    __slots__ = ("groups", "pending")

    def __init__(self) -> None:
        self.groups: dict[str, dict[str, dict[int, CommittedOffset]]] = {}
        self.pending = PendingOffsets()

    def put(
        self,
        group_id: str,
        topic: str,
        partition: int,
        value: OffsetCommitValue,
        record_offset: int,
        producer_id: int = NO_PRODUCER_ID,
    ) -> None:
        """`producer_id`: in whose transaction the offset was committed."""
        offset = CommittedOffset(
            value.offset,
            value.leader_epoch,
            value.metadata,
            value.commit_timestamp,
            value.expire_timestamp,
            value.topic_id,
            record_offset,
        )
        if producer_id == NO_PRODUCER_ID:
            self.groups.setdefault(group_id, {}).setdefault(topic, {})[partition] = offset
        else:
            self.pending.put(producer_id, (group_id, topic, partition), offset)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """An end marker is in the log: what was pending counts, unless a later commit does, or is forgotten."""
        ended = self.pending.take(producer_id)
        if commit:
            for (group_id, topic, partition), offset in ended.items():
                partitions = self.groups.setdefault(group_id, {}).setdefault(topic, {})
                known = partitions.get(partition)
                if known is None or known.record_offset < offset.record_offset:
                    partitions[partition] = offset

    def remove(self, group_id: str, topic: str, partition: int) -> None:
        self.pending.remove((group_id, topic, partition))
        topics = self.groups.get(group_id)
        partitions = topics.get(topic) if topics is not None else None
        if topics is None or partitions is None:
            return
        partitions.pop(partition, None)
        if not partitions:
            del topics[topic]
            if not topics:
                del self.groups[group_id]

    def has(self, group_id: str, topic: str, partition: int) -> bool:
        """Is an offset committed for it? Pending ones do not count."""
        return partition in self.groups.get(group_id, {}).get(topic, ())

    def of_topic(self, topic: str) -> list[tuple[str, int]]:
        """(group id, partition) of all offsets committed for a topic, pending ones too."""
        committed = [(group_id, index) for group_id, topics in self.groups.items() for index in topics.get(topic, ())]
        return list(dict.fromkeys([*committed, *self.pending.of_topic(topic)]))

    def of_group(self, group_id: str) -> list[tuple[str, int]]:
        """(topic, partition) of all offsets committed by a group, pending ones too."""
        committed = [(topic, index) for topic, rows in self.groups.get(group_id, {}).items() for index in rows]
        return list(dict.fromkeys([*committed, *self.pending.of_group(group_id)]))


# --- OffsetCommit -------------------------------------------------------------------------------------------------


def commit(message: OffsetCommitRequest, turn: Turn) -> OffsetCommitResponse:
    """Records of the offsets, and the answer. The group has been asked before.

    Each topic has its name and, where the broker knows it, its id.
    """
    expires = NO_EXPIRY
    if message.retention_time_ms != DEFAULT_RETENTION:
        expires = turn.now_ms + message.retention_time_ms
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[_commit_one(message.group_id, topic, row, expires, turn) for row in topic.partitions],
            )
            for topic in message.topics
        ]
    )


def _commit_one(
    group_id: str,
    topic: OffsetCommitRequestTopic,
    row: OffsetCommitRequestPartition,
    expire_timestamp_ms: int,
    turn: Turn,
) -> OffsetCommitResponsePartition:
    metadata = row.committed_metadata or ""
    if utf16_length(metadata) > turn.settings.offset_metadata_max_bytes:
        return OffsetCommitResponsePartition(
            partition_index=row.partition_index, error_code=ErrorCode.OFFSET_METADATA_TOO_LARGE
        )
    turn.records.append(
        records.offset_commit(
            group_id,
            topic.name,
            topic.topic_id,
            row.partition_index,
            offset=row.committed_offset,
            leader_epoch=row.committed_leader_epoch,
            metadata=metadata,
            commit_timestamp_ms=turn.now_ms,
            expire_timestamp_ms=expire_timestamp_ms,
        )
    )
    return OffsetCommitResponsePartition(partition_index=row.partition_index, error_code=ErrorCode.NONE)


def utf16_length(text: str) -> int:
    """`String.length()`, in which Kafka measures despite the config's name."""
    return len(text) if text.isascii() else len(text.encode("utf-16-be", "surrogatepass")) // 2


# --- OffsetFetch --------------------------------------------------------------------------------------------------


def fetch(offsets: Offsets, group: OffsetFetchRequestGroup, require_stable: bool = False) -> OffsetFetchResponseGroup:
    """A group's offsets: those asked for, or all if `topics` is null. What was never committed is offset -1 without
    an error, also for a group that does not exist. Each topic asked for has its name. With `require_stable` those that
    an open transaction may move are UNSTABLE_OFFSET_COMMIT (KIP-447)."""
    group_id = group.group_id
    topics = offsets.groups.get(group_id, {})

    def fetched(topic: str, index: int, offset: CommittedOffset | None) -> OffsetFetchResponsePartitions:
        if require_stable and (group_id, topic, index) in offsets.pending:
            return _fetched(index, None, ErrorCode.UNSTABLE_OFFSET_COMMIT)
        return _fetched(index, offset)

    if group.topics is None:
        found = [
            OffsetFetchResponseTopics(
                name=name,
                topic_id=next(iter(partitions.values())).topic_id,
                partitions=[fetched(name, index, offset) for index, offset in partitions.items()],
            )
            for name, partitions in topics.items()
        ]
    else:
        found = [
            OffsetFetchResponseTopics(
                name=row.name,
                topic_id=row.topic_id,
                partitions=[
                    fetched(row.name, index, _of_same_topic(topics.get(row.name, {}).get(index), row.topic_id))
                    for index in row.partition_indexes
                ],
            )
            for row in group.topics
        ]
    return OffsetFetchResponseGroup(group_id=group_id, topics=found, error_code=ErrorCode.NONE)


def _of_same_topic(offset: CommittedOffset | None, topic_id: bytes) -> CommittedOffset | None:
    """None for an offset of another topic of that name, deleted since."""
    if offset is not None and ZERO_UUID not in (topic_id, offset.topic_id) and topic_id != offset.topic_id:
        return None
    return offset


def _fetched(
    index: int, offset: CommittedOffset | None, error: ErrorCode = ErrorCode.NONE
) -> OffsetFetchResponsePartitions:
    if offset is None:
        return OffsetFetchResponsePartitions(
            partition_index=index,
            committed_offset=NO_OFFSET,
            committed_leader_epoch=NO_LEADER_EPOCH,
            metadata="",
            error_code=error,
        )
    return OffsetFetchResponsePartitions(
        partition_index=index,
        committed_offset=offset.offset,
        committed_leader_epoch=offset.leader_epoch,
        metadata=offset.metadata,
        error_code=ErrorCode.NONE,
    )


def tombstones(offsets: Offsets, topic: str) -> list[CoordinatorRecord]:
    """The topic was deleted: so are all offsets in it."""
    return [records.offset_tombstone(group_id, topic, index) for group_id, index in offsets.of_topic(topic)]
