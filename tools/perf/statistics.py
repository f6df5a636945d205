"""The lines of the perf tests: windows while they run, the total at the end, and the client's own figures.

Source: org.apache.kafka.tools.ProducerPerformance.Stats, ToolsUtils.printMetrics. Latencies are counted one by one; of
more than 500,000 records Kafka's command takes a sample.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final

MIB: Final = 1024 * 1024
_PERCENTILES: Final = (("50th", 0.5), ("95th", 0.95), ("99th", 0.99), ("99.9th", 0.999))


def now_ms() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def ratio(part: float, whole: float) -> float:
    """A division as Java's: by zero it is infinite, or no number."""
    if whole:
        return part / whole
    return float("inf") if part else float("nan")


def shown(value: float, digits: int) -> str:
    """A number as Java's %.Nf prints it."""
    if value != value:
        return "NaN"
    return "Infinity" if value == float("inf") else f"{value:.{digits}f}"


class Statistics:
    """Counts records that are stored. `steady`: those behind the warm-up; `quiet`: no windows."""

    def __init__(self, interval_ms: int, *, steady: bool = False, quiet: bool = False) -> None:
        self.quiet = quiet
        self._interval_ms = interval_ms
        self._steady = steady
        self._start_ms = now_ms()
        self._latencies: dict[int, int] = {}
        self._count = self._bytes = 0
        self._new_window()

    def _new_window(self) -> None:
        self._window_start_ms = now_ms()
        self._window_count = self._window_bytes = self._window_latency = self._window_most = 0

    def add(self, count: int, size_bytes: int, latency_ms: int, at_ms: int) -> None:
        """`count` records of `size_bytes` in all, each `latency_ms` under way, of which the news came at `at_ms`."""
        self._latencies[latency_ms] = self._latencies.get(latency_ms, 0) + count
        self._count += count
        self._bytes += size_bytes
        self._window_count += count
        self._window_bytes += size_bytes
        self._window_latency += latency_ms * count
        self._window_most = max(self._window_most, latency_ms)
        if at_ms - self._window_start_ms >= self._interval_ms:
            if not self.quiet:
                self._print_window()
            self._new_window()

    def _print_window(self) -> None:
        if self._steady and self._count == self._window_count:
            print("In steady state.")
        elapsed_s = (now_ms() - self._window_start_ms) / 1000
        print(
            f"{self._window_count} records sent, {shown(ratio(self._window_count, elapsed_s), 1)} records/sec "
            f"({shown(ratio(self._window_bytes / MIB, elapsed_s), 2)} MB/sec), "
            f"{shown(ratio(self._window_latency, self._window_count), 1)} ms avg latency, "
            f"{self._window_most:.1f} ms max latency.",
            flush=True,
        )

    def total(self) -> dict[str, float]:
        """The figures of the last line, by the names that --json has."""
        elapsed_s = (now_ms() - self._start_ms) / 1000
        latency = sum(value * count for value, count in self._latencies.items())
        return {
            "records": self._count,
            "recordsPerSec": ratio(self._count, elapsed_s),
            "mbPerSec": ratio(self._bytes / MIB, elapsed_s),
            "avgLatencyMs": ratio(latency, self._count),
            "maxLatencyMs": max(self._latencies, default=0),
            **{name: self._percentile(share) for name, share in _PERCENTILES},
        }

    def _percentile(self, share: float) -> int:
        """The latency that this share of the records is below."""
        left = int(share * self._count)
        for latency in sorted(self._latencies):
            left -= self._latencies[latency]
            if left < 0:
                return latency
        return 0

    def print_total(self) -> None:
        found = self.total()
        percentiles = ", ".join(f"{found[name]} ms {name}" for name, _ in _PERCENTILES)
        print(
            f"{found['records']}{' steady state' if self._steady else ''} records sent, "
            f"{shown(found['recordsPerSec'], 6)} records/sec ({shown(found['mbPerSec'], 2)} MB/sec), "
            f"{shown(found['avgLatencyMs'], 2)} ms avg latency, {found['maxLatencyMs']:.2f} ms max latency, "
            f"{percentiles}."
        )


def print_metrics(metrics: Mapping[str, float], group: str, client_id: str) -> None:
    """A client's figures under Kafka's names, aligned as by Kafka's ToolsUtils.printMetrics."""
    rows = {f"{group}:{name}:{{client-id={client_id}}}": value for name, value in sorted(metrics.items())}
    width = max(map(len, rows), default=0)
    print(f"\n{'Metric Name'.ljust(width)}   Value")
    for name, value in rows.items():
        print(f"{name.ljust(width)} : {shown(value, 3)}")
