"""No length is believed, and what one frame can cost is bounded: hostile frames and damaged golden vectors."""

from __future__ import annotations

import json
import os
import resource
import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from klamm.wire.apis import APIS
from klamm.wire.catalogue import find_message
from klamm.wire.codec import DecodeError, decode, decode_from, encode
from klamm.wire.compiler import MAX_REQUEST_OBJECTS
from klamm.wire.declare import Message
from klamm.wire.json_form import from_json, to_json
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.fetch import FetchRequest, FetchResponse
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.metadata import MetadataRequest
from klamm.wire.messages.offset_fetch import OffsetFetchRequest
from klamm.wire.messages.produce import ProduceRequest
from klamm.wire.schema import schema
from klamm.wire.subcons import ArrayOf, LengthPrefixed, NullableStruct, TagSection, unnamed
from klamm.wire.uvarint import encode_uvarint

MIB = 1024 * 1024
#: `make fuzz` asks for a million.
INPUTS = int(os.environ.get("KLAMM_FUZZ_INPUTS", "30000"))
SEED = int(os.environ.get("KLAMM_FUZZ_SEED", "20240229"))


def peak_while(action: Callable[[], Any]) -> int:
    """The most memory in bytes that an action held at a time."""
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def refused(message: type[Message], version: int, data: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(message, version, data)
    return caught.value


def positions_of_lengths(layout: Any, data: bytes) -> list[tuple[int, Any]]:
    """Where the lengths of the message's own fields stand (not those inside of elements), and their kind."""
    found: list[tuple[int, Any]] = []
    at = 0
    for renamed in layout.subcons:
        inner = unnamed(renamed)
        if isinstance(inner, LengthPrefixed | ArrayOf):
            found.append((at, inner.length))
        if isinstance(inner, NullableStruct | TagSection):
            break
        at += len(inner.build(inner.parse(data[at:])))
    return found


def test_huge_lengths_in_small_frames_fail_before_anything_is_allocated(golden: list[Any]) -> None:
    huge_count = 0

    def decode_all() -> None:
        nonlocal huge_count
        for vector in golden:
            if vector.kind != "default":
                continue
            message = find_message(vector.message)
            layout = schema(message, vector.version)
            for at, length in positions_of_lengths(layout, vector.data):
                fixed = getattr(length, "fmtstr", None)
                for huge in (2**31 - 1, 2**15 - 1, 2**28):
                    if fixed is None:
                        lie, width = encode_uvarint(huge), 1
                    else:
                        width = struct.calcsize(fixed)
                        if huge >= 1 << (8 * width - 1):
                            continue
                        lie = struct.pack(fixed, huge)
                    refused(message, vector.version, vector.data[:at] + lie + vector.data[at + width :])
                    huge_count += 1

    decode_all()  # once without measuring: the codecs are compiled
    assert peak_while(decode_all) < MIB
    assert huge_count > 2000


@pytest.mark.parametrize(
    ("message", "version", "head", "element", "tail", "weight"),
    [
        (MetadataRequest, 1, b"", b"\0\0", b"", 1),  # empty names
        (OffsetFetchRequest, 8, b"", b"\x01\x01\0", b"\0\0", 2),  # 3-byte groups, each with a list
        (OffsetFetchRequest, 8, b"\x02\x01\x02\x01", b"\0\0\0\0", b"\0\0\0\0", 1),  # partitions
    ],
    ids=["strings", "structs", "numbers"],
)
def test_elements_of_a_request_are_counted(
    message: type[Message], version: int, head: bytes, element: bytes, tail: bytes, weight: int
) -> None:
    def frame(count: int) -> bytes:
        length = struct.pack(">i", count) if version == 1 else encode_uvarint(count + 1)
        return head + length + element * count + tail

    refusal = refused(message, version, frame(MAX_REQUEST_OBJECTS // weight + 1))
    assert f"more than {MAX_REQUEST_OBJECTS} objects" in refusal.reason
    fits = decode(message, version, frame(MAX_REQUEST_OBJECTS // weight - 10))
    assert isinstance(fits, message)
    hostile = frame(5_000_000)
    assert peak_while(lambda: refused(message, version, hostile)) < MIB


def test_tagged_fields_of_a_request_are_counted() -> None:
    body = encode(HeartbeatRequest(group_id="g", member_id="m"), 4)[:-1]

    def unknown(count: int) -> bytes:
        return body + encode_uvarint(count) + b"".join(encode_uvarint(tag) + b"\0" for tag in range(count))

    assert len(decode(HeartbeatRequest, 4, unknown(1000)).unknown_tagged_fields or {}) == 1000
    assert "more than" in refused(HeartbeatRequest, 4, unknown(MAX_REQUEST_OBJECTS + 1)).reason
    # A known one again and again.
    fetch = encode(FetchRequest(topics=[]), 12)
    assert fetch.endswith(b"\x01\0"), "an empty rack and no tags"
    again = fetch[:-1] + encode_uvarint(MAX_REQUEST_OBJECTS + 1) + b"\0\x01\0" * (MAX_REQUEST_OBJECTS + 1)
    assert "more than" in refused(FetchRequest, 12, again).reason


def test_a_count_of_elements_is_checked_against_the_bytes_left() -> None:
    # 1,000 partitions of 30 bytes at least, and 999 bytes.
    data = bytes(4 + 2 + 4) + b"\x02\x01" + encode_uvarint(1001) + bytes(999)
    assert "1000 elements with 999 bytes left" in refused(FetchResponse, 12, data).reason


def test_records_are_views_and_no_copies() -> None:
    data = encode(
        from_json(
            ProduceRequest,
            {
                "acks": 1,
                "timeoutMs": 1,
                "topicData": [{"name": "t", "partitionData": [{"index": 0, "records": "A" * 4 * MIB}]}],
            },
            9,
        ),
        9,
    )
    decode(ProduceRequest, 9, data)
    assert peak_while(lambda: decode(ProduceRequest, 9, data)) < 10_000
    buffer = bytearray(data)
    view = decode(ProduceRequest, 9, buffer).topic_data[0].partition_data[0].records
    assert isinstance(view, memoryview)
    assert view.readonly


def test_the_frame_of_an_unknown_client_is_kept(golden: list[Any]) -> None:
    """A newer client's tagged fields come back out, at every level where there are tags."""
    body = encode(ApiVersionsRequest(client_software_name="n", client_software_version="1"), 3)
    data = body[:-1] + b"\x02\x07\x03abc\xc8\x01\0"
    found = decode(ApiVersionsRequest, 3, data)
    assert found.unknown_tagged_fields == {7: b"abc", 200: b""}
    assert encode(found, 3) == data
    shown = json.loads(json.dumps(to_json(found, 3)))
    assert encode(from_json(ApiVersionsRequest, shown, 3), 3) == data


def test_damaged_golden_vectors(golden: list[Any], damage: Callable[[int], Any]) -> None:
    """Each ends in a value, which then encodes to bytes that mean the same, or in a DecodeError."""
    spoil = damage(SEED)
    largest = max(len(vector.data) for vector in golden) + 64
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    values = errors = located = 0
    for number in range(INPUTS):
        vector = golden[number % len(golden)]
        message = find_message(vector.message)
        data = spoil(vector.data)
        try:
            found = decode(message, vector.version, data)
        except DecodeError as error:
            errors += 1
            located += bool(error.reason) and 0 <= error.position <= len(data) and "{" not in error.path
            continue
        values += 1
        again = encode(found, vector.version)
        assert encode(decode(message, vector.version, again), vector.version) == again
        assert len(again) <= 3 * largest, "U+FFFD is three bytes for one"
    assert values > INPUTS / 20
    assert errors > INPUTS / 20
    assert located == errors
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kib < 64 * 1024


def test_random_bytes_as_any_request(damage: Callable[[int], Any]) -> None:
    source = damage(SEED).random
    outcomes = {True: 0, False: 0}
    for api in APIS:
        for version in api.versions:
            for size in (0, 1, 7, 40, 200):
                try:
                    decode_from(api.request(), version, source.randbytes(size))
                except DecodeError:
                    outcomes[False] += 1
                else:
                    outcomes[True] += 1
    assert outcomes[True] > 20
    assert outcomes[False] > 500
