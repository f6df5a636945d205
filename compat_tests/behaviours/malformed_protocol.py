"""Malformed frames, headers, versions and bodies."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from klamm.wire.apis import APIS, BY_NAME
from klamm.wire.codec import encode
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker.outcomes import Case
from tests.broker.raw_client import (
    framed,
    header_bytes,
    request_bytes,
)

from .build import BATCH, MAX_INT32, TOPIC, case_of, case_of_body, produce_request

#: Every API that Kafka 4.3.1 answers on a broker's listener.
SERVED = tuple(api.name for api in APIS if "broker" in api.listeners)


def frames() -> Iterator[Case]:
    whole = request_bytes(MetadataRequest(topics=[]), 12)
    yield Case("frame: length 0", struct.pack(">i", 0))
    yield Case("frame: length -1", struct.pack(">i", -1))
    yield Case("frame: length -2147483648", struct.pack(">i", -(2**31)))
    yield Case("frame: length 2147483647", struct.pack(">i", MAX_INT32))
    yield Case("frame: length one more than socket.request.max.bytes", struct.pack(">i", 104_857_601))
    yield Case("frame: HTTP request", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    yield Case("frame: TLS client hello", bytes.fromhex("16030100c8010000c40303") + bytes(range(200)))
    yield Case("frame: 64 bytes 0xff", b"\xff" * 64)
    yield Case("frame: garbage of its announced length", framed(bytes(range(100, 180))))
    yield Case("frame: no bytes", b"", half=True)
    yield Case("frame: half a length", whole[:2], half=True)
    yield Case("frame: only a length", whole[:4], half=True)
    yield Case("frame: one byte short", whole[:-1], half=True)
    yield Case("frame: 100 bytes of an announced 100 MiB", struct.pack(">i", 104_857_600) + bytes(100), half=True)


def headers() -> Iterator[Case]:
    metadata = BY_NAME["Metadata"]
    head = header_bytes(metadata, 12, 1)
    body = encode(MetadataRequest(topics=[]), 12)
    for size in (1, 2, 3, 4, 6, 8, 9, 11, 12):
        yield Case(f"header: cut after {size} bytes", framed(head[:size]))
    start = head[:8]
    yield Case("header: client id of length -2", framed(start + struct.pack(">h", -2) + b"\0" + body))
    yield Case("header: client id of length -32768", framed(start + struct.pack(">h", -32768) + b"\0" + body))
    yield Case("header: client id beyond the frame", framed(start + struct.pack(">h", 1000) + b"raw\0" + body))
    for name, version in (("ApiVersions", 0), ("ApiVersions", 2), ("ListGroups", 0)):
        short = struct.pack(">hhih", BY_NAME[name].key, version, 1, 3)
        yield Case(f"header: client id beyond the frame of {name} v{version}, which has no body", framed(short + b"r"))
    yield Case("header: client id null", framed(start + struct.pack(">h", -1) + b"\0" + body))
    yield Case("header: client id not UTF-8", framed(start + struct.pack(">h", 3) + b"\xff\xfe\x80\0" + body))
    yield Case("header: client id with a zero byte", framed(start + struct.pack(">h", 3) + b"a\0b\0" + body))
    tags = {
        "unknown tag": b"\1\x05\3abc",
        "tag beyond the frame": b"\1\x05\x7fabc",
        "two tags out of order": b"\2\x06\1a\x05\1b",
        "same tag twice": b"\2\x05\1a\x05\1b",
        "count of tags 2^32-1": b"\xff\xff\xff\xff\x0f",
        "count of tags in an overlong varint": b"\x80\x80\x80\x80\x80\x80\0",
        "tag of length 2^31": b"\1\5\x80\x80\x80\x80\x08",
    }
    for name, section in tags.items():
        yield Case(f"header: {name}", framed(head[:-1] + section + body))


def versions() -> Iterator[Case]:
    for key in (-32768, -1, 4, 52, 58, 93, 32767):
        yield Case(f"API key {key}", framed(struct.pack(">hhih", key, 0, 1, -1) + b"\0"))
    for name in SERVED:
        api = BY_NAME[name]
        if name != "ApiVersions":
            for version in (api.versions.stop, 32767):
                yield Case(f"{name} v{version}: above its versions", framed(header_bytes(api, version, 1) + b"\0" * 40))
        for version in sorted({api.versions.start - 1, -1}):
            yield Case(f"{name} v{version}: below its versions", framed(header_bytes(api, version, 1) + b"\0" * 40))
    for version in (0, 1):
        body = encode(produce_request(BATCH, transactional_id=None), version)
        yield case_of_body("a valid request of a version that is advertised", "Produce", version, body)


def api_versions() -> Iterator[Case]:
    known = {"client_software_name": "raw", "client_software_version": "1.0"}
    for version in (5, 99, 32767):
        yield case_of_body("above its versions", "ApiVersions", version, encode(ApiVersionsRequest(**known), 4))
    yield case_of_body("above its versions, no body", "ApiVersions", 6, b"")
    yield case_of("no client software in the version that has none", ApiVersionsRequest(), 2)
    for what in known:
        for label, text in {
            "empty": "",
            "leading hyphen": "-raw",
            "trailing dot": "raw.",
            "space": "r w",
            "underscore": "r_w",
            "letters beyond ASCII": "räw",
            "line feed": "raw\n",
        }.items():
            yield case_of(f"{what} {label}", ApiVersionsRequest(**{**known, what: text}), 3 if label == "empty" else 4)
    yield case_of("client software of one letter", ApiVersionsRequest(**{**known, "client_software_name": "r"}), 4)
    long_name = {**known, "client_software_name": "r" * 3000}
    yield case_of("client software of 3000 letters", ApiVersionsRequest(**long_name), 4)
    yield case_of_body("null client software name", "ApiVersions", 3, b"\0\x021\0")


def bodies() -> Iterator[Case]:
    metadata = encode(MetadataRequest(topics=[MetadataRequestTopic(name=TOPIC)]), 12)
    for size in (0, 1, 10, len(metadata) - 1):
        yield case_of_body(f"body cut after {size} bytes", "Metadata", 12, metadata[:size])
    produce = encode(produce_request(BATCH), 9)
    for size in (0, 3, 7, 8, 12, 20, 40, len(produce) - 1):
        yield case_of_body(f"body cut after {size} bytes", "Produce", 9, produce[:size])
    produce = encode(produce_request(BATCH), 8)
    for size in (2, 8, 12, 16, 40, len(produce) - 1):
        yield case_of_body(f"body cut after {size} bytes", "Produce", 8, produce[:size])
    yield case_of_body("one byte behind the body", "Metadata", 12, metadata + b"\0")
    yield case_of_body("100 bytes behind the body", "Metadata", 8, encode(MetadataRequest(topics=[]), 8) + bytes(100))
    for label, count in {"2^31-1": MAX_INT32, "-2": -2, "1000000": 1_000_000}.items():
        yield case_of_body(f"{label} topics announced", "Metadata", 8, struct.pack(">i", count) + b"\0\0\1a\0\0\0")
        yield case_of_body(f"{label} topics announced", "ListOffsets", 1, struct.pack(">ii", -1, count))
    yield case_of_body("null topics, which v0 has not", "Metadata", 0, struct.pack(">i", -1))
    flexible = {
        "2^32-2": b"\xff\xff\xff\xff\x0f",
        "2^31-1": b"\x80\x80\x80\x80\x08",
        "2^28": b"\x81\x80\x80\x80\x01",
    }
    for label, count in flexible.items():
        yield case_of_body(f"{label} topics announced", "Metadata", 12, count + b"\0" * 16 + b"\x02a\0" + b"\0\0\0")
    yield case_of_body("count in an overlong varint", "Metadata", 12, b"\x81\x80\x80\x80\x80\0" + b"\0\0\0\0")
    yield case_of_body("count in a varint of five bytes", "Metadata", 12, b"\x81\x80\x80\x80\0" + b"\0\0\0\0")
    yield case_of_body("topic name not UTF-8", "Metadata", 12, b"\2" + bytes(16) + b"\4\xff\xfe\x80\0" + b"\0\0\0")
    yield case_of_body("topic name not UTF-8", "Metadata", 8, struct.pack(">ih", 1, 3) + b"\xff\xfe\x80" + b"\0\0\0")
    yield case_of_body("null topic name, which v8 has not", "Metadata", 8, struct.pack(">ih", 1, -1) + b"\0\0\0")
    yield case_of_body("topic name of length -2", "Metadata", 8, struct.pack(">ih", 1, -2) + b"\0\0\0")
    yield case_of_body("topic name beyond the body", "Metadata", 8, struct.pack(">ih", 1, 32767) + b"abc")
    yield case_of_body("null group id", "Heartbeat", 4, b"\0\0\0\0\1\2a\0\0")
    yield case_of_body("null topics", "Produce", 9, b"\0" + struct.pack(">hi", 1, 1000) + b"\0\0")
    yield case_of_body("null partitions", "Produce", 9, b"\0" + struct.pack(">hi", 1, 1000) + b"\2\2a\0\0\0")
    yield case_of_body("boolean of 2", "Metadata", 12, b"\1\2\2\0")
    yield case_of_body("unknown tag behind the body", "Metadata", 12, b"\1\1\0\1\x2a\3abc")
    yield case_of_body("tag beyond the body", "Metadata", 12, b"\1\1\0\1\x2a\x20abc")
