"""`klamm producer-perf-test`: how fast records can be produced, as Kafka's ProducerPerformance measures it.

Left out: figures of a JVM's client under --print-metrics; more than 4 MiB of records that wait.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from time import monotonic
from typing import Final, NamedTuple

from ...wire.records import Record
from ..client import Client, ClientError, open_client
from ..client.errors import SettingError, java_line
from ..client.pipeline import RECORD_OVERHEAD_BYTES, Batch, Pipeline, PipelineSettings
from ..client.producer_ids import ProducerId, add_partitions, end_transaction, init_producer_id
from ..client.producer_settings import pipeline_settings
from ..client.settings import number, read_properties
from .producer_options import OLD_NAMES, check, parser
from .statistics import Statistics, now_ms, print_metrics

CLIENT_ID: Final = "perf-producer-client"
DEFAULT_TRANSACTION_MS: Final = 3000
#: What waits beyond this only makes latencies longer.
_MOST_WAITING_BYTES: Final = 4 * 1024 * 1024
#: Random capitals that records are cut from, each at another place.
_POOL_BYTES: Final = 1024 * 1024
#: Records that share a timestamp while nothing holds the producer back.
_BURST: Final = 256

Payload = Callable[[int], bytes]


class _PerfError(Exception):
    """str() is the line that Kafka's command ends with."""


class Plan(NamedTuple):
    """`transactional`: (id, milliseconds a transaction)."""

    bootstrap: str
    properties: dict[str, str]
    pipeline: PipelineSettings
    batch_bytes: int
    linger_ms: int
    most_waiting_bytes: int
    transactional: tuple[str, int] | None


def plan_of(options: argparse.Namespace) -> Plan:
    """What the options and properties say. Raises _PerfError, SettingError, FailedError."""
    path = options.command_config or getattr(options, "producer.config")
    properties = dict(read_properties(path)) if path else {}
    for pair in options.command_property or options.producer_props or ():
        pieces = pair.split("=")
        if len(pieces) != 2:
            raise _PerfError(f"java.lang.IllegalArgumentException: Invalid property: {pair}")
        properties[pieces[0]] = pieces[1]
    properties.setdefault("client.id", CLIENT_ID)
    name = options.transactional_id or properties.get("transactional.id")
    if name is None and options.transaction_duration_ms is not None:
        from uuid import uuid4  # here, since few command lines want one

        name = f"performance-producer-{uuid4()}"
    return Plan(
        options.bootstrap_server or properties.get("bootstrap.servers", ""),
        properties,
        pipeline_settings(properties),
        number(properties, "batch.size", 16384),
        number(properties, "linger.ms", 5),
        min(number(properties, "buffer.memory", 33_554_432), _MOST_WAITING_BYTES),
        None if name is None else (name, options.transaction_duration_ms or DEFAULT_TRANSACTION_MS),
    )


def payload_of(options: argparse.Namespace) -> Payload:
    """Record number -> its value. Raises _PerfError for a file without payloads."""
    if options.payload_monotonic:
        return lambda at: b"%d" % at
    if options.payload_file is not None:
        stream = sys.stderr if options.json else sys.stdout
        print(f"Reading payloads from: {os.path.abspath(options.payload_file)}", file=stream)
        try:
            with open(options.payload_file, encoding="utf-8") as file:
                text = file.read()
        except (OSError, ValueError):
            text = ""
        if not text:
            raise _PerfError("java.lang.IllegalArgumentException: File does not exist or empty file provided.")
        delimiter = "\n" if options.payload_delimiter == "\\n" else options.payload_delimiter
        found = [part.encode() for part in text.removesuffix(delimiter).split(delimiter)]
        print(f"Number of records read: {len(found)}", file=stream)
        return lambda _: random.choice(found)
    size = options.record_size
    pool = random.randbytes(size + _POOL_BYTES).translate(bytes(65 + at % 26 for at in range(256)))
    step = size | 1
    return lambda at: pool[(begin := at * step & (_POOL_BYTES - 1)) : begin + size]


class Test:
    """One run. `lost` counts records that were not stored."""

    def __init__(self, client: Client, topic: str, plan: Plan, statistics: Statistics) -> None:
        self.statistics = [statistics]
        self.lost = 0
        self.batches = 0
        self._client = client
        self._topic = topic
        self._plan = plan
        self._producer: ProducerId | None = None
        transactional = None
        if plan.transactional is not None:
            timeout_ms = number(plan.properties, "transaction.timeout.ms", 60_000)
            self._producer = init_producer_id(client, plan.transactional[0], timeout_ms)
            transactional = (plan.transactional[0], self._producer)
        self.pipeline = Pipeline(client, topic, plan.pipeline, self._done, transactional)
        self._transaction_since_ms: int | None = None
        self._records: list[Record] = []
        self._size_bytes = 0
        self._since_s = 0.0
        self._values: dict[int, tuple[int, list[Statistics]]] = {}

    def run(self, begin: int, end: int, payload: Payload, throughput: float, since_s: float) -> None:
        """Sends records number `begin` to `end`, at most `throughput` a second since `since_s`."""
        most = self._plan.most_waiting_bytes
        at = begin
        while at < end:
            allowed = _BURST if throughput < 0 else int((monotonic() - since_s) * throughput) + 1 - at
            if allowed > 0:
                burst = min(end, at + min(allowed, _BURST))
                stamp = now_ms()
                self._begin_transaction(stamp)
                self._take(map(payload, range(at, burst)), stamp)
                at = burst
                self._commit_if_due(stamp)
                if self.pipeline.waiting_bytes > most:
                    self.pipeline.drain(most // 2)
            else:
                self.pipeline.work(max(0.0, min(since_s + at / throughput - monotonic(), self._linger_left_s())))
            if throughput >= 0 and self._records and self._linger_left_s() <= 0:
                self.flush()
        self.flush()

    def finish(self) -> None:
        """Waits for all answers and commits what is open."""
        self.flush()
        self.pipeline.drain()
        self._commit()

    def flush(self) -> None:
        if self._records:
            partition = random.randrange(self.pipeline.partitions)
            self.batches += 1
            values = self._size_bytes - RECORD_OVERHEAD_BYTES * len(self._records)
            # The batch's number in the pipeline is the number of batches before it.
            self._values[self.batches - 1] = (values, list(self.statistics))
            records, size_bytes, self._records, self._size_bytes = self._records, self._size_bytes, [], 0
            self.pipeline.send(partition, records, size_bytes)

    def _take(self, values: Iterable[bytes], stamp_ms: int) -> None:
        """Puts values into batches; a full one goes."""
        most, size_bytes, records = self._plan.batch_bytes, self._size_bytes, self._records
        for value in values:
            more = RECORD_OVERHEAD_BYTES + len(value)
            if records and size_bytes + more > most:
                self._size_bytes = size_bytes
                self.flush()
                size_bytes, records = 0, self._records
            if not records:
                self._since_s = monotonic()
            records.append(Record(None, value, (), stamp_ms))
            size_bytes += more
        self._size_bytes = size_bytes

    def _linger_left_s(self) -> float:
        return self._since_s + self._plan.linger_ms / 1000 - monotonic() if self._records else 1.0

    def _done(self, batch: Batch, error: ClientError | None) -> None:
        values, statistics = self._values.pop(batch.number)
        if error is not None:
            self.lost += len(batch.records)
            print(java_line(error), file=sys.stderr)
            return
        at_ms = now_ms()
        for stamp, count in Counter(record.timestamp_ms for record in batch.records).items():
            for one in statistics:
                one.add(count, values * count // len(batch.records), at_ms - stamp, at_ms)

    # --- transactions -----------------------------------------------------------------------------------------------

    def _begin_transaction(self, stamp_ms: int) -> None:
        if self._plan.transactional is None or self._producer is None or self._transaction_since_ms is not None:
            return
        partitions = list(range(self.pipeline.partitions))
        add_partitions(self._client, self._plan.transactional[0], self._producer, self._topic, partitions)
        self._transaction_since_ms = stamp_ms

    def _commit_if_due(self, stamp_ms: int) -> None:
        since_ms, transactional = self._transaction_since_ms, self._plan.transactional
        if transactional is not None and since_ms is not None and stamp_ms - since_ms >= transactional[1]:
            self._commit()

    def _commit(self) -> None:
        if self._plan.transactional is None or self._producer is None or self._transaction_since_ms is None:
            return
        self.flush()
        self.pipeline.drain()
        end_transaction(self._client, self._plan.transactional[0], self._producer, commit=True)
        self._transaction_since_ms = None


def run(arguments: Sequence[str]) -> int:
    found = parser()
    if not arguments:
        found.print_help()
        return 0
    try:
        options = found.parse_args(arguments)
        check(found, options)
    except SystemExit as leaving:
        return 1 if leaving.code else 0
    for old, new in OLD_NAMES:
        if getattr(options, old.replace("-", "_")) is not None:
            print(
                f"Option --{old} has been deprecated and will be removed in a future version. Use --{new} instead.",
                file=sys.stderr if options.json else sys.stdout,
            )
    try:
        return _measure(options)
    except _PerfError as error:
        print(f'Exception in thread "main" {error}', file=sys.stderr)
    except SettingError as error:
        print(f'Exception in thread "main" {java_line(error)}', file=sys.stderr)
    except ClientError as error:
        print(java_line(error), file=sys.stderr)
    return 1


def _measure(options: argparse.Namespace) -> int:
    payload = payload_of(options)
    plan = plan_of(options)
    with open_client(plan.bootstrap, properties=plan.properties) as client:
        warmup = max(options.warmup_records, 0)
        if warmup and not options.json:
            print(f"Warmup first {warmup} records. Steady state results will print after the complete test summary.")
        everything = Statistics(options.reporting_interval, quiet=options.json)
        test = Test(client, options.topic, plan, everything)
        since_s = monotonic()
        test.run(0, warmup, payload, options.throughput, since_s)
        steady = None
        if warmup:
            steady = Statistics(options.reporting_interval, steady=True, quiet=options.json)
            everything.quiet = True
            test.statistics.append(steady)
        test.run(warmup, options.num_records, payload, options.throughput, since_s)
        test.finish()
        figures = _metrics(test, everything)
        if options.json:
            report: dict[str, object] = {"total": everything.total(), "lost": test.lost}
            report |= {"steadyState": steady.total()} if steady else {}
            report |= {"metrics": figures} if options.print_metrics else {}
            print(json.dumps(report))
            return 0
        everything.print_total()
        if steady is not None:
            steady.print_total()
        if options.print_metrics:
            print_metrics(figures, "producer-metrics", client.settings.client_id)
    return 0


def _metrics(test: Test, statistics: Statistics) -> dict[str, float]:
    """klamm's own counts under the names of Kafka's producer."""
    total = statistics.total()
    requests = max(test.pipeline.requests, 1)
    return {
        "record-send-total": total["records"],
        "record-send-rate": total["recordsPerSec"],
        "record-error-total": float(test.lost),
        "record-queue-time-max": total["maxLatencyMs"],
        "records-per-request-avg": total["records"] / requests,
        "request-total": float(test.pipeline.requests),
    }
