"""2,562 messages that Kafka's own classes encoded, of every message and version: both directions, to the byte."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from klamm.wire import codec
from klamm.wire.catalogue import all_messages, find_message
from klamm.wire.json_form import from_json, to_json
from klamm.wire.schema import from_container, schema, to_container


def by_compiled_codec(vector: Any) -> None:
    message = find_message(vector.message)
    decoded = codec.decode(message, vector.version, vector.data)
    assert codec.encode(decoded, vector.version) == vector.data


def by_interpreter(vector: Any) -> None:
    message = find_message(vector.message)
    layout = schema(message, vector.version)
    stream = io.BytesIO(vector.data)
    container = layout.parse_stream(stream)
    assert stream.read() == b""
    decoded = from_container(layout, container)
    assert decoded == codec.decode(message, vector.version, vector.data)
    assert layout.build(to_container(layout, decoded)) == vector.data


def by_json(vector: Any) -> None:
    message = find_message(vector.message)
    decoded = codec.decode(message, vector.version, vector.data)
    shown = to_json(decoded, vector.version)
    if vector.json is None:
        assert codec.encode(from_json(message, shown, vector.version), vector.version) == vector.data
        return
    assert json.loads(json.dumps(shown)) == vector.json
    assert list(shown) == list(vector.json), "the fields stand in Kafka's order"
    assert codec.encode(from_json(message, vector.json, vector.version), vector.version) == vector.data


def by_position(vector: Any) -> None:
    """Between other bytes, and in a bytearray."""
    message = find_message(vector.message)
    found, end = codec.decode_from(message, vector.version, bytearray(b"abc" + vector.data + b"xyz"), 3)
    assert end == 3 + len(vector.data)
    assert codec.encode(found, vector.version) == vector.data


@pytest.mark.parametrize("way", [by_compiled_codec, by_interpreter, by_json, by_position])
def test_every_golden_vector(golden: list[Any], way: Any) -> None:
    failed = []
    for vector in golden:
        try:
            way(vector)
        except Exception as error:
            failed.append(f"{vector.message} v{vector.version} {vector.kind}: {error!r}")
    assert not failed, f"{len(failed)} of {len(golden)}: {failed[:5]}"


def test_the_golden_vectors_cover_every_version_of_every_message(golden: list[Any]) -> None:
    covered = {(vector.message, vector.version) for vector in golden}
    declared = {(message.__name__, version) for message in all_messages() for version in message.all_versions()}
    assert covered == declared
    assert len(golden) == 2496 + 66
