"""Records, and the v2 batches that are made of them. (The batch as a frame: batches.py; v0 and v1: message_sets.py.)

Records are decoded only where meaning needs it.

Source: org.apache.kafka.common.record.DefaultRecord, DefaultRecordBatch, EndTransactionMarker.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from .batches import (
    BATCH_OVERHEAD,
    CONTROL_FLAG,
    HEADER,
    LOG_APPEND_TIME_FLAG,
    LOG_OVERHEAD,
    MAGIC,
    NO_PARTITION_LEADER_EPOCH,
    NO_PRODUCER_EPOCH,
    NO_PRODUCER_ID,
    NO_SEQUENCE,
    NO_TIMESTAMP,
    TRANSACTIONAL_FLAG,
    RecordError,
    batch_size,
    parse_header,
    set_checksum,
    verify_batch,
)
from .compression import MAX_DECOMPRESSED_BYTES, Codec, CompressionError, compress, decompress
from .errors import ErrorCode
from .varint import decode_varint, encode_varint

#: ControlRecordKey.type
CONTROL_ABORT: Final = 0
CONTROL_COMMIT: Final = 1

#: -1 as a varint: there is no key, or no value.
_NULL_LENGTH: Final = 1

#: The numbers in a batch's records are small and come again: a look-up is a third of their encoding.
_varint: Final = lru_cache(4096)(encode_varint)

_CONTROL_KEY: Final = struct.Struct(">hh")
_END_TXN_MARKER: Final = struct.Struct(">hi")


class Record(NamedTuple):
    """One record. For `encode_batch`, offset -1 means the one after its predecessor's.

    `headers` are (name, value) pairs in their order; names may repeat, values may be None.
    """

    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = NO_TIMESTAMP
    offset: int = -1


# --- encoding -----------------------------------------------------------------------------------------------------


def encode_batch(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    last_offset: int | None = None,
    codec: int = Codec.NONE,
    level: int | None = None,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
    producer_id: int = NO_PRODUCER_ID,
    producer_epoch: int = NO_PRODUCER_EPOCH,
    base_sequence: int = NO_SEQUENCE,
    transactional: bool = False,
    control: bool = False,
    log_append_time_ms: int | None = None,
    max_timestamp_ms: int | None = None,
) -> bytes:
    """One v2 batch of `records`.

    Offsets of the records are absolute (or -1: one after the predecessor, the first at `base_offset`). `last_offset`
    and `max_timestamp_ms` override what follows from the records, for batches that compaction has thinned out or
    emptied. With `log_append_time_ms` the batch is stamped so (and its records' timestamps are lost to readers).
    """
    out = bytearray()
    count = 0
    base_timestamp = max_timestamp = NO_TIMESTAMP
    offset = base_offset - 1
    for record in records:
        offset = record.offset if record.offset >= 0 else offset + 1
        if count == 0:
            base_timestamp = record.timestamp_ms
        max_timestamp = max(max_timestamp, record.timestamp_ms)
        _encode_record(out, record, record.timestamp_ms - base_timestamp, offset - base_offset)
        count += 1
    if last_offset is None:
        last_offset = offset
    attributes = codec | (TRANSACTIONAL_FLAG if transactional else 0) | (CONTROL_FLAG if control else 0)
    if log_append_time_ms is not None:
        attributes |= LOG_APPEND_TIME_FLAG
        max_timestamp = log_append_time_ms
    elif max_timestamp_ms is not None:
        max_timestamp = max_timestamp_ms
    payload = compress(codec, bytes(out), level) if count else b""
    batch = bytearray(BATCH_OVERHEAD)
    HEADER.pack_into(
        batch,
        0,
        base_offset,
        BATCH_OVERHEAD - LOG_OVERHEAD + len(payload),
        partition_leader_epoch,
        MAGIC,
        0,
        attributes,
        last_offset - base_offset,
        base_timestamp,
        max_timestamp,
        producer_id,
        producer_epoch,
        base_sequence,
        count,
    )
    batch += payload
    set_checksum(batch)
    return bytes(batch)


def encode_end_txn_marker(
    *,
    commit: bool,
    producer_id: int,
    producer_epoch: int,
    coordinator_epoch: int,
    timestamp_ms: int,
    base_offset: int = 0,
    partition_leader_epoch: int = NO_PARTITION_LEADER_EPOCH,
) -> bytes:
    """The control batch that ends a transaction in a partition.

    Its value (version, coordinator epoch) is never left out: clients break on an empty one.
    """
    key = _CONTROL_KEY.pack(0, CONTROL_COMMIT if commit else CONTROL_ABORT)
    return encode_batch(
        [Record(key=key, value=_END_TXN_MARKER.pack(0, coordinator_epoch), timestamp_ms=timestamp_ms)],
        base_offset=base_offset,
        partition_leader_epoch=partition_leader_epoch,
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        transactional=True,
        control=True,
    )


def decode_end_txn_marker(record: Record) -> tuple[int, int] | None:
    """(control type, coordinator epoch) of an end marker, None for a control record of another type.

    Control type is CONTROL_ABORT or CONTROL_COMMIT. Raises RecordError(INVALID_RECORD) for a damaged one.
    """
    if record.key is None or len(record.key) < 4:
        raise RecordError(ErrorCode.INVALID_RECORD, "control record without a version and a type in its key")
    _, control_type = _CONTROL_KEY.unpack_from(record.key)
    if control_type not in (CONTROL_ABORT, CONTROL_COMMIT):
        return None
    if record.value is None or len(record.value) < _END_TXN_MARKER.size:
        raise RecordError(ErrorCode.INVALID_RECORD, "end transaction marker without its value")
    return control_type, _END_TXN_MARKER.unpack_from(record.value)[1]


def _encode_record(out: bytearray, record: Record, timestamp_delta: int, offset_delta: int) -> None:
    key, value, headers, _, _ = record
    body = b"".join(
        (
            b"\0",  # attributes: no bit is in use
            _varint(timestamp_delta),
            _varint(offset_delta),
            b"\x01" if key is None else _varint(len(key)),
            key or b"",
            b"\x01" if value is None else _varint(len(value)),
            value or b"",
            _encode_headers(headers) if headers else b"\0",
        )
    )
    out += _varint(len(body))
    out += body


def _encode_headers(headers: tuple[tuple[str, bytes | None], ...]) -> bytes:
    out = bytearray(encode_varint(len(headers)))
    for name, value in headers:
        data = name.encode()
        out += _varint(len(data)) + data
        out += b"\x01" if value is None else _varint(len(value)) + value
    return bytes(out)


# --- decoding -----------------------------------------------------------------------------------------------------


def iter_records(
    data: bytes | bytearray | memoryview, *, limit: int = MAX_DECOMPRESSED_BYTES, verify_crc: bool = True
) -> Iterator[Record]:
    """All records of all batches (v2) and messages (v0, v1) in `data`, control records too, with absolute offsets.

    A partial batch at the end is left out, as in a Fetch response. At most `limit` bytes come out of one compressed
    block. Raises RecordError.
    """
    data = data if isinstance(data, bytes) else bytes(data)
    position = 0
    while (size := batch_size(data, position)) is not None:
        batch = data[position : position + size]
        if batch[16] == MAGIC:
            if verify_crc:
                verify_batch(batch)
            yield from batch_records(batch, limit=limit)
        else:
            from .message_sets import message_records  # here, since only old files and clients have such messages

            yield from message_records(batch, limit=limit, verify_crc=verify_crc)
        position += size


def batch_records(
    batch: bytes | bytearray | memoryview, *, limit: int = MAX_DECOMPRESSED_BYTES, skip_values: bool = False
) -> Iterator[Record]:
    """The records of one whole v2 batch, decompressed. Its checksum is not looked at.

    `skip_values` leaves value and headers out of the records (None and empty), when only offsets, timestamps and
    keys matter. Raises RecordError(INVALID_RECORD) for anything that does not fit: damaged compression, a record
    that ends outside the batch, more or fewer bytes than the count says.
    """
    header = parse_header(batch)
    payload = bytes(memoryview(batch)[BATCH_OVERHEAD:])
    if header.records_count == 0 and not payload:
        return
    try:
        payload = decompress(header.codec, payload, limit)
    except CompressionError as error:
        raise RecordError(ErrorCode.INVALID_RECORD, str(error)) from None
    append_time = header.max_timestamp_ms if header.attributes & LOG_APPEND_TIME_FLAG else None
    base_offset = header.base_offset
    base_timestamp = header.base_timestamp_ms
    position = 0
    try:
        for _ in range(header.records_count):
            length, position = decode_varint(payload, position)
            end = position + length
            if length < 0 or end > len(payload):
                raise ValueError(f"record of {length} bytes, {len(payload) - position} are left")
            position += 1
            # Most numbers are one byte: that way costs no call.
            byte = payload[position]
            if byte < 128:
                timestamp_delta, position = (byte >> 1) ^ -(byte & 1), position + 1
            else:
                timestamp_delta, position = decode_varint(payload, position)
            offset_delta, position = decode_varint(payload, position)
            key: bytes | None = None
            if payload[position] == _NULL_LENGTH:
                position += 1
            else:
                key, position = _nullable(payload, position, end)
            value: bytes | None = None
            headers: tuple[tuple[str, bytes | None], ...] = ()
            if skip_values:
                position = end
            else:
                value, position = _nullable(payload, position, end)
                if payload[position] == 0:
                    position += 1
                else:
                    headers, position = _headers(payload, position, end)
                if position != end:
                    raise ValueError(f"record ends at byte {position}, its length says {end}")
            timestamp = base_timestamp + timestamp_delta if append_time is None else append_time
            yield Record(key, value, headers, timestamp, base_offset + offset_delta)
    except (ValueError, IndexError) as error:
        raise RecordError(ErrorCode.INVALID_RECORD, f"Found invalid record in batch: {error}") from None
    if position != len(payload):
        raise RecordError(
            ErrorCode.INVALID_RECORD,
            f"Incorrect declared batch size, records still remaining: {len(payload) - position} bytes",
        )


def _nullable(data: bytes, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = decode_varint(data, position)
    if length < 0:
        return None, position
    if position + length > end:
        raise ValueError(f"field of {length} bytes, {end - position} are left")
    return data[position : position + length], position + length


def _headers(data: bytes, position: int, end: int) -> tuple[tuple[tuple[str, bytes | None], ...], int]:
    count, position = decode_varint(data, position)
    if count == 0:
        return (), position
    if count < 0 or count > end - position:
        raise ValueError(f"{count} headers in {end - position} bytes")
    headers = []
    for _ in range(count):
        name, position = _nullable(data, position, end)
        if name is None:
            raise ValueError("header without a name")
        value, position = _nullable(data, position, end)
        headers.append((name.decode(), value))  # UnicodeDecodeError is a ValueError
    return tuple(headers), position
