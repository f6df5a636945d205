"""Batches in the codec that compression.type names, whatever their producer chose.

Source: org.apache.kafka.storage.internals.log.LogValidator (assignOffsets with a target compression).
"""

from __future__ import annotations

from ..wire.batches import BATCH_OVERHEAD, COMPRESSION_MASK, HEADER, LOG_OVERHEAD, BatchHeader, set_checksum
from ..wire.compression import compress
from .batch_filter import records_of
from .config import LogConfig


def level_of(config: LogConfig) -> int | None:
    """The level of the codec in compression.type; None is its default: 9 is Kafka's name for lz4 in its fast way."""
    if config.compression_type == "lz4" and config.compression_lz4_level != 9:
        return config.compression_lz4_level
    return {"gzip": config.compression_gzip_level, "zstd": config.compression_zstd_level}.get(config.compression_type)


def recompressed(batch: bytes | bytearray | memoryview, codec: int, level: int | None) -> bytearray:
    """The same batch, its records in `codec`. Raises RecordError(INVALID_RECORD) for what does not decompress."""
    header = BatchHeader._make(HEADER.unpack_from(batch))
    records = compress(codec, records_of(header, memoryview(batch)), level)
    new = header._replace(
        length=BATCH_OVERHEAD - LOG_OVERHEAD + len(records), attributes=header.attributes & ~COMPRESSION_MASK | codec
    )
    out = bytearray(HEADER.pack(*new))
    out += records
    set_checksum(out)
    return out
