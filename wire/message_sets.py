"""Reading of the message sets v0 and v1, which came before record batches (Kafka up to 0.10).

    offset size field                    offset size field
         0    8 offset                       17    1 attributes (bits 0-2 codec, v1: bit 3 LogAppendTime)
         8    4 messageSize (after it)       18    8 timestamp (v1 only)
        12    4 crc (CRC-32 of 16..end)            4 key length, key (length -1: null)
        16    1 magic                              4 value length, value

A compressed message's value is a message set. Source: org.apache.kafka.common.record.LegacyRecord,
AbstractLegacyRecordBatch.

Left out: writing them, which no broker since 4.0 does (KIP-724).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

from .batches import COMPRESSION_MASK, LOG_APPEND_TIME_FLAG, MAGIC, NO_TIMESTAMP, RecordError, batch_size
from .compression import MAX_DECOMPRESSED_BYTES, Codec, CompressionError, decompress
from .errors import ErrorCode
from .records import Record

_MESSAGE_HEAD: Final = struct.Struct(">qiIbb")
_INT32: Final = struct.Struct(">i")
_INT64: Final = struct.Struct(">q")


def message_records(
    message: bytes, *, limit: int = MAX_DECOMPRESSED_BYTES, verify_crc: bool = True
) -> Iterator[Record]:
    """The record of one whole v0 or v1 message (with its offset and size), or those that are wrapped in it.

    At most `limit` bytes come out of a wrapper. Raises RecordError(CORRUPT_MESSAGE).
    """
    offset, size, crc, magic, attributes = _MESSAGE_HEAD.unpack_from(message)
    if verify_crc and zlib.crc32(message[16:]) != crc:
        raise RecordError(ErrorCode.CORRUPT_MESSAGE, f"Record is corrupt (stored crc = {crc})")
    try:
        timestamp, position = (_INT64.unpack_from(message, 18)[0], 26) if magic else (NO_TIMESTAMP, 18)
        key, position = _int32_bytes(message, position)
        value, position = _int32_bytes(message, position)
    except (struct.error, ValueError) as error:
        raise RecordError(ErrorCode.CORRUPT_MESSAGE, f"message of {size} bytes is damaged: {error}") from None
    codec = attributes & COMPRESSION_MASK
    if codec == Codec.NONE:
        yield Record(key, value, (), timestamp, offset)
        return
    try:
        inner = decompress(codec, value or b"", limit)
    except CompressionError as error:
        raise RecordError(ErrorCode.CORRUPT_MESSAGE, str(error)) from None
    # v1 wraps relative offsets 0..n-1 under the absolute offset of the last (KIP-31), v0 absolute ones.
    records = list(_inner_records(inner, verify_crc))
    shift = offset - records[-1].offset if magic and records else 0
    append_time = timestamp if magic and attributes & LOG_APPEND_TIME_FLAG else None
    for record in records:
        yield record._replace(
            offset=record.offset + shift, timestamp_ms=record.timestamp_ms if append_time is None else append_time
        )


def _inner_records(data: bytes, verify_crc: bool) -> Iterator[Record]:
    position = 0
    while (size := batch_size(data, position)) is not None:
        if data[position + 16] == MAGIC or data[position + 17] & COMPRESSION_MASK:
            raise RecordError(ErrorCode.CORRUPT_MESSAGE, "wrapped message is compressed again or of magic 2")
        yield from message_records(data[position : position + size], limit=0, verify_crc=verify_crc)
        position += size


def _int32_bytes(data: bytes, position: int) -> tuple[bytes | None, int]:
    (length,) = _INT32.unpack_from(data, position)
    position += 4
    if length < 0:
        return None, position
    if position + length > len(data):
        raise ValueError(f"field of {length} bytes, {len(data) - position} are left")
    return data[position : position + length], position + length
