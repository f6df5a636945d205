"""Malformed Produce requests, and well-formed ones with malformed batches."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch
from tests.broker.outcomes import Case

from .build import (
    BATCH,
    MAX_INT32,
    RECORDS,
    TAKEN,
    TOPIC,
    UNKNOWN_ID,
    UNREAD,
    case_of,
    crc_broken,
    overwritten,
    produce_request,
    resized,
)


def produce() -> Iterator[Case]:
    for acks in (2, -2, 32767):
        yield case_of(f"acks {acks}", produce_request(BATCH, acks=acks), 9)
    yield case_of("acks 2 on an unknown topic", produce_request(BATCH, "malformed-unknown", acks=2), 9)
    for acks in (1, -1):
        yield case_of(f"unknown topic, acks {acks}", produce_request(BATCH, "malformed-unknown", acks=acks), 9)
    yield case_of("unknown topic, acks 0", produce_request(BATCH, "malformed-unknown", acks=0), 9)
    yield case_of("unknown partition, acks 0", produce_request(BATCH, index=7, acks=0), 3)
    yield case_of("wrong CRC, acks 0", produce_request(crc_broken(), acks=0), 9)
    for index in (9, -1, MAX_INT32):
        yield case_of(f"partition {index}", produce_request(BATCH, index=index), 9)
    for version in (3, 12):
        yield case_of("topic name with a slash", produce_request(BATCH, "a/b"), version)
        yield case_of("empty topic name", produce_request(BATCH, ""), version)
    data = [PartitionProduceData(index=0, records=BATCH)]
    by_id = ProduceRequest(
        acks=1, timeout_ms=5000, topic_data=[TopicProduceData(topic_id=UNKNOWN_ID, partition_data=data)]
    )
    yield case_of("unknown topic id", by_id, 13)
    by_id = ProduceRequest(
        acks=1, timeout_ms=5000, topic_data=[TopicProduceData(topic_id=bytes(16), partition_data=data)]
    )
    yield case_of("topic id zero", by_id, 13)
    yield case_of("no topics", ProduceRequest(acks=1, timeout_ms=5000), 9)
    yield case_of(
        "topic without partitions",
        ProduceRequest(acks=1, timeout_ms=5000, topic_data=[TopicProduceData(name=TOPIC)]),
        9,
    )
    yield case_of("internal topic", produce_request(BATCH, "__consumer_offsets"), 9)
    yield case_of(
        "timeout -1",
        ProduceRequest(acks=1, timeout_ms=-1, topic_data=[TopicProduceData(name=TAKEN, partition_data=data)]),
        9,
    )
    twice = TopicProduceData(name=TOPIC, partition_data=[PartitionProduceData(index=0, records=crc_broken())] * 2)
    yield case_of("partition twice, wrong CRC", ProduceRequest(acks=1, timeout_ms=5000, topic_data=[twice]), 9)
    mixed = [
        PartitionProduceData(index=0, records=crc_broken()),
        PartitionProduceData(index=9, records=BATCH),
    ]
    both = ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[TopicProduceData(name=TOPIC, partition_data=mixed)])
    yield case_of("wrong CRC and unknown partition", both, 11)


def batches() -> Iterator[Case]:
    """One batch and what is wrong with it; v8 and later list the records that are at fault."""
    size = len(BATCH) - 12
    garbled = struct.pack(">qiibI", 0, 60, -1, 2, 0) + b"\x7f" * 51
    broken = {
        "wrong CRC": crc_broken(),
        "magic 0": overwritten(BATCH, 16, ">b", 0, checked=False),
        "magic 1": overwritten(BATCH, 16, ">b", 1, checked=False),
        "magic 3": overwritten(BATCH, 16, ">b", 3, checked=False),
        "magic -1": overwritten(BATCH, 16, ">b", -1, checked=False),
        "cut to 11 bytes": BATCH[:11],
        "cut to 16 bytes": BATCH[:16],
        "cut to 17 bytes": BATCH[:17],
        "cut to 40 bytes": BATCH[:40],
        "cut to 61 bytes": BATCH[:61],
        "cut by 1 byte": BATCH[:-1],
        "length 1 too short": overwritten(BATCH, 8, ">i", size - 1, checked=False),
        "length 1 too long": overwritten(BATCH, 8, ">i", size + 1, checked=False),
        "length of the header alone": overwritten(BATCH, 8, ">i", 49, checked=False),
        "length 48": overwritten(BATCH, 8, ">i", 48, checked=False),
        "length 14": overwritten(BATCH, 8, ">i", 14, checked=False),
        "length 13": overwritten(BATCH, 8, ">i", 13, checked=False),
        "length 0": overwritten(BATCH, 8, ">i", 0, checked=False),
        "length -1": overwritten(BATCH, 8, ">i", -1, checked=False),
        "length 2^31-1": overwritten(BATCH, 8, ">i", MAX_INT32, checked=False),
        "count 1 of 2": overwritten(BATCH, 57, ">i", 1),
        "count 3 of 2": overwritten(BATCH, 57, ">i", 3),
        "count 0": overwritten(BATCH, 57, ">i", 0),
        "count -1": overwritten(BATCH, 57, ">i", -1),
        "count 2^31-1": overwritten(BATCH, 57, ">i", MAX_INT32),
        "lastOffsetDelta 0 of 2 records": overwritten(BATCH, 23, ">i", 0),
        "lastOffsetDelta 2 of 2 records": overwritten(BATCH, 23, ">i", 2),
        "lastOffsetDelta -1": overwritten(BATCH, 23, ">i", -1),
        "no records in the batch": encode_batch([]),
        "two batches": BATCH + BATCH,
        "two batches, the second with a wrong CRC": BATCH + crc_broken(),
        "a batch and a magic-1 header": BATCH + overwritten(BATCH, 16, ">b", 1, checked=False),
        "baseOffset 5": overwritten(BATCH, 0, ">q", 5, checked=False),
        "baseOffset -1": overwritten(BATCH, 0, ">q", -1, checked=False),
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
        "codec 5": overwritten(BATCH, 21, ">h", 5),
        "codec 7": overwritten(BATCH, 21, ">h", 7),
        "header garbage": garbled,
        "wrong CRC and a control batch": overwritten(
            encode_batch([Record(b"\0\0\0\1", b"\0\0\0\0\0\0")], control=True), 17, ">I", 1, checked=False
        ),
        "wrong CRC and baseOffset 5": overwritten(crc_broken(), 0, ">q", 5, checked=False),
        "wrong CRC and count 1 of 2": overwritten(overwritten(BATCH, 57, ">i", 1), 17, ">I", 1, checked=False),
    }
    for name, batch in broken.items():
        yield case_of(name, produce_request(batch), 9)
        yield case_of(name, produce_request(batch), 3)
    yield from _twofold(broken)
    yield case_of("no batch", produce_request(b""), 9)
    yield case_of("no batch", produce_request(b""), 3)
    yield case_of("no batch, acks 0", produce_request(b"", acks=0), 9)
    yield case_of("null records", produce_request(None), 9)
    yield case_of("zstd below v7", produce_request(encode_batch(RECORDS, codec=4)), 6)
    garbage = overwritten(BATCH[:61] + b"\xff" * 60, 8, ">i", 109)
    unread = {
        "garbage for records": garbage,
        "three records in a header of two": resized(encode_batch((*RECORDS, RECORDS[1])), 2),
        "two records in a header of three": resized(BATCH, 3),
        "two records in a header of 2^31-1": resized(BATCH, MAX_INT32),
        "a record with a negative offset delta": overwritten(BATCH, 64, ">b", 1),
        "maxTimestamp of another record": overwritten(BATCH, 35, ">q", 5),
    }
    for codec, name in {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}.items():
        unread[f"{name} flag over plain records"] = overwritten(BATCH, 21, ">h", codec)
        unread[f"{name} cut"] = overwritten(
            encode_batch(RECORDS, codec=codec)[:-6], 8, ">i", len(encode_batch(RECORDS, codec=codec)) - 18
        )
    for name, batch in unread.items():
        yield case_of(name, produce_request(batch, UNREAD), 9)
    taken = {
        "stray bytes behind a batch": BATCH + b"stray",
        "stray 16 bytes behind a batch": BATCH + bytes(8) + struct.pack(">i", 1000) + bytes(4),
        "partition leader epoch 77": overwritten(BATCH, 12, ">i", 77, checked=False),
        "log append time flag": overwritten(BATCH, 21, ">h", 8),
        "attribute bits beyond those in use": overwritten(BATCH, 21, ">h", 0x100),
        "delete horizon flag": overwritten(BATCH, 21, ">h", 0x40),
        "producer id with epoch -1": encode_batch(RECORDS, producer_id=5, producer_epoch=-1, base_sequence=0),
        "timestamps -1": encode_batch([Record(b"k", b"v")]),
        "timestamp 0": encode_batch([Record(b"k", b"v", (), 0)]),
    }
    for name, batch in taken.items():
        yield case_of(name, produce_request(batch, TAKEN), 9)
    yield case_of(
        "timestamp in the year 2200", produce_request(encode_batch([Record(b"k", b"v", (), 7_258_118_400_000)])), 9
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
        yield case_of(f"{name} for an unknown topic", produce_request(batch, "malformed-unknown"), 9)
        yield case_of(f"{name} for an unknown partition", produce_request(batch, index=9), 9)
        yield case_of(f"{name} and acks 2", produce_request(batch, acks=2), 9)
        beside = [PartitionProduceData(index=9, records=BATCH), PartitionProduceData(index=0, records=batch)]
        both = ProduceRequest(acks=1, timeout_ms=5000, topic_data=[TopicProduceData(name=TOPIC, partition_data=beside)])
        yield case_of(f"{name} beside an unknown partition", both, 9)
    yield case_of(
        "magic 3 and transactional", produce_request(overwritten(transactional, 16, ">b", 3, checked=False)), 9
    )
    yield case_of(
        "wrong CRC and transactional", produce_request(overwritten(transactional, 17, ">I", 1, checked=False)), 9
    )
