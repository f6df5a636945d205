"""Whole frames: headers of all versions, streams cut anywhere, correlation, limits."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.wire import frames
from klamm.wire.apis import APIS, BY_NAME
from klamm.wire.codec import DecodeError, decode, encode
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.api_versions import ApiVersion, ApiVersionsRequest, ApiVersionsResponse
from klamm.wire.messages.controlled_shutdown import ControlledShutdownRequest
from klamm.wire.messages.headers import RequestHeader
from klamm.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from klamm.wire.messages.metadata import MetadataRequest, MetadataResponse
from klamm.wire.messages.produce import ProduceRequest, ProduceResponse


def body(frame: bytes) -> bytes:
    """A frame without its size."""
    (size,) = struct.unpack_from(">i", frame)
    assert size == len(frame) - 4
    return frame[4:]


def declared_versions(api: Any) -> list[int]:
    return sorted({*api.request().all_versions()} & {*api.response().all_versions()})


def test_every_request_and_response_of_every_version_as_a_frame(values: Callable[[int], Any]) -> None:
    source = values(7)
    for api in APIS:
        for version in declared_versions(api):
            request = source.message(api.request(), version)
            frame = body(frames.encode_request(request, version, 77, "zażółć"))
            client_id = None if api.request_header_version(version) == 0 else "zażółć"
            assert frames.decode_request(frame) == (api, version, 77, client_id, request, None)
            assert frames.decode_request_header(frame)[:4] == (api.key, version, 77, client_id)
            response = source.message(api.response(), version)
            frame = body(frames.encode_response(response, version, 78))
            if api.key == frames.API_VERSIONS and getattr(response, "error_code", 0) == 35:
                continue
            assert frames.decode_response(frame, api, version) == (api, version, 78, response, None)


@pytest.mark.parametrize(
    ("name", "version", "expected"),
    [
        ("Metadata", 8, "0003 0008 0000004d 0001 63"),
        ("Metadata", 9, "0003 0009 0000004d 0001 63 00"),  # flexible: tags, yet the client id's length stays int16
        ("ControlledShutdown", 0, "0007 0000 0000004d"),
        ("ControlledShutdown", 1, "0007 0001 0000004d 0001 63"),
        ("OffsetDelete", 0, "002f 0000 0000004d 0001 63"),  # never was flexible
    ],
)
def test_the_bytes_of_request_headers(name: str, version: int, expected: str) -> None:
    request = BY_NAME[name].request()()
    frame = body(frames.encode_request(request, version, 77, "c"))
    header = bytes.fromhex(expected.replace(" ", ""))
    assert frame == header + encode(request, version)
    assert frames.decode_request_header(frame)[4] == len(header)


@pytest.mark.parametrize(("name", "version", "size"), [("Metadata", 8, 4), ("Metadata", 9, 5), ("ApiVersions", 4, 4)])
def test_the_bytes_of_response_headers(name: str, version: int, size: int) -> None:
    response = BY_NAME[name].response()()
    frame = body(frames.encode_response(response, version, 77))
    assert frame == b"\0\0\0\x4d\0"[:size] + encode(response, version)


def test_null_and_empty_client_ids_differ() -> None:
    for client_id in (None, ""):
        frame = body(frames.encode_request(MetadataRequest(), 9, 1, client_id))
        assert frames.decode_request_header(frame)[3] == client_id
        assert frames.decode_request(frame).client_id == client_id


def test_tagged_fields_of_headers_are_kept() -> None:
    tags = {0: b"", 300: b"abc"}
    frame = body(frames.encode_request(HeartbeatRequest(), 4, 1, "c", header_tags=tags))
    assert frames.decode_request(frame).header_tags == tags
    position = frames.decode_request_header(frame)[4]
    assert decode(HeartbeatRequest, 4, frame[position:]) == HeartbeatRequest()
    frame = body(frames.encode_response(HeartbeatResponse(), 4, 1, header_tags=tags))
    assert frames.decode_response(frame, BY_NAME["Heartbeat"], 4).header_tags == tags


@pytest.mark.parametrize(
    ("frame", "path"),
    [
        (b"", ""),
        (b"\0\x03\0\x09\0\0\0", ""),
        (b"\0\x03\0\x09\0\0\0\x01", "client_id"),
        (b"\0\x03\0\x09\0\0\0\x01\0", "client_id"),
        (b"\0\x03\0\x09\0\0\0\x01\0\x05abcd", "client_id"),
        (b"\0\x03\0\x09\0\0\0\x01\x7f\xffabcd", "client_id"),
        (b"\0\x03\0\x09\0\0\0\x01\0\x01a", ""),  # no tag section
        (b"\0\x03\0\x09\0\0\0\x01\0\x01a\x01\x05\x09a", ""),  # a tag longer than the frame
        (b"\0\x03\0\x09\0\0\0\x01\0\x01a\xff\xff\xff\xff\x0f", ""),
        (b"\0\x03\0\x09\0\0\0\x01\0\x01a\xff\xff\xff\xff\xff\x0f", ""),
        (b"\x7f\xff\0\0\0\0\0\x01\xff\xff", "request_api_key"),
        (b"\xff\xff\0\0\0\0\0\x01\xff\xff", "request_api_key"),
    ],
)
def test_headers_that_cannot_be_read(frame: bytes, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        frames.decode_request_header(frame)
    assert (caught.value.message, caught.value.path) == ("RequestHeader", path)
    assert 0 <= caught.value.position <= len(frame)


@settings(max_examples=300, deadline=None, database=None)
@given(data=st.binary(max_size=40), key=st.sampled_from([api.key for api in APIS]), version=st.integers(-2, 20))
def test_the_header_by_hand_reads_what_the_declared_one_reads(data: bytes, key: int, version: int) -> None:
    frame = struct.pack(">hh", key, version) + data
    header_version = frames.BY_KEY[key].request_header_version(version)
    try:
        by_hand = frames.decode_request_header(frame)
    except DecodeError:
        by_hand = None
    try:
        header, end = frames.decode_from(RequestHeader, header_version, frame)
        client_id = header.client_id if header_version else None
        declared = (header.request_api_key, header.request_api_version, header.correlation_id, client_id, end)
    except DecodeError:
        declared = None
    assert by_hand == declared


def test_a_version_that_kafka_never_had() -> None:
    frame = struct.pack(">hhih", 3, 99, 1, -1) + b"\0"
    assert frames.decode_request_header(frame) == (3, 99, 1, None, 11)
    with pytest.raises(DecodeError, match="MetadataRequest v99"):
        frames.decode_request(frame)


def test_bytes_behind_a_request() -> None:
    with pytest.raises(DecodeError, match="1 bytes behind the message"):
        frames.decode_request(body(frames.encode_request(HeartbeatRequest(), 4, 1)) + b"x")


# --- ApiVersions ---------------------------------------------------------------------------------------------------


def test_the_answer_to_an_unknown_version_of_api_versions_is_version_0() -> None:
    answer = ApiVersionsResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[ApiVersion(api_key=18, min_version=0, max_version=3)]
    )
    client = frames.ClientStream("c")
    client.request(ApiVersionsRequest(client_software_name="n", client_software_version="1"), 4)
    (response,) = client.feed(frames.encode_response(answer, 0, 0))
    assert response.version == 0
    assert response.message == answer


def test_an_error_35_in_the_version_that_was_asked_for() -> None:
    answer = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    client = frames.ClientStream("c")
    client.request(ApiVersionsRequest(), 4)
    (response,) = client.feed(frames.encode_response(answer, 4, 0))
    assert (response.version, response.message) == (4, answer)


# --- streams -------------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None, database=None)
@given(
    bodies=st.lists(st.binary(max_size=50), max_size=8),
    cuts=st.lists(st.integers(1, 20), min_size=1, max_size=8),
)
def test_frames_come_out_however_the_stream_is_cut(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(struct.pack(">i", len(data)) + data for data in bodies)
    reader = frames.FrameReader()
    found: list[bytes] = []
    at = turn = 0
    while at < len(stream):
        size = cuts[turn % len(cuts)]
        found += reader.feed(stream[at : at + size])
        at += size
        turn += 1
    assert found == bodies
    assert reader.buffered_bytes == 0


def test_an_unfinished_frame_is_seen() -> None:
    reader = frames.FrameReader()
    assert list(reader.feed(b"\0\0\0\x05abc")) == []
    assert reader.buffered_bytes == 7


@pytest.mark.parametrize("size", [-1, -(2**31), 1001, 2**31 - 1])
def test_sizes_out_of_bounds(size: int) -> None:
    reader = frames.FrameReader(max_bytes=1000)
    found = []
    with pytest.raises(frames.FrameError, match=f"a frame of {size} bytes, where 1000 are allowed"):
        found.extend(reader.feed(b"\0\0\0\x01x" + struct.pack(">i", size)))
    assert list(frames.FrameReader(max_bytes=1000).feed(struct.pack(">i", 1000) + bytes(1000))) == [bytes(1000)]


def test_both_sides_of_a_connection() -> None:
    client, server = frames.ClientStream("me"), frames.ServerStream()
    produce = ProduceRequest(acks=1, timeout_ms=5)
    stream = client.request(MetadataRequest(topics=None), 12) + client.request(produce, 9)
    requests = list(server.feed(stream))
    assert [(request.api.name, request.correlation_id, request.client_id) for request in requests] == [
        ("Metadata", 0, "me"),
        ("Produce", 1, "me"),
    ]
    assert client.in_flight == 2
    answers = server.respond(requests[0], MetadataResponse(cluster_id="x")) + server.respond(
        requests[1], ProduceResponse(throttle_time_ms=3)
    )
    first, second = client.feed(answers)
    assert first.message == MetadataResponse(cluster_id="x")
    assert (second.api.name, second.message) == ("Produce", ProduceResponse(throttle_time_ms=3))
    assert client.in_flight == 0


def test_a_produce_request_without_acks_is_never_answered() -> None:
    client = frames.ClientStream()
    client.request(ProduceRequest(acks=0), 9)
    client.request(HeartbeatRequest(), 4)
    (response,) = client.feed(frames.encode_response(HeartbeatResponse(), 4, 1))
    assert response.api.name == "Heartbeat"


def test_responses_that_answer_nothing() -> None:
    client = frames.ClientStream()
    with pytest.raises(frames.FrameError, match="no request waits"):
        list(client.feed(frames.encode_response(HeartbeatResponse(), 4, 0)))
    client.request(HeartbeatRequest(), 4)
    with pytest.raises(frames.FrameError, match="correlation id 7, where 0 is next"):
        list(client.feed(frames.encode_response(HeartbeatResponse(), 4, 7)))


def test_only_requests_are_requested() -> None:
    with pytest.raises(frames.FrameError, match="HeartbeatResponse is not a request"):
        frames.encode_request(HeartbeatResponse(), 4, 0)
    with pytest.raises(frames.FrameError, match="HeartbeatRequest is not a response"):
        frames.encode_response(HeartbeatRequest(), 4, 0)


def test_controlled_shutdown_v0_has_no_client_id() -> None:
    frame = body(frames.encode_request(ControlledShutdownRequest(broker_id=5), 0, 9, "ignored"))
    found = frames.decode_request(frame)
    assert (found.client_id, found.message) == (None, ControlledShutdownRequest(broker_id=5))
