"""100 million records of 10 bytes in one partition: written, sought, opened after both kinds of end, and read back.

Kafka's own perf tools write and read where there is a JDK, librdkafka where there is none. KLAMM_BENCH_SCALE makes it
smaller.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from tests.broker.raw_client import RawClient

from ..kafka_peer.peer import missing, run_class
from . import loads
from .processes import resident_mb
from .sides import Broker, create_topic, one_after_the_other, say

RECORDS = round(100_000_000 * float(os.environ.get("KLAMM_BENCH_SCALE", "1")))
RECORD_BYTES = 10
TOPIC = "hundred-million"
SEEKS = 300
PERF_TIMEOUT_S = 600.0
SAMPLE_EVERY_S = 0.2


@contextmanager
def highest_memory(pid: int) -> Iterator[list[float]]:
    """A list whose last element is the most resident memory in MB so far."""
    most = [resident_mb(pid)]
    ending = threading.Event()

    def sample() -> None:
        while not ending.wait(SAMPLE_EVERY_S):
            most.append(max(most[-1], resident_mb(pid)))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    try:
        yield most
    finally:
        ending.set()
        sampler.join()


def produce(broker: Broker) -> float:
    """Records a second."""
    if missing() is not None:
        return loads.produce(broker.bootstrap_servers, TOPIC, broker.pid, RECORDS, RECORD_BYTES).records_per_s
    done = run_class(
        "org.apache.kafka.tools.ProducerPerformance",
        *("--topic", TOPIC, "--num-records", str(RECORDS), "--record-size", str(RECORD_BYTES)),
        *("--throughput", "-1", "--producer-props", f"bootstrap.servers={broker.bootstrap_servers}"),
        *("acks=1", "linger.ms=5", "batch.size=262144", "buffer.memory=134217728"),
        timeout_s=PERF_TIMEOUT_S,
    )
    return float(done.stdout.strip().splitlines()[-1].split(",")[1].split()[0])


def consume(broker: Broker) -> float:
    """Records a second, all of them read. Raises RuntimeError if some did not come."""
    if missing() is not None:
        return loads.consume(broker.bootstrap_servers, TOPIC, broker.pid, RECORDS).records_per_s
    start = time.perf_counter()
    done = run_class(
        "org.apache.kafka.tools.ConsumerPerformance",
        *("--bootstrap-server", broker.bootstrap_servers, "--topic", TOPIC, "--num-records", str(RECORDS)),
        *("--hide-header", "--timeout", "30000"),
        timeout_s=PERF_TIMEOUT_S,
    )
    columns = done.stdout.strip().splitlines()[-1].split(", ")
    # start, end, MB, MB/s, records, records/s, rebalance ms, fetch ms, fetch MB/s, fetch records/s
    if int(columns[4]) < RECORDS:
        raise RuntimeError(f"{columns[4]} of {RECORDS} records came within {time.perf_counter() - start:.0f} s")
    return float(columns[9])


def seek_by_offset_ms(client: RawClient, random: Random) -> list[float]:
    """Fetches of a few bytes at random offsets, ascending times."""
    times = []
    for _ in range(SEEKS):
        asked = FetchPartition(partition=0, fetch_offset=random.randrange(RECORDS), partition_max_bytes=1024)
        topics = [FetchTopic(topic=TOPIC, partitions=[asked])]
        start = time.perf_counter()
        answer = client.request(FetchRequest(max_wait_ms=0, min_bytes=0, max_bytes=1024, topics=topics), 12)
        times.append((time.perf_counter() - start) * 1e3)
        found = answer.responses[0].partitions[0]
        if found.error_code or not found.records:
            raise RuntimeError(f"nothing at offset {asked.fetch_offset}: error {found.error_code}")
    return sorted(times)


def offset_at(client: RawClient, timestamp_ms: int) -> int:
    asked = ListOffsetsTopic(name=TOPIC, partitions=[ListOffsetsPartition(partition_index=0, timestamp=timestamp_ms)])
    answer = client.request(ListOffsetsRequest(replica_id=-1, topics=[asked]), 6).topics[0].partitions[0]
    if answer.error_code:
        raise RuntimeError(f"ListOffsets: error {answer.error_code}")
    return int(answer.offset)


def seek_by_time_ms(client: RawClient, random: Random, first_ms: int, last_ms: int) -> list[float]:
    """Look-ups of random times while the records were written, ascending times."""
    times = []
    for _ in range(SEEKS):
        timestamp_ms = random.randrange(first_ms, last_ms)
        start = time.perf_counter()
        offset_at(client, timestamp_ms)
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)


def reopen_s(broker: Broker) -> tuple[float, float]:
    """A start, and from then until the partition has been opened and says where it ends. Raises RuntimeError."""
    start = time.perf_counter()
    broker.start()
    started = time.perf_counter()
    client = RawClient(broker.bootstrap_servers, timeout_s=PERF_TIMEOUT_S)
    end = -1
    while end < RECORDS and time.perf_counter() < started + PERF_TIMEOUT_S:
        try:
            end = offset_at(client, -1)
        except RuntimeError:  # Kafka answers before it leads
            time.sleep(0.01)
    client.close()
    if end != RECORDS:
        raise RuntimeError(f"the log ends at {end} after a start, not at {RECORDS}")
    return started - start, time.perf_counter() - started


def disk_mb(broker: Broker) -> float:
    return sum(path.stat().st_size for path in broker.data_dir.rglob(f"{TOPIC}-0/*")) / 1e6


def percentiles(times: list[float]) -> str:
    return f"{times[len(times) // 2]:.2f} / {times[len(times) * 99 // 100]:.2f}"


def measure(broker: Broker) -> dict[str, str]:
    """What is told of a broker, by what it is."""
    create_topic(broker.bootstrap_servers, TOPIC)
    rows: dict[str, str] = {"memory before, MB": f"{resident_mb(broker.pid):.0f}"}
    first_ms = round(time.time() * 1000)
    with highest_memory(broker.pid) as most:
        rows["records/s written"] = f"{produce(broker):.0f}"
    last_ms = round(time.time() * 1000)
    rows["most memory while writing, MB"] = f"{most[-1]:.0f}"
    broker.kill()
    rows["start after kill -9, and the partition open, s"] = "{:.2f} + {:.2f}".format(*reopen_s(broker))
    broker.stop()
    rows["start after a clean stop, and the partition open, s"] = "{:.2f} + {:.2f}".format(*reopen_s(broker))
    rows["disk MB"] = f"{disk_mb(broker):.0f}"
    client = RawClient(broker.bootstrap_servers)
    random = Random(1)
    seek_by_offset_ms(client, random)  # for a JVM
    rows["seek by offset, ms p50 / p99"] = percentiles(seek_by_offset_ms(client, random))
    seek_by_time_ms(client, random, first_ms, last_ms)
    rows["seek by time, ms p50 / p99"] = percentiles(seek_by_time_ms(client, random, first_ms, last_ms))
    client.close()
    with highest_memory(broker.pid) as most:
        rows["records/s read back"] = f"{consume(broker):.0f}"
    rows["most memory while reading, MB"] = f"{most[-1]:.0f}"
    return rows


def bench(folder: Path) -> None:
    say(f"## {RECORDS} records in one partition\n")
    tools = "librdkafka" if missing() else "kafka-producer-perf-test and consumer-perf-test"
    say(f"{RECORD_BYTES} bytes each; {tools}.\n")
    found: dict[str, dict[str, str]] = {}
    for name, broker in one_after_the_other(folder):
        found[name] = measure(broker)
    say("| | " + " | ".join(found) + " |\n|---|" + "---|" * len(found))
    for what in found["klamm"]:
        say(f"| {what} | " + " | ".join(rows[what] for rows in found.values()) + " |")
    if "Kafka" in found:
        for what in ("records/s written", "records/s read back", "disk MB"):
            say(f"\n{what}: klamm's is {float(found['klamm'][what]) / float(found['Kafka'][what]):.2f} of Kafka's.")
