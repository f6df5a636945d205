"""The malformed requests: what they are called and which bytes they have.

Each is one thing wrong with an otherwise valid request, so that its outcome tells about that thing. What a real Kafka
makes of them stands in tests/data/malformed_requests.jsonl, written by record.py. They speak of the topics that
`prepare` makes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from klamm.wire.apis import APIS, BY_NAME
from klamm.wire.codec import encode
from klamm.wire.declare import Message
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from klamm.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from klamm.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from klamm.wire.messages.list_groups import ListGroupsRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.messages.sync_group import SyncGroupRequest
from klamm.wire.records import Record, batch_checksum, encode_batch
from tests.broker.outcomes import Case
from tests.broker.raw_client import (
    api_of,
    ask,
    framed,
    header_bytes,
    request_bytes,
    wait_for_coordinators,
    wait_for_leaders,
)

#: No request of the table leaves a record in it.
TOPIC = "malformed"
#: For what Kafka takes although it looks wrong.
TAKEN = "malformed-taken"
#: For batches whose contents alone are wrong: klamm does not look at those.
UNREAD = "malformed-unread"
#: A name that others collide with.
DOTTED = "malformed.dotted"

#: Every API that Kafka 4.3.1 answers on a broker's listener.
SERVED = tuple(api.name for api in APIS if "broker" in api.listeners)

MAX_INT32 = 2**31 - 1
UNKNOWN_ID = bytes(range(16))
RECORDS = (Record(b"k", b"v" * 20, (), 1_700_000_000_000), Record(None, b"w" * 20, (), 1_700_000_000_001))
BATCH = encode_batch(RECORDS)


def prepare(address: str) -> None:
    """Makes the topics that the table speaks of, where they are not there yet, and waits until all of it is ready."""
    topics = [
        CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in (TOPIC, TAKEN, UNREAD, DOTTED)
    ]
    for answer in ask(address, CreateTopicsRequest(topics=topics, timeout_ms=10_000), 7).topics:
        assert answer.error_code in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS), answer
    for topic in (TOPIC, TAKEN, UNREAD):
        wait_for_leaders(address, topic)
    wait_for_coordinators(address)


def cases() -> list[Case]:
    """All of them, in the order of the file. Names are distinct."""
    found = [
        *_frames(),
        *_headers(),
        *_versions(),
        *_api_versions(),
        *_bodies(),
        *_produce(),
        *_batches(),
        *_fetch(),
        *_list_offsets(),
        *_metadata(),
        *_groups(),
        *_offsets(),
        *_topics(),
        *_others(),
    ]
    names = [case.name for case in found]
    assert len(set(names)) == len(names), "two cases have one name"
    return found


def _request(name: str, message: Message, version: int) -> Case:
    return Case(f"{api_of(message).name} v{version}: {name}", request_bytes(message, version))


def _body(name: str, api_name: str, version: int, body: bytes) -> Case:
    api = BY_NAME[api_name]
    return Case(f"{api_name} v{version}: {name}", framed(header_bytes(api, version, 1) + body))


# --- below the messages -------------------------------------------------------------------------------------------


def _frames() -> Iterator[Case]:
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


def _headers() -> Iterator[Case]:
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


def _versions() -> Iterator[Case]:
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
        body = encode(_produce_request(BATCH, transactional_id=None), version)
        yield _body("a valid request of a version that is advertised", "Produce", version, body)


def _api_versions() -> Iterator[Case]:
    known = {"client_software_name": "raw", "client_software_version": "1.0"}
    for version in (5, 99, 32767):
        yield _body("above its versions", "ApiVersions", version, encode(ApiVersionsRequest(**known), 4))
    yield _body("above its versions, no body", "ApiVersions", 6, b"")
    yield _request("no client software in the version that has none", ApiVersionsRequest(), 2)
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
            yield _request(f"{what} {label}", ApiVersionsRequest(**{**known, what: text}), 3 if label == "empty" else 4)
    yield _request("client software of one letter", ApiVersionsRequest(**{**known, "client_software_name": "r"}), 4)
    long_name = {**known, "client_software_name": "r" * 3000}
    yield _request("client software of 3000 letters", ApiVersionsRequest(**long_name), 4)
    yield _body("null client software name", "ApiVersions", 3, b"\0\x021\0")


def _bodies() -> Iterator[Case]:
    metadata = encode(MetadataRequest(topics=[MetadataRequestTopic(name=TOPIC)]), 12)
    for size in (0, 1, 10, len(metadata) - 1):
        yield _body(f"body cut after {size} bytes", "Metadata", 12, metadata[:size])
    produce = encode(_produce_request(BATCH), 9)
    for size in (0, 3, 7, 8, 12, 20, 40, len(produce) - 1):
        yield _body(f"body cut after {size} bytes", "Produce", 9, produce[:size])
    produce = encode(_produce_request(BATCH), 8)
    for size in (2, 8, 12, 16, 40, len(produce) - 1):
        yield _body(f"body cut after {size} bytes", "Produce", 8, produce[:size])
    yield _body("one byte behind the body", "Metadata", 12, metadata + b"\0")
    yield _body("100 bytes behind the body", "Metadata", 8, encode(MetadataRequest(topics=[]), 8) + bytes(100))
    for label, count in {"2^31-1": MAX_INT32, "-2": -2, "1000000": 1_000_000}.items():
        yield _body(f"{label} topics announced", "Metadata", 8, struct.pack(">i", count) + b"\0\0\1a\0\0\0")
        yield _body(f"{label} topics announced", "ListOffsets", 1, struct.pack(">ii", -1, count))
    yield _body("null topics, which v0 has not", "Metadata", 0, struct.pack(">i", -1))
    flexible = {
        "2^32-2": b"\xff\xff\xff\xff\x0f",
        "2^31-1": b"\x80\x80\x80\x80\x08",
        "2^28": b"\x81\x80\x80\x80\x01",
    }
    for label, count in flexible.items():
        yield _body(f"{label} topics announced", "Metadata", 12, count + b"\0" * 16 + b"\x02a\0" + b"\0\0\0")
    yield _body("count in an overlong varint", "Metadata", 12, b"\x81\x80\x80\x80\x80\0" + b"\0\0\0\0")
    yield _body("count in a varint of five bytes", "Metadata", 12, b"\x81\x80\x80\x80\0" + b"\0\0\0\0")
    yield _body("topic name not UTF-8", "Metadata", 12, b"\2" + bytes(16) + b"\4\xff\xfe\x80\0" + b"\0\0\0")
    yield _body("topic name not UTF-8", "Metadata", 8, struct.pack(">ih", 1, 3) + b"\xff\xfe\x80" + b"\0\0\0")
    yield _body("null topic name, which v8 has not", "Metadata", 8, struct.pack(">ih", 1, -1) + b"\0\0\0")
    yield _body("topic name of length -2", "Metadata", 8, struct.pack(">ih", 1, -2) + b"\0\0\0")
    yield _body("topic name beyond the body", "Metadata", 8, struct.pack(">ih", 1, 32767) + b"abc")
    yield _body("null group id", "Heartbeat", 4, b"\0\0\0\0\1\2a\0\0")
    yield _body("null topics", "Produce", 9, b"\0" + struct.pack(">hi", 1, 1000) + b"\0\0")
    yield _body("null partitions", "Produce", 9, b"\0" + struct.pack(">hi", 1, 1000) + b"\2\2a\0\0\0")
    yield _body("boolean of 2", "Metadata", 12, b"\1\2\2\0")
    yield _body("unknown tag behind the body", "Metadata", 12, b"\1\1\0\1\x2a\3abc")
    yield _body("tag beyond the body", "Metadata", 12, b"\1\1\0\1\x2a\x20abc")


# --- Produce ------------------------------------------------------------------------------------------------------


def _produce_request(
    records: bytes | None, topic: str = TOPIC, index: int = 0, acks: int = 1, **more: Any
) -> ProduceRequest:
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=index, records=records)])
    return ProduceRequest(acks=acks, timeout_ms=5000, topic_data=[data], **more)


def _produce() -> Iterator[Case]:
    for acks in (2, -2, 32767):
        yield _request(f"acks {acks}", _produce_request(BATCH, acks=acks), 9)
    yield _request("acks 2 on an unknown topic", _produce_request(BATCH, "malformed-unknown", acks=2), 9)
    for acks in (1, -1):
        yield _request(f"unknown topic, acks {acks}", _produce_request(BATCH, "malformed-unknown", acks=acks), 9)
    yield _request("unknown topic, acks 0", _produce_request(BATCH, "malformed-unknown", acks=0), 9)
    yield _request("unknown partition, acks 0", _produce_request(BATCH, index=7, acks=0), 3)
    yield _request("wrong CRC, acks 0", _produce_request(_crc_broken(), acks=0), 9)
    for index in (9, -1, MAX_INT32):
        yield _request(f"partition {index}", _produce_request(BATCH, index=index), 9)
    for version in (3, 12):
        yield _request("topic name with a slash", _produce_request(BATCH, "a/b"), version)
        yield _request("empty topic name", _produce_request(BATCH, ""), version)
    data = [PartitionProduceData(index=0, records=BATCH)]
    by_id = ProduceRequest(
        acks=1, timeout_ms=5000, topic_data=[TopicProduceData(topic_id=UNKNOWN_ID, partition_data=data)]
    )
    yield _request("unknown topic id", by_id, 13)
    by_id = ProduceRequest(
        acks=1, timeout_ms=5000, topic_data=[TopicProduceData(topic_id=bytes(16), partition_data=data)]
    )
    yield _request("topic id zero", by_id, 13)
    yield _request("no topics", ProduceRequest(acks=1, timeout_ms=5000), 9)
    yield _request(
        "topic without partitions",
        ProduceRequest(acks=1, timeout_ms=5000, topic_data=[TopicProduceData(name=TOPIC)]),
        9,
    )
    yield _request("internal topic", _produce_request(BATCH, "__consumer_offsets"), 9)
    yield _request(
        "timeout -1",
        ProduceRequest(acks=1, timeout_ms=-1, topic_data=[TopicProduceData(name=TAKEN, partition_data=data)]),
        9,
    )
    twice = TopicProduceData(name=TOPIC, partition_data=[PartitionProduceData(index=0, records=_crc_broken())] * 2)
    yield _request("partition twice, wrong CRC", ProduceRequest(acks=1, timeout_ms=5000, topic_data=[twice]), 9)
    mixed = [
        PartitionProduceData(index=0, records=_crc_broken()),
        PartitionProduceData(index=9, records=BATCH),
    ]
    both = ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[TopicProduceData(name=TOPIC, partition_data=mixed)])
    yield _request("wrong CRC and unknown partition", both, 11)


def _with(batch: bytes, position: int, layout: str, value: int, checked: bool = True) -> bytes:
    """The batch with one field overwritten; checked: under a checksum that is right again."""
    changed = bytearray(batch)
    struct.pack_into(layout, changed, position, value)
    if checked:
        struct.pack_into(">I", changed, 17, batch_checksum(changed))
    return bytes(changed)


def _resized(batch: bytes, count: int) -> bytes:
    """The batch with a header that speaks of `count` records."""
    return _with(_with(batch, 57, ">i", count), 23, ">i", count - 1)


def _crc_broken() -> bytes:
    return _with(BATCH, 17, ">I", 0x0BADF00D, checked=False)


def _batches() -> Iterator[Case]:
    """One batch and what is wrong with it; v8 and later list the records that are at fault."""
    size = len(BATCH) - 12
    garbled = struct.pack(">qiibI", 0, 60, -1, 2, 0) + b"\x7f" * 51
    broken = {
        "wrong CRC": _crc_broken(),
        "magic 0": _with(BATCH, 16, ">b", 0, checked=False),
        "magic 1": _with(BATCH, 16, ">b", 1, checked=False),
        "magic 3": _with(BATCH, 16, ">b", 3, checked=False),
        "magic -1": _with(BATCH, 16, ">b", -1, checked=False),
        "cut to 11 bytes": BATCH[:11],
        "cut to 16 bytes": BATCH[:16],
        "cut to 17 bytes": BATCH[:17],
        "cut to 40 bytes": BATCH[:40],
        "cut to 61 bytes": BATCH[:61],
        "cut by 1 byte": BATCH[:-1],
        "length 1 too short": _with(BATCH, 8, ">i", size - 1, checked=False),
        "length 1 too long": _with(BATCH, 8, ">i", size + 1, checked=False),
        "length of the header alone": _with(BATCH, 8, ">i", 49, checked=False),
        "length 48": _with(BATCH, 8, ">i", 48, checked=False),
        "length 14": _with(BATCH, 8, ">i", 14, checked=False),
        "length 13": _with(BATCH, 8, ">i", 13, checked=False),
        "length 0": _with(BATCH, 8, ">i", 0, checked=False),
        "length -1": _with(BATCH, 8, ">i", -1, checked=False),
        "length 2^31-1": _with(BATCH, 8, ">i", MAX_INT32, checked=False),
        "count 1 of 2": _with(BATCH, 57, ">i", 1),
        "count 3 of 2": _with(BATCH, 57, ">i", 3),
        "count 0": _with(BATCH, 57, ">i", 0),
        "count -1": _with(BATCH, 57, ">i", -1),
        "count 2^31-1": _with(BATCH, 57, ">i", MAX_INT32),
        "lastOffsetDelta 0 of 2 records": _with(BATCH, 23, ">i", 0),
        "lastOffsetDelta 2 of 2 records": _with(BATCH, 23, ">i", 2),
        "lastOffsetDelta -1": _with(BATCH, 23, ">i", -1),
        "no records in the batch": encode_batch([]),
        "two batches": BATCH + BATCH,
        "two batches, the second with a wrong CRC": BATCH + _crc_broken(),
        "a batch and a magic-1 header": BATCH + _with(BATCH, 16, ">b", 1, checked=False),
        "baseOffset 5": _with(BATCH, 0, ">q", 5, checked=False),
        "baseOffset -1": _with(BATCH, 0, ">q", -1, checked=False),
        "control batch": encode_batch([Record(b"\0\0\0\1", b"\0\0\0\0\0\0")], control=True),
        "control and transactional batch": encode_batch(
            [Record(b"\0\0\0\1", b"\0\0\0\0\0\0")],
            control=True,
            transactional=True,
            producer_id=5,
            producer_epoch=0,
        ),
        "transactional batch without a transactional id": encode_batch(
            RECORDS, transactional=True, producer_id=5, producer_epoch=0, base_sequence=0
        ),
        "producer id with sequence -1": encode_batch(RECORDS, producer_id=5, producer_epoch=0),
        "codec 5": _with(BATCH, 21, ">h", 5),
        "codec 7": _with(BATCH, 21, ">h", 7),
        "header garbage": garbled,
        "wrong CRC and a control batch": _with(
            encode_batch([Record(b"\0\0\0\1", b"\0\0\0\0\0\0")], control=True), 17, ">I", 1, checked=False
        ),
        "wrong CRC and baseOffset 5": _with(_crc_broken(), 0, ">q", 5, checked=False),
        "wrong CRC and count 1 of 2": _with(_with(BATCH, 57, ">i", 1), 17, ">I", 1, checked=False),
    }
    for name, batch in broken.items():
        yield _request(name, _produce_request(batch), 9)
        yield _request(name, _produce_request(batch), 3)
    yield from _twofold(broken)
    yield _request("no batch", _produce_request(b""), 9)
    yield _request("no batch", _produce_request(b""), 3)
    yield _request("no batch, acks 0", _produce_request(b"", acks=0), 9)
    yield _request("null records", _produce_request(None), 9)
    yield _request("zstd below v7", _produce_request(encode_batch(RECORDS, codec=4)), 6)
    garbage = _with(BATCH[:61] + b"\xff" * 60, 8, ">i", 109)
    unread = {
        "garbage for records": garbage,
        "three records in a header of two": _resized(encode_batch((*RECORDS, RECORDS[1])), 2),
        "two records in a header of three": _resized(BATCH, 3),
        "two records in a header of 2^31-1": _resized(BATCH, MAX_INT32),
        "a record with a negative offset delta": _with(BATCH, 64, ">b", 1),
        "maxTimestamp of another record": _with(BATCH, 35, ">q", 5),
    }
    for codec, name in {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}.items():
        unread[f"{name} flag over plain records"] = _with(BATCH, 21, ">h", codec)
        unread[f"{name} cut"] = _with(
            encode_batch(RECORDS, codec=codec)[:-6], 8, ">i", len(encode_batch(RECORDS, codec=codec)) - 18
        )
    for name, batch in unread.items():
        yield _request(name, _produce_request(batch, UNREAD), 9)
    taken = {
        "stray bytes behind a batch": BATCH + b"stray",
        "stray 16 bytes behind a batch": BATCH + bytes(8) + struct.pack(">i", 1000) + bytes(4),
        "partition leader epoch 77": _with(BATCH, 12, ">i", 77, checked=False),
        "log append time flag": _with(BATCH, 21, ">h", 8),
        "attribute bits beyond those in use": _with(BATCH, 21, ">h", 0x100),
        "delete horizon flag": _with(BATCH, 21, ">h", 0x40),
        "producer id with epoch -1": encode_batch(RECORDS, producer_id=5, producer_epoch=-1, base_sequence=0),
        "timestamps -1": encode_batch([Record(b"k", b"v")]),
        "timestamp 0": encode_batch([Record(b"k", b"v", (), 0)]),
    }
    for name, batch in taken.items():
        yield _request(name, _produce_request(batch, TAKEN), 9)
    yield _request(
        "timestamp in the year 2200", _produce_request(encode_batch([Record(b"k", b"v", (), 7_258_118_400_000)])), 9
    )


def _twofold(broken: dict[str, bytes]) -> Iterator[Case]:
    """Two things wrong at once: which of them Kafka sees first."""
    transactional = broken["transactional batch without a transactional id"]
    framing = {
        "magic 3": broken["magic 3"],
        "length 13": broken["length 13"],
        "length 0": broken["length 0"],
        "wrong CRC": broken["wrong CRC"],
        "magic 1": broken["magic 1"],
        "transactional": transactional,
    }
    for name, batch in framing.items():
        yield _request(f"{name} for an unknown topic", _produce_request(batch, "malformed-unknown"), 9)
        yield _request(f"{name} for an unknown partition", _produce_request(batch, index=9), 9)
        yield _request(f"{name} and acks 2", _produce_request(batch, acks=2), 9)
        beside = [PartitionProduceData(index=9, records=BATCH), PartitionProduceData(index=0, records=batch)]
        both = ProduceRequest(acks=1, timeout_ms=5000, topic_data=[TopicProduceData(name=TOPIC, partition_data=beside)])
        yield _request(f"{name} beside an unknown partition", both, 9)
    yield _request("magic 3 and transactional", _produce_request(_with(transactional, 16, ">b", 3, checked=False)), 9)
    yield _request("wrong CRC and transactional", _produce_request(_with(transactional, 17, ">I", 1, checked=False)), 9)


# --- Fetch and ListOffsets ----------------------------------------------------------------------------------------


def _fetch_request(topic: str = TOPIC, partition: int = 0, offset: int = 0, **more: Any) -> FetchRequest:
    asked = FetchPartition(
        partition=partition,
        fetch_offset=offset,
        partition_max_bytes=more.pop("partition_max_bytes", 1_000_000),
        current_leader_epoch=more.pop("current_leader_epoch", -1),
        last_fetched_epoch=more.pop("last_fetched_epoch", -1),
    )
    fields = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1_000_000, "session_epoch": -1, **more}
    return FetchRequest(topics=[FetchTopic(topic=topic, partitions=[asked])], **fields)


def _fetch() -> Iterator[Case]:
    by_id = _fetch_request()
    by_id.topics[0].topic_id = UNKNOWN_ID
    wrong = {
        "unknown topic": _fetch_request("malformed-unknown"),
        "empty topic name": _fetch_request(""),
        "partition 5": _fetch_request(partition=5),
        "partition -1": _fetch_request(partition=-1),
        "offset 99": _fetch_request(offset=99),
        "offset -1": _fetch_request(offset=-1),
        "offset -2": _fetch_request(offset=-2),
        "session id that is not there": _fetch_request(session_id=12345, session_epoch=1),
        "session id that is not there, epoch 0": _fetch_request(session_id=12345, session_epoch=0),
        "session id that is not there, epoch -1": _fetch_request(session_id=12345, session_epoch=-1),
        "session id 0, epoch 5": _fetch_request(session_id=0, session_epoch=5),
        "session id -5": _fetch_request(session_id=-5, session_epoch=1),
        "session epoch -2": _fetch_request(session_epoch=-2),
        "max bytes -1": _fetch_request(max_bytes=-1),
        "max bytes 0": _fetch_request(max_bytes=0),
        "partition max bytes -1": _fetch_request(partition_max_bytes=-1),
        "min bytes -1": _fetch_request(min_bytes=-1),
        "max wait -1": _fetch_request(min_bytes=1, max_wait_ms=-1),
        "leader epoch 50": _fetch_request(current_leader_epoch=50),
        "leader epoch -2": _fetch_request(current_leader_epoch=-2),
        "last fetched epoch 50": _fetch_request(last_fetched_epoch=50),
        "isolation level 2": _fetch_request(isolation_level=2),
        "isolation level -1": _fetch_request(isolation_level=-1),
        "forgotten topic in a new session": _fetch_request(
            forgotten_topics_data=[ForgottenTopic(topic=TOPIC, partitions=[0])]
        ),
        "another cluster's id": _fetch_request(cluster_id="another"),
        "no topics": FetchRequest(max_wait_ms=0, min_bytes=0, session_epoch=-1),
    }
    for name, request in wrong.items():
        yield _request(name, request, 12)
    yield _request("unknown topic", wrong["unknown topic"], 4)
    yield _request("unknown topic id", by_id, 13)
    yield _request("unknown topic id", by_id, 18)
    zero = _fetch_request()
    yield _request("topic id zero", zero, 17)
    follower = _fetch_request(replica_id=42)
    yield _request("from a replica that is none", follower, 12)
    twice = _fetch_request()
    twice.topics[0].partitions *= 2
    yield _request("partition twice", twice, 12)


def _list_offsets_request(timestamp: int, topic: str = TOPIC, partition: int = 0, **more: Any) -> ListOffsetsRequest:
    fields = {name: more.pop(name) for name in ("current_leader_epoch",) if name in more}
    asked = ListOffsetsPartition(partition_index=partition, timestamp=timestamp, **fields)
    return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])], **more)


def _list_offsets() -> Iterator[Case]:
    special = {-1: (1, 11), -2: (1, 4, 11), -3: (6, 7, 11), -4: (7, 8, 11), -5: (8, 9, 11), -6: (10, 11), -7: (1, 11)}
    for timestamp, versions in special.items():
        for version in versions:
            yield _request(f"timestamp {timestamp}", _list_offsets_request(timestamp), version)
    yield _request("timestamp -9223372036854775808", _list_offsets_request(-(2**63)), 11)
    yield _request("timestamp 9223372036854775807", _list_offsets_request(2**63 - 1), 11)
    yield _request("timestamp 0 on an empty log", _list_offsets_request(0), 11)
    yield _request("unknown topic", _list_offsets_request(-1, "malformed-unknown"), 11)
    yield _request("partition -1", _list_offsets_request(-1, partition=-1), 11)
    yield _request("leader epoch 50", _list_offsets_request(-1, current_leader_epoch=50), 11)
    yield _request("isolation level 9", _list_offsets_request(-1, isolation_level=9), 11)
    twice = _list_offsets_request(-1)
    twice.topics[0].partitions *= 2
    yield _request("partition twice", twice, 11)
    yield _request("no topics", ListOffsetsRequest(replica_id=-1), 11)


def _metadata() -> Iterator[Case]:
    for label, name in {
        "slash": "a/b",
        "empty": "",
        "dots": "..",
        "250 letters": "a" * 250,
        "zero byte": "a\0b",
    }.items():
        request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=True)
        yield _request(f"topic name: {label}", request, 9)
    unknown = MetadataRequest(topics=[MetadataRequestTopic(name="malformed-unknown")], allow_auto_topic_creation=False)
    for version in (4, 12, 13):
        yield _request("unknown topic, no auto-creation", unknown, version)
    by_id = MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=UNKNOWN_ID)])
    yield _request("unknown topic id", by_id, 12)
    yield _request("topic id before v12", by_id, 10)
    yield _request("neither name nor id", MetadataRequest(topics=[MetadataRequestTopic(name=None)]), 12)
    both = MetadataRequest(
        topics=[MetadataRequestTopic(name=None, topic_id=UNKNOWN_ID), MetadataRequestTopic(name="malformed-unknown")],
        allow_auto_topic_creation=False,
    )
    yield _request("an id and a name", both, 12)


# --- groups -------------------------------------------------------------------------------------------------------


def _join(group: str, **more: Any) -> JoinGroupRequest:
    fields: dict[str, Any] = {
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 10_000,
        "member_id": "",
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol(name="range", metadata=b"\0\1\0\0\0\0\0\0\0\0")],
        **more,
    }
    return JoinGroupRequest(group_id=group, **fields)


def _groups() -> Iterator[Case]:
    joins = {
        "empty group id": _join(""),
        "session timeout below group.min.session.timeout.ms": _join("malformed-1", session_timeout_ms=1),
        "session timeout above group.max.session.timeout.ms": _join("malformed-2", session_timeout_ms=MAX_INT32),
        "session timeout -1": _join("malformed-3", session_timeout_ms=-1),
        "no protocols": _join("malformed-4", protocols=[]),
        "no protocols, a member id": _join("malformed-5", protocols=[], member_id="unknown"),
        "empty protocol type": _join("malformed-6", protocol_type=""),
        "unknown member id": _join("malformed-7", member_id="unknown"),
        "empty member id": _join("malformed-8"),
    }
    for name, request in joins.items():
        yield _request(name, request, 5)
        yield _request(name, request, 9)
    yield _request("unknown static member id", _join("malformed-9", member_id="unknown", group_instance_id="one"), 9)
    yield _request("empty instance id", _join("malformed-10", group_instance_id="", member_id="unknown"), 9)
    yield _request("null group id", _join("malformed-11"), 5)._replace(
        data=framed(header_bytes(BY_NAME["JoinGroup"], 5, 1) + struct.pack(">h", -1) + encode(_join(""), 5)[2:]),
        name="JoinGroup v5: null group id",
    )
    for version in (0, 3, 4, 5):
        sync = SyncGroupRequest(group_id="malformed-none", generation_id=1, member_id="unknown")
        yield _request("unknown group", sync, version)
    yield _request("empty group id", SyncGroupRequest(group_id="", generation_id=1, member_id="unknown"), 5)
    for version in (0, 4):
        beat = HeartbeatRequest(group_id="malformed-none", generation_id=1, member_id="unknown")
        yield _request("unknown group", beat, version)
    yield _request("empty group id", HeartbeatRequest(group_id="", generation_id=1, member_id="unknown"), 4)
    yield _request("empty member id", HeartbeatRequest(group_id="malformed-none", generation_id=1, member_id=""), 4)
    yield _request("unknown group", LeaveGroupRequest(group_id="malformed-none", member_id="unknown"), 2)
    members = [MemberIdentity(member_id="unknown"), MemberIdentity(member_id="", group_instance_id="nobody")]
    yield _request("unknown group", LeaveGroupRequest(group_id="malformed-none", members=members), 5)
    yield _request("no members", LeaveGroupRequest(group_id="malformed-none"), 5)
    yield _request("empty group id", LeaveGroupRequest(group_id="", members=members), 5)
    for version in (0, 5, 6):
        yield _request("unknown and empty group", DescribeGroupsRequest(groups=["malformed-none", ""]), version)
    yield _request("no groups", DescribeGroupsRequest(), 5)
    yield _request("unknown state", ListGroupsRequest(states_filter=["Sleeping"]), 5)
    yield _request("unknown type", ListGroupsRequest(types_filter=["Orchestra"]), 5)
    for version in (1, 3):
        yield _request("key type 9", FindCoordinatorRequest(key="malformed", key_type=9), version)
        yield _request("key type -1", FindCoordinatorRequest(key="malformed", key_type=-1), version)
        yield _request("key type 2", FindCoordinatorRequest(key="malformed", key_type=2), version)
    for version in (4, 6):
        yield _request("key type 9", FindCoordinatorRequest(coordinator_keys=["malformed"], key_type=9), version)
        yield _request("key type 2", FindCoordinatorRequest(coordinator_keys=["malformed"], key_type=2), version)
        yield _request("no keys", FindCoordinatorRequest(coordinator_keys=[]), version)
    yield _request("empty keys", FindCoordinatorRequest(coordinator_keys=["", ""]), 4)


def _commit(
    group: str, topic: str = TOPIC, partition: int = 0, metadata: str | None = "", **more: Any
) -> OffsetCommitRequest:
    data = OffsetCommitRequestPartition(
        partition_index=partition, committed_offset=more.pop("offset", 1), committed_metadata=metadata
    )
    return OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[data])], **more)


def _offsets() -> Iterator[Case]:
    commits = {
        "empty group id": _commit(""),
        "metadata of 4097 letters": _commit("malformed-c1", metadata="m" * 4097),
        "unknown topic": _commit("malformed-c2", topic="malformed-unknown"),
        "empty topic name": _commit("malformed-c3", topic=""),
        "partition 9": _commit("malformed-c4", partition=9),
        "partition -1": _commit("malformed-c5", partition=-1),
        "unknown group with a generation": _commit(
            "malformed-c6", generation_id_or_member_epoch=3, member_id="unknown"
        ),
        "unknown group with a member id": _commit("malformed-c7", member_id="unknown"),
        "offset -1": _commit("malformed-c8", offset=-1),
        "offset -2": _commit("malformed-c9", offset=-2),
        "null metadata": _commit("malformed-c10", metadata=None),
    }
    for name, request in commits.items():
        yield _request(name, request, 8)
    for version in (2, 9):
        yield _request("unknown group with a generation", commits["unknown group with a generation"], version)
        yield _request("empty group id", commits["empty group id"], version)
    by_id = _commit("malformed-c11")
    by_id.topics[0].topic_id = UNKNOWN_ID
    yield _request("unknown topic id", by_id, 10)
    yield _request("no topics", OffsetCommitRequest(group_id="malformed-c12"), 8)
    # The group without a name is there now: it may have offsets, and no members.
    for version in (0, 9):
        yield _request("empty group id that has offsets", _join(""), version)
        yield _request("empty group id that has offsets, a member id", _join("", member_id="unknown"), version)
    for version in (0, 4):
        beat = HeartbeatRequest(group_id="", generation_id=1, member_id="unknown")
        yield _request("empty group id that has offsets", beat, version)
    for version in (0, 5):
        sync = SyncGroupRequest(group_id="", generation_id=1, member_id="unknown")
        yield _request("empty group id that has offsets", sync, version)
    yield _request("empty group id that has offsets", LeaveGroupRequest(group_id="", member_id="unknown"), 2)
    group = OffsetFetchRequestGroup(
        group_id="malformed-none", topics=[OffsetFetchRequestTopics(name=TOPIC, partition_indexes=[0, 9, -1])]
    )
    for version in (8, 9):
        yield _request("unknown group", OffsetFetchRequest(groups=[group]), version)
    old = OffsetFetchRequest(
        group_id="malformed-none", topics=[OffsetFetchRequestTopic(name=TOPIC, partition_indexes=[0, 9, -1])]
    )
    for version in (1, 7):
        yield _request("unknown group", old, version)
    empty = OffsetFetchRequestGroup(group_id="", topics=None)
    yield _request("empty group id", OffsetFetchRequest(groups=[empty]), 9)
    yield _request("group twice", OffsetFetchRequest(groups=[group, group]), 9)
    yield _request("no groups", OffsetFetchRequest(groups=[]), 9)
    stale = OffsetFetchRequestGroup(group_id="malformed-none", topics=None, member_id="unknown", member_epoch=3)
    yield _request("unknown group with a member epoch", OffsetFetchRequest(groups=[stale]), 9)
    ids = OffsetFetchRequestGroup(
        group_id="malformed-none", topics=[OffsetFetchRequestTopics(topic_id=UNKNOWN_ID, partition_indexes=[0])]
    )
    yield _request("unknown topic id", OffsetFetchRequest(groups=[ids]), 10)


# --- topics, configs, producer ids --------------------------------------------------------------------------------


def _topic(name: str = "malformed-new", partitions: int = 1, factor: int = 1, **more: Any) -> CreatableTopic:
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=factor, **more)


def _topics() -> Iterator[Case]:
    config = CreatableTopicConfig
    assigned = CreatableReplicaAssignment
    wrong: dict[str, list[CreatableTopic]] = {
        "name with a slash": [_topic("a/b")],
        "empty name": [_topic("")],
        "name .": [_topic(".")],
        "name ..": [_topic("..")],
        "name of 250 letters": [_topic("a" * 250)],
        "name with letters beyond ASCII": [_topic("tôpic")],
        "name that is there": [_topic(TOPIC)],
        "name that collides": [_topic("malformed_dotted")],
        "0 partitions": [_topic(partitions=0)],
        "-2 partitions": [_topic(partitions=-2)],
        "2^31-1 partitions": [_topic(partitions=MAX_INT32)],
        "factor 0": [_topic(factor=0)],
        "factor -2": [_topic(factor=-2)],
        "factor 2 on one broker": [_topic(factor=2)],
        "unknown config": [_topic(configs=[config(name="no.such.config", value="1")])],
        "null config": [_topic(configs=[config(name="retention.ms", value=None)])],
        "config that is no number": [_topic(configs=[config(name="retention.ms", value="soon")])],
        "config out of range": [_topic(configs=[config(name="segment.bytes", value="1")])],
        "config not among the choices": [_topic(configs=[config(name="cleanup.policy", value="shred")])],
        "topic twice": [_topic(), _topic()],
        "assignment to an unknown broker": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=0, broker_ids=[99])])
        ],
        "assignment without brokers": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=0, broker_ids=[])])
        ],
        "assignment of partition 1 alone": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=1, broker_ids=[1])])
        ],
        "assignment to one broker twice": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=0, broker_ids=[1, 1])])
        ],
        "assignment and a count": [_topic(assignments=[assigned(partition_index=0, broker_ids=[1])])],
        "no topics": [],
    }
    for name, topics in wrong.items():
        yield _request(name, CreateTopicsRequest(topics=topics, timeout_ms=5000), 7)
    yield _request(
        "partitions unset before v4", CreateTopicsRequest(topics=[_topic(partitions=-1)], timeout_ms=5000), 3
    )
    configs = [config(name="retention.ms", value="1"), config(name="retention.ms", value="2")]
    twice = CreateTopicsRequest(topics=[_topic(configs=configs)], timeout_ms=5000, validate_only=True)
    yield _request("config twice", twice, 7)
    valid = CreateTopicsRequest(topics=[_topic(TOPIC)], timeout_ms=5000, validate_only=True)
    yield _request("only validated, name that is there", valid, 7)
    for timeout_ms in (0, -1):
        create = CreateTopicsRequest(topics=[_topic("a/b"), _topic(TOPIC)], timeout_ms=timeout_ms)
        yield _request(f"timeout {timeout_ms}", create, 7)
        delete = DeleteTopicsRequest(topics=[DeleteTopicState(name="malformed-none")], timeout_ms=timeout_ms)
        yield _request(f"timeout {timeout_ms}", delete, 6)
    for version in (1, 4, 5):
        names = DeleteTopicsRequest(topic_names=["malformed-none", "a/b", ""], timeout_ms=5000)
        yield _request("unknown names", names, version)
    states = [DeleteTopicState(name="malformed-none"), DeleteTopicState(name=None, topic_id=UNKNOWN_ID)]
    yield _request("unknown name and id", DeleteTopicsRequest(topics=states, timeout_ms=5000), 6)
    yield _request("neither name nor id", DeleteTopicsRequest(topics=[DeleteTopicState(name=None)], timeout_ms=5000), 6)
    both = DeleteTopicState(name="malformed-none", topic_id=UNKNOWN_ID)
    yield _request("name and id", DeleteTopicsRequest(topics=[both], timeout_ms=5000), 6)
    states = [DeleteTopicState(name="malformed-none")] * 2
    yield _request("name twice", DeleteTopicsRequest(topics=states, timeout_ms=5000), 6)


def _others() -> Iterator[Case]:
    resource = DescribeConfigsResource
    wrong = {
        "unknown topic": resource(resource_type=2, resource_name="malformed-none"),
        "topic name with a slash": resource(resource_type=2, resource_name="a/b"),
        "empty topic name": resource(resource_type=2, resource_name=""),
        "unknown broker": resource(resource_type=4, resource_name="99"),
        "broker that is no number": resource(resource_type=4, resource_name="one"),
        "resource type 0": resource(resource_type=0, resource_name="x"),
        "resource type 3": resource(resource_type=3, resource_name="x"),
        "resource type 99": resource(resource_type=99, resource_name="x"),
        "unknown broker logger": resource(resource_type=8, resource_name="99"),
        "unknown config asked for": resource(resource_type=2, resource_name=TOPIC, configuration_keys=["no.such"]),
        "no config asked for": resource(resource_type=2, resource_name=TOPIC, configuration_keys=[]),
    }
    for name, asked in wrong.items():
        yield _request(name, DescribeConfigsRequest(resources=[asked]), 4)
    yield _request("no resources", DescribeConfigsRequest(), 4)
    for version in (0, 5):
        empty = InitProducerIdRequest(transactional_id="", transaction_timeout_ms=1000)
        yield _request("empty transactional id", empty, version)
    for timeout_ms in (0, -1, MAX_INT32):
        bad = InitProducerIdRequest(transactional_id="malformed-t", transaction_timeout_ms=timeout_ms)
        yield _request(f"transaction timeout {timeout_ms}", bad, 5)
    yield _request(
        "an id without an epoch",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_id=5),
        5,
    )
    yield _request(
        "an epoch without an id",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_epoch=5),
        5,
    )
    yield _request(
        "timeout -1 without a transactional id",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=-1),
        5,
    )
    yield _request(
        "an id and epoch without a transactional id",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_id=5, producer_epoch=3),
        5,
    )
