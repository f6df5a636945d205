"""What `--json` of the console commands prints: an object a line for each record that was read, or acknowledged.

A record that was read has `topic`, `partition`, `offset`, `timestamp` (ms), `timestampType` (CreateTime or
LogAppendTime), `key`, `value` and `headers`, a list of `key` and `value`; null is null. Bytes are text if they are
UTF-8, else they stand in base64 under `keyBase64` or `valueBase64`; what a deserializer makes is a number, a boolean or
a text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Final

from ..client import ClientError
from ..client.errors import java_line
from ..client.pipeline import Batch
from .formatters import Deserializer, Formatter, Shown, deserializer

#: Whose text is JSON as it stands.
_VALUES: Final = frozenset(
    f"org.apache.kafka.common.serialization.{name}Deserializer"
    for name in ("Boolean", "Short", "Integer", "Long", "Float", "Double")
)
_NO_NUMBERS: Final = (b"NaN", b"Infinity", b"-Infinity")


def consumed(properties: Mapping[str, str]) -> Formatter:
    """The formatter of console-consumer. `properties`: key.deserializer, value.deserializer, headers.deserializer.

    Raises FormatterError for a deserializer that is not here; the formatter does for bytes that it cannot read.
    """
    of_key, of_value, of_header = (_Part(properties, f"{name}.deserializer") for name in ("key", "value", "headers"))

    def line(shown: Shown) -> bytes:
        record = shown.record
        entry = {
            "topic": shown.topic,
            "partition": shown.partition,
            "offset": record.offset,
            "timestamp": record.timestamp_ms,
            "timestampType": "LogAppendTime" if shown.log_append_time else "CreateTime",
            **of_key.named("key", record.key),
            **of_value.named("value", record.value),
            "headers": [{"key": name, **of_header.named("value", value)} for name, value in record.headers],
        }
        return _line(entry)

    return line


class _Part:
    """How the bytes of keys, values or headers become JSON."""

    def __init__(self, properties: Mapping[str, str], name: str) -> None:
        self._text: Deserializer | None = deserializer(properties, name)
        self._is_value = properties.get(name) in _VALUES

    def named(self, name: str, data: bytes | None) -> dict[str, object]:
        if data is None:
            return {name: None}
        text = data if self._text is None else self._text(data)
        try:
            found = text.decode()
        except UnicodeDecodeError:
            return {f"{name}Base64": base64.b64encode(text).decode()}
        return {name: json.loads(found) if self._is_value and text not in _NO_NUMBERS else found}


def acknowledged(topic: str, batch: Batch, error: ClientError | None) -> bytes:
    """A line for each record of a batch: its offset and timestamp (null where acks=0 hides them), or its error."""
    lines = []
    for index, record in enumerate(batch.records):
        entry: dict[str, object] = {"topic": topic, "partition": batch.partition}
        if error is None:
            entry["offset"] = None if batch.base_offset < 0 else batch.base_offset + index
            entry["timestamp"] = record.timestamp_ms if batch.log_append_time_ms < 0 else batch.log_append_time_ms
        else:
            entry["error"] = java_line(error)
        lines.append(_line(entry))
    return b"".join(lines)


def refused(topic: str, error: ClientError) -> bytes:
    """The line of a record that was never sent: there is no partition for it, or it is too large."""
    return _line({"topic": topic, "partition": None, "error": java_line(error)})


def _line(entry: dict[str, object]) -> bytes:
    return json.dumps(entry, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
