"""Produce v9 by hand: request and response."""

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

_int16_int32 = Struct(">hi")
_produced = Struct(">ihqqq")


@dataclass(slots=True)
class ProducePartition:
    index: int
    records: memoryview | bytes | None


@dataclass(slots=True)
class ProduceTopic:
    name: str
    partitions: list[ProducePartition]


@dataclass(slots=True)
class Produce:
    transactional_id: str | None
    acks: int
    timeout_ms: int
    topics: list[ProduceTopic]


def decode_produce(data: bytes) -> Produce:
    size = len(data)
    transactional_id, at = read_string(data, 0, size)
    acks, timeout_ms = _int16_int32.unpack_from(data, at)
    count, at = read_count(data, at + 6, 3)
    topics = []
    for _ in range(count):
        name, at = read_string(data, at, size)
        if name is None:
            raise BadMessageError("name")
        inner, at = read_count(data, at, 6)
        partitions = []
        for _ in range(inner):
            (index,) = int32.unpack_from(data, at)
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
            partitions.append(ProducePartition(index, records))
        at = at + 1 if not data[at] else skip_tags(data, at)
        topics.append(ProduceTopic(name, partitions))
    at = at + 1 if not data[at] else skip_tags(data, at)
    return Produce(transactional_id, acks, timeout_ms, topics)


def encode_produce(message: Produce) -> bytes:
    out: list[Any] = []
    put_string(out, message.transactional_id)
    out.append(_int16_int32.pack(message.acks, message.timeout_ms))
    count = len(message.topics) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for topic in message.topics:
        put_string(out, topic.name)
        count = len(topic.partitions) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        for partition in topic.partitions:
            out.append(int32.pack(partition.index))
            records = partition.records
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


@dataclass(slots=True)
class Produced:
    index: int
    error_code: int
    base_offset: int
    log_append_time_ms: int
    log_start_offset: int
    record_errors: list[tuple[int, str | None]]
    error_message: str | None


@dataclass(slots=True)
class ProducedTopic:
    name: str
    partitions: list[Produced]


@dataclass(slots=True)
class ProduceAnswer:
    topics: list[ProducedTopic]
    throttle_time_ms: int


def decode_produce_answer(data: bytes) -> ProduceAnswer:
    size = len(data)
    count, at = read_count(data, 0, 3)
    topics = []
    for _ in range(count):
        name, at = read_string(data, at, size)
        if name is None:
            raise BadMessageError("name")
        inner, at = read_count(data, at, 33)
        partitions = []
        for _ in range(inner):
            index, error_code, base_offset, append_time, log_start = _produced.unpack_from(data, at)
            errors, at = read_count(data, at + 30, 6)
            record_errors = []
            for _ in range(errors):
                (batch_index,) = int32.unpack_from(data, at)
                text, at = read_string(data, at + 4, size)
                at = at + 1 if not data[at] else skip_tags(data, at)
                record_errors.append((batch_index, text))
            message, at = read_string(data, at, size)
            at = at + 1 if not data[at] else skip_tags(data, at)
            partitions.append(Produced(index, error_code, base_offset, append_time, log_start, record_errors, message))
        at = at + 1 if not data[at] else skip_tags(data, at)
        topics.append(ProducedTopic(name, partitions))
    (throttle_time_ms,) = int32.unpack_from(data, at)
    at += 4
    at = at + 1 if not data[at] else skip_tags(data, at)
    return ProduceAnswer(topics, throttle_time_ms)


def encode_produce_answer(message: ProduceAnswer) -> bytes:
    out: list[Any] = []
    count = len(message.topics) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for topic in message.topics:
        put_string(out, topic.name)
        count = len(topic.partitions) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        for part in topic.partitions:
            out.append(
                _produced.pack(
                    part.index, part.error_code, part.base_offset, part.log_append_time_ms, part.log_start_offset
                )
            )
            count = len(part.record_errors) + 1
            out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
            for batch_index, text in part.record_errors:
                out.append(int32.pack(batch_index))
                put_string(out, text)
                out.append(b"\0")
            put_string(out, part.error_message)
            out.append(b"\0")
        out.append(b"\0")
    out.append(int32.pack(message.throttle_time_ms))
    out.append(b"\0")
    return b"".join(out)
