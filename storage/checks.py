"""What a leader looks at before it takes a batch, and the error for each thing that is wrong.

The order of the checks is Kafka's, since a batch may be wrong in two ways: ProduceRequest.validateRecords, then
UnifiedLog.analyzeAndValidateRecords, then LogValidator.

A plain topic's batch is judged by its header and checksum; records are decoded only where a config speaks of them:
keys on a compacted topic, timestamps that the header puts in doubt, everything under `klamm.validate.records`.
Left out: Kafka decodes every record of every batch, and so also rejects garbage behind a right checksum.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Final

from google_crc32c import value as crc32c

from ..wire.batches import (
    BATCH_OVERHEAD,
    COMPRESSION_MASK,
    CONTROL_FLAG,
    CRC_FROM,
    HEADER,
    LOG_APPEND_TIME_FLAG,
    LOG_OVERHEAD,
    MAGIC,
    NO_TIMESTAMP,
    TRANSACTIONAL_FLAG,
    BatchHeader,
    RecordError,
    batch_checksum,
    batch_size,
    checksum,
    parse_header,
    set_log_append_time,
)
from ..wire.compression import Codec
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import Record, batch_records
from .config import MAX_INT64, LogConfig

Batch = bytes | bytearray | memoryview

#: As many record errors as Kafka puts in the message; RecordErrors in the response has them all.
_ERRORS_IN_MESSAGE: Final = 3

#: Where they stand among a header's fields.
_ATTRIBUTES: Final = 5
#: A known codec, perhaps transactional; nothing else.
_ORDINARY_ATTRIBUTES: Final = frozenset(codec | flag for codec in Codec for flag in (0, TRANSACTIONAL_FLAG))

#: Length, attributes, two deltas, the lengths of key and value, the number of headers: a byte each at least.
SMALLEST_RECORD_BYTES: Final = 7

_unpack: Final = HEADER.unpack_from


class Origin(Enum):
    """Who made the batch (AppendOrigin)."""

    CLIENT = "client"
    #: A coordinator, the controller, or the broker itself: control batches and its own records.
    COORDINATOR = "coordinator"
    #: A leader's log, fetched.
    REPLICATION = "replication"


class NotOneBatchError(RecordError):
    """What was sent is not one batch of magic 2: Kafka refuses it before it looks at the partition."""


class RecordsRejected(KafkaError):  # noqa: N818  (what happened to the records, as the response says it)
    """Some records of a batch are not allowed here. `record_errors`: (index in the batch, message)."""

    def __init__(self, code: ErrorCode, message: str, record_errors: list[tuple[int, str]]) -> None:
        super().__init__(code, message)
        self.record_errors = record_errors


def accept(batch: Batch, config: LogConfig, now_ms: int, origin: Origin) -> tuple[tuple[int, ...], Batch]:
    """The header's 13 fields and the batch to store, which is `batch` unless time stamps or codec had to change.

    Raises KafkaError, RecordError or RecordsRejected. What passes the first `if` is an ordinary batch; all
    else is looked at again, in order.
    """
    size = len(batch)
    if size >= BATCH_OVERHEAD:
        header = _unpack(batch)
        base_offset, length, _, magic, crc, attributes, delta, _, max_timestamp, producer_id, _, sequence, count = (
            header
        )
        if (
            magic == MAGIC
            and length == size - LOG_OVERHEAD
            and base_offset == 0
            and count == delta + 1
            and count > 0
            and size <= config.max_message_bytes
            and attributes in _ORDINARY_ATTRIBUTES
            and (sequence >= 0 or producer_id < 0)
            and (count * SMALLEST_RECORD_BYTES <= size - BATCH_OVERHEAD or attributes & COMPRESSION_MASK)
            and (crc32c(bytes(batch[CRC_FROM:])) if size < 65_536 else checksum(memoryview(batch)[CRC_FROM:])) == crc
        ):
            if _header_tells_all(config) and max_timestamp <= now_ms + config.message_timestamp_after_max_ms:
                return header, batch
            return _in_codec(_look_inside(batch, BatchHeader._make(header), config, now_ms, origin), config, origin)
    batch = _one_batch(batch)
    checked = parse_header(batch)
    _check_header(batch, checked, config, origin)
    return _in_codec(_look_inside(batch, checked, config, now_ms, origin), config, origin)


def _header_tells_all(config: LogConfig) -> bool:
    return (
        config.message_timestamp_type == "CreateTime"
        and config.message_timestamp_before_max_ms == MAX_INT64
        and config.cleanup_policy == ("delete",)
        and config.compression_type == "producer"
        and not config.klamm_validate_records
    )


def _in_codec(found: tuple[tuple[int, ...], Batch], config: LogConfig, origin: Origin) -> tuple[tuple[int, ...], Batch]:
    """What is to be stored, as compression.type says."""
    header, batch = found
    codec = config.target_codec
    if codec is None or origin is not Origin.CLIENT or header[_ATTRIBUTES] & COMPRESSION_MASK == codec:
        return found
    from .recompression import level_of, recompressed

    made = recompressed(batch, codec, level_of(config))
    _check_size(made, config)
    return _unpack(made), made


def _check_size(batch: Batch, config: LogConfig) -> None:
    if len(batch) > config.max_message_bytes:
        raise KafkaError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch size in the append is {len(batch)} bytes which exceeds the maximum configured value "
            f"of {config.max_message_bytes}.",
        )


def _one_batch(data: Batch) -> Batch:
    """The single batch at the head of `data`; stray bytes behind it that are no batch are dropped."""
    size = batch_size(data)
    if size is None:
        raise NotOneBatchError(
            ErrorCode.INVALID_RECORD, "Produce requests must have at least one record batch per partition"
        )
    magic = data[16]
    if magic != MAGIC:
        raise NotOneBatchError(
            ErrorCode.INVALID_RECORD, f"Produce requests must contain records with magic 2, this one has {magic}"
        )
    if batch_size(data, size) is not None:
        raise NotOneBatchError(
            ErrorCode.INVALID_RECORD, "Produce requests must have exactly one record batch per partition"
        )
    if size < BATCH_OVERHEAD:
        raise RecordError(
            ErrorCode.CORRUPT_MESSAGE,
            f"Record batch is corrupted (the size {size} is smaller than the minimum allowed {BATCH_OVERHEAD})",
        )
    return memoryview(data)[:size]


def _check_header(batch: Batch, header: BatchHeader, config: LogConfig, origin: Origin) -> None:
    """For a batch of its full length. Kafka's coordinators are trusted with counts and sequences, so are ours."""
    if origin is Origin.CLIENT and header.base_offset != 0:
        raise RecordError(
            ErrorCode.INVALID_RECORD,
            f"The baseOffset of the record batch in the append should be 0, but it is {header.base_offset}",
        )
    _check_size(batch, config)
    computed = batch_checksum(batch)
    if computed != header.crc:
        raise RecordError(
            ErrorCode.CORRUPT_MESSAGE, f"Record is corrupt (stored crc = {header.crc}, computed crc = {computed})"
        )
    if header.codec > Codec.ZSTD:
        raise RecordError(ErrorCode.INVALID_RECORD, f"Unknown compression type id: {header.codec}")
    if origin is not Origin.CLIENT:
        return
    if header.last_offset_delta < 0:
        raise RecordError(
            ErrorCode.INVALID_RECORD, f"Batch has an invalid offset range: [0, {header.last_offset_delta}]"
        )
    if header.records_count <= 0:
        raise RecordError(ErrorCode.INVALID_RECORD, f"Invalid reported count for record batch: {header.records_count}")
    if header.records_count != header.last_offset_delta + 1:
        raise RecordError(
            ErrorCode.INVALID_RECORD,
            f"Inconsistent batch offset range [0, {header.last_offset_delta}] and count of records "
            f"{header.records_count}",
        )
    if not header.codec and header.records_count * SMALLEST_RECORD_BYTES > len(batch) - BATCH_OVERHEAD:
        # Records are not looked at, but so many cannot be there: the log's end would move by what the header claims.
        raise RecordError(ErrorCode.INVALID_RECORD, "Incorrect declared batch size, premature EOF reached")
    if header.is_control:
        raise RecordError(ErrorCode.INVALID_RECORD, "Clients are not allowed to write control records")
    if header.producer_id >= 0 and header.base_sequence < 0:
        raise RecordError(
            ErrorCode.INVALID_RECORD,
            f"Invalid sequence number {header.base_sequence} in record batch with producerId {header.producer_id}",
        )


def _look_inside(
    batch: Batch, header: BatchHeader, config: LogConfig, now_ms: int, origin: Origin
) -> tuple[tuple[int, ...], Batch]:
    """The checks that concern single records, and the time stamp that the topic wants."""
    if header.attributes & CONTROL_FLAG and not config.is_log_append_time:
        return header, batch  # markers have the broker's own time and key
    if origin is Origin.CLIENT and (config.is_compacted or config.klamm_validate_records):
        _check_records(batch, config)
    if config.is_log_append_time:
        if header.is_log_append_time:
            errors = [
                (index, "Invalid timestamp type. Producer should not set timestamp type to LogAppendTime.")
                for index in range(header.records_count)
            ]
            raise _rejected(ErrorCode.INVALID_TIMESTAMP, errors)
        stamped = bytearray(batch)
        set_log_append_time(stamped, now_ms)
        return _unpack(stamped), stamped
    if header.is_log_append_time:
        # Kafka clears the bit on a CreateTime topic (DefaultRecordBatch.setMaxTimestamp).
        batch = _with_timestamps(batch, header.attributes & ~LOG_APPEND_TIME_FLAG, header.max_timestamp_ms)
        header = parse_header(batch)
    earliest = now_ms - config.message_timestamp_before_max_ms
    latest = now_ms + config.message_timestamp_after_max_ms
    if header.max_timestamp_ms <= latest and config.message_timestamp_before_max_ms == MAX_INT64:
        return header, batch
    return _check_timestamps(batch, header, earliest, latest)


def _check_records(batch: Batch, config: LogConfig) -> None:
    missing: list[tuple[int, str]] = []
    for index, record in enumerate(batch_records(batch, skip_values=not config.klamm_validate_records)):
        if record.key is None and config.is_compacted:
            missing.append((index, "Compacted topic cannot accept message without key."))
    if missing:
        raise _rejected(ErrorCode.INVALID_RECORD, missing)


def _check_timestamps(batch: Batch, header: BatchHeader, earliest: int, latest: int) -> tuple[tuple[int, ...], Batch]:
    errors = []
    max_timestamp = NO_TIMESTAMP
    for index, record in enumerate(batch_records(batch, skip_values=True)):
        max_timestamp = max(max_timestamp, record.timestamp_ms)
        if record.timestamp_ms != NO_TIMESTAMP and not earliest <= record.timestamp_ms <= latest:
            errors.append((index, _out_of_range(record, index, earliest, latest)))
    if errors:
        raise _rejected(ErrorCode.INVALID_TIMESTAMP, errors)
    if header.max_timestamp_ms > latest:
        # The header's claim alone was out of range. Kafka puts the true maximum there, and so nothing is kept for ever.
        batch = _with_timestamps(batch, header.attributes, max_timestamp)
        return _unpack(batch), batch
    return header, batch


def _out_of_range(record: Record, index: int, earliest: int, latest: int) -> str:
    return (
        f"Timestamp {record.timestamp_ms} of message with offset {index} is out of range. "
        f"The timestamp should be within [{earliest}, {latest}]"
    )


def _rejected(code: ErrorCode, errors: list[tuple[int, str]]) -> RecordsRejected:
    if code is ErrorCode.INVALID_TIMESTAMP:
        message = "One or more records have been rejected due to invalid timestamp"
    else:
        shown = ", ".join(text for _, text in errors[:_ERRORS_IN_MESSAGE])
        message = (
            f"One or more records have been rejected due to {len(errors)} record errors in total, "
            f"and only showing the first three errors at most: [{shown}]"
        )
    return RecordsRejected(code, message, errors)


def _with_timestamps(batch: Batch, attributes: int, max_timestamp_ms: int) -> bytearray:
    changed = bytearray(batch)
    struct.pack_into(">h", changed, 21, attributes)
    struct.pack_into(">q", changed, 35, max_timestamp_ms)
    struct.pack_into(">I", changed, 17, batch_checksum(changed))
    return changed
