"""kafka-python clients set up for tests: short waits, explicit commits, bytes as they are."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition

from ..support import Broker, Record, sample_records

WAIT_S = 30.0
#: A poll returns with the first records. One that ends between JoinGroup and SyncGroup loses the assignment for good
#: (FINDINGS.md), so a rebalance on a busy machine has to fit into it.
POLL_MS = 5_000


def samples(count: int, label: str = "v") -> list[Record]:
    """sample_records as far as kafka-python can send them: its producer refuses a header whose value is null."""
    return sample_records(count, label, null_headers=False)


def producer(broker: Broker, **config: Any) -> KafkaProducer:
    return KafkaProducer(bootstrap_servers=broker.bootstrap_servers, **config)


def consumer(broker: Broker, *topics: str, **config: Any) -> KafkaConsumer:
    defaults = {"auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_max_wait_ms": 100}
    return KafkaConsumer(*topics, bootstrap_servers=broker.bootstrap_servers, **{**defaults, **config})


def create_topic(broker: Broker, name: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
    with_options = {name: {"num_partitions": partitions, "replication_factor": 1, "configs": dict(configs or {})}}
    client = KafkaAdminClient(bootstrap_servers=broker.bootstrap_servers)
    try:
        client.create_topics(with_options, wait_for_metadata=True)
    finally:
        client.close()
    return name


def partitions(topic: str, count: int) -> list[TopicPartition]:
    return [TopicPartition(topic, number) for number in range(count)]


def whole_log(broker: Broker, topic: str, count: int = 1, **config: Any) -> list[Any]:
    """Every record of a topic's partitions, in the order of each, without a group."""
    with consumer(broker, **config) as reader:
        reader.assign(partitions(topic, count))
        return to_the_end(reader)


def to_the_end(reader: KafkaConsumer) -> list[Any]:
    """Polls until the position of each assigned partition is its end offset."""
    records: list[Any] = []
    ends = reader.end_offsets(list(reader.assignment()))

    def at_the_end() -> bool:
        return all(reader.position(partition) >= end for partition, end in ends.items())

    while_polling(reader, at_the_end, records.extend)
    return records


def while_polling(
    reader: KafkaConsumer, done: Callable[[], object], take: Callable[[Iterable[Any]], object], **poll: Any
) -> None:
    """Polls, handing what arrives to `take`, until `done` holds. Raises AssertionError after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s in vain"
        for records in reader.poll(timeout_ms=POLL_MS, **poll).values():
            take(records)


def contents(records: Iterable[Any]) -> list[Record]:
    return [(record.key, record.value, list(record.headers)) for record in records]
