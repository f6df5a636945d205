"""The records of `__cluster_metadata`: their framing, and batches of them.

A record has no key. Its value is three unsigned varints - frame version 1, record type, record version - and the
body. All three are below 128, one byte each.
Source: org.apache.kafka.server.common.serialization.AbstractApiMessageSerde.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from ...wire.codec import decode_from, encode
from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records import metadata_cluster, metadata_security, metadata_topics
from ...wire.log_records.control import (
    KRaftVersionRecord,
    LeaderChangeMessage,
    LeaderChangeMessageVoter,
    VotersRecord,
    VotersRecordVoter,
)
from ...wire.records import Record, encode_batch
from .record_versions import LATEST_LEVEL, record_version

FRAME_VERSION: Final = 1
#: ControlRecordType.LEADER_CHANGE as a control record's key: int16 version 0, int16 type.
LEADER_CHANGE_KEY: Final = b"\x00\x00\x00\x02"

#: KRAFT_VERSION and KRAFT_VOTERS likewise.
KRAFT_VERSION_KEY: Final = b"\x00\x00\x00\x05"
KRAFT_VOTERS_KEY: Final = b"\x00\x00\x00\x06"

#: Record type -> its class.
RECORD_TYPES: Final[dict[int, type[Message]]] = {
    found.API_KEY: found
    for module in (metadata_cluster, metadata_security, metadata_topics)
    for found in vars(module).values()
    if isinstance(found, type) and issubclass(found, Message) and found.API_KEY is not None
}


def encode_record(record: Message, level: int = LATEST_LEVEL) -> bytes:
    """A record's framed value, in the version that Kafka writes at this metadata.version; see `as_written`."""
    version = record_version(record, level)
    return bytes((FRAME_VERSION, record.API_KEY or 0, version)) + encode(record, version)


def decode_record(value: bytes) -> Message:
    """The record in a framed value.

    Raises KafkaError(UNSUPPORTED_VERSION) for a type, a version or a frame that Kafka 4.3.1 does not have: metadata
    must not be passed over unread. Raises DecodeError for a damaged body.
    """
    frame_version, record_type, version = value[:3]
    kind = RECORD_TYPES.get(record_type)
    if frame_version != FRAME_VERSION or kind is None or version not in kind.VERSIONS:
        raise KafkaError(
            ErrorCode.UNSUPPORTED_VERSION,
            f"metadata record of type {record_type}, version {version} in frame version {frame_version}",
        )
    return decode_from(kind, version, value, 3)[0]


def encode_records(
    records: Iterable[Message], base_offset: int, leader_epoch: int, now_ms: int, level: int = LATEST_LEVEL
) -> bytes:
    """One batch of records as they are written at a metadata.version; it is there whole or not at all."""
    return encode_batch(
        [Record(value=encode_record(record, level), timestamp_ms=now_ms) for record in records],
        base_offset=base_offset,
        partition_leader_epoch=leader_epoch,
    )


def encode_control(records: Iterable[tuple[bytes, Message]], base_offset: int, leader_epoch: int, now_ms: int) -> bytes:
    """One batch of control records: (key, message)."""
    return encode_batch(
        [Record(key=key, value=encode(message, 0), timestamp_ms=now_ms) for key, message in records],
        base_offset=base_offset,
        partition_leader_epoch=leader_epoch,
        control=True,
    )


def leader_change(node_id: int) -> tuple[bytes, Message]:
    """The control record that opens a leader's epoch (KIP-595), with the leader as its only voter."""
    voters = [LeaderChangeMessageVoter(voter_id=node_id)]
    message = LeaderChangeMessage(version=0, leader_id=node_id, voters=voters, granting_voters=voters)
    return LEADER_CHANGE_KEY, message


def quorum_records(voters: list[VotersRecordVoter]) -> list[tuple[bytes, Message]]:
    """The control records of a quorum whose voters are in the log; none for one whose voters are configured."""
    if not voters:
        return []
    return [
        (KRAFT_VERSION_KEY, KRaftVersionRecord(version=0, kraft_version=1)),
        (KRAFT_VOTERS_KEY, VotersRecord(version=0, voters=voters)),
    ]


_CONTROL: Final[dict[bytes | None, type[Message]]] = {
    LEADER_CHANGE_KEY: LeaderChangeMessage,
    KRAFT_VERSION_KEY: KRaftVersionRecord,
    KRAFT_VOTERS_KEY: VotersRecord,
}


def decode_control(records: Iterable[Record]) -> Iterator[Message]:
    """What a control batch says of leader and quorum. Raises DecodeError."""
    for record in records:
        kind = _CONTROL.get(record.key)
        if kind is not None:
            yield decode_from(kind, 0, record.value or b"")[0]
