"""Record batches: Kafka's message format v2. (The message sets v0 and v1 before it: message_sets.py.)

A batch is opaque on the broker's hot path: its 61-byte header is parsed by `struct`, its checksum taken in C, base
offset and partition leader epoch (outside the checksum) patched in place. Records inside are decoded only where
meaning needs it.

    offset size field                    offset size field
         0    8 baseOffset                   27    8 baseTimestamp (delete horizon if attributes bit 6)
         8    4 batchLength (after it)       35    8 maxTimestamp
        12    4 partitionLeaderEpoch         43    8 producerId
        16    1 magic (2)                    51    2 producerEpoch
        17    4 crc (CRC-32C of 21..end)     53    4 baseSequence
        21    2 attributes                   57    4 recordsCount
        23    4 lastOffsetDelta              61      records, compressed as one block

Source: org.apache.kafka.common.record.DefaultRecordBatch, DefaultRecord, EndTransactionMarker.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

import google_crc32c

from .compression import MAX_DECOMPRESSED_BYTES, Codec, CompressionError, compress, decompress
from .errors import ErrorCode, KafkaError
from .varint import decode_varint, encode_varint

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
BATCH_OVERHEAD: Final = 61
#: baseOffset and batchLength, which batchLength does not count.
LOG_OVERHEAD: Final = 12
#: The smallest batchLength that Kafka takes for one of any magic (LegacyRecord.RECORD_OVERHEAD_V0).
MIN_BATCH_LENGTH: Final = 14
CRC_FROM: Final = 21
MAGIC: Final = 2

COMPRESSION_MASK: Final = 0x07
LOG_APPEND_TIME_FLAG: Final = 0x08
TRANSACTIONAL_FLAG: Final = 0x10
CONTROL_FLAG: Final = 0x20
DELETE_HORIZON_FLAG: Final = 0x40

NO_TIMESTAMP: Final = -1
NO_PRODUCER_ID: Final = -1
NO_PRODUCER_EPOCH: Final = -1
NO_SEQUENCE: Final = -1
NO_PARTITION_LEADER_EPOCH: Final = -1
MAX_INT32: Final = 0x7FFFFFFF

#: ControlRecordKey.type
CONTROL_ABORT: Final = 0
CONTROL_COMMIT: Final = 1

#: Slices of this size are copied for the checksum, so that the copy stays in the processor's cache.
_CRC_CHUNK_BYTES: Final = 65_536

_OFFSET_LENGTH_EPOCH: Final = struct.Struct(">qii")
#: -1 as a varint: there is no key, or no value.
_NULL_LENGTH: Final = 1

#: The numbers in a batch's records are small and come again: a look-up is a third of their encoding.
_varint: Final = lru_cache(4096)(encode_varint)

_INT32: Final = struct.Struct(">i")
_INT64: Final = struct.Struct(">q")
_CRC: Final = struct.Struct(">I")
_CONTROL_KEY: Final = struct.Struct(">hh")
_END_TXN_MARKER: Final = struct.Struct(">hi")


class RecordError(KafkaError):
    """Records that cannot be read. `code` is CORRUPT_MESSAGE (checksum, framing) or INVALID_RECORD (contents)."""


class BatchHeader(NamedTuple):
    """The 61 bytes before the records; `length` counts from byte 12 on."""

    base_offset: int
    length: int
    partition_leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp_ms: int
    max_timestamp_ms: int
    producer_id: int
    producer_epoch: int
    base_sequence: int
    records_count: int

    @property
    def size_bytes(self) -> int:
        return self.length + LOG_OVERHEAD

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        return NO_SEQUENCE if self.base_sequence < 0 else add_sequence(self.base_sequence, self.last_offset_delta)

    @property
    def codec(self) -> int:
        return self.attributes & COMPRESSION_MASK

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & LOG_APPEND_TIME_FLAG)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL_FLAG)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL_FLAG)


class Record(NamedTuple):
    """One record. For `encode_batch`, offset -1 means the one after its predecessor's.

    `headers` are (name, value) pairs in their order; names may repeat, values may be None.
    """

    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    timestamp_ms: int = NO_TIMESTAMP
    offset: int = -1


def add_sequence(sequence: int, increment: int) -> int:
    """Sequences are int32 and start at 0 again after 2147483647."""
    total = sequence + increment
    return total if total <= MAX_INT32 else total - MAX_INT32 - 1


def parse_header(data: bytes | bytearray | memoryview, position: int = 0) -> BatchHeader:
    """The batch header at `position`. Raises struct.error when fewer than 61 bytes are left; checks nothing else."""
    return BatchHeader._make(HEADER.unpack_from(data, position))


def checksum(data: bytes | bytearray | memoryview) -> int:
    """CRC-32C of `data`. (The C extension takes `bytes` only, so anything else is copied, in small pieces.)"""
    if type(data) is bytes:
        return google_crc32c.value(data)  # type: ignore[no-any-return]
    if len(data) <= _CRC_CHUNK_BYTES:
        return google_crc32c.value(bytes(data))  # type: ignore[no-any-return]
    crc = 0
    for start in range(0, len(data), _CRC_CHUNK_BYTES):
        crc = google_crc32c.extend(crc, bytes(data[start : start + _CRC_CHUNK_BYTES]))
    return crc


def batch_checksum(batch: bytes | bytearray | memoryview) -> int:
    """The CRC-32C that the batch's header should hold; `batch` ends where the batch does."""
    return checksum(memoryview(batch)[CRC_FROM:])


def batch_size(data: bytes | bytearray | memoryview, position: int = 0) -> int | None:
    """Size in bytes of the batch (of any magic) at `position`, None when `data` ends before it does.

    Raises RecordError(CORRUPT_MESSAGE) for a length or magic that no batch has. This is how Kafka cuts a buffer into
    batches (ByteBufferLogInputStream), and so which leftovers it takes for "no batch" and which for damage.
    """
    left = len(data) - position
    if left < LOG_OVERHEAD:
        return None
    length: int = _INT32.unpack_from(data, position + 8)[0]
    if length < MIN_BATCH_LENGTH:
        raise RecordError(
            ErrorCode.CORRUPT_MESSAGE, f"Record size {length} is less than the minimum record overhead (14)"
        )
    if left < LOG_OVERHEAD + 5:
        return None
    magic = data[position + 16]
    if magic > MAGIC:
        raise RecordError(ErrorCode.CORRUPT_MESSAGE, f"Invalid magic found in record: {magic}")
    return length + LOG_OVERHEAD if left >= length + LOG_OVERHEAD else None


def set_base_offset(batch: bytearray | memoryview, base_offset: int, partition_leader_epoch: int) -> None:
    """Patches both in place; they lie outside the checksum."""
    length: int = _INT32.unpack_from(batch, 8)[0]
    _OFFSET_LENGTH_EPOCH.pack_into(batch, 0, base_offset, length, partition_leader_epoch)


def set_checksum(batch: bytearray) -> None:
    """Puts the checksum of what stands in the batch into its header."""
    _CRC.pack_into(batch, 17, batch_checksum(batch))


def set_log_append_time(batch: bytearray, timestamp_ms: int) -> None:
    """Stamps the whole batch with the broker's time (message.timestamp.type=LogAppendTime) and renews its checksum.

    Records keep their deltas; readers take maxTimestamp for each of them.
    """
    attributes: int = struct.unpack_from(">h", batch, 21)[0]
    struct.pack_into(">h", batch, 21, attributes | LOG_APPEND_TIME_FLAG)
    _INT64.pack_into(batch, 35, timestamp_ms)
    set_checksum(batch)


def iter_batches(data: bytes | bytearray | memoryview) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of each whole v2 batch in `data`; a partial one at the end is left out.

    Raises RecordError(CORRUPT_MESSAGE) for a length or magic that no v2 batch has. Checksums are not looked at.
    """
    position = 0
    while (size := batch_size(data, position)) is not None:
        if data[position + 16] != MAGIC or size < BATCH_OVERHEAD:
            raise RecordError(ErrorCode.CORRUPT_MESSAGE, f"no v2 record batch at byte {position}")
        yield position, parse_header(data, position)
        position += size


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


def verify_batch(batch: bytes | bytearray | memoryview) -> None:
    """Raises RecordError(CORRUPT_MESSAGE) unless the v2 `batch` is as long as its header says and its CRC fits."""
    if len(batch) < BATCH_OVERHEAD:
        raise RecordError(ErrorCode.CORRUPT_MESSAGE, f"Record batch of {len(batch)} bytes, a header alone has 61")
    header = parse_header(batch)
    if header.size_bytes != len(batch):
        raise RecordError(ErrorCode.CORRUPT_MESSAGE, f"Record batch of {header.size_bytes} bytes in {len(batch)}")
    computed = batch_checksum(batch)
    if computed != header.crc:
        raise RecordError(
            ErrorCode.CORRUPT_MESSAGE, f"Record is corrupt (stored crc = {header.crc}, computed crc = {computed})"
        )


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
