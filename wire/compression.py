"""The five codecs of record batches, with bounded decompression.

gzip is the standard library's; snappy, lz4 and zstd are cramjam's, imported at the first use because a broker that
stores batches as they were sent never needs them. Snappy comes in two forms: the Java client (and most others) cut it
in blocks with xerial's framing, some clients send one raw block; both are read, the first is written.
Source: org.apache.kafka.common.compress (GzipCompression, SnappyCompression, Lz4Compression, ZstdCompression).

Left out: lz4 of magic 0 message sets, whose header checksum is known to be wrong (KIP-57).
"""

from __future__ import annotations

import mmap
import struct
import zlib
from enum import IntEnum
from typing import Any, Final

#: No block of records may grow beyond this unless the caller says so (as large as socket.request.max.bytes).
MAX_DECOMPRESSED_BYTES: Final = 104_857_600

#: Bytes first tried for the output of lz4 and zstd; most batches fit, and a mapping need not be made.
_SMALL_OUTPUT_BYTES: Final = 262_144

_XERIAL_MAGIC: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = _XERIAL_MAGIC + struct.pack(">ii", 1, 1)
_XERIAL_BLOCK_BYTES: Final = 32 * 1024
#: Magic, flags (version 1, independent blocks, no checksums), block size 64 KiB, checksum of the two bytes before it.
_LZ4_HEADER: Final = bytes.fromhex("04224d18 60 40 82")
_LZ4_BLOCK_BYTES: Final = 64 * 1024
_LZ4_STORED: Final = 0x80000000

_INT32: Final = struct.Struct(">i")


class Codec(IntEnum):
    """Bits 0-2 of a batch's attributes."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class CompressionError(ValueError):
    """The bytes are not what the codec says, or would grow beyond the limit."""


def compress(codec: int, data: bytes, level: int | None = None) -> bytes:
    """`data` in the framing that Kafka's clients expect of `codec`; `level` is the codec's own, None its default."""
    if codec == Codec.NONE:
        return data
    if codec == Codec.GZIP:
        # mtime 0 (zlib's wrapper writes none), so that equal records give equal batches.
        deflater = zlib.compressobj(-1 if level is None else level, zlib.DEFLATED, 31)
        return deflater.compress(data) + deflater.flush()
    import cramjam

    if codec == Codec.SNAPPY:
        out = bytearray(_XERIAL_HEADER)
        for start in range(0, len(data), _XERIAL_BLOCK_BYTES):
            block = bytes(cramjam.snappy.compress_raw(data[start : start + _XERIAL_BLOCK_BYTES]))
            out += _INT32.pack(len(block)) + block
        return bytes(out)
    if codec == Codec.LZ4:
        return _lz4_frame(data, level)
    if codec == Codec.ZSTD:
        return bytes(cramjam.zstd.compress(data, level=3 if level is None else level))
    raise CompressionError(f"unknown compression codec {codec}")


def decompress(codec: int, data: bytes, limit: int = MAX_DECOMPRESSED_BYTES) -> bytes:
    """The bytes behind `data`, at most `limit` of them.

    Raises CompressionError for damaged or foreign bytes, an unknown codec, and output beyond `limit`; memory stays
    within a small factor of `limit` whatever the bytes claim.
    """
    if codec == Codec.NONE:
        return data
    if codec == Codec.GZIP:
        return _gunzip(data, limit)
    if codec == Codec.SNAPPY:
        return _unsnappy(data, limit)
    if codec in (Codec.LZ4, Codec.ZSTD):
        import cramjam

        return _decompress_into(cramjam.lz4 if codec == Codec.LZ4 else cramjam.zstd, data, limit)
    raise CompressionError(f"unknown compression codec {codec}")


def _lz4_frame(data: bytes, level: int | None) -> bytes:
    """A frame of independent blocks. The Java client refuses linked ones, which are cramjam's own frames."""
    import cramjam

    out = bytearray(_LZ4_HEADER)
    for start in range(0, len(data), _LZ4_BLOCK_BYTES):
        plain = data[start : start + _LZ4_BLOCK_BYTES]
        if level is None:
            block = bytes(cramjam.lz4.compress_block(plain, store_size=False))
        else:
            block = bytes(
                cramjam.lz4.compress_block(plain, mode="high_compression", compression=level, store_size=False)
            )
        if len(block) < len(plain):
            out += struct.pack("<I", len(block)) + block
        else:
            out += struct.pack("<I", len(plain) | _LZ4_STORED) + plain
    return bytes(out) + bytes(4)


def _gunzip(data: bytes, limit: int) -> bytes:
    out = bytearray()
    try:
        while True:
            inflater = zlib.decompressobj(31)
            out += inflater.decompress(data, limit + 1 - len(out))
            if len(out) > limit:
                raise CompressionError(f"gzip data grows beyond {limit} bytes")
            if not inflater.eof:
                raise CompressionError("gzip data ends in its middle")
            data = inflater.unused_data  # members may follow each other, as in a gzip file
            if not data:
                return bytes(out)
    except zlib.error as error:
        raise CompressionError(f"gzip data is damaged: {error}") from None


def _unsnappy(data: bytes, limit: int) -> bytes:
    if not data.startswith(_XERIAL_MAGIC):
        return _unsnappy_block(data, limit)
    out = bytearray()
    position = len(_XERIAL_HEADER)
    if len(data) < position:
        raise CompressionError("snappy data ends in its header")
    while position < len(data):
        if position + 4 > len(data):
            raise CompressionError("snappy data ends in a block length")
        (length,) = _INT32.unpack_from(data, position)
        position += 4
        if length < 0 or position + length > len(data):
            raise CompressionError(f"snappy block of {length} bytes, {len(data) - position} are left")
        out += _unsnappy_block(data[position : position + length], limit - len(out))
        position += length
    return bytes(out)


def _unsnappy_block(block: bytes, limit: int) -> bytes:
    import cramjam

    try:
        # The block begins with its length: look before memory is taken for it.
        length = cramjam.snappy.decompress_raw_len(block)
        if length > limit:
            raise CompressionError(f"snappy data grows beyond the limit, {length - limit} bytes too many")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError as error:
        raise CompressionError(f"snappy data is damaged: {error}") from None


def _decompress_into(module: Any, data: bytes, limit: int) -> bytes:
    """lz4 and zstd frames need not say how long they become: try a small buffer, then one of the whole limit.

    The second is an anonymous mapping: its pages exist only as far as they are written.
    """
    import cramjam

    small = min(limit, max(_SMALL_OUTPUT_BYTES, 4 * len(data)))
    try:
        buffer = bytearray(small)
        written = module.decompress_into(data, buffer)
        return bytes(memoryview(buffer)[:written])
    except cramjam.DecompressionError as error:
        if small == limit or "whole buffer" not in str(error):
            raise CompressionError(f"data is damaged or grows beyond {limit} bytes: {error}") from None
    with mmap.mmap(-1, limit) as mapping:
        try:
            written = module.decompress_into(data, mapping)
        except cramjam.DecompressionError as error:
            raise CompressionError(f"data is damaged or grows beyond {limit} bytes: {error}") from None
        return mapping[:written]
