"""Golden vectors checked: what `klamm wire check` and whatever else has captured messages runs.

A vector is a JSON object: `m` the message's name, `v` its version, `hex` its bytes, and where it is known `j`, the
message as JSON. Both directions are held to it: the bytes decode to that JSON and encode to the same bytes, and the
JSON encodes to the bytes. With `m` "records" the bytes are record batches, and `records`, where it is there, says what
is in them: `key` and `value` as text, `ts` in milliseconds, `headers` as pairs.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from ..wire.batches import iter_batches
from ..wire.catalogue import find_message
from ..wire.codec import decode, encode
from ..wire.errors import KafkaError
from ..wire.json_form import from_json, to_json
from ..wire.records import Record, batch_records, encode_batch, iter_records

_GZIP = 1


class Outcome(NamedTuple):
    """`label`: what was checked; `problem`: what is wrong with it, or None."""

    label: str
    problem: str | None


def check_message(vector: dict[str, Any]) -> str | None:
    """What is wrong with one message, or None. Raises ValueError where it cannot be decoded or encoded at all."""
    data, version = bytes.fromhex(vector["hex"]), vector["v"]
    try:
        message = find_message(vector["m"])
    except KeyError:
        return "there is no such message"
    found = decode(message, version, data)
    again = encode(found, version)
    if again != data:
        return f"encodes to {again.hex()}"
    if "j" in vector:
        shown = to_json(found, version)
        if shown != vector["j"]:
            return f"decodes to {json.dumps(shown)}"
        from_shown = encode(from_json(message, vector["j"], version), version)
        if from_shown != data:
            return f"its JSON encodes to {from_shown.hex()}"
    return None


def _as_bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def check_records(vector: dict[str, Any]) -> str | None:
    """What is wrong with record batches, or None. Raises ValueError or RecordError where they cannot be read."""
    data = bytes.fromhex(vector["hex"])
    found = list(iter_records(data))
    if "records" in vector:
        stated = [
            (
                _as_bytes(record["key"]),
                _as_bytes(record["value"]),
                tuple((n, _as_bytes(v)) for n, v in record.get("headers", [])),
            )
            for record in vector["records"]
        ]
        if [(record.key, record.value, record.headers) for record in found] != stated:
            return f"decodes to {found}"
    if data[16:17] != b"\x02":
        return None  # the old formats are only read
    for position, header in iter_batches(data):
        batch = data[position : position + header.size_bytes]
        if header.codec == _GZIP:
            continue  # what gzip makes of the same bytes differs between its versions
        records: list[Record] = list(batch_records(batch))
        if header.is_log_append_time:
            # The records' own timestamps are lost to a reader, but their deltas are in the bytes.
            deltas = batch_records(batch[:21] + bytes((batch[21], batch[22] & ~0x08)) + batch[23:])
            records = list(deltas)
        again = encode_batch(
            records,
            base_offset=header.base_offset,
            last_offset=header.last_offset,
            codec=header.codec,
            partition_leader_epoch=header.partition_leader_epoch,
            producer_id=header.producer_id,
            producer_epoch=header.producer_epoch,
            base_sequence=header.base_sequence,
            transactional=header.is_transactional,
            control=header.is_control,
            log_append_time_ms=header.max_timestamp_ms if header.is_log_append_time else None,
            max_timestamp_ms=header.max_timestamp_ms,
        )
        if again != batch:
            return f"encodes to {again.hex()}"
    return None


def check_lines(lines: Iterable[str]) -> Iterator[Outcome]:
    """An outcome for each line that is not empty."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        label = f"line {number}"
        try:
            vector = json.loads(line)
            label = f"{label}: {vector['m']}" + (f" v{vector['v']}" if "v" in vector else f" {vector.get('k', '')}")
            problem = check_records(vector) if vector["m"] == "records" else check_message(vector)
        except (ValueError, KeyError, TypeError, AttributeError, KafkaError) as error:
            problem = f"{type(error).__name__}: {error}"
        yield Outcome(label, problem)
