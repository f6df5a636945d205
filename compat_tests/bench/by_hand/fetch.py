"""Fetch v12 by hand: request and response."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from .fields import (
    ONE_BYTE,
    BadMessageError,
    int32,
    put_string,
    read_count,
    read_string,
    read_varint,
    skip_tags,
    varint_bytes,
)

_fetch_head = Struct(">iiiibii")
_fetch_partition = Struct(">iiqiqi")
_response_head = Struct(">ihi")
_partition_head = Struct(">ihqqq")
_aborted = Struct(">qq")


@dataclass(slots=True)
class FetchPartition:
    partition: int
    current_leader_epoch: int
    fetch_offset: int
    last_fetched_epoch: int
    log_start_offset: int
    partition_max_bytes: int


@dataclass(slots=True)
class FetchTopic:
    topic: str
    partitions: list[FetchPartition]


@dataclass(slots=True)
class Fetch:
    replica_id: int
    max_wait_ms: int
    min_bytes: int
    max_bytes: int
    isolation_level: int
    session_id: int
    session_epoch: int
    topics: list[FetchTopic]
    forgotten: list[tuple[str, list[int]]]
    rack_id: str


def decode_fetch(data: bytes) -> Fetch:
    size = len(data)
    replica, wait, least, most, isolation, session, epoch = _fetch_head.unpack_from(data, 0)
    count, at = read_count(data, 25, 3)
    topics = []
    for _ in range(count):
        name, at = read_string(data, at, size)
        if name is None:
            raise BadMessageError("topic")
        inner, at = read_count(data, at, 33)
        partitions = []
        for _ in range(inner):
            partitions.append(FetchPartition(*_fetch_partition.unpack_from(data, at)))
            at += 32
            at = at + 1 if not data[at] else skip_tags(data, at)
        at = at + 1 if not data[at] else skip_tags(data, at)
        topics.append(FetchTopic(name, partitions))
    count, at = read_count(data, at, 3)
    forgotten = []
    for _ in range(count):
        name, at = read_string(data, at, size)
        if name is None:
            raise BadMessageError("topic")
        inner, at = read_count(data, at, 4)
        numbers = [int32.unpack_from(data, at + 4 * index)[0] for index in range(inner)]
        at += 4 * inner
        at = at + 1 if not data[at] else skip_tags(data, at)
        forgotten.append((name, numbers))
    rack_id, at = read_string(data, at, size)
    if rack_id is None:
        raise BadMessageError("rack_id")
    at = at + 1 if not data[at] else skip_tags(data, at)
    return Fetch(replica, wait, least, most, isolation, session, epoch, topics, forgotten, rack_id)


def encode_fetch(message: Fetch) -> bytes:
    out: list[Any] = [
        _fetch_head.pack(
            message.replica_id,
            message.max_wait_ms,
            message.min_bytes,
            message.max_bytes,
            message.isolation_level,
            message.session_id,
            message.session_epoch,
        )
    ]
    count = len(message.topics) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for topic in message.topics:
        put_string(out, topic.topic)
        count = len(topic.partitions) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        for part in topic.partitions:
            out.append(
                _fetch_partition.pack(
                    part.partition,
                    part.current_leader_epoch,
                    part.fetch_offset,
                    part.last_fetched_epoch,
                    part.log_start_offset,
                    part.partition_max_bytes,
                )
            )
            out.append(b"\0")
        out.append(b"\0")
    count = len(message.forgotten) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for name, numbers in message.forgotten:
        put_string(out, name)
        count = len(numbers) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        out.extend(int32.pack(number) for number in numbers)
        out.append(b"\0")
    put_string(out, message.rack_id)
    out.append(b"\0")
    return b"".join(out)


@dataclass(slots=True)
class Fetched:
    partition: int
    error_code: int
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    aborted: list[tuple[int, int]] | None
    preferred_read_replica: int
    records: memoryview | bytes | None


@dataclass(slots=True)
class FetchedTopic:
    topic: str
    partitions: list[Fetched]


@dataclass(slots=True)
class FetchAnswer:
    throttle_time_ms: int
    error_code: int
    session_id: int
    topics: list[FetchedTopic]


def decode_fetch_answer(data: bytes) -> FetchAnswer:
    size = len(data)
    throttle_time_ms, error_code, session_id = _response_head.unpack_from(data, 0)
    count, at = read_count(data, 10, 3)
    topics = []
    for _ in range(count):
        name, at = read_string(data, at, size)
        if name is None:
            raise BadMessageError("topic")
        inner, at = read_count(data, at, 37)
        partitions = []
        for _ in range(inner):
            partition, error, high_watermark, stable, log_start = _partition_head.unpack_from(data, at)
            at += 30
            aborted: list[tuple[int, int]] | None = None
            if data[at]:
                count, at = read_count(data, at, 17)
                aborted = []
                for _ in range(count):
                    aborted.append(_aborted.unpack_from(data, at))
                    at += 16
                    at = at + 1 if not data[at] else skip_tags(data, at)
            else:
                at += 1
            (preferred,) = int32.unpack_from(data, at)
            at += 4
            length = data[at]
            at += 1
            if length > 127:
                length, at = read_varint(data, at - 1)
            if length:
                end = at + length - 1
                if end > size:
                    raise BadMessageError("records")
                records = memoryview(data)[at:end]
                at = end
            else:
                records = None
            at = at + 1 if not data[at] else skip_tags(data, at)
            partitions.append(Fetched(partition, error, high_watermark, stable, log_start, aborted, preferred, records))
        at = at + 1 if not data[at] else skip_tags(data, at)
        topics.append(FetchedTopic(name, partitions))
    at = at + 1 if not data[at] else skip_tags(data, at)
    return FetchAnswer(throttle_time_ms, error_code, session_id, topics)


def encode_fetch_answer(message: FetchAnswer) -> bytes:
    out: list[Any] = [_response_head.pack(message.throttle_time_ms, message.error_code, message.session_id)]
    count = len(message.topics) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for topic in message.topics:
        put_string(out, topic.topic)
        count = len(topic.partitions) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        for part in topic.partitions:
            out.append(
                _partition_head.pack(
                    part.partition, part.error_code, part.high_watermark, part.last_stable_offset, part.log_start_offset
                )
            )
            if part.aborted is None:
                out.append(b"\0")
            else:
                count = len(part.aborted) + 1
                out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
                for pair in part.aborted:
                    out.append(_aborted.pack(*pair))
                    out.append(b"\0")
            out.append(int32.pack(part.preferred_read_replica))
            records = part.records
            if records is None:
                out.append(b"\0\0")
            else:
                length = len(records) + 1
                out.append(ONE_BYTE[length] if length < 128 else varint_bytes(length))
                out.append(records)
                out.append(b"\0")
        out.append(b"\0")
    out.append(b"\0")
    return b"".join(out)
