"""Records through kafka-python: every codec, sizes, timestamps, acks, and where offsets lead."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition
from kafka.errors import MessageSizeTooLargeError, OffsetOutOfRangeError

from ..support import CODECS, Broker, unique
from .clients import (
    consumer,
    contents,
    create_topic,
    partitions,
    producer,
    samples,
    to_the_end,
    while_polling,
    whole_log,
)

pytestmark = pytest.mark.oracle


def send(sender: Any, topic: str, records: list[Any], **options: Any) -> list[Any]:
    futures = [sender.send(topic, key=key, value=value, headers=headers, **options) for key, value, headers in records]
    sender.flush(30)
    return [future.get(30) for future in futures]


@pytest.mark.parametrize("codec", CODECS)
def test_records_come_back_as_sent(broker: Broker, codec: str) -> None:
    topic = create_topic(broker, unique(f"codec-{codec}"))
    records = samples(60)
    with producer(broker, compression_type=None if codec == "none" else codec, linger_ms=20) as sender:
        sent = send(sender, topic, records)
    assert [metadata.offset for metadata in sent] == list(range(60))
    assert contents(whole_log(broker, topic)) == records


def test_codecs_share_a_partition(broker: Broker) -> None:
    topic = create_topic(broker, unique("codecs"))
    for codec in CODECS:
        with producer(broker, compression_type=None if codec == "none" else codec) as sender:
            send(sender, topic, samples(5, codec))
    values = [record.value.split(b"-")[0].decode() for record in whole_log(broker, topic) if record.value]
    assert list(dict.fromkeys(values)) == list(CODECS)


@pytest.mark.parametrize("acks", [0, 1, "all"])
def test_acks(broker: Broker, acks: int | str) -> None:
    topic = create_topic(broker, unique(f"acks-{acks}"))
    with producer(broker, acks=acks, enable_idempotence=False) as sender:
        sent = send(sender, topic, samples(10))
    if acks != 0:  # nothing is answered then, and the client makes its offsets up
        assert [metadata.offset for metadata in sent] == list(range(10))
    with consumer(broker) as reader:
        reader.assign(partitions(topic, 1))
        seen: list[Any] = []
        while_polling(reader, lambda: len(seen) >= 10, seen.extend)
        assert contents(seen + to_the_end(reader)) == samples(10)


def test_keys_choose_the_partition(broker: Broker) -> None:
    topic = create_topic(broker, unique("keyed"), 4)
    with producer(broker) as sender:
        sent = [sender.send(topic, key=b"key-%d" % (number % 9), value=b"%d" % number) for number in range(90)]
        of_key = {(number % 9, future.get(30).partition) for number, future in enumerate(sent)}
    assert len(of_key) == 9
    assert len({partition for _, partition in of_key}) > 1
    for partition in partitions(topic, 4):
        values = [
            int(record.value) for record in whole_log(broker, topic, 4) if record.partition == partition.partition
        ]
        assert values == sorted(values)


def test_idempotent_and_plain_producers_interleave(broker: Broker) -> None:
    topic = create_topic(broker, unique("idempotent"))
    with producer(broker) as one, producer(broker) as two, producer(broker, enable_idempotence=False) as plain:
        for number in range(30):
            send((one, two, plain)[number % 3], topic, [(None, b"%d" % number, [])])
    assert [int(record.value) for record in whole_log(broker, topic)] == list(range(30))


def test_a_large_record_fits_up_to_the_limit(broker: Broker) -> None:
    topic = create_topic(broker, unique("large"), configs={"max.message.bytes": "3000000"})
    value = bytes(range(256)) * 11_000
    # Idempotent, this client takes the refusal of one record for the end of its producer.
    with producer(broker, max_request_size=10_000_000, enable_idempotence=False) as sender:
        sender.send(topic, value=value).get(30)
        with pytest.raises(MessageSizeTooLargeError):
            sender.send(topic, value=value + value).get(30)
        sender.send(topic, value=b"after").get(30)
    # max_partition_fetch_bytes is 1 MiB: a first batch above it is delivered whole all the same.
    assert [record.value for record in whole_log(broker, topic)] == [value, b"after"]


def test_the_default_limit_refuses_a_megabyte(broker: Broker) -> None:
    topic = create_topic(broker, unique("limit"))
    with producer(broker, max_request_size=10_000_000) as sender, pytest.raises(MessageSizeTooLargeError):
        sender.send(topic, value=b"x" * 1_048_588).get(30)
    assert whole_log(broker, topic) == []


def test_a_batch_over_the_limit_is_split_by_the_client(broker: Broker) -> None:
    topic = create_topic(broker, unique("split"), configs={"max.message.bytes": "20000"})
    with producer(broker, batch_size=100_000, linger_ms=200) as sender:
        futures = [sender.send(topic, value=b"%04d" % number * 500) for number in range(40)]
        offsets = [future.get(30).offset for future in futures]
    assert sorted(offsets) == list(range(40))
    assert [int(record.value[:4]) for record in whole_log(broker, topic)] == list(range(40))


def test_create_time_is_kept_and_found(broker: Broker) -> None:
    topic = create_topic(broker, unique("times"))
    partition = TopicPartition(topic, 0)
    with producer(broker, linger_ms=50) as sender:
        for number in range(10):
            sender.send(topic, value=b"%d" % number, timestamp_ms=1_600_000_000_000 + 1000 * number)
        sender.flush(30)
    with consumer(broker) as reader:
        found = reader.offsets_for_times({partition: 1_600_000_004_500})[partition]
        assert (found.offset, found.timestamp) == (5, 1_600_000_005_000)
        assert reader.offsets_for_times({partition: 0})[partition].offset == 0
        assert reader.offsets_for_times({partition: 1_600_000_009_001})[partition] is None
    assert [record.timestamp for record in whole_log(broker, topic)] == [
        1_600_000_000_000 + 1000 * number for number in range(10)
    ]


def test_log_append_time_is_answered_and_stored(broker: Broker) -> None:
    topic = create_topic(broker, unique("appended"), configs={"message.timestamp.type": "LogAppendTime"})
    with producer(broker) as sender:
        answered = sender.send(topic, value=b"v", timestamp_ms=1_600_000_000_000).get(30).timestamp
    (record,) = whole_log(broker, topic)
    assert record.timestamp_type == 1
    assert record.timestamp == answered > 1_700_000_000_000


def test_watermarks_and_seek(broker: Broker) -> None:
    topic = create_topic(broker, unique("seek"), 2)
    first, second = partitions(topic, 2)
    with producer(broker) as sender:
        for number in range(20):
            sender.send(topic, value=b"%d" % number, partition=0).get(30)
    with consumer(broker) as reader:
        assert reader.beginning_offsets([first, second]) == {first: 0, second: 0}
        assert reader.end_offsets([first, second]) == {first: 20, second: 0}
        reader.assign([first])
        for offset in (15, 3, 19):
            reader.seek(first, offset)
            assert [int(record.value) for record in to_the_end(reader)] == list(range(offset, 20))
        assert reader.highwater(first) == 20
        reader.seek_to_beginning(first)
        assert len(to_the_end(reader)) == 20


def test_an_offset_past_the_end_is_out_of_range(broker: Broker) -> None:
    topic = create_topic(broker, unique("range"))
    with consumer(broker, auto_offset_reset="none") as reader:
        reader.assign(partitions(topic, 1))
        reader.seek(TopicPartition(topic, 0), 99)
        with pytest.raises(OffsetOutOfRangeError):
            while_polling(reader, lambda: False, lambda records: None)


def test_a_topic_is_created_by_the_first_record(broker: Broker) -> None:
    topic = unique("auto")
    with producer(broker) as sender:
        assert sender.send(topic, value=b"first").get(30).offset == 0
    assert [record.value for record in whole_log(broker, topic)] == [b"first"]


def test_a_waiting_fetch_is_answered_by_the_record_it_waits_for(broker: Broker) -> None:
    topic = create_topic(broker, unique("wait"))
    with consumer(broker, fetch_max_wait_ms=20_000, request_timeout_ms=25_000) as reader, producer(broker) as sender:
        reader.assign(partitions(topic, 1))
        reader.poll(timeout_ms=50)
        sender.send(topic, value=b"woken").get(30)
        seen: list[Any] = []
        # while_polling gives up long after this, but a fetch that only its own 20 s end would miss the next line.
        reader_polls = 0
        while not seen and reader_polls < 100:
            reader_polls += 1
            for records in reader.poll(timeout_ms=100).values():
                seen.extend(records)
    assert [record.value for record in seen] == [b"woken"]
