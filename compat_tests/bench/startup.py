"""From the start of the process to the first acknowledged Produce and the first Fetch, on an empty folder and on one
with many partitions, after a clean stop and after kill -9."""

from __future__ import annotations

import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from klamm.wire.codec import decode, encode
from klamm.wire.declare import Message
from klamm.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchResponse, FetchTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, ProduceResponse, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .processes import resident_mb

TIMEOUT_S = 60.0
#: The last of them is the one that is asked.
PARTITIONS = 1000
SEGMENTS_EACH = 3
#: So short that each round of appends rolls a new segment.
SEGMENT_MS = "1"


@dataclass(frozen=True)
class Start:
    """Seconds from the start of the process; `idle_mb`: resident memory after both."""

    what: str
    first_produce_s: float
    first_fetch_s: float
    idle_mb: float


class Client:
    """One blocking connection that asks in the flexible versions of header v2."""

    def __init__(self, port: int, deadline: float) -> None:
        while True:
            try:
                self.sock = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
                return
            except ConnectionRefusedError:
                if time.perf_counter() > deadline:
                    raise

    def ask(self, key: int, version: int, request: Message) -> bytes:
        """The response's body; header v1 is taken off."""
        body = encode(request, version)
        head = struct.pack(">hhih", key, version, 1, 5) + b"bench" + b"\0"
        self.sock.sendall(struct.pack(">i", len(head) + len(body)) + head + body)
        (size,) = struct.unpack(">i", self._exactly(4))
        return self._exactly(size)[5:]

    def _exactly(self, size: int) -> bytes:
        got = bytearray()
        while len(got) < size:
            more = self.sock.recv(size - len(got))
            if not more:
                raise RuntimeError("the broker closed the connection")
            got += more
        return bytes(got)

    def produce(self, topic: str, partitions: list[int]) -> None:
        """One record to each partition. Raises RuntimeError if one is refused."""
        record = Record(value=b"x" * 100, timestamp_ms=int(time.time() * 1000))
        batch = encode_batch([record])
        data = [PartitionProduceData(index=index, records=batch) for index in partitions]
        request = ProduceRequest(
            acks=1, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=data)]
        )
        response = decode(ProduceResponse, 9, self.ask(0, 9, request))
        for answer in response.responses[0].partition_responses:
            if answer.error_code:
                raise RuntimeError(f"partition {answer.index} answered error {answer.error_code}")

    def fetch(self, topic: str, partition: int) -> int:
        """The bytes of records from offset 0. Raises RuntimeError if there are none."""
        asked = FetchPartition(partition=partition, fetch_offset=0, partition_max_bytes=1_048_576)
        request = FetchRequest(
            max_wait_ms=0, min_bytes=1, session_epoch=-1, topics=[FetchTopic(topic=topic, partitions=[asked])]
        )
        response = decode(FetchResponse, 12, self.ask(1, 12, request))
        answer = response.responses[0].partitions[0]
        if answer.error_code or not answer.records:
            raise RuntimeError(f"Fetch answered error {answer.error_code} and {len(answer.records or b'')} bytes")
        return len(answer.records)


@contextmanager
def klamm(data: Path, port: int, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """`klamm serve` on a folder, and when it was started; killed at the end if it still runs."""
    command = [sys.executable, "-m", "klamm", "serve", "--port", str(port), "--data", str(data), *options]
    # Without bytecode files each start would compile klamm anew, which nobody's klamm does.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    try:
        yield process, start
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def _measure(
    what: str, data: Path, port: int, topic: str, partition: int, stop: signal.Signals, *options: str
) -> Start:
    with klamm(data, port, *options) as (process, start):
        client = Client(port, start + TIMEOUT_S)
        client.produce(topic, [partition])
        produced = time.perf_counter() - start
        client.fetch(topic, partition)
        fetched = time.perf_counter() - start
        found = Start(what, produced, fetched, resident_mb(process.pid))
        client.sock.close()
        process.send_signal(stop)
        process.wait(TIMEOUT_S)
    return found


def _fill(data: Path, port: int) -> None:
    """A topic of many partitions, each with several segments."""
    with klamm(data, port) as (process, start):
        client = Client(port, start + TIMEOUT_S)
        config = CreatableTopicConfig(name="segment.ms", value=SEGMENT_MS)
        topic = CreatableTopic(
            name="many", num_partitions=PARTITIONS, replication_factor=1, assignments=[], configs=[config]
        )
        client.ask(19, 7, CreateTopicsRequest(topics=[topic], timeout_ms=60_000))
        for _ in range(SEGMENTS_EACH):
            for first in range(0, PARTITIONS, 100):
                client.produce("many", list(range(first, first + 100)))
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)
    segments = sum(name.endswith(".log") for _, _, names in os.walk(data) for name in names)
    if segments < PARTITIONS * SEGMENTS_EACH:
        raise RuntimeError(f"{segments} segments were made, not {PARTITIONS * SEGMENTS_EACH}")


def measure(folder: Path, port: int) -> list[Start]:
    """All starts, each of `RUNS` tried and the median given."""
    empty = [
        _measure("empty folder", folder / f"empty-{run}", port, "first", 0, signal.SIGTERM, "--topic", "first:1")
        for run in range(3)
    ]
    data = folder / "many"
    _fill(data, port)
    last = PARTITIONS - 1
    # What a start finds is how the one before it ended: two of each kind.
    clean = [_measure("", data, port, "many", last, end) for end in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL)]
    killed = [_measure("", data, port, "many", last, signal.SIGKILL) for _ in range(3)]
    named = f"{PARTITIONS} partitions of {SEGMENTS_EACH} segments and more, after "
    return [
        _median("empty folder", empty),
        _median(named + "a clean stop", clean),
        _median(named + "kill -9", killed),
    ]


def _median(what: str, runs: list[Start]) -> Start:
    middle = sorted(runs, key=lambda run: run.first_fetch_s)[len(runs) // 2]
    return Start(what, middle.first_produce_s, middle.first_fetch_s, middle.idle_mb)
