"""Records of `__consumer_offsets`: which are written, and their bytes.

A key is the int16 record type and the body at version 0; a value is an int16 version and the body; no value is a
tombstone. Kafka 4.3.1 writes OffsetCommitValue v4 (v1 if the client asked for a retention time of its own) and
GroupMetadataValue v3; all older versions are read. Tools such as Burrow decode these bytes themselves.
Source: org.apache.kafka.coordinator.group.GroupCoordinatorRecordHelpers, GroupCoordinatorRecordSerde.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from ..wire.codec import DecodeError, decode, encode
from ..wire.declare import ZERO_UUID, Message
from ..wire.log_records.classic_group import (
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    OffsetCommitKey,
    OffsetCommitValue,
)
from ..wire.log_records.consumer_group import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupPartitionMetadataValue,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
)

GROUP_METADATA_VALUE_VERSION: Final = 3
OFFSET_COMMIT_VALUE_VERSION: Final = 4
#: The one version that carries an expire timestamp.
OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY: Final = 1
NO_EXPIRY: Final = -1

#: How many tombstones one batch gets: some 60 KB, half a megabyte where all names are as long as they may be.
RECORDS_A_BATCH: Final = 1_000

_INT16 = struct.Struct(">h")

#: Record type -> key and value. Type 0 is OffsetCommitKey as 0.8 wrote it; its value is the same. 3-8 and 16 are
#: consumer groups, of which 4 is read only: Kafka 4.0 was the last to write it.
_CLASSES: Final[dict[int, tuple[type[Message], type[Message]]]] = {
    0: (LegacyOffsetCommitKey, OffsetCommitValue),
    1: (OffsetCommitKey, OffsetCommitValue),
    2: (GroupMetadataKey, GroupMetadataValue),
    3: (ConsumerGroupMetadataKey, ConsumerGroupMetadataValue),
    4: (ConsumerGroupPartitionMetadataKey, ConsumerGroupPartitionMetadataValue),
    5: (ConsumerGroupMemberMetadataKey, ConsumerGroupMemberMetadataValue),
    6: (ConsumerGroupTargetAssignmentMetadataKey, ConsumerGroupTargetAssignmentMetadataValue),
    7: (ConsumerGroupTargetAssignmentMemberKey, ConsumerGroupTargetAssignmentMemberValue),
    8: (ConsumerGroupCurrentMemberAssignmentKey, ConsumerGroupCurrentMemberAssignmentValue),
    16: (ConsumerGroupRegularExpressionKey, ConsumerGroupRegularExpressionValue),
}


class CoordinatorRecord(NamedTuple):
    """`value` None is a tombstone; `value_version` is the version that `value` is written in."""

    key: Message
    value: Message | None
    value_version: int = 0


def group_metadata(group_id: str, value: GroupMetadataValue | None) -> CoordinatorRecord:
    """A classic group as it is now, or its end."""
    return CoordinatorRecord(GroupMetadataKey(group=group_id), value, GROUP_METADATA_VALUE_VERSION)


def offset_commit(
    group_id: str,
    topic: str,
    topic_id: bytes,
    partition: int,
    *,
    offset: int,
    leader_epoch: int,
    metadata: str,
    commit_timestamp_ms: int,
    expire_timestamp_ms: int = NO_EXPIRY,
) -> CoordinatorRecord:
    """A committed offset. With an expire timestamp (OffsetCommit v2-4) the value has no room for epoch and topic id."""
    version = OFFSET_COMMIT_VALUE_VERSION
    if expire_timestamp_ms != NO_EXPIRY:
        version, leader_epoch, topic_id = OFFSET_COMMIT_VALUE_VERSION_WITH_EXPIRY, -1, ZERO_UUID
    value = OffsetCommitValue(
        offset=offset,
        leader_epoch=leader_epoch,
        metadata=metadata,
        commit_timestamp=commit_timestamp_ms,
        expire_timestamp=expire_timestamp_ms,
        topic_id=topic_id,
    )
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), value, version)


def offset_tombstone(group_id: str, topic: str, partition: int) -> CoordinatorRecord:
    """The offset is gone: its topic was deleted, or it was deleted or has expired itself."""
    return CoordinatorRecord(OffsetCommitKey(group=group_id, topic=topic, partition=partition), None)


def in_batches(records: list[CoordinatorRecord]) -> Iterator[list[CoordinatorRecord]]:
    """Parts of what need not be written together, each small enough for a batch."""
    return (records[start : start + RECORDS_A_BATCH] for start in range(0, len(records), RECORDS_A_BATCH))


def to_bytes(record: CoordinatorRecord) -> tuple[bytes, bytes | None]:
    """Key and value as they stand in the log. Raises EncodeError."""
    key = record.key
    assert key.API_KEY is not None
    key_bytes = _INT16.pack(key.API_KEY) + encode(key, 0)
    if record.value is None:
        return key_bytes, None
    return key_bytes, _INT16.pack(record.value_version) + encode(record.value, record.value_version)


def from_bytes(key: bytes, value: bytes | None) -> CoordinatorRecord | None:
    """The record, or None for a type that this coordinator does not know (Kafka skips those too).

    Raises DecodeError for damaged bytes and for a value of a version that Kafka 4.3.1 does not know.
    """
    if len(key) < 2:
        raise DecodeError("coordinator record", 0, "key", 0, "shorter than its record type")
    (record_type,) = _INT16.unpack_from(key)
    classes = _CLASSES.get(record_type)
    if classes is None:
        return None
    key_class, value_class = classes
    decoded_key = decode(key_class, 0, key[2:])
    if value is None:
        return CoordinatorRecord(decoded_key, None)
    if len(value) < 2:
        raise DecodeError(value_class.__name__, 0, "", 0, "shorter than its version")
    (version,) = _INT16.unpack_from(value)
    if version not in value_class.VERSIONS:
        raise DecodeError(value_class.__name__, version, "", 0, "a version that is not known here")
    return CoordinatorRecord(decoded_key, decode(value_class, version, value[2:]), version)
