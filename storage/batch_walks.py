"""Walks along the batches of a file, in blocks.

Source: org.apache.kafka.common.record.FileLogInputStream.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..wire.batches import BATCH_OVERHEAD, HEADER, LOG_OVERHEAD, MAGIC, BatchHeader
from .handles import Handle

#: Read at once when a few batches behind an index entry are looked at.
LOOKUP_BLOCK_BYTES: Final = 8192
#: Read at once when a whole segment is walked.
WALK_BLOCK_BYTES: Final = 262_144

_unpack: Final = HEADER.unpack_from


def walk_headers(
    handle: Handle, position: int, end: int, block_bytes: int = LOOKUP_BLOCK_BYTES
) -> Iterator[tuple[int, BatchHeader]]:
    """(position, header) of each whole batch from `position` on; stops before `end`, or at what is no batch."""
    block, block_start = b"", position
    while position + BATCH_OVERHEAD <= end:
        at = position - block_start
        if at + BATCH_OVERHEAD > len(block):
            block, block_start, at = handle.pread(min(block_bytes, end - position), position), position, 0
            if len(block) < BATCH_OVERHEAD:
                return
        header = BatchHeader._make(_unpack(block, at))
        size = header.length + LOG_OVERHEAD
        if header.magic != MAGIC or size < BATCH_OVERHEAD or position + size > end:
            return
        yield position, header
        position += size


def walk_batches(handle: Handle, position: int, end: int) -> Iterator[tuple[int, BatchHeader, memoryview]]:
    """As `walk_headers`, with the bytes of each batch too; they are good until the next step."""
    block, block_start = memoryview(b""), position
    while position + BATCH_OVERHEAD <= end:
        at = position - block_start
        if at + BATCH_OVERHEAD > len(block):
            block, block_start, at = _block(handle, position, min(WALK_BLOCK_BYTES, end - position)), position, 0
            if len(block) < BATCH_OVERHEAD:
                return
        header = BatchHeader._make(_unpack(block, at))
        size = header.length + LOG_OVERHEAD
        if header.magic != MAGIC or size < BATCH_OVERHEAD or position + size > end:
            return
        if at + size > len(block):
            wanted = min(max(size, WALK_BLOCK_BYTES), end - position)
            block, block_start, at = _block(handle, position, wanted), position, 0
            if len(block) < size:
                return
        yield position, header, block[at : at + size]
        position += size


def _block(handle: Handle, position: int, count: int) -> memoryview:
    return memoryview(handle.pread(count, position))
