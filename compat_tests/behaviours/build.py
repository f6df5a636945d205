"""What the malformed requests are built from: names, a good batch, and bytes around a message."""

from __future__ import annotations

import struct
from typing import Any

from klamm.wire.apis import BY_NAME
from klamm.wire.batches import batch_checksum
from klamm.wire.declare import Message
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch
from tests.broker.outcomes import Case
from tests.broker.raw_client import (
    api_of,
    framed,
    header_bytes,
    request_bytes,
)

#: No request of the table leaves a record in it.
TOPIC = "malformed"
#: For what Kafka takes although it looks wrong.
TAKEN = "malformed-taken"
#: For batches whose contents alone are wrong: klamm does not look at those.
UNREAD = "malformed-unread"
#: A name that others collide with.
DOTTED = "malformed.dotted"

MAX_INT32 = 2**31 - 1
UNKNOWN_ID = bytes(range(16))
RECORDS = (Record(b"k", b"v" * 20, (), 1_700_000_000_000), Record(None, b"w" * 20, (), 1_700_000_000_001))
BATCH = encode_batch(RECORDS)


def case_of(name: str, message: Message, version: int) -> Case:
    return Case(f"{api_of(message).name} v{version}: {name}", request_bytes(message, version))


def case_of_body(name: str, api_name: str, version: int, body: bytes) -> Case:
    api = BY_NAME[api_name]
    return Case(f"{api_name} v{version}: {name}", framed(header_bytes(api, version, 1) + body))


def produce_request(
    records: bytes | None, topic: str = TOPIC, index: int = 0, acks: int = 1, **more: Any
) -> ProduceRequest:
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=index, records=records)])
    return ProduceRequest(acks=acks, timeout_ms=5000, topic_data=[data], **more)


def overwritten(batch: bytes, position: int, layout: str, value: int, checked: bool = True) -> bytes:
    """The batch with one field overwritten; checked: under a checksum that is right again."""
    changed = bytearray(batch)
    struct.pack_into(layout, changed, position, value)
    if checked:
        struct.pack_into(">I", changed, 17, batch_checksum(changed))
    return bytes(changed)


def resized(batch: bytes, count: int) -> bytes:
    """The batch with a header that speaks of `count` records."""
    return overwritten(overwritten(batch, 57, ">i", count), 23, ">i", count - 1)


def crc_broken() -> bytes:
    return overwritten(BATCH, 17, ">I", 0x0BADF00D, checked=False)
