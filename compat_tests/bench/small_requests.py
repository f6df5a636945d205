"""Produce requests of one record each: what a broker's interpreter (or JIT) costs a request.

One 100-byte record a request (Produce v9, acks=1), one request in flight on each connection. The client is this
process: plain sockets, frames made once, answers only counted, so that the broker is what is measured.
"""

from __future__ import annotations

import selectors
import socket
import struct
import time
from dataclasses import dataclass

from klamm.wire.codec import encode
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .processes import cpu_seconds

TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Rate:
    """`p50_us` and `p99_us`: latency, on one connection only."""

    connections: int
    requests_per_s: float
    broker_cpu_us: float
    p50_us: float | None = None
    p99_us: float | None = None


def produce_frame(topic: str, partition_index: int = 0) -> bytes:
    """A whole Produce v9 request frame of one 100-byte record."""
    batch = encode_batch([Record(value=b"x" * 100, timestamp_ms=int(time.time() * 1000))])
    partition = PartitionProduceData(index=partition_index, records=batch)
    body = encode(
        ProduceRequest(
            acks=1, timeout_ms=30_000, topic_data=[TopicProduceData(name=topic, partition_data=[partition])]
        ),
        9,
    )
    head = struct.pack(">hhih", 0, 9, 1, 5) + b"small" + b"\0"
    return struct.pack(">i", len(head) + len(body)) + head + body


def connect(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address, TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def ask(sock: socket.socket, frame: bytes) -> bytes:
    sock.sendall(frame)
    got = sock.recv(65_536)
    while len(got) < 4 or len(got) < 4 + struct.unpack(">i", got[:4])[0]:
        more = sock.recv(65_536)
        if not more:
            raise RuntimeError("the broker closed the connection")
        got += more
    return got


def produce_error(answer: bytes, topic: str) -> int:
    """The error code in the answer to such a frame."""
    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 1 + 1 + 1 + len(topic) + 1 + 4)
    return int(error)


def measure(address: tuple[str, int], topic: str, pid: int, requests: int) -> list[Rate]:
    """The rates on 1, 16 and 64 connections; the topic must exist."""
    frame = produce_frame(topic)
    sock = connect(address)
    error = produce_error(ask(sock, frame), topic)
    if error:
        raise RuntimeError(f"the first Produce was answered with error {error}")
    for _ in range(requests // 4):
        ask(sock, frame)
    times = []
    cpu, start = cpu_seconds(pid), time.perf_counter()
    for _ in range(requests):
        asked = time.perf_counter()
        ask(sock, frame)
        times.append((time.perf_counter() - asked) * 1e6)
    seconds = time.perf_counter() - start
    times.sort()
    rates = [
        Rate(
            1,
            requests / seconds,
            (cpu_seconds(pid) - cpu) / requests * 1e6,
            times[requests // 2],
            times[requests * 99 // 100],
        )
    ]
    sock.close()
    rates += [_measure_many(address, frame, pid, requests, connections) for connections in (16, 64)]
    return rates


def _measure_many(address: tuple[str, int], frame: bytes, pid: int, requests: int, connections: int) -> Rate:
    selector = selectors.DefaultSelector()
    for _ in range(connections):
        selector.register(connect(address), selectors.EVENT_READ)
    cpu, start = cpu_seconds(pid), time.perf_counter()
    sent, done = connections, 0
    sockets = [key.fileobj for key in selector.get_map().values()]
    for sock in sockets:
        assert isinstance(sock, socket.socket)
        sock.sendall(frame)
    while done < requests:
        ready = selector.select(TIMEOUT_S)
        if not ready:
            raise RuntimeError(f"no answer in {TIMEOUT_S} s after {done} requests on {connections} connections")
        for key, _ in ready:
            assert isinstance(key.fileobj, socket.socket)
            if not key.fileobj.recv(65_536):
                raise RuntimeError("the broker closed a connection")
            done += 1
            if sent < requests:
                sent += 1
                key.fileobj.sendall(frame)
    seconds = time.perf_counter() - start
    rate = Rate(connections, done / seconds, (cpu_seconds(pid) - cpu) / done * 1e6)
    for sock in sockets:
        assert isinstance(sock, socket.socket)
        sock.close()
    selector.close()
    return rate
