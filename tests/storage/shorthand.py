"""What the tests of a log write and read it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from klamm.storage.folder import DataFolder
from klamm.storage.log import Log
from klamm.wire.batches import BatchHeader, iter_batches
from klamm.wire.records import Record, batch_records

OpenLog = Callable[..., Log]
MakeBatch = Callable[..., bytes]
OpenFolder = Callable[..., DataFolder]


def append(log: Log, batch: bytes, **options: Any) -> int:
    """Appends, as a leader of one replica does; returns the base offset."""
    info = log.append_as_leader(batch, leader_epoch=options.pop("leader_epoch", 0), now_ms=1000, **options)
    log.high_watermark = log.log_end_offset
    return info.base_offset


def read_bytes(log: Log, offset: int, max_bytes: int = 1 << 20, **options: Any) -> bytes:
    found = log.read(offset, max_bytes, max_offset=options.pop("max_offset", log.log_end_offset), **options)
    data = found.read()
    assert len(data) == found.length
    found.release()
    return data


def read_batches(log: Log) -> Iterator[tuple[BatchHeader, bytes]]:
    """All that the log holds, read as consumers read; it ends where nothing more is to be had. In small pieces."""
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        data = read_bytes(log, offset, 400)
        if not data:
            return
        for position, header in iter_batches(data):
            if position + header.size_bytes <= len(data) and header.last_offset >= offset:
                yield header, data[position : position + header.size_bytes]
                offset = header.last_offset + 1


def read_records(log: Log) -> list[Record]:
    """From the log start on."""
    start = log.log_start_offset
    found = (record for _, batch in read_batches(log) for record in batch_records(batch))
    return [record for record in found if record.offset >= start]


def everything(log: Log) -> list[tuple[int, bytes | None]]:
    """(offset, value) of all records."""
    return [(record.offset, record.value) for record in read_records(log)]
