"""Acknowledgements a second when each waits for the device: klamm's group commit beside Kafka's flush.messages=1.

One 100-byte record a request, acks=1, one request in flight on each connection, each connection with a partition of its
own among as many as there are. The device is what this machine has: its own time for one fdatasync is printed.
"""

from __future__ import annotations

import os
import selectors
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from klamm.storage.files import Files

from .processes import cpu_seconds
from .sides import Broker, address, brokers, create_topic, say
from .small_requests import TIMEOUT_S, ask, connect, produce_error, produce_frame

CONFIG = {"log.flush.interval.messages": "1"}
CONNECTIONS = (1, 16, 256)
PARTITIONS = (1, 16)
SECONDS = 4.0
#: For a JVM, before each measurement.
WARM_UP_SECONDS = 3.0


@dataclass(frozen=True)
class Acks:
    per_s: float
    p50_ms: float
    p99_ms: float
    broker_cpu_us: float


def fdatasync_us(folder: Path) -> float:
    """The median of 200 small appends to one file, each brought to the device."""
    times, files = [], Files()
    fd = os.open(folder / "fdatasync", os.O_RDWR | os.O_CREAT)
    for number in range(200):
        os.pwrite(fd, b"x" * 200, 200 * number)
        start = time.perf_counter()
        files.sync(fd)
        times.append((time.perf_counter() - start) * 1e6)
    os.close(fd)
    return median(times)


def measure(broker: Broker, topic: str, partitions: int, connections: int, seconds: float) -> Acks:
    """The rate of acknowledgements, held for `seconds`. Raises RuntimeError for errors and closed connections."""
    frames = [produce_frame(topic, number % partitions) for number in range(connections)]
    sockets = [connect(address(broker)) for _ in range(connections)]
    try:
        for sock, frame in zip(sockets, frames, strict=True):
            error = produce_error(ask(sock, frame), topic)
            if error:
                raise RuntimeError(f"a Produce was answered with error {error}")
        cpu, start = cpu_seconds(broker.pid), time.perf_counter()
        times = _drive(sockets, frames, seconds)
        took = time.perf_counter() - start
        cpu = cpu_seconds(broker.pid) - cpu
    finally:
        for sock in sockets:
            sock.close()
    times.sort()
    count = len(times)
    return Acks(count / took, times[count // 2] * 1e3, times[count * 99 // 100] * 1e3, cpu / count * 1e6)


def _drive(sockets: Sequence[socket.socket], frames: Sequence[bytes], seconds: float) -> list[float]:
    """Seconds that each answer took."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    with selectors.DefaultSelector() as selector:
        sent = [0.0] * len(sockets)
        for number, sock in enumerate(sockets):
            selector.register(sock, selectors.EVENT_READ, number)
            sent[number] = time.perf_counter()
            sock.sendall(frames[number])
        waiting = len(sockets)
        while waiting:
            ready = selector.select(TIMEOUT_S)
            if not ready:
                raise RuntimeError(f"no answer in {TIMEOUT_S} s")
            now = time.perf_counter()
            for key, _ in ready:
                number = key.data
                if not sockets[number].recv(65_536):
                    raise RuntimeError("the broker closed a connection")
                times.append(now - sent[number])
                if now < end:
                    sent[number] = time.perf_counter()
                    sockets[number].sendall(frames[number])
                else:
                    waiting -= 1
    return times


def bench(folder: Path) -> None:
    say("## Acknowledgements that wait for the device\n")
    say(f"`log.flush.interval.messages=1`; one fdatasync takes {fdatasync_us(folder):.0f} us here.\n")
    say("| partitions | producers | broker | acks/s | p50 ms | p99 ms | broker cpu us an ack | ratio of acks/s |")
    say("|---|---|---|---|---|---|---|---|")
    with brokers(folder, CONFIG) as running:
        for partitions in PARTITIONS:
            topic = f"durable-{partitions}"
            for _, broker in running:
                create_topic(broker.bootstrap_servers, topic, partitions)
            for connections in CONNECTIONS:
                found = {}
                for name, broker in reversed(running):
                    if name == "Kafka":
                        measure(broker, topic, partitions, connections, WARM_UP_SECONDS)
                    acks = found[name] = measure(broker, topic, partitions, connections, SECONDS)
                    ratio = f"{acks.per_s / found['Kafka'].per_s:.2f}" if name == "klamm" and "Kafka" in found else ""
                    say(
                        f"| {partitions} | {connections} | {name} | {acks.per_s:.0f} | {acks.p50_ms:.2f} "
                        f"| {acks.p99_ms:.2f} | {acks.broker_cpu_us:.0f} | {ratio} |"
                    )
