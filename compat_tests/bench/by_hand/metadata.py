"""Metadata v9 by hand: request and response."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

from .fields import ONE_BYTE, BadMessageError, int32, put_string, read_count, read_string, skip_tags, varint_bytes

_metadata_partition = Struct(">hiii")


@dataclass(slots=True)
class Metadata:
    topics: list[str] | None
    auto_create: bool
    cluster_operations: bool
    topic_operations: bool


_flags = Struct(">???")


def decode_metadata(data: bytes) -> Metadata:
    size = len(data)
    topics: list[str] | None = None
    at = 1
    if data[0]:
        count, at = read_count(data, 0, 2)
        topics = []
        for _ in range(count):
            name, at = read_string(data, at, size)
            if name is None:
                raise BadMessageError("name")
            at = at + 1 if not data[at] else skip_tags(data, at)
            topics.append(name)
    auto_create, cluster, topic = _flags.unpack_from(data, at)
    at += 3
    at = at + 1 if not data[at] else skip_tags(data, at)
    return Metadata(topics, auto_create, cluster, topic)


def encode_metadata(message: Metadata) -> bytes:
    out: list[Any] = []
    if message.topics is None:
        out.append(b"\0")
    else:
        count = len(message.topics) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        for name in message.topics:
            put_string(out, name)
            out.append(b"\0")
    out.append(_flags.pack(message.auto_create, message.cluster_operations, message.topic_operations))
    out.append(b"\0")
    return b"".join(out)


@dataclass(slots=True)
class Broker:
    node_id: int
    host: str
    port: int
    rack: str | None


@dataclass(slots=True)
class PartitionMetadata:
    error_code: int
    partition: int
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline: list[int]


@dataclass(slots=True)
class TopicMetadata:
    error_code: int
    name: str
    is_internal: bool
    partitions: list[PartitionMetadata]
    operations: int


@dataclass(slots=True)
class MetadataAnswer:
    throttle_time_ms: int
    brokers: list[Broker]
    cluster_id: str | None
    controller_id: int
    topics: list[TopicMetadata]
    operations: int


_int16 = Struct(">h")


def _int32s(data: bytes, at: int) -> tuple[list[int], int]:
    count, at = read_count(data, at, 4)
    end = at + 4 * count
    return [int32.unpack_from(data, place)[0] for place in range(at, end, 4)], end


def decode_metadata_answer(data: bytes) -> MetadataAnswer:
    size = len(data)
    (throttle_time_ms,) = int32.unpack_from(data, 0)
    count, at = read_count(data, 4, 11)
    brokers = []
    for _ in range(count):
        (node_id,) = int32.unpack_from(data, at)
        host, at = read_string(data, at + 4, size)
        if host is None:
            raise BadMessageError("host")
        (port,) = int32.unpack_from(data, at)
        rack, at = read_string(data, at + 4, size)
        at = at + 1 if not data[at] else skip_tags(data, at)
        brokers.append(Broker(node_id, host, port, rack))
    cluster_id, at = read_string(data, at, size)
    (controller_id,) = int32.unpack_from(data, at)
    count, at = read_count(data, at + 4, 10)
    topics = []
    for _ in range(count):
        (error_code,) = _int16.unpack_from(data, at)
        name, at = read_string(data, at + 2, size)
        if name is None:
            raise BadMessageError("name")
        is_internal = data[at] != 0
        inner, at = read_count(data, at + 1, 18)
        partitions = []
        for _ in range(inner):
            error, partition, leader, epoch = _metadata_partition.unpack_from(data, at)
            replicas, at = _int32s(data, at + 14)
            isr, at = _int32s(data, at)
            offline, at = _int32s(data, at)
            at = at + 1 if not data[at] else skip_tags(data, at)
            partitions.append(PartitionMetadata(error, partition, leader, epoch, replicas, isr, offline))
        (operations,) = int32.unpack_from(data, at)
        at += 4
        at = at + 1 if not data[at] else skip_tags(data, at)
        topics.append(TopicMetadata(error_code, name, is_internal, partitions, operations))
    (operations,) = int32.unpack_from(data, at)
    at += 4
    at = at + 1 if not data[at] else skip_tags(data, at)
    return MetadataAnswer(throttle_time_ms, brokers, cluster_id, controller_id, topics, operations)


def _put_int32s(out: list[Any], numbers: list[int]) -> None:
    count = len(numbers) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    out.extend(int32.pack(number) for number in numbers)


def encode_metadata_answer(message: MetadataAnswer) -> bytes:
    out: list[Any] = [int32.pack(message.throttle_time_ms)]
    count = len(message.brokers) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for broker in message.brokers:
        out.append(int32.pack(broker.node_id))
        put_string(out, broker.host)
        out.append(int32.pack(broker.port))
        put_string(out, broker.rack)
        out.append(b"\0")
    put_string(out, message.cluster_id)
    out.append(int32.pack(message.controller_id))
    count = len(message.topics) + 1
    out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
    for topic in message.topics:
        out.append(_int16.pack(topic.error_code))
        put_string(out, topic.name)
        out.append(b"\x01" if topic.is_internal else b"\0")
        count = len(topic.partitions) + 1
        out.append(ONE_BYTE[count] if count < 128 else varint_bytes(count))
        for part in topic.partitions:
            out.append(_metadata_partition.pack(part.error_code, part.partition, part.leader, part.leader_epoch))
            _put_int32s(out, part.replicas)
            _put_int32s(out, part.isr)
            _put_int32s(out, part.offline)
            out.append(b"\0")
        out.append(int32.pack(topic.operations))
        out.append(b"\0")
    out.append(int32.pack(message.operations))
    out.append(b"\0")
    return b"".join(out)
