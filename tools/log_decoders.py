"""Records of Kafka's internal topics and Raft control records as the values that `klamm dump-log` shows.

A decoded record is a pair (key, value): None for what is not there, a dict for a JSON object in the form of Kafka's
JSON converters, else text. Source: the MessageParsers of org.apache.kafka.tools.DumpLogSegments.

Left out: the records of tiered storage (`--remote-log-metadata-decoder`); for text that is not UTF-8, Java's number of
replacement characters.
"""

from __future__ import annotations

import json
import re
import struct
from base64 import b64decode
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any, Final

from ..broker.config.kinds import format_value
from ..wire.codec import DecodeError, decode, decode_from
from ..wire.declare import Message
from ..wire.json_form import to_json
from ..wire.log_records import control
from ..wire.messages.consumer_protocol import ConsumerProtocolAssignment, ConsumerProtocolSubscription
from ..wire.records import Record, decode_end_txn_marker
from ..wire.uvarint import decode_uvarint

Decoded = tuple[Any, Any]
Decoder = Callable[[Record], Decoded]

_INT16: Final = struct.Struct(">h")
_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

#: Type of a control record -> how its value is named in Kafka's line, and its class.
CONTROL_RECORDS: Final[dict[int, tuple[str, type[Message]]]] = {
    2: ("LeaderChange", control.LeaderChangeMessage),
    3: ("SnapshotHeader", control.SnapshotHeaderRecord),
    4: ("SnapshotFooter", control.SnapshotFooterRecord),
    5: ("KRaftVersion", control.KRaftVersionRecord),
    6: ("KRaftVoters", control.VotersRecord),
}


class ShownError(ValueError):
    """What a decoder cannot read. str() is what is shown in place of the record."""


def compact_json(value: Any) -> str:
    """JSON as Jackson writes it: no blanks, letters as they are, doubles as Java shows them."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{compact_json(str(key))}:{compact_json(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(compact_json, value)) + "]"
    if isinstance(value, float):
        return format_value(value) or "null"
    return json.dumps(value, ensure_ascii=False)


# --- plain records --------------------------------------------------------------------------------------------------


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _number(layout: str, name: str) -> Callable[[bytes], str]:
    wanted = struct.Struct(layout)

    def read(data: bytes) -> str:
        if len(data) != wanted.size:
            raise ShownError(f"Size of data received by {name} is not {wanted.size}")
        return str(wanted.unpack(data)[0])

    return read


#: Kafka's decoder classes by their last name. Java shows the identity of an array for the bytes; klamm shows hex.
BYTES_DECODERS: Final[dict[str, Callable[[bytes], str]]] = {
    "StringDecoder": _text,
    "DefaultDecoder": bytes.hex,
    "IntegerDecoder": _number(">i", "IntegerDeserializer"),
    "LongDecoder": _number(">q", "LongDeserializer"),
}


def plain_decoder(key: Callable[[bytes], str], value: Callable[[bytes], str]) -> Decoder:
    def read(record: Record) -> Decoded:
        return (
            None if record.key is None else key(record.key),
            None if record.value is None else value(record.value),
        )

    return read


# --- records of the coordinators ------------------------------------------------------------------------------------


def _messages(families: Iterable[str], kind: str) -> dict[int, type[Message]]:
    """Record type -> class, of one kind in those modules of wire/log_records."""
    return {
        found.API_KEY: found
        for family in families
        for found in vars(import_module(f"..wire.log_records.{family}", __package__)).values()
        if isinstance(found, type) and issubclass(found, Message) and kind == found.KIND and found.API_KEY is not None
    }


def coordinator_decoder(*families: str) -> Decoder:
    """Records with an int16 type before the key and an int16 version before the value."""
    keys, values = _messages(families, "coordinator-key"), _messages(families, "coordinator-value")

    def read(record: Record) -> Decoded:
        if record.key is None:
            raise ShownError(
                f"Failed to decode message at offset {record.offset} using the specified decoder "
                "(message had a missing key)"
            )
        try:
            record_type = _INT16.unpack_from(record.key)[0]
            if record_type not in keys:
                return f"Unknown record type {record_type} at offset {record.offset}, skipping.", None
            key = {"type": str(record_type), "data": to_json(decode_from(keys[record_type], 0, record.key, 2)[0], 0)}
            if record.value is None:
                return key, "<DELETE>"
            version = _INT16.unpack_from(record.value)[0]
            found = values[record_type]
            if version not in found.VERSIONS:
                raise ShownError(f"{found.__name__} has no version {version}")
            data = to_json(decode_from(found, version, record.value, 2)[0], version)
        except (DecodeError, ShownError, struct.error) as error:
            return f"Error at offset {record.offset}, skipping. {error}", None
        if found.__name__ == "GroupMetadataValue" and data.get("protocolType") == "consumer":
            for member in data["members"]:
                _open_bytes(member, "subscription", ConsumerProtocolSubscription)
                _open_bytes(member, "assignment", ConsumerProtocolAssignment)
        return key, {"version": str(version), "data": data}

    return read


def _open_bytes(member: dict[str, Any], field: str, message: type[Message]) -> None:
    """A member's bytes as the consumer protocol's message; left as they are if they are not."""
    data = b64decode(member[field])
    try:
        version = _INT16.unpack_from(data)[0]
        if version in message.VERSIONS:
            member[field] = to_json(decode_from(message, version, data, 2)[0], version)
    except (DecodeError, struct.error):
        pass


# --- records of Raft ------------------------------------------------------------------------------------------------


def metadata_decoder() -> Decoder:
    """Records of `__cluster_metadata`: a frame version, a type and a version, all unsigned varints, and the body."""
    kinds = _messages(("metadata_cluster", "metadata_security", "metadata_topics"), "metadata")

    def read(record: Record) -> Decoded:
        try:
            value = record.value or b""
            frame_version, position = decode_uvarint(value, 0)
            record_type, position = decode_uvarint(value, position)
            version, position = decode_uvarint(value, position)
            found = kinds.get(record_type)
            if frame_version != 1 or found is None or version not in found.VERSIONS:
                raise ShownError(f"no record of type {record_type}, version {version}, frame version {frame_version}")
            data = to_json(decode(found, version, value[position:]), version)
        except (DecodeError, ValueError, IndexError) as error:
            return None, f"Error at {record.offset}, skipping. {error}"
        name = _WORD.sub("_", found.__name__).upper()
        return None, {"type": name, "version": version, "data": data}

    return read


def control_fields(record: Record) -> dict[str, Any]:
    """What a control record says, in the order of Kafka's line. Raises ShownError, DecodeError."""
    if record.key is None or len(record.key) < 4:
        raise ShownError("control record without a version and a type in its key")
    control_type = _INT16.unpack_from(record.key, 2)[0]
    if control_type in (0, 1):
        marker = decode_end_txn_marker(record)
        assert marker is not None
        return {"endTxnMarker": ("ABORT", "COMMIT")[marker[0]], "coordinatorEpoch": marker[1]}
    if control_type not in CONTROL_RECORDS:
        return {"controlType": f"UNKNOWN({control_type})"}
    name, message = CONTROL_RECORDS[control_type]
    value = record.value or b""
    if len(value) < 2:
        raise ShownError(f"{message.__name__} without its version")
    version = min(_INT16.unpack_from(value)[0], message.VERSIONS[-1])
    return {name: to_json(decode_from(message, version, value)[0], version)}


DECODERS: Final[dict[str, Callable[[], Decoder]]] = {
    "offsets": lambda: coordinator_decoder("classic_group", "consumer_group", "share_group", "streams_group"),
    "transaction-log": lambda: coordinator_decoder("transaction"),
    "share-group-state": lambda: coordinator_decoder("share_state"),
    "cluster-metadata": metadata_decoder,
}
