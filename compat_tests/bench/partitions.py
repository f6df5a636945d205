"""Many partitions open at once: what they cost a start, memory, and the latency of a Produce that goes round them all.

Topics are added until the broker has 1, 64, 512 and 5,000 partitions. Each is written to, so that all are open; then
one connection produces a 100-byte record to one after the other, acks=1. After a clean stop the start is timed: until
the process answers, and until each partition has taken a record.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

from .processes import resident_mb
from .sides import Broker, address, create_topic, one_after_the_other, say
from .small_requests import ask, connect, produce_error, produce_frame

SCALE = float(os.environ.get("KLAMM_BENCH_SCALE", "1"))
COUNTS = tuple(sorted({max(1, round(count * SCALE)) for count in (1, 64, 512, 5000)}))
REQUESTS = 5000
#: For a JVM, which has just been started.
WARM_UP_REQUESTS = 10_000
READY_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Curve:
    """One point of it. `open_s`: a first record to every partition of a broker that has just started."""

    partitions: int
    p50_us: float
    p99_us: float
    memory_mb: float
    start_s: float
    open_s: float
    memory_after_start_mb: float


class Spread:
    """A connection, and a frame for each partition of all topics."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.frames: list[tuple[str, bytes]] = []

    def add_topic(self, name: str, partitions: int) -> None:
        create_topic(self.broker.bootstrap_servers, name, partitions)
        self.frames += [(name, produce_frame(name, index)) for index in range(partitions)]

    def touch_all(self) -> None:
        """A record to every partition; one that has no leader yet is asked again. Raises RuntimeError."""
        deadline = time.monotonic() + READY_TIMEOUT_S
        with connect(address(self.broker)) as sock:
            for topic, frame in self.frames:
                while error := produce_error(ask(sock, frame), topic):
                    if time.monotonic() > deadline:
                        raise RuntimeError(f"a partition of {topic} still answers with error {error}")
                    time.sleep(0.01)

    def latencies_us(self, requests: int) -> list[float]:
        """Ascending. They go on where the last ones ended."""
        with connect(address(self.broker)) as sock:
            times = [self._one(sock, number) for number in range(requests)]
        return sorted(times)

    def _one(self, sock: socket.socket, number: int) -> float:
        _, frame = self.frames[number % len(self.frames)]
        start = time.perf_counter()
        ask(sock, frame)
        return (time.perf_counter() - start) * 1e6


def measure(spread: Spread, count: int, *, warm_up: int) -> Curve:
    """With topics added up to `count` partitions."""
    broker = spread.broker
    missing = count - len(spread.frames)
    if missing > 0:
        spread.add_topic(f"partitions-{count}", missing)
    spread.touch_all()
    spread.latencies_us(warm_up)
    times = spread.latencies_us(REQUESTS)
    memory_mb = resident_mb(broker.pid)
    broker.stop()
    start = time.perf_counter()
    broker.start()
    started = time.perf_counter()
    spread.touch_all()
    opened = time.perf_counter()
    return Curve(
        count,
        times[REQUESTS // 2],
        times[REQUESTS * 99 // 100],
        memory_mb,
        started - start,
        opened - started,
        resident_mb(broker.pid),
    )


def bench(folder: Path) -> None:
    say("## Many partitions\n")
    say("One connection, one record a request, to one partition after the other.\n")
    say("| partitions | broker | p50 us | p99 us | memory MB | start s | all open after s | memory then MB |")
    say("|---|---|---|---|---|---|---|---|")
    found: dict[str, list[Curve]] = {}
    for name, broker in one_after_the_other(folder):
        spread = Spread(broker)
        for count in COUNTS:
            point = measure(spread, count, warm_up=WARM_UP_REQUESTS if name == "Kafka" else REQUESTS // 10)
            found.setdefault(name, []).append(point)
            say(
                f"| {count} | {name} | {point.p50_us:.0f} | {point.p99_us:.0f} | {point.memory_mb:.0f} "
                f"| {point.start_s:.2f} | {point.open_s:.2f} | {point.memory_after_start_mb:.0f} |"
            )
    for name, points in found.items():
        ratio = points[-1].p50_us / points[0].p50_us
        say(
            f"\n{name}: p50 with {points[-1].partitions} partitions is {ratio:.2f} of that with {points[0].partitions}."
        )
    for ours, theirs in zip(found.get("klamm", []), found.get("Kafka", []), strict=False):
        say(
            f"\n{ours.partitions} partitions: klamm's p50 is {ours.p50_us / theirs.p50_us:.2f} of Kafka's, its start "
            f"{ours.start_s / theirs.start_s:.2f}, its memory {ours.memory_mb / theirs.memory_mb:.2f}."
        )
