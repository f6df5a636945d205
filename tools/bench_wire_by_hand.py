"""Decoders and encoders written by hand for one version of three APIs: what the compiled ones are measured against.

They are as fast as their author could make them and do no more than they must: slotted dataclasses, one `struct` call
for each run of fixed fields, lengths checked against the bytes left, tagged fields skipped. Produce v9, Fetch v12 and
Metadata v9 are flexible versions whose fields every client still speaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Any

_b = bytes
_int16_int32 = Struct(">hi")
_int32 = Struct(">i")
_fetch_head = Struct(">iiiibii")
_fetch_partition = Struct(">iiqiqi")
_response_head = Struct(">ihi")
_partition_head = Struct(">ihqqq")
_aborted = Struct(">qq")
_metadata_partition = Struct(">hiii")
_produced = Struct(">ihqqq")


class BadMessageError(ValueError):
    """Bytes that are no such message."""


def _varint(data: _b, at: int) -> tuple[int, int]:
    """A varint of more than one byte: (value, position behind it)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 28:
            raise BadMessageError("varint")


def _skip_tags(data: _b, at: int) -> int:
    count, at = _varint(data, at)
    for _ in range(count):
        _, at = _varint(data, at)
        size, at = _varint(data, at)
        at += size
    return at


def _put(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


_ONE = tuple(_put(value) for value in range(128))


def _string(data: _b, at: int, size: int) -> tuple[str | None, int]:
    """A nullable compact string: (text, position behind it)."""
    length = data[at]
    at += 1
    if length > 127:
        length, at = _varint(data, at - 1)
    if not length:
        return None, at
    end = at + length - 1
    if end > size:
        raise BadMessageError("string")
    return data[at:end].decode(), end


def _count(data: _b, at: int, smallest: int) -> tuple[int, int]:
    """A compact array's count: (count, position behind it)."""
    count = data[at]
    at += 1
    if count > 127:
        count, at = _varint(data, at - 1)
    if not count or (count - 1) * smallest > len(data) - at:
        raise BadMessageError("count")
    return count - 1, at


def _put_string(out: list[Any], text: str | None) -> None:
    if text is None:
        out.append(b"\0")
        return
    data = text.encode()
    length = len(data) + 1
    out.append(_ONE[length] if length < 128 else _put(length))
    out.append(data)


# --- Produce v9 -----------------------------------------------------------------------------------------------------


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


def decode_produce(data: _b) -> Produce:
    size = len(data)
    transactional_id, at = _string(data, 0, size)
    acks, timeout_ms = _int16_int32.unpack_from(data, at)
    count, at = _count(data, at + 6, 3)
    topics = []
    for _ in range(count):
        name, at = _string(data, at, size)
        if name is None:
            raise BadMessageError("name")
        inner, at = _count(data, at, 6)
        partitions = []
        for _ in range(inner):
            (index,) = _int32.unpack_from(data, at)
            at += 4
            length = data[at]
            at += 1
            if length > 127:
                length, at = _varint(data, at - 1)
            if length:
                end = at + length - 1
                if end > size:
                    raise BadMessageError("records")
                records = memoryview(data)[at:end]
                at = end
            else:
                records = None
            at = at + 1 if not data[at] else _skip_tags(data, at)
            partitions.append(ProducePartition(index, records))
        at = at + 1 if not data[at] else _skip_tags(data, at)
        topics.append(ProduceTopic(name, partitions))
    at = at + 1 if not data[at] else _skip_tags(data, at)
    return Produce(transactional_id, acks, timeout_ms, topics)


def encode_produce(message: Produce) -> bytes:
    out: list[Any] = []
    _put_string(out, message.transactional_id)
    out.append(_int16_int32.pack(message.acks, message.timeout_ms))
    count = len(message.topics) + 1
    out.append(_ONE[count] if count < 128 else _put(count))
    for topic in message.topics:
        _put_string(out, topic.name)
        count = len(topic.partitions) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
        for partition in topic.partitions:
            out.append(_int32.pack(partition.index))
            records = partition.records
            if records is None:
                out.append(b"\0\0")
            else:
                length = len(records) + 1
                out.append(_ONE[length] if length < 128 else _put(length))
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


def decode_produce_answer(data: _b) -> ProduceAnswer:
    size = len(data)
    count, at = _count(data, 0, 3)
    topics = []
    for _ in range(count):
        name, at = _string(data, at, size)
        if name is None:
            raise BadMessageError("name")
        inner, at = _count(data, at, 33)
        partitions = []
        for _ in range(inner):
            index, error_code, base_offset, append_time, log_start = _produced.unpack_from(data, at)
            errors, at = _count(data, at + 30, 6)
            record_errors = []
            for _ in range(errors):
                (batch_index,) = _int32.unpack_from(data, at)
                text, at = _string(data, at + 4, size)
                at = at + 1 if not data[at] else _skip_tags(data, at)
                record_errors.append((batch_index, text))
            message, at = _string(data, at, size)
            at = at + 1 if not data[at] else _skip_tags(data, at)
            partitions.append(Produced(index, error_code, base_offset, append_time, log_start, record_errors, message))
        at = at + 1 if not data[at] else _skip_tags(data, at)
        topics.append(ProducedTopic(name, partitions))
    (throttle_time_ms,) = _int32.unpack_from(data, at)
    at += 4
    at = at + 1 if not data[at] else _skip_tags(data, at)
    return ProduceAnswer(topics, throttle_time_ms)


def encode_produce_answer(message: ProduceAnswer) -> bytes:
    out: list[Any] = []
    count = len(message.topics) + 1
    out.append(_ONE[count] if count < 128 else _put(count))
    for topic in message.topics:
        _put_string(out, topic.name)
        count = len(topic.partitions) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
        for part in topic.partitions:
            out.append(
                _produced.pack(
                    part.index, part.error_code, part.base_offset, part.log_append_time_ms, part.log_start_offset
                )
            )
            count = len(part.record_errors) + 1
            out.append(_ONE[count] if count < 128 else _put(count))
            for batch_index, text in part.record_errors:
                out.append(_int32.pack(batch_index))
                _put_string(out, text)
                out.append(b"\0")
            _put_string(out, part.error_message)
            out.append(b"\0")
        out.append(b"\0")
    out.append(_int32.pack(message.throttle_time_ms))
    out.append(b"\0")
    return b"".join(out)


# --- Fetch v12 ------------------------------------------------------------------------------------------------------


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


def decode_fetch(data: _b) -> Fetch:
    size = len(data)
    replica, wait, least, most, isolation, session, epoch = _fetch_head.unpack_from(data, 0)
    count, at = _count(data, 25, 3)
    topics = []
    for _ in range(count):
        name, at = _string(data, at, size)
        if name is None:
            raise BadMessageError("topic")
        inner, at = _count(data, at, 33)
        partitions = []
        for _ in range(inner):
            partitions.append(FetchPartition(*_fetch_partition.unpack_from(data, at)))
            at += 32
            at = at + 1 if not data[at] else _skip_tags(data, at)
        at = at + 1 if not data[at] else _skip_tags(data, at)
        topics.append(FetchTopic(name, partitions))
    count, at = _count(data, at, 3)
    forgotten = []
    for _ in range(count):
        name, at = _string(data, at, size)
        if name is None:
            raise BadMessageError("topic")
        inner, at = _count(data, at, 4)
        numbers = [_int32.unpack_from(data, at + 4 * index)[0] for index in range(inner)]
        at += 4 * inner
        at = at + 1 if not data[at] else _skip_tags(data, at)
        forgotten.append((name, numbers))
    rack_id, at = _string(data, at, size)
    if rack_id is None:
        raise BadMessageError("rack_id")
    at = at + 1 if not data[at] else _skip_tags(data, at)
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
    out.append(_ONE[count] if count < 128 else _put(count))
    for topic in message.topics:
        _put_string(out, topic.topic)
        count = len(topic.partitions) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
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
    out.append(_ONE[count] if count < 128 else _put(count))
    for name, numbers in message.forgotten:
        _put_string(out, name)
        count = len(numbers) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
        out.extend(_int32.pack(number) for number in numbers)
        out.append(b"\0")
    _put_string(out, message.rack_id)
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


def decode_fetch_answer(data: _b) -> FetchAnswer:
    size = len(data)
    throttle_time_ms, error_code, session_id = _response_head.unpack_from(data, 0)
    count, at = _count(data, 10, 3)
    topics = []
    for _ in range(count):
        name, at = _string(data, at, size)
        if name is None:
            raise BadMessageError("topic")
        inner, at = _count(data, at, 37)
        partitions = []
        for _ in range(inner):
            partition, error, high_watermark, stable, log_start = _partition_head.unpack_from(data, at)
            at += 30
            aborted: list[tuple[int, int]] | None = None
            if data[at]:
                count, at = _count(data, at, 17)
                aborted = []
                for _ in range(count):
                    aborted.append(_aborted.unpack_from(data, at))
                    at += 16
                    at = at + 1 if not data[at] else _skip_tags(data, at)
            else:
                at += 1
            (preferred,) = _int32.unpack_from(data, at)
            at += 4
            length = data[at]
            at += 1
            if length > 127:
                length, at = _varint(data, at - 1)
            if length:
                end = at + length - 1
                if end > size:
                    raise BadMessageError("records")
                records = memoryview(data)[at:end]
                at = end
            else:
                records = None
            at = at + 1 if not data[at] else _skip_tags(data, at)
            partitions.append(Fetched(partition, error, high_watermark, stable, log_start, aborted, preferred, records))
        at = at + 1 if not data[at] else _skip_tags(data, at)
        topics.append(FetchedTopic(name, partitions))
    at = at + 1 if not data[at] else _skip_tags(data, at)
    return FetchAnswer(throttle_time_ms, error_code, session_id, topics)


def encode_fetch_answer(message: FetchAnswer) -> bytes:
    out: list[Any] = [_response_head.pack(message.throttle_time_ms, message.error_code, message.session_id)]
    count = len(message.topics) + 1
    out.append(_ONE[count] if count < 128 else _put(count))
    for topic in message.topics:
        _put_string(out, topic.topic)
        count = len(topic.partitions) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
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
                out.append(_ONE[count] if count < 128 else _put(count))
                for pair in part.aborted:
                    out.append(_aborted.pack(*pair))
                    out.append(b"\0")
            out.append(_int32.pack(part.preferred_read_replica))
            records = part.records
            if records is None:
                out.append(b"\0\0")
            else:
                length = len(records) + 1
                out.append(_ONE[length] if length < 128 else _put(length))
                out.append(records)
                out.append(b"\0")
        out.append(b"\0")
    out.append(b"\0")
    return b"".join(out)


# --- Metadata v9 ----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Metadata:
    topics: list[str] | None
    auto_create: bool
    cluster_operations: bool
    topic_operations: bool


_flags = Struct(">???")


def decode_metadata(data: _b) -> Metadata:
    size = len(data)
    topics: list[str] | None = None
    at = 1
    if data[0]:
        count, at = _count(data, 0, 2)
        topics = []
        for _ in range(count):
            name, at = _string(data, at, size)
            if name is None:
                raise BadMessageError("name")
            at = at + 1 if not data[at] else _skip_tags(data, at)
            topics.append(name)
    auto_create, cluster, topic = _flags.unpack_from(data, at)
    at += 3
    at = at + 1 if not data[at] else _skip_tags(data, at)
    return Metadata(topics, auto_create, cluster, topic)


def encode_metadata(message: Metadata) -> bytes:
    out: list[Any] = []
    if message.topics is None:
        out.append(b"\0")
    else:
        count = len(message.topics) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
        for name in message.topics:
            _put_string(out, name)
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


def _int32s(data: _b, at: int) -> tuple[list[int], int]:
    count, at = _count(data, at, 4)
    end = at + 4 * count
    return [_int32.unpack_from(data, place)[0] for place in range(at, end, 4)], end


def decode_metadata_answer(data: _b) -> MetadataAnswer:
    size = len(data)
    (throttle_time_ms,) = _int32.unpack_from(data, 0)
    count, at = _count(data, 4, 11)
    brokers = []
    for _ in range(count):
        (node_id,) = _int32.unpack_from(data, at)
        host, at = _string(data, at + 4, size)
        if host is None:
            raise BadMessageError("host")
        (port,) = _int32.unpack_from(data, at)
        rack, at = _string(data, at + 4, size)
        at = at + 1 if not data[at] else _skip_tags(data, at)
        brokers.append(Broker(node_id, host, port, rack))
    cluster_id, at = _string(data, at, size)
    (controller_id,) = _int32.unpack_from(data, at)
    count, at = _count(data, at + 4, 10)
    topics = []
    for _ in range(count):
        (error_code,) = _int16.unpack_from(data, at)
        name, at = _string(data, at + 2, size)
        if name is None:
            raise BadMessageError("name")
        is_internal = data[at] != 0
        inner, at = _count(data, at + 1, 18)
        partitions = []
        for _ in range(inner):
            error, partition, leader, epoch = _metadata_partition.unpack_from(data, at)
            replicas, at = _int32s(data, at + 14)
            isr, at = _int32s(data, at)
            offline, at = _int32s(data, at)
            at = at + 1 if not data[at] else _skip_tags(data, at)
            partitions.append(PartitionMetadata(error, partition, leader, epoch, replicas, isr, offline))
        (operations,) = _int32.unpack_from(data, at)
        at += 4
        at = at + 1 if not data[at] else _skip_tags(data, at)
        topics.append(TopicMetadata(error_code, name, is_internal, partitions, operations))
    (operations,) = _int32.unpack_from(data, at)
    at += 4
    at = at + 1 if not data[at] else _skip_tags(data, at)
    return MetadataAnswer(throttle_time_ms, brokers, cluster_id, controller_id, topics, operations)


def _put_int32s(out: list[Any], numbers: list[int]) -> None:
    count = len(numbers) + 1
    out.append(_ONE[count] if count < 128 else _put(count))
    out.extend(_int32.pack(number) for number in numbers)


def encode_metadata_answer(message: MetadataAnswer) -> bytes:
    out: list[Any] = [_int32.pack(message.throttle_time_ms)]
    count = len(message.brokers) + 1
    out.append(_ONE[count] if count < 128 else _put(count))
    for broker in message.brokers:
        out.append(_int32.pack(broker.node_id))
        _put_string(out, broker.host)
        out.append(_int32.pack(broker.port))
        _put_string(out, broker.rack)
        out.append(b"\0")
    _put_string(out, message.cluster_id)
    out.append(_int32.pack(message.controller_id))
    count = len(message.topics) + 1
    out.append(_ONE[count] if count < 128 else _put(count))
    for topic in message.topics:
        out.append(_int16.pack(topic.error_code))
        _put_string(out, topic.name)
        out.append(b"\x01" if topic.is_internal else b"\0")
        count = len(topic.partitions) + 1
        out.append(_ONE[count] if count < 128 else _put(count))
        for part in topic.partitions:
            out.append(_metadata_partition.pack(part.error_code, part.partition, part.leader, part.leader_epoch))
            _put_int32s(out, part.replicas)
            _put_int32s(out, part.isr)
            _put_int32s(out, part.offline)
            out.append(b"\0")
        out.append(_int32.pack(topic.operations))
        out.append(b"\0")
    out.append(_int32.pack(message.operations))
    out.append(b"\0")
    return b"".join(out)
