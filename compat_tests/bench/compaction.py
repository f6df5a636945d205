"""How fast a log is compacted, in this process: bytes of log a second, both walks and the fsync of the result included.

Keys are drawn at random, so that about half of the records are superseded by a later one; nothing was compacted before.
The same log is compacted again when more was appended: then its clean part, too, is walked for its keys.
Beside it a thread wakes up every millisecond, as a broker's loop does: how late it is, is what clients would notice.
"""

from __future__ import annotations

import random
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.compression import Codec
from klamm.wire.records import Record, encode_batch

from .sides import say

LOG_BYTES = 128 << 20
SEGMENT_BYTES = 32 << 20
BATCH_BYTES = 16_384
#: (bytes of a record, codec)
LOADS = ((1000, Codec.NONE), (1000, Codec.LZ4), (100, Codec.NONE), (100, Codec.LZ4))
#: They fit in the map of a default log.cleaner.dedupe.buffer.size.
MAX_KEYS = 400_000
NOW_MS = 1_700_000_000_000
TICK_S = 0.001


@dataclass(frozen=True)
class Outcome:
    read_bytes: int
    written_bytes: int
    keys: int
    seconds: float
    cpu_s: float


def make_log(folder: Path) -> Log:
    config = LogConfig(cleanup_policy=("compact",), segment_bytes=SEGMENT_BYTES)
    return Log(HandleCache(Files()), str(folder), config, NOW_MS)


def fill(log: Log, size_bytes: int, record_bytes: int, keys: int, codec: Codec) -> None:
    """Values are words of a small vocabulary: lz4 makes about a third of them."""
    chance = random.Random(record_bytes)
    words = [b"%x" % chance.getrandbits(40) for _ in range(2000)]
    texts = [b" ".join(chance.choices(words, k=record_bytes // 11 + 1))[: record_bytes - 24] for _ in range(500)]
    end = log.size_bytes + size_bytes
    while log.size_bytes < end:
        records = [
            Record(b"key-%012d" % chance.randrange(keys), chance.choice(texts), timestamp_ms=NOW_MS)
            for _ in range(max(1, BATCH_BYTES // record_bytes))
        ]
        log.append_as_leader(encode_batch(records, codec=codec), leader_epoch=0, now_ms=NOW_MS)
    log.high_watermark = log.log_end_offset


def compact(log: Log) -> Outcome:
    job = log.begin_compaction(NOW_MS)
    assert job is not None
    begin, cpu_begin = time.perf_counter(), time.thread_time()
    job.run()
    while job.finish():
        job.run()
    stats = job.stats
    seconds, cpu_s = time.perf_counter() - begin, time.thread_time() - cpu_begin
    return Outcome(stats.read_bytes, stats.written_bytes, stats.keys, seconds, cpu_s)


def lateness_us(stop: threading.Event) -> list[float]:
    found = []
    while not stop.is_set():
        begin = time.perf_counter()
        time.sleep(TICK_S)
        found.append((time.perf_counter() - begin - TICK_S) * 1e6)
    return sorted(found)


def beside(log: Log) -> tuple[Outcome, list[float]]:
    """A compaction in a worker thread, and how late this thread is meanwhile."""
    stop = threading.Event()
    outcomes: list[Outcome] = []

    def work() -> None:
        try:
            outcomes.append(compact(log))
        finally:
            stop.set()

    worker = threading.Thread(target=work)
    worker.start()
    late = lateness_us(stop)
    worker.join()
    return outcomes[0], late


def bench(folder: Path) -> None:
    say(f"## Compaction\n\nA log of {LOG_BYTES >> 20} MB; batches have {BATCH_BYTES >> 10} KB before compression.\n")
    say("| records | codec | compaction | log MB | MB/s | MB per s of cpu | stays | late p50 us | late p99 us |")
    say("|---|---|---|---|---|---|---|---|---|")
    for record_bytes, codec in LOADS:
        path = folder / f"{record_bytes}-{codec.name}"
        log = make_log(path)
        keys = min(MAX_KEYS, LOG_BYTES // record_bytes * 3 // 5)
        for name, size in (("first", LOG_BYTES), ("second", LOG_BYTES // 10 + 2 * SEGMENT_BYTES)):
            fill(log, size, record_bytes, keys, codec)
            outcome, late = beside(log)
            say(
                f"| {record_bytes} bytes | {codec.name.lower()} | {name} | {outcome.read_bytes / 1e6:.0f} "
                f"| {outcome.read_bytes / 1e6 / outcome.seconds:.1f} "
                f"| {outcome.read_bytes / 1e6 / outcome.cpu_s:.1f} | {outcome.written_bytes / outcome.read_bytes:.0%} "
                f"| {late[len(late) // 2]:.0f} | {late[len(late) * 99 // 100]:.0f} |"
            )
        log.discard()
        shutil.rmtree(path)
