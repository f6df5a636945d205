"""The same records into klamm and into a real Kafka, compacted by each: what is left is the same, offset by offset.

Every record is a batch of its own, so that offsets agree; their timestamps, not their number, roll the segments.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.wire.batches import iter_batches
from klamm.wire.records import batch_records, decode_end_txn_marker

from ..support import Klamm
from .peer import RealKafka, missing

confluent_kafka = pytest.importorskip("confluent_kafka")

pytestmark = [
    pytest.mark.klamm_only("starts a real Kafka of its own beside klamm"),
    pytest.mark.skipif(missing() is not None, reason=f"no real Kafka: {missing()}"),
    pytest.mark.bounded(240),
]

HOUR_MS = 3_600_000
#: Behind the time of day, which is that of the markers of transactions: none of them rolls a segment.
BEGIN_MS = 2_600_000_000_000
CONFIG = {"log.cleaner.backoff.ms": "100", "log.retention.check.interval.ms": "600000"}
#: Tombstones stay in the one, and go in the next compaction in the other.
TOPICS = {"stays": "86400000", "goes": "1"}
Broker = Klamm | RealKafka


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Broker]]:
    folder = tmp_path_factory.mktemp("compaction")
    running: dict[str, Broker] = {"klamm": Klamm(folder / "klamm", config=CONFIG)}
    try:
        running["kafka"] = RealKafka(folder / "kafka", config=CONFIG, jvm=("-Xmx512M", "-XX:TieredStopAtLevel=1"))
        yield running
    finally:
        for broker in running.values():
            broker.stop()


def create(broker: Broker, topic: str, delete_retention_ms: str) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    config = {
        "cleanup.policy": "compact",
        "segment.ms": str(HOUR_MS),
        "message.timestamp.after.max.ms": str(2**63 - 1),
        "min.cleanable.dirty.ratio": "0.01",
        "delete.retention.ms": delete_retention_ms,
    }
    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    admin.create_topics([NewTopic(topic, 1, 1, config=config)])[topic].result(30)


class Writer:
    """Appends single records to a topic, the clock of their timestamps ten minutes later with each."""

    def __init__(self, broker: Broker, topic: str) -> None:
        from confluent_kafka.admin import AdminClient

        self._servers = {"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 0}
        self._topic = topic
        self._clock_ms = BEGIN_MS
        self._admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
        self._plain = self._producer({"enable.idempotence": True, "compression.type": "lz4"})
        self._transactional = self._producer({"transactional.id": f"t-{topic}"})
        self._transactional.init_transactions(60)

    def _producer(self, config: dict[str, Any]) -> Any:
        return confluent_kafka.Producer({**self._servers, **config})

    def write(self, key: str, value: str | None, producer: Any = None) -> None:
        self._clock_ms += HOUR_MS // 6
        producer = producer or self._plain
        producer.produce(self._topic, key=key, value=value, headers=[("h", b"x")], timestamp=self._clock_ms)
        assert producer.flush(60) == 0

    def transaction(self, keys: list[str], value: str, commit: bool) -> None:
        producer = self._transactional
        producer.begin_transaction()
        for key in keys:
            self.write(key, value, producer)
        producer.commit_transaction(60) if commit else producer.abort_transaction(60)
        # The answer comes before the marker is in the log, and what is written next must not come before it.
        deadline = time.monotonic() + 60
        while self._end("READ_COMMITTED") < self._end("READ_UNCOMMITTED"):
            assert time.monotonic() < deadline
            time.sleep(0.01)

    def _end(self, isolation_level: str) -> int:
        """Of the last stable offset, or the log."""
        from confluent_kafka.admin import OffsetSpec

        partition = confluent_kafka.TopicPartition(self._topic, 0)
        level = getattr(confluent_kafka.IsolationLevel, isolation_level)
        found = self._admin.list_offsets({partition: OffsetSpec.latest()}, isolation_level=level)
        offset: int = found[partition].result(30).offset
        return offset

    def roll(self) -> None:
        """The last record of all begins a segment of its own."""
        self._clock_ms += 2 * HOUR_MS
        self.write("roll", "x")


def first_script(writer: Writer) -> None:
    for number in range(40):
        writer.write(f"key-{number % 7}", f"{number}")
        if number % 11 == 3:
            writer.write(f"key-{number % 5}", None)
    writer.transaction(["a", "b", "key-1"], "committed", commit=True)
    writer.transaction(["a", "c", "key-2"], "aborted", commit=False)
    writer.write("key-6", None)
    writer.write("never again", "v")
    writer.roll()


def second_script(writer: Writer) -> None:
    for number in range(12):
        writer.write(f"key-{number % 3}", f"second {number}")
    writer.roll()


def wait_until_clean(broker: Broker, topic: str) -> None:
    """All but the active segment is behind the cleaner."""
    folder = broker.data_dir / f"{topic}-0"
    deadline = time.monotonic() + 90
    while True:
        active = max(int(path.stem) for path in folder.glob("*.log"))
        checkpoint = broker.data_dir / "cleaner-offset-checkpoint"
        rows = checkpoint.read_text().splitlines()[2:] if checkpoint.exists() else []
        if active and f"{topic} 0 {active}" in rows:
            return
        assert time.monotonic() < deadline, (active, rows)
        time.sleep(0.1)


def records_in(folder: Path) -> list[tuple[Any, ...]]:
    """Records and markers as they lie in the log."""
    found: list[tuple[Any, ...]] = []
    for path in sorted(folder.glob("*.log")):
        data = path.read_bytes()
        for position, header in iter_batches(data):
            for record in batch_records(data[position : position + header.size_bytes]):
                if header.is_control:
                    found.append((record.offset, "marker", decode_end_txn_marker(record)))
                else:
                    found.append((record.offset, record.key, record.value, record.headers, record.timestamp_ms))
    return found


def consumed(broker: Broker, topic: str) -> list[tuple[Any, ...]]:
    """What a read_committed consumer sees."""
    consumer = confluent_kafka.Consumer(
        {
            "bootstrap.servers": broker.bootstrap_servers,
            "group.id": f"reader of {topic}",
            "auto.offset.reset": "earliest",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
        }
    )
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, 0)])
    found: list[tuple[Any, ...]] = []
    deadline = time.monotonic() + 60
    try:
        while time.monotonic() < deadline:
            message = consumer.poll(1)
            if message is None:
                continue
            if message.error():
                assert message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF
                return found
            found.append((message.offset(), message.key(), message.value()))
    finally:
        consumer.close()
    raise AssertionError("the end of the partition was not reached")


@pytest.mark.parametrize("topic", TOPICS)
def test_both_leave_the_same(brokers: dict[str, Broker], topic: str) -> None:
    left: dict[str, list[list[tuple[Any, ...]]]] = {}
    for name, broker in brokers.items():
        create(broker, topic, TOPICS[topic])
        writer = Writer(broker, topic)
        left[name] = []
        for script in (first_script, second_script):
            script(writer)
            wait_until_clean(broker, topic)
            left[name].append(records_in(broker.data_dir / f"{topic}-0"))
        left[name].append(consumed(broker, topic))
    # Markers go one compaction after they are seen to be needless, and nobody says how many there were.
    data = [[row for row in rows if row[1] != "marker"] for rows in left["klamm"]]
    theirs = [[row for row in rows if row[1] != "marker"] for rows in left["kafka"]]
    # How often the first part was compacted while it was written decides what is left of it by then.
    assert theirs[1:] == data[1:]
    tombstones = [row[1] for row in data[1] if row[2] is None]
    assert bool(tombstones) == (topic == "stays")
    keys = [row[1] for row in data[1]]
    assert len(data[1]) < 30
    assert b"never again" in keys
    assert b"c" not in keys
    assert data[2] == [row[:3] for row in data[1]]
