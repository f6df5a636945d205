"""Reading a log of our own from its start, as whole batches: the metadata log, a coordinator's shard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from ..wire.batches import iter_batches

if TYPE_CHECKING:
    from ..storage.log import Log

#: Read at a time; one batch that is larger is read whole.
CHUNK_BYTES: Final = 1_048_576


class Chunk(NamedTuple):
    """`batches`: whole record batches; `next_offset`: what follows them."""

    batches: memoryview
    next_offset: int


def read_chunk(log: Log, offset: int, end_offset: int, max_bytes: int = CHUNK_BYTES) -> Chunk | None:
    """The batches from `offset` on, before `end_offset`; None if there are no more. Raises KafkaError, ColdRead."""
    if offset >= end_offset:
        return None
    found = log.read(offset, max_bytes, max_offset=end_offset)
    try:
        data = memoryview(found.read())
    finally:
        found.release()
    end = 0
    for position, header in iter_batches(data):
        end = position + header.size_bytes
        offset = header.last_offset + 1
    return Chunk(data[:end], offset) if end else None


def read_chunks(log: Log, offset: int, end_offset: int, max_bytes: int = CHUNK_BYTES) -> Iterator[Chunk]:
    """The log from `offset` up to `end_offset`, chunk by chunk, each read when it is asked for. Raises KafkaError."""
    while chunk := read_chunk(log, offset, end_offset, max_bytes):
        yield chunk
        offset = chunk.next_offset
