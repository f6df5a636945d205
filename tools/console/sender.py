"""Collects records into batches and sends them: a small producer, idempotent as Kafka's is unless told otherwise.

Left out: transactions, a thread of its own: what waits goes when a batch is full and when `flush` is called.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import NamedTuple

from ...wire.records import Record
from ..client import Client, ClientError
from ..client.pipeline import RECORD_OVERHEAD_BYTES, Batch, Pipeline, PipelineSettings, check_size
from .partitioner import partition_of


class SenderSettings(NamedTuple):
    """Kafka's batch.size, linger.ms and buffer.memory, with the console producer's defaults; and how batches go."""

    batch_bytes: int = 16384
    linger_ms: int = 1000
    buffer_bytes: int = 33_554_432
    pipeline: PipelineSettings = PipelineSettings()


class Sender:
    """Sends to one topic. `on_done(batch, error)`: it is stored (None), or lost."""

    def __init__(
        self,
        client: Client,
        topic: str,
        settings: SenderSettings,
        on_done: Callable[[Batch, ClientError | None], None],
    ) -> None:
        self._settings = settings
        self._pipeline = Pipeline(client, topic, settings.pipeline, on_done)
        self._waiting: dict[int, list[Record]] = {}
        self._waiting_bytes: dict[int, int] = {}
        self._waiting_since_s = 0.0
        self._keyless = -1

    def add(self, record: Record, timestamp_ms: int | None = None) -> None:
        """Takes a record, with this timestamp or the time it is; sends its partition's batch if that is full.

        Raises ClientError where there is no topic, and for a record that is larger than max.request.size.
        """
        partitions = self._pipeline.partitions
        check_size(record, self._settings.pipeline.max_request_bytes)
        if record.key is not None:
            partition = partition_of(record.key, partitions)
        else:
            if self._keyless < 0:
                self._keyless = random.randrange(partitions)
            partition = self._keyless
        if not self._waiting:
            self._waiting_since_s = time.monotonic()
        size = RECORD_OVERHEAD_BYTES + len(record.key or b"") + len(record.value or b"")
        size += sum(len(name) + len(value or b"") for name, value in record.headers)
        now_ms = time.time_ns() // 1_000_000
        stamped = record._replace(timestamp_ms=now_ms if timestamp_ms is None else timestamp_ms)
        if partition in self._waiting and self._waiting_bytes[partition] + size > self._settings.batch_bytes:
            self._send(partition)
        self._waiting.setdefault(partition, []).append(stamped)
        self._waiting_bytes[partition] = self._waiting_bytes.get(partition, 0) + size
        if sum(self._waiting_bytes.values()) + self._pipeline.waiting_bytes > self._settings.buffer_bytes:
            self.flush()

    def due_s(self) -> float | None:
        """Seconds until what waits must go (linger.ms), None if nothing waits."""
        if not self._waiting:
            return None
        return max(0.0, self._waiting_since_s + self._settings.linger_ms / 1000 - time.monotonic())

    def flush(self) -> None:
        """Sends all that waits, and waits for the answers."""
        for partition in list(self._waiting):
            self._send(partition)
        self._pipeline.drain()

    def _send(self, partition: int) -> None:
        records = self._waiting.pop(partition)
        if partition == self._keyless:
            # As Kafka's partitioner: the next batch without keys goes elsewhere.
            self._keyless = -1
        self._pipeline.send(partition, records, self._waiting_bytes.pop(partition))
