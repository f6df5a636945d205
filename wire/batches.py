"""Record batches: the frame of Kafka's message format v2. (Their records: records.py; v0 and v1: message_sets.py.)

A batch is opaque on the broker's hot path: its 61-byte header is parsed by `struct`, its checksum taken in C, base
offset and partition leader epoch (outside the checksum) patched in place.

    offset size field                    offset size field
         0    8 baseOffset                   27    8 baseTimestamp (delete horizon if attributes bit 6)
         8    4 batchLength (after it)       35    8 maxTimestamp
        12    4 partitionLeaderEpoch         43    8 producerId
        16    1 magic (2)                    51    2 producerEpoch
        17    4 crc (CRC-32C of 21..end)     53    4 baseSequence
        21    2 attributes                   57    4 recordsCount
        23    4 lastOffsetDelta              61      records, compressed as one block

Source: org.apache.kafka.common.record.DefaultRecordBatch, ByteBufferLogInputStream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

import google_crc32c

from .errors import ErrorCode, KafkaError

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

#: Slices of this size are copied for the checksum, so that the copy stays in the processor's cache.
_CRC_CHUNK_BYTES: Final = 65_536

_OFFSET_LENGTH_EPOCH: Final = struct.Struct(">qii")
_INT32: Final = struct.Struct(">i")
_INT64: Final = struct.Struct(">q")
_CRC: Final = struct.Struct(">I")


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
