"""Loads made of batches, by librdkafka through confluent-kafka, and what they cost the broker."""

from __future__ import annotations

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, Producer

from .processes import cpu_seconds

TIMEOUT_S = 120.0
#: Messages handed to librdkafka in one call, so that Python is not what is measured.
MESSAGES_A_CALL = 10_000


@dataclass(frozen=True)
class Cost:
    records: int
    seconds: float
    broker_cpu_s: float

    @property
    def records_per_s(self) -> float:
        return self.records / self.seconds

    @property
    def cpu_us_per_record(self) -> float:
        return self.broker_cpu_s / self.records * 1e6


def produce(bootstrap_servers: str, topic: str, pid: int, records: int, size_bytes: int) -> Cost:
    """Produce to partition 0 with acks=1 and linger 5 ms; returns when all are acknowledged. Raises RuntimeError."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap_servers,
            "acks": "1",
            "linger.ms": 5,
            "queue.buffering.max.messages": 1_000_000,
            "queue.buffering.max.kbytes": 1_048_576,
            "message.timeout.ms": int(TIMEOUT_S * 1000),
        }
    )
    producer.list_topics(topic, timeout=TIMEOUT_S)
    value = b"x" * size_bytes
    messages = [{"value": value}] * MESSAGES_A_CALL
    cpu, start = cpu_seconds(pid), time.perf_counter()
    left = records
    while left:
        taken = producer.produce_batch(topic, messages[: min(left, MESSAGES_A_CALL)], partition=0)
        left -= taken
        producer.poll(0.01 if taken == 0 else 0)
    if producer.flush(TIMEOUT_S):
        raise RuntimeError(f"{len(producer)} records were not acknowledged")
    return Cost(records, time.perf_counter() - start, cpu_seconds(pid) - cpu)


def consume(bootstrap_servers: str, topic: str, pid: int, records: int) -> Cost:
    """Read partition 0 from the beginning. Raises RuntimeError if the records do not come."""
    from confluent_kafka import TopicPartition

    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap_servers,
            "group.id": "bench",
            "enable.auto.commit": False,
            "fetch.message.max.bytes": 1_048_576,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    cpu, start = cpu_seconds(pid), time.perf_counter()
    left = records
    while left:
        got = consumer.consume(min(left, MESSAGES_A_CALL), timeout=TIMEOUT_S)
        if not got:
            raise RuntimeError(f"{left} records did not come")
        for message in got:
            if message.error():
                raise RuntimeError(str(message.error()))
        left -= len(got)
    cost = Cost(records, time.perf_counter() - start, cpu_seconds(pid) - cpu)
    consumer.close()
    return cost
