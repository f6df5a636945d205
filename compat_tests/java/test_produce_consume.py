"""The Java producer and consumer without a group: what is sent comes back, whole and in order."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import main

from ..support import CODECS, Broker, sample_records, wait_until
from .clients import Java
from .jvm import Program


@pytest.mark.parametrize("codec", CODECS)
def test_records_come_back_whole(java: Java, codec: str) -> None:
    topic = java.create_topic(partitions=3)
    records = sample_records(60, codec)
    sent = java.producer(compression_type=codec, linger_ms=20).send(topic, records, timestamps=[1_700_000_000_123] * 60)
    consumer = java.consumer(partitions=[(topic, partition, None) for partition in range(3)])
    consumed = {(record.partition, record.offset): record for record in consumer.take(60)}
    assert len(consumed) == 60
    for row, record in zip(sent, records, strict=True):
        got = consumed[row["partition"], row["offset"]]
        assert got.content == record
        assert (got.timestamp, got.timestamp_type) == (1_700_000_000_123, "CreateTime")
        assert got.leader_epoch is not None


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(java: Java, acks: str) -> None:
    topic = java.create_topic()
    producer = java.producer(acks=acks, enable_idempotence=False)
    sent = producer.send_values(topic, map(str, range(50)))
    assert [row["offset"] for row in sent] == ([-1] * 50 if acks == "0" else list(range(50)))
    consumed = java.consumer(partitions=[(topic, 0, None)]).take(50)
    assert [record.value for record in consumed] == [b"%d" % number for number in range(50)]


def test_acks_0_leaves_the_connection_in_step(java: Java) -> None:
    topic = java.create_topic()
    producer = java.producer(acks="0", enable_idempotence=False)
    producer.send_values(topic, ["a"])
    # A metadata request over the connection that had no answer to its Produce.
    assert producer.call("producer_partitions", topic=topic) == 1
    producer.send_values(topic, ["b"])
    assert [record.value for record in java.consumer(partitions=[(topic, 0, None)]).take(2)] == [b"a", b"b"]


def test_idempotent_producer_keeps_the_order_of_many_small_batches(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    producer = java.producer(batch_size=200, linger_ms=0, max_in_flight_requests_per_connection=5)
    for partition in (0, 1):
        sent = producer.send_values(topic, map(str, range(2000)), partition)
        assert [row["offset"] for row in sent] == list(range(2000))
    consumed = java.consumer(partitions=[(topic, 0, None), (topic, 1, None)]).take(4000)
    for partition in (0, 1):
        values = [record.value for record in consumed if record.partition == partition]
        assert values == [b"%d" % number for number in range(2000)]


def test_a_refused_batch_is_split_by_the_client(java: Java) -> None:
    topic = java.create_topic(max_message_bytes=3000)
    values = [f"{number:04d}" * 250 for number in range(40)]
    sent = java.producer(batch_size=16_384, linger_ms=100).send_values(topic, values)
    assert [row.get("offset") for row in sent] == list(range(40)), sent
    consumed = java.consumer(partitions=[(topic, 0, None)]).take(40)
    assert [record.value for record in consumed] == [value.encode() for value in values]


def test_log_append_time_is_the_brokers(java: Java) -> None:
    topic = java.create_topic(message_timestamp_type="LogAppendTime")
    [sent] = java.producer().send(topic, sample_records(1), timestamps=[1000])
    [consumed] = java.consumer(partitions=[(topic, 0, None)]).take(1)
    assert sent["timestamp"] > 1_000_000
    assert (consumed.timestamp, consumed.timestamp_type) == (sent["timestamp"], "LogAppendTime")


def test_a_producer_creates_its_topic(java: Java) -> None:
    topic = java.create_topic() + "-unknown"
    [sent] = java.producer().send_values(topic, ["first"])
    assert sent["offset"] == 0
    assert [record.value for record in java.consumer(partitions=[(topic, 0, None)]).take(1)] == [b"first"]


def test_a_producer_and_a_group_meet_a_topic_made_anew(java: Java) -> None:
    topic = java.create_topic()
    producer = java.producer()
    # A consumer that may create topics would bring the topic back between the two admin calls.
    group: dict[str, Any] = {"group_id": topic, "allow_auto_create_topics": False}
    consumer = java.consumer(topic, commit=True, **group)
    producer.send_values(topic, ["old", "older"])
    java.program.wait_for(lambda: consumer.committed() == {(topic, 0): 2}, "the commit of 2")
    java.close_client(consumer)
    admin = java.admin()
    assert admin.call("delete_topics", names=[topic]) == {topic: None}
    created = admin.call("create_topics", topics=[{"name": topic, "partitions": 1, "replication": 1}])
    assert created[topic]["partitions"] == 1
    # The producer holds the old topic's id (Produce v13); it must be told, and then ask for the new one.
    [sent] = producer.send_values(topic, ["new"])
    assert sent["offset"] == 0
    # The committed offset went with the old topic: at 2 the new one would seem to have lost its records.
    assert [record.value for record in java.consumer(topic, **group).take(1)] == [b"new"]


def test_records_larger_than_the_fetch_limits_still_come(java: Java) -> None:
    topic = java.create_topic()
    value = "x" * 200_000
    java.producer().send_values(topic, [value, value, "small"])
    consumer = java.consumer(partitions=[(topic, 0, None)], max_partition_fetch_bytes=1000, fetch_max_bytes=1000)
    assert [len(record.value or b"") for record in consumer.take(3)] == [200_000, 200_000, 5]


def test_seek_and_offsets(java: Java) -> None:
    topic = java.create_topic(partitions=2)
    java.producer().send_values(topic, map(str, range(10)), 0)
    # A broker answers a connection's requests one after another: what is asked waits for the fetch before it.
    consumer = java.consumer(partitions=[(topic, 0, 7)], fetch_max_wait_ms=20)
    assert [record.value for record in consumer.take(3)] == [b"7", b"8", b"9"]
    both = [(topic, 0), (topic, 1)]
    assert consumer.ask_offsets("beginning_offsets", both) == {(topic, 0): 0, (topic, 1): 0}
    assert consumer.ask_offsets("end_offsets", both) == {(topic, 0): 10, (topic, 1): 0}
    assert consumer.call("position", partition=(topic, 0)) == 10
    consumer.call("seek", partition=(topic, 0), offset=9)
    assert [record.value for record in consumer.take(4)][3:] == [b"9"]
    assert consumer.call("partitions_for", topic=topic) == 2
    assert topic in consumer.call("topics")


@pytest.mark.parametrize("codec", ["none", "zstd"])
def test_offsets_for_times(java: Java, codec: str) -> None:
    topic = java.create_topic(partitions=2)
    # One batch, its times out of order: the answer is the first record at or after the time, also inside the batch.
    times = [1000, 3000, 2000, 5000, 4000]
    producer = java.producer(compression_type=codec, linger_ms=200)
    sent = producer.send(topic, [(None, b"", [])] * 5, 0, times)
    assert [row["offset"] for row in sent] == [0, 1, 2, 3, 4]
    consumer = java.consumer(partitions=[(topic, 0, None), (topic, 1, None)], fetch_max_wait_ms=20)

    def look(time: int, partition: int = 0) -> list[int | None]:
        [row] = consumer.call("offsets_for_times", times=[(topic, partition, time)])
        return list(row[2:])

    assert look(0) == [0, 1000]
    assert look(1001) == [1, 3000]
    assert look(3001) == [3, 5000]
    assert look(5000) == [3, 5000]
    assert look(5001) == [None]
    assert look(0, partition=1) == [None]


def test_a_consumer_without_a_position_fails_when_told_to(java: Java) -> None:
    topic = java.create_topic()
    java.producer().send_values(topic, ["a", "b"])
    assert java.consumer(topic, group_id=topic, auto_offset_reset="none").failure() == "NoOffsetForPartitionException"
    beyond = java.consumer(partitions=[(topic, 0, 1000)], auto_offset_reset="none")
    assert beyond.failure() == "OffsetOutOfRangeException"
    back = java.consumer(partitions=[(topic, 0, 1000)])
    assert [record.value for record in back.take(2)] == [b"a", b"b"]


@pytest.mark.klamm_only("the receiver of a Kafka is a Java class")
def test_metrics_are_pushed_to_a_broker_that_receives_them(
    program: Program, start_broker: Callable[[Mapping[str, str]], Broker], tmp_path: Path
) -> None:
    """KIP-714. The last push of a client that closes may or may not get out: it is not waited for."""
    file = tmp_path / "pushes"
    broker = start_broker({"klamm.telemetry.file": str(file)})
    where = ["--bootstrap-server", broker.bootstrap_servers, "--entity-type", "client-metrics", "--entity-name", "all"]
    assert main(["configs", *where, "--alter", "--add-config", "interval.ms=200,metrics=[*]"]) == 0
    clients = Java(program, broker)
    topic = clients.create_topic()
    sender = clients.producer()

    def pushed() -> list[dict[str, Any]]:
        rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        return [row for row in rows if row["client_id"] == sender.name]

    def more() -> bool:
        sender.send_values(topic, ["a"], 0)
        return len([row for row in pushed() if row["metrics"]]) >= 2

    wait_until(more, 30, "two pushes")
    clients.close()
    assert {row["client_software_name"] for row in pushed()} == {"apache-kafka-java"}
