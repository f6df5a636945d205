"""The same batches into topics of each compression.type, in klamm and in a real Kafka: what lies in the logs is the
same but for the compressed bytes, consumers see the same, and Kafka's DumpLogSegments reads both alike.

Batches are encoded here, so that both get the same ones; transactions have a record each.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.wire.batches import iter_batches, verify_batch
from klamm.wire.compression import Codec
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, batch_records, decode_end_txn_marker, encode_batch
from tests.broker.raw_client import ask, wait_for_leaders

from ..support import CODECS, Klamm
from .peer import RealKafka, missing

confluent_kafka = pytest.importorskip("confluent_kafka")
clients = pytest.importorskip("compat_tests.confluent_kafka.clients")

pytestmark = [
    pytest.mark.klamm_only("starts a real Kafka of its own beside klamm"),
    pytest.mark.skipif(missing() is not None, reason=f"no real Kafka: {missing()}"),
    pytest.mark.bounded(240),
]

Broker = Klamm | RealKafka
#: A producer id that no client was given.
PRODUCER_ID = 777_777
FIRST_TIMESTAMP_MS = 1_700_000_000_000
#: By name: the codec that batches are stored in, None for their own, and the topic's configs.
TOPICS: dict[str, tuple[Codec | None, dict[str, str]]] = {
    "producer": (None, {"compression.type": "producer"}),
    "uncompressed": (Codec.NONE, {"compression.type": "uncompressed"}),
    "gzip": (Codec.GZIP, {"compression.type": "gzip"}),
    "gzip-1": (Codec.GZIP, {"compression.type": "gzip", "compression.gzip.level": "1"}),
    "snappy": (Codec.SNAPPY, {"compression.type": "snappy"}),
    "lz4": (Codec.LZ4, {"compression.type": "lz4"}),
    "lz4-17": (Codec.LZ4, {"compression.type": "lz4", "compression.lz4.level": "17"}),
    "zstd": (Codec.ZSTD, {"compression.type": "zstd"}),
    "zstd-12": (Codec.ZSTD, {"compression.type": "zstd", "compression.zstd.level": "12"}),
}


@pytest.fixture(scope="module")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Broker]]:
    folder = tmp_path_factory.mktemp("recompression")
    running: dict[str, Broker] = {"klamm": Klamm(folder / "klamm")}
    try:
        running["kafka"] = RealKafka(folder / "kafka", jvm=("-Xmx512M", "-XX:TieredStopAtLevel=1"))
        for broker in running.values():
            fill(broker)
        yield running
    finally:
        for broker in running.values():
            broker.stop()


def fill(broker: Broker) -> None:
    """Each topic gets batches in all codecs, of a producer without and with an id, and two transactions."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": broker.bootstrap_servers})
    # Markers, which have the time of day, shall not roll a segment.
    every = {"retention.ms": "-1", "segment.ms": str(2**63 - 1)}
    new = [NewTopic(name, 1, 1, config=configs | every) for name, (_, configs) in TOPICS.items()]
    for future in admin.create_topics(new).values():
        future.result(60)
    for name in TOPICS:
        wait_for_leaders(broker.bootstrap_servers, name, 1)
        for number, batch in enumerate(batches()):
            data = TopicProduceData(name=name, partition_data=[PartitionProduceData(index=0, records=batch)])
            request = ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[data])
            [answer] = ask(broker.bootstrap_servers, request, 9).responses[0].partition_responses
            assert (answer.error_code, answer.base_offset) == (ErrorCode.NONE, 12 * number)
    transactional = clients.producer(broker, transactional_id="recompression", compression_type="gzip")
    transactional.init_transactions(60)
    for ends, end in enumerate((transactional.commit_transaction, transactional.abort_transaction)):
        transactional.begin_transaction()
        for name in TOPICS:
            transactional.produce(name, b"in a transaction " * 20, key=b"%d" % ends, timestamp=FIRST_TIMESTAMP_MS)
        assert transactional.flush(60) == 0
        end(60)
        # The answer comes before the markers are in the logs.
        deadline = time.monotonic() + 60
        while any(len(markers(broker, name)) != ends + 1 for name in TOPICS):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def batches() -> Iterator[bytes]:
    """Twelve records each: nulls, headers, timestamps that go to and fro."""
    sequence = 0
    for codec in Codec:
        for producer_id in (-1, PRODUCER_ID):
            records = [
                Record(
                    None if number == 3 else b"key %d" % number,
                    None if number == 5 else b"value %d " % number * 60,
                    headers=(("h", b"x"), ("nothing", None)) if number % 2 else (),
                    timestamp_ms=FIRST_TIMESTAMP_MS + (number * 7 % 12) * 1000,
                )
                for number in range(12)
            ]
            yield encode_batch(
                records,
                codec=codec,
                producer_id=producer_id,
                producer_epoch=min(producer_id, 0),
                base_sequence=sequence if producer_id >= 0 else -1,
            )
            sequence += 12 if producer_id >= 0 else 0


def stored(broker: Broker, topic: str) -> list[tuple[Any, bytes]]:
    """(header, batch) of all that is in the log."""
    data = (broker.data_dir / f"{topic}-0" / f"{0:020d}.log").read_bytes()
    found = [(header, data[position : position + header.size_bytes]) for position, header in iter_batches(data)]
    return [(header, batch) for header, batch in found if len(batch) == header.size_bytes]


def markers(broker: Broker, topic: str) -> list[Any]:
    return [header for header, _ in stored(broker, topic) if header.is_control]


@pytest.mark.parametrize("topic", TOPICS)
def test_what_is_stored_differs_in_compressed_bytes_only(brokers: dict[str, Broker], topic: str) -> None:
    logs = {}
    for name, broker in brokers.items():
        logs[name] = []
        for header, batch in stored(broker, topic):
            verify_batch(batch)
            records = list(batch_records(batch))
            # Markers have the time of day, and theirs are stored plain.
            seen = decode_end_txn_marker(records[0]) if header.is_control else records
            times = None if header.is_control else (header.base_timestamp_ms, header.max_timestamp_ms)
            same = header._replace(length=0, crc=0, base_timestamp_ms=0, max_timestamp_ms=0)
            logs[name].append((same, times, seen))
    assert logs["klamm"] == logs["kafka"]
    codec, _ = TOPICS[topic]
    codecs = [header.codec for header, _, _ in logs["klamm"] if not header.is_control]
    assert len(codecs) == 2 * len(CODECS) + 2
    assert codec is None or codecs == [codec] * len(codecs)


@pytest.mark.parametrize("topic", TOPICS)
def test_consumers_see_the_same(brokers: dict[str, Broker], topic: str) -> None:
    seen = [
        [
            (message.offset(), message.key(), message.value(), message.headers(), message.timestamp())
            for message in clients.whole_log(broker, topic, 1, isolation_level="read_committed")
        ]
        for broker in brokers.values()
    ]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 12 * 2 * len(CODECS) + 1


def test_kafkas_dump_of_both_is_the_same(brokers: dict[str, Broker]) -> None:
    """It decompresses what klamm has compressed."""
    kafka = brokers["kafka"]
    assert isinstance(kafka, RealKafka)
    dumps = [dump(kafka, broker.data_dir) for broker in brokers.values()]
    assert dumps[0] == dumps[1]
    assert sum("payload: value 11 " in line for line in dumps[0]) == len(TOPICS) * 2 * len(CODECS)


def dump(kafka: RealKafka, data_dir: Path) -> list[str]:
    """DumpLogSegments' lines without what compressed bytes and the time of day decide."""
    paths = ",".join(str(data_dir / f"{topic}-0" / f"{0:020d}.log") for topic in TOPICS)
    arguments = ("--deep-iteration", "--print-data-log", "--files", paths)
    done = kafka.run_class("org.apache.kafka.tools.DumpLogSegments", *arguments)
    assert done.returncode == 0, done.stderr
    lines = [re.sub(r"(position|size|crc): \d+", r"\1", line) for line in done.stdout.splitlines()]
    return [
        re.sub(r"CreateTime: \d+", "CreateTime", line) if "isControl: true" in line or "endTxnMarker" in line else line
        for line in lines
        if not line.startswith("Dumping")
    ]
