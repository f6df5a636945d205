"""How console-consumer shows a record: Kafka's formatters by the names of their classes.

Deserializers are Kafka's own for strings, bytes, numbers and UUIDs. Left out: classes of one's own, which would need a
JVM; naming one is refused.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from ...wire.declare import Message
from ...wire.records import Record


class FormatterError(Exception):
    """A formatter, a deserializer or a record that cannot be made use of. str() says which and why."""


class Shown(NamedTuple):
    """A record, where it is from, and whose time its timestamp is."""

    topic: str
    partition: int
    record: Record
    log_append_time: bool = False


Formatter = Callable[[Shown], bytes]
#: Bytes as the text that is shown. Raises FormatterError.
Deserializer = Callable[[bytes], bytes]

# --- deserializers ------------------------------------------------------------------------------------------------


def _number(layout: str) -> Deserializer:
    unpack = struct.Struct(layout)

    def text(data: bytes) -> bytes:
        if len(data) != unpack.size:
            raise FormatterError(f"Size of data received by deserializer is not {unpack.size}")
        return java_number(unpack.unpack(data)[0], layout).encode()

    return text


def java_number(value: float, layout: str) -> str:
    """As Java's toString has it: the shortest digits that read back the same, an exponent from 10^7 on and below 10^-3.

    `layout`: ">f" for a float; anything else is a double, or whole.
    """
    if isinstance(value, int):
        return str(value)
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    shortest = repr(value)
    if layout == ">f":
        tries = (f"{value:.{digits}e}" for digits in range(9))
        shortest = next(text for text in tries if struct.unpack(">f", struct.pack(">f", float(text)))[0] == value)
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return repr(float(shortest))
    from decimal import Decimal  # here, as logging below, since few command lines want it

    digits = Decimal(shortest).as_tuple().digits
    written = "".join(map(str, digits)).rstrip("0") or "0"
    sign = "-" if value < 0 else ""
    return f"{sign}{written[0]}.{written[1:] or '0'}E{Decimal(shortest).adjusted()}"


def _boolean(data: bytes) -> bytes:
    if data not in (b"\0", b"\1"):
        raise FormatterError("Unexpected byte received by BooleanDeserializer")
    return b"true" if data == b"\1" else b"false"


def _string(data: bytes) -> bytes:
    return data.decode(errors="replace").encode()


def _bytes(data: bytes) -> bytes:
    """org.apache.kafka.common.utils.Bytes.toString: what is no printable ASCII as \\xNN."""
    return b"".join(b"\\x%02X" % byte if not 32 <= byte < 127 or byte == 92 else bytes((byte,)) for byte in data)


_DESERIALIZERS: Final[Mapping[str, Deserializer]] = {
    "org.apache.kafka.common.serialization.StringDeserializer": _string,
    "org.apache.kafka.common.serialization.UUIDDeserializer": _string,
    "org.apache.kafka.common.serialization.BytesDeserializer": _bytes,
    "org.apache.kafka.common.serialization.BooleanDeserializer": _boolean,
    "org.apache.kafka.common.serialization.ShortDeserializer": _number(">h"),
    "org.apache.kafka.common.serialization.IntegerDeserializer": _number(">i"),
    "org.apache.kafka.common.serialization.LongDeserializer": _number(">q"),
    "org.apache.kafka.common.serialization.FloatDeserializer": _number(">f"),
    "org.apache.kafka.common.serialization.DoubleDeserializer": _number(">d"),
}


def deserializer(properties: Mapping[str, str], name: str) -> Deserializer | None:
    """The one that the property names. Raises FormatterError for a class that is not here."""
    wanted = properties.get(name)
    if wanted is None:
        return None
    found = _DESERIALIZERS.get(wanted)
    if found is None:
        raise FormatterError(f"There is no deserializer {wanted}; there are {', '.join(_DESERIALIZERS)}")
    return found


# --- formatters ---------------------------------------------------------------------------------------------------


def _default(properties: Mapping[str, str]) -> Formatter:
    """org.apache.kafka.tools.consumer.DefaultMessageFormatter."""

    def wants(name: str, default: bool = False) -> bool:
        return properties.get(name, str(default)).strip().lower() == "true"

    def setting(name: str, default: str) -> bytes:
        return properties.get(name, default).encode(errors="surrogateescape")

    separator, line_end = setting("key.separator", "\t"), setting("line.separator", "\n")
    between_headers, null = setting("headers.separator", ","), setting("null.literal", "null")
    key_text = deserializer(properties, "key.deserializer")
    value_text = deserializer(properties, "value.deserializer")
    header_text = deserializer(properties, "headers.deserializer")

    def text(data: bytes | None, deserialize: Deserializer | None) -> bytes:
        # The literal goes through the deserializer too, as there.
        shown = null if data is None else data
        return shown if deserialize is None else deserialize(shown)

    def headers(pairs: tuple[tuple[str, bytes | None], ...]) -> bytes:
        if not pairs:
            return b"NO_HEADERS"
        return between_headers.join(name.encode() + b":" + text(value, header_text) for name, value in pairs)

    columns: list[tuple[bool, Formatter]] = [
        (wants("print.timestamp"), _timestamp),
        (wants("print.partition"), lambda shown: b"Partition:%d" % shown.partition),
        (wants("print.offset"), lambda shown: b"Offset:%d" % shown.record.offset),
        # Kafka's console consumer hands neither of these two on to its formatter.
        (wants("print.delivery"), lambda shown: b"Delivery:NOT_PRESENT"),
        (wants("print.epoch"), lambda shown: b"Epoch:NOT_PRESENT"),
        (wants("print.headers"), lambda shown: headers(shown.record.headers)),
        (wants("print.key"), lambda shown: text(shown.record.key, key_text)),
        (wants("print.value", True), lambda shown: text(shown.record.value, value_text)),
    ]
    chosen = [column for wanted, column in columns if wanted]

    def line(shown: Shown) -> bytes:
        return separator.join([column(shown) for column in chosen]) + line_end if chosen else b""

    return line


def _timestamp(shown: Shown) -> bytes:
    return (b"LogAppendTime:%d" if shown.log_append_time else b"CreateTime:%d") % shown.record.timestamp_ms


def _logging(properties: Mapping[str, str]) -> Formatter:
    """LoggingMessageFormatter: the default's line, and a line of the log at INFO."""
    import logging

    default = _default(properties)
    logger = logging.getLogger("org.apache.kafka.tools.consumer.LoggingMessageFormatter")

    def line(shown: Shown) -> bytes:
        record = shown.record
        key = "null" if record.key is None else record.key.decode(errors="replace")
        value = "null" if record.value is None else record.value.decode(errors="replace")
        logger.info("%s, key:%s, value:%s", _timestamp(shown).decode(), key, value)
        return default(shown)

    return line


def _nothing(properties: Mapping[str, str]) -> Formatter:
    return lambda shown: b""


def _coordinator(*types: tuple[type[Message], type[Message]]) -> Callable[[Mapping[str, str]], Formatter]:
    """CoordinatorRecordMessageFormatter: a JSON object for each record of one of the types, none for the others.

    No line ends between them, since Kafka 4.3 puts none.
    """
    by_key = {key.API_KEY: (key, value) for key, value in types}

    def make(properties: Mapping[str, str]) -> Formatter:
        from ...wire.codec import CodecError, decode
        from ...wire.json_form import to_json

        def line(shown: Shown) -> bytes:
            key, value = shown.record.key, shown.record.value
            found = by_key.get(int.from_bytes(key[:2], "big")) if key is not None and len(key) >= 2 else None
            if key is None or found is None:
                return b""
            version = 0 if value is None else int.from_bytes(value[:2], "big")
            try:
                data: object = _unknown
                if value is not None and version in found[1].VERSIONS:
                    data = to_json(decode(found[1], version, value[2:]), version)
                shown_key = to_json(decode(found[0], 0, key[2:]), 0)
            except CodecError as error:
                raise FormatterError(f"offset {shown.record.offset}: {error}") from None
            entry = {
                "key": {"type": found[0].API_KEY, "data": shown_key},
                "value": None if value is None else {"version": version, "data": data},
            }
            return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode()

        return line

    return make


_unknown: Final = "unknown"


def _offsets(properties: Mapping[str, str]) -> Formatter:
    from ...wire.log_records import classic_group as records

    return _coordinator(
        (records.LegacyOffsetCommitKey, records.LegacyOffsetCommitValue),
        (records.OffsetCommitKey, records.OffsetCommitValue),
    )(properties)


def _group_metadata(properties: Mapping[str, str]) -> Formatter:
    from ...wire.log_records import classic_group as records

    return _coordinator((records.GroupMetadataKey, records.GroupMetadataValue))(properties)


def _transaction_log(properties: Mapping[str, str]) -> Formatter:
    from ...wire.log_records import transaction as records

    return _coordinator((records.TransactionLogKey, records.TransactionLogValue))(properties)


DEFAULT: Final = "org.apache.kafka.tools.consumer.DefaultMessageFormatter"

FORMATTERS: Final[Mapping[str, Callable[[Mapping[str, str]], Formatter]]] = {
    DEFAULT: _default,
    "org.apache.kafka.tools.consumer.LoggingMessageFormatter": _logging,
    "org.apache.kafka.tools.consumer.NoOpMessageFormatter": _nothing,
    "org.apache.kafka.tools.consumer.OffsetsMessageFormatter": _offsets,
    "org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter": _group_metadata,
    "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter": _transaction_log,
    # The names of before 4.0, which tutorials have.
    "kafka.tools.DefaultMessageFormatter": _default,
    "kafka.tools.LoggingMessageFormatter": _logging,
    "kafka.tools.NoOpMessageFormatter": _nothing,
    "kafka.coordinator.group.GroupMetadataManager$OffsetsMessageFormatter": _offsets,
    "kafka.coordinator.group.GroupMetadataManager$GroupMetadataMessageFormatter": _group_metadata,
    "kafka.coordinator.transaction.TransactionLog$TransactionLogMessageFormatter": _transaction_log,
}


def formatter(name: str, properties: Mapping[str, str]) -> Formatter:
    """The formatter of that class name. Raises FormatterError for one that is not here."""
    make = FORMATTERS.get(name)
    if make is None:
        raise FormatterError(f"There is no formatter {name}; there are {', '.join(FORMATTERS)}")
    return make(properties)
