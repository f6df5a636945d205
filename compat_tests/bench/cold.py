"""Does a consumer of an old backlog slow down others? A live pair is timed alone, and beside one that reads from disk.

The pair: a producer of one 100-byte record each 5 ms, and a consumer that waits in a Fetch; its latency is from the
send of the Produce to the arrival of the record. The other consumer, in a process of its own, reads the backlog as fast
as it can or at a rate, whose pages were dropped (posix_fadvise), or come from a device that takes 50 ms a read
(`slow_files.py`).

Pair, reader and broker share the processors. What the pair waits for its own turn on one is nobody's merit or fault, so
that it is timed a second time as a process that goes before all others (SCHED_FIFO), where the system allows that.
"""

from __future__ import annotations

import math
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from klamm.wire.codec import encode
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .processes import resident_mb
from .small_requests import ask, connect

LIVE, BACKLOG = "live", "backlog"
INTERVAL_S = 0.005
SAMPLES = 2_000
RECORD_BYTES = 1_000
RECORDS_A_BATCH = 900
#: The default of max.partition.fetch.bytes.
FETCH_BYTES = 1_048_576
#: Of a consumer that does not take a processor for itself, which the pair would wait for whatever the broker does.
MODEST_MB_PER_S = 200.0
COLD_S = 0.05
_FETCH, _PRODUCE = 1, 0
_FETCH_VERSION, _PRODUCE_VERSION = 11, 8


@dataclass(frozen=True)
class Latencies:
    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True)
class Outcome:
    """`read_mb_per_s`: of the backlog while the pair was timed; `memory_mb`: the broker's afterwards."""

    latencies: Latencies
    read_mb_per_s: float
    memory_mb: float


def produce_frame(topic: str, count: int, size: int) -> bytes:
    now_ms = int(time.time() * 1000)
    batch = encode_batch([Record(value=os.urandom(size), timestamp_ms=now_ms) for _ in range(count)])
    data = TopicProduceData(name=topic, partition_data=[PartitionProduceData(index=0, records=batch)])
    body = encode(ProduceRequest(acks=1, timeout_ms=30_000, topic_data=[data]), _PRODUCE_VERSION)
    return _framed(_PRODUCE, _PRODUCE_VERSION, body)


def fetch_frame(topic: str, offset: int, max_bytes: int) -> bytes:
    asked = FetchPartition(partition=0, fetch_offset=offset, partition_max_bytes=max_bytes)
    topics = [FetchTopic(topic=topic, partitions=[asked])]
    request = FetchRequest(max_wait_ms=5_000, min_bytes=1, max_bytes=max_bytes, session_epoch=-1, topics=topics)
    return _framed(_FETCH, _FETCH_VERSION, encode(request, _FETCH_VERSION))


def _framed(key: int, version: int, body: bytes) -> bytes:
    head = struct.pack(">hhih", key, version, 1, 4) + b"cold"
    return struct.pack(">i", len(head) + len(body)) + head + body


def fill(address: tuple[str, int], size_bytes: int) -> int:
    """Produces the backlog; returns how many records it has."""
    frame = produce_frame(BACKLOG, RECORDS_A_BATCH, RECORD_BYTES)
    batches = size_bytes // len(frame)
    with connect(address) as sock:
        for _ in range(batches):
            ask(sock, frame)
    return batches * RECORDS_A_BATCH


@contextmanager
def before_others() -> Iterator[None]:
    """This process, and none that it starts, has a processor whenever it can use one. Raises PermissionError, and
    AttributeError on macOS."""
    os.sched_setscheduler(0, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def time_pair(address: tuple[str, int], samples: int, first_offset: int) -> Latencies:
    """`first_offset`: the end of the live topic."""
    produce = produce_frame(LIVE, 1, 100)
    found = []
    with connect(address) as producer, connect(address) as consumer:
        due = time.perf_counter()
        for number in range(samples):
            consumer.sendall(fetch_frame(LIVE, first_offset + number, 1_000_000))
            due = max(due + INTERVAL_S, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
            sent = time.perf_counter()
            producer.sendall(produce)
            ask(consumer, b"")
            found.append(time.perf_counter() - sent)
            ask(producer, b"")
    found.sort()
    at = [found[int(len(found) * part)] * 1e6 for part in (0.5, 0.99)]
    return Latencies(at[0], at[1], found[-1] * 1e6)


def drop_pages(folder: Path) -> None:
    """What the page cache holds of a broker's backlog goes, once it is on the device."""
    for path in folder.glob(f"{BACKLOG}-0/*"):
        fd = os.open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(fd)


def read_backlog(address: tuple[str, int], records: int, mb_per_s: float) -> None:
    """Reads it again and again, as much a request as clients ask of a partition; on SIGTERM says how many bytes came.

    `mb_per_s`: at most.
    """
    total, began = 0, time.perf_counter()

    def stop(*_: object) -> None:
        print(total, flush=True)
        os._exit(0)

    signal.signal(signal.SIGTERM, stop)
    buffer = bytearray(65_536)
    with connect(address) as sock:
        print("reading", flush=True)
        while True:
            offset = 0
            while offset < records:
                sock.sendall(fetch_frame(BACKLOG, offset, FETCH_BYTES))
                (left,) = struct.unpack(">i", sock.recv(4, socket.MSG_WAITALL))
                size = left
                while left:
                    left -= sock.recv_into(buffer, min(left, len(buffer)))
                total += size
                time.sleep(max(0.0, began + total / (mb_per_s * 1e6) - time.perf_counter()))
                # Whole batches of a known size: the last one is cut.
                offset += max(1, size // (RECORD_BYTES * RECORDS_A_BATCH + 20_000)) * RECORDS_A_BATCH


@contextmanager
def reader(address: tuple[str, int], records: int, mb_per_s: float) -> Iterator[Callable[[], int]]:
    """A process that reads the backlog; the call ends it and says how many bytes it has read."""
    command = [sys.executable, "-m", "compat_tests.bench.cold", f"{address[0]}:{address[1]}", str(records)]
    process = subprocess.Popen([*command, str(mb_per_s)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        process.stdout.readline()

        def end() -> int:
            process.terminate()
            return int(process.communicate(timeout=60)[0] or 0)

        yield end
    finally:
        process.kill()
        process.wait()


@contextmanager
def slow_broker(folder: Path) -> Iterator[tuple[tuple[str, int], int, Callable[[], None]]]:
    """(address, process id, what drops its pages) of a broker on a device that takes 50 ms a read."""
    command = [sys.executable, "-m", "compat_tests.bench.slow_files", str(folder), str(COLD_S), f"{BACKLOG}-0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    stdout = process.stdout

    def drop() -> None:
        process.send_signal(signal.SIGUSR1)
        stdout.readline()

    try:
        host, _, port = stdout.readline().strip().rpartition(":")
        yield (host, int(port)), process.pid, drop
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            process.kill()


class Runs:
    """On a new broker that has both topics. `pid`: its process."""

    def __init__(self, address: tuple[str, int], pid: int, size_bytes: int) -> None:
        self._address = address
        self._pid = pid
        self._records = fill(address, size_bytes)
        self._live = 0
        self._time(SAMPLES // 10)

    def _time(self, samples: int) -> Latencies:
        self._live += samples
        return time_pair(self._address, samples, self._live - samples)

    def idle(self) -> Outcome:
        """The pair alone."""
        return Outcome(self._time(SAMPLES), 0.0, resident_mb(self._pid))

    def beside(self, drop: Callable[[], None], mb_per_s: float = math.inf) -> Outcome:
        """The pair and the reader. `drop`: what takes pages out of memory; `mb_per_s`: what is read at most."""
        drop()
        with reader(self._address, self._records, mb_per_s) as end:
            start = time.perf_counter()
            latencies = self._time(SAMPLES)
            seconds = time.perf_counter() - start
            return Outcome(latencies, end() / 1e6 / seconds, resident_mb(self._pid))


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    read_backlog((host, int(port)), int(sys.argv[2]), float(sys.argv[3]))
