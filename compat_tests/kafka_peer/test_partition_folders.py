"""A partition's files go from klamm's data folder to Kafka's and on to klamm's again, and serve on in each.

The topic is made in both. Each keeps its own partition.metadata (KRaft refuses a folder with another topic's id); all
other files of the partitions, and the checkpoints of the data folder, are the other's, byte for byte.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.wire.errors import ErrorCode
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch
from tests.broker.raw_client import ask, wait_for_coordinators, wait_for_leaders

from ..support import CODECS, Broker, Klamm, sample_records
from .peer import RealKafka

confluent_kafka = pytest.importorskip("confluent_kafka")
clients = pytest.importorskip("compat_tests.confluent_kafka.clients")

TOPIC = "carried"
#: The smallest segments that Kafka allows; records of years ago are kept.
CONFIGS = {"segment.bytes": str(1024 * 1024), "retention.ms": "-1"}
PARTITIONS = 2
CHECKPOINTS = ("recovery-point-offset-checkpoint", "log-start-offset-checkpoint", "replication-offset-checkpoint")
#: Deleted from partition 1 before the files move: log-start-offset-checkpoint says so.
DELETED = 7
#: A producer id that no client was given: its state is in the partition's files and nowhere else.
PRODUCER_ID = 777_777
FIRST_TIMESTAMP_MS = 1_700_000_000_000
JVM = ("-Xmx512M", "-XX:TieredStopAtLevel=1")


def offsets(broker: Broker, timestamp: int) -> list[tuple[int, int]]:
    """ListOffsets by time, or by -1 (end), -2 (start), -3 (largest timestamp): (offset, timestamp) by partition."""
    asked = [ListOffsetsPartition(partition_index=index, timestamp=timestamp) for index in range(PARTITIONS)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=TOPIC, partitions=asked)])
    # Kafka answers in an order of its own.
    answers = sorted(
        ask(broker.bootstrap_servers, request, 7).topics[0].partitions, key=lambda answer: answer.partition_index
    )
    assert [answer.error_code for answer in answers] == [ErrorCode.NONE] * PARTITIONS
    return [(answer.offset, answer.timestamp) for answer in answers]


def read(broker: Broker, isolation: str) -> list[list[tuple[Any, ...]]]:
    found: list[list[tuple[Any, ...]]] = [[] for _ in range(PARTITIONS)]
    for message in clients.whole_log(broker, TOPIC, PARTITIONS, isolation_level=isolation):
        row = (message.offset(), message.key(), message.value(), message.headers(), message.timestamp())
        found[message.partition()].append(row)
    return found


def look(broker: Broker) -> tuple[Any, ...]:
    """All that a client may see of the topic."""
    wait_for_leaders(broker.bootstrap_servers, TOPIC, PARTITIONS)
    times = [offsets(broker, FIRST_TIMESTAMP_MS + 1000 * number) for number in range(-1, 60, 3)]
    return read(broker, "read_committed"), read(broker, "read_uncommitted"), times, offsets(broker, -2)


def waste_producer_ids(broker: Broker, count: int) -> None:
    """Two clusters give out the same producer ids, and the state of the one's producers comes with the files."""
    wait_for_coordinators(broker.bootstrap_servers)
    for _ in range(count):
        ask(broker.bootstrap_servers, InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000), 4)


def write(broker: Broker, label: str, first_timestamp_ms: int) -> None:
    """Records in every codec, transactions that were committed and aborted, and enough bytes for further segments."""
    for number, codec in enumerate(CODECS):
        sender = clients.producer(broker, compression_type=codec)
        for partition in range(PARTITIONS):
            timestamp = first_timestamp_ms + 1000 * number + partition
            clients.send(
                sender, TOPIC, sample_records(20, f"{label}-{codec}"), partition=partition, timestamp=timestamp
            )
    filler = clients.producer(broker)
    big = [(b"big", bytes([number % 256]) * 100_000, []) for number in range(25)]
    clients.send(filler, TOPIC, big, partition=0, timestamp=first_timestamp_ms + 10_000)
    transactional = clients.producer(broker, transactional_id=f"carrier-{label}")
    transactional.init_transactions(30)
    for number in range(6):
        transactional.begin_transaction()
        for partition in range(PARTITIONS):
            transactional.produce(
                TOPIC,
                f"{label}-{number}".encode(),
                partition=partition,
                timestamp=first_timestamp_ms + 20_000 + 1000 * number,
            )
        assert transactional.flush(30) == 0
        if number % 3 == 1:
            transactional.abort_transaction(30)
        else:
            transactional.commit_transaction(30)


def produce_as(broker: Broker, sequence: int) -> tuple[int, int]:
    """A record of PRODUCER_ID with this sequence number to partition 0: (error, offset)."""
    batch = encode_batch(
        # Of now: what a producer did long ago is forgotten when a snapshot is read (producer.id.expiration.ms).
        [Record(value=b"of the producer", timestamp_ms=int(time.time() * 1000))],
        producer_id=PRODUCER_ID,
        producer_epoch=0,
        base_sequence=sequence,
    )
    data = TopicProduceData(name=TOPIC, partition_data=[PartitionProduceData(index=0, records=batch)])
    answer = ask(broker.bootstrap_servers, ProduceRequest(acks=-1, timeout_ms=30_000, topic_data=[data]), 9)
    [partition] = answer.responses[0].partition_responses
    return partition.error_code, partition.base_offset


def go_on_as(broker: Broker, sequence: int, last_offset: int) -> int:
    """The producer goes on where it was: its last record is known to be at `last_offset`, a gap is refused, and the
    next record is taken: its offset."""
    assert produce_as(broker, sequence + 3)[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert produce_as(broker, sequence - 1) == (ErrorCode.NONE, last_offset)
    error, offset = produce_as(broker, sequence)
    assert error == ErrorCode.NONE
    return offset


def carry(source: Broker, target: Broker) -> None:
    """Between two brokers that are stopped."""
    for index in range(PARTITIONS):
        old, new = source.data_dir / f"{TOPIC}-{index}", target.data_dir / f"{TOPIC}-{index}"
        identity = (new / "partition.metadata").read_bytes()
        shutil.rmtree(new)
        shutil.copytree(old, new)
        (new / "partition.metadata").write_bytes(identity)
    for name in CHECKPOINTS:
        (target.data_dir / name).unlink(missing_ok=True)
        if (source.data_dir / name).exists():  # who is killed early has written none
            shutil.copy(source.data_dir / name, target.data_dir / name)


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Klamm]:
    broker = Klamm(tmp_path / "klamm")
    yield broker
    broker.stop()


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[RealKafka]:
    broker = RealKafka(tmp_path / "kafka", jvm=JVM)
    yield broker
    broker.stop()


def log_text(broker: Broker, seen: int) -> str:
    return broker.log_path.read_bytes()[seen:].decode(errors="replace")


@pytest.mark.bounded(180)
def test_partition_folders_are_carried_to_kafka_and_back(klamm: Klamm, kafka: RealKafka) -> None:
    for broker in (klamm, kafka):
        clients.create_topic(broker, TOPIC, PARTITIONS, CONFIGS)
    kafka.stop()
    write(klamm, "klamm", FIRST_TIMESTAMP_MS)
    error, last = produce_as(klamm, 0)
    assert error == ErrorCode.NONE
    client = clients.admin(klamm)
    [deleted] = client.delete_records([confluent_kafka.TopicPartition(TOPIC, 1, DELETED)]).values()
    assert deleted.result(30).low_watermark == DELETED
    ours = look(klamm)
    ends = offsets(klamm, -1)
    klamm.stop()
    assert len(list((klamm.data_dir / f"{TOPIC}-0").glob("*.log"))) >= 3

    # klamm's files in Kafka.
    carry(klamm, kafka)
    seen = kafka.log_path.stat().st_size
    kafka.start()
    assert look(kafka) == ours
    said = log_text(kafka, seen)
    for index in range(PARTITIONS):
        # Kafka takes the high watermark from the checkpoint, and finds nothing to mend.
        assert f"Log loaded for partition {TOPIC}-{index} with initial high watermark {ends[index][0]}" in said
    assert not any(recovered(said))
    last = go_on_as(kafka, 1, last)
    waste_producer_ids(kafka, 10)
    write(kafka, "kafka", FIRST_TIMESTAMP_MS + 30_000)
    theirs = look(kafka)
    kafka.stop()

    # Kafka's files, begun by klamm, in klamm.
    carry(kafka, klamm)
    verify(klamm)
    klamm.start()
    assert look(klamm) == theirs
    last = go_on_as(klamm, 2, last)
    waste_producer_ids(klamm, 20)
    write(klamm, "again", FIRST_TIMESTAMP_MS + 60_000)
    assert [len(rows) for rows in read(klamm, "read_committed")] > [len(rows) for rows in theirs[0]]
    ours = look(klamm)
    klamm.stop()

    # And once more to Kafka, which is to believe that it was killed: it looks at nothing before the recovery points.
    carry(klamm, kafka)
    (kafka.data_dir / ".kafka_cleanshutdown").unlink()
    seen = kafka.log_path.stat().st_size
    kafka.start()
    assert recovered(log_text(kafka, seen)) == [1] * PARTITIONS
    assert look(kafka) == ours
    go_on_as(kafka, 3, last)


def recovered(log: str) -> list[int]:
    """How many segments of each partition Kafka has looked through to mend them."""
    return [
        len(re.findall(rf"partition={TOPIC}-{index},.*Recovering unflushed segment", log))
        for index in range(PARTITIONS)
    ]


def verify(klamm: Klamm) -> None:
    """`klamm log verify` finds nothing wrong with the partitions' files."""
    for index in range(PARTITIONS):
        command = [sys.executable, "-m", "klamm", "log", "verify", str(klamm.data_dir / f"{TOPIC}-{index}")]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def fill(broker: Broker, label: bytes, count: int) -> None:
    """More than a segment of 100 KB records in each partition."""
    sender = clients.producer(broker)
    for partition in range(PARTITIONS):
        clients.send(sender, TOPIC, [(b"big", label * 100_000, [])] * count, partition=partition)


def last_files(broker: Broker) -> list[Path]:
    """The file of each partition's active segment."""
    return [max((broker.data_dir / f"{TOPIC}-{index}").glob("*.log")) for index in range(PARTITIONS)]


@pytest.mark.bounded(180)
def test_preallocated_files_that_a_kill_has_left_are_read_by_the_other(klamm: Klamm, kafka: RealKafka) -> None:
    size = int(CONFIGS["segment.bytes"])
    for broker in (klamm, kafka):
        clients.create_topic(broker, TOPIC, PARTITIONS, {**CONFIGS, "preallocate": "true"})
    kafka.stop()
    fill(klamm, b"a", 14)
    ours = read(klamm, "read_uncommitted")
    klamm.kill()
    for path in last_files(klamm):
        assert (path.stat().st_size, path.read_bytes()[-1000:]) == (size, bytes(1000))

    carry(klamm, kafka)
    (kafka.data_dir / ".kafka_cleanshutdown").unlink()
    kafka.start()
    assert [path.stat().st_size < size for path in last_files(kafka)] == [True] * PARTITIONS
    assert read(kafka, "read_uncommitted") == ours
    fill(kafka, b"b", 14)
    theirs = read(kafka, "read_uncommitted")
    assert [len(rows) for rows in theirs] == [28] * PARTITIONS
    kafka.kill()
    for path in last_files(kafka):
        assert (path.stat().st_size, path.read_bytes()[-1000:]) == (size, bytes(1000))

    carry(kafka, klamm)
    klamm.start()
    assert read(klamm, "read_uncommitted") == theirs
    assert [path.stat().st_size < size for path in last_files(klamm)] == [True] * PARTITIONS
    fill(klamm, b"c", 14)
    klamm.stop()
    assert [path.stat().st_size < size for path in last_files(klamm)] == [True] * PARTITIONS
    verify(klamm)
