"""What an append costs, and where: parts of it timed by themselves in this process, on a log in a temporary folder.

Each figure is the least of several rounds, in us a batch. The parts are called as the append calls them; what is left
of the whole is Python between them.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from klamm.broker.partition import Partition
from klamm.storage.checks import Origin, accept
from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.storage.producers import ProducerState
from klamm.storage.segment import Segment
from klamm.wire.batches import batch_checksum
from klamm.wire.records import Record, encode_batch

from .sides import say

ROUNDS = 5
CALLS = 1000
NOW_MS = 1_700_000_000_000
PRODUCER_ID = 7
#: Records of 100 bytes in a batch.
SIZES = (1, 100)


class Waiter:
    """A parked fetch that has not enough yet."""

    def on_appended(self, partition: Partition, size_bytes: int, ends_transaction: bool) -> None:
        pass

    def on_removed(self) -> None:
        pass


def least_us(call: Callable[[], object]) -> float:
    """The least time of a call over all rounds; in a round the mean of many."""
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(CALLS):
            call()
        best = min(best, (time.perf_counter() - start) / CALLS)
    return best * 1e6


def batch_of(records: int, sequence: int = -1) -> bytes:
    producer = {"producer_id": PRODUCER_ID, "producer_epoch": 0} if sequence >= 0 else {}
    values = (Record(value=b"x" * 100, timestamp_ms=NOW_MS) for _ in range(records))
    return encode_batch(values, base_sequence=sequence, **producer)


def _numbered(batch: bytes, records: int) -> Iterator[bytes]:
    """The batch again and again with the sequences of one producer. (Its checksum is made for each.)"""
    sequence = 0
    while True:
        copy = bytearray(batch)
        struct.pack_into(">i", copy, 53, sequence)
        struct.pack_into(">I", copy, 17, batch_checksum(memoryview(copy)))
        yield bytes(copy)
        sequence += records


def parts(folder: Path, records: int) -> list[tuple[str, float]]:
    """(what, us a batch)."""
    config = LogConfig()
    files = Files()
    cache = HandleCache(files)
    log = Log(cache, str(folder), config, NOW_MS)
    batch = batch_of(records)
    view = memoryview(batch)
    found = [
        ("checksum (CRC32C)", least_us(lambda: batch_checksum(view))),
        ("all checks: header, checksum, timestamps", least_us(lambda: accept(batch, config, NOW_MS, Origin.CLIENT))),
    ]

    producers = ProducerState()
    at = 0

    def sequence() -> None:
        nonlocal at
        first = at & 0x3FFFFFFF
        producers.check(PRODUCER_ID, 0, first, first + records - 1, False)
        producers.record(PRODUCER_ID, 0, first, at, at + records - 1, NOW_MS, False)
        at += records

    found.append(("sequence of an idempotent producer", least_us(sequence)))

    segment = Segment(cache, str(folder), 1 << 40)
    segment.create(NOW_MS)
    fd, position = segment.handle.get(), 0
    head = batch[:16]

    def write() -> None:
        nonlocal position
        files.pwritev(fd, (head, view[16:]), position)
        position += len(batch)

    found.append(("write into the page cache", least_us(write)))

    position = 0

    def index() -> None:
        nonlocal position
        position += len(batch)
        last_offset = segment.base_offset + position // len(batch)
        segment.note_batch(position, len(batch), last_offset, NOW_MS, config.index_interval_bytes)

    found.append(("index (an entry each 4096 bytes)", least_us(index)))
    segment.delete()

    partition = Partition("t", 0, bytes(16), 0, log, lambda _: None)
    found.append(
        ("append to the log, whole", least_us(lambda: log.append_as_leader(batch, leader_epoch=0, now_ms=NOW_MS)))
    )
    found.append(("append to the partition: and the high watermark", least_us(lambda: partition.append(batch, NOW_MS))))
    partition.waiters.update(Waiter() for _ in range(10))
    found.append(("the same with 10 parked fetches told of it", least_us(lambda: partition.append(batch, NOW_MS))))
    partition.waiters.clear()
    numbered = [
        batch for batch, _ in zip(_numbered(batch_of(records, 0), records), range(ROUNDS * CALLS), strict=False)
    ]
    left = iter(numbered)
    found.append(("append of an idempotent producer", least_us(lambda: partition.append(next(left), NOW_MS))))
    log.discard()
    return found


def bench(folder: Path) -> None:
    say("## What an append costs\n")
    say("In this process, us a batch; the batch is of 100-byte records.\n")
    say("| part | " + " | ".join(f"{size} record{'s' * (size > 1)} a batch" for size in SIZES) + " |")
    say("|---|" + "---|" * len(SIZES))
    columns = [parts(folder / str(size), size) for size in SIZES]
    for rows in zip(*columns, strict=True):
        say(f"| {rows[0][0]} | " + " | ".join(f"{us:.2f}" for _, us in rows) + " |")
