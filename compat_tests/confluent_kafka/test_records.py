"""Records through librdkafka: every codec, sizes, timestamps, acks, idempotence, and where offsets lead."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import OFFSET_END, TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, KafkaError, TopicPartition

from ..support import CODECS, Broker, sample_records, unique
from .clients import (
    WAIT_S,
    consumer,
    contents,
    create_topic,
    partitions,
    producer,
    send,
    to_the_end,
    while_polling,
    whole_log,
)

pytestmark = pytest.mark.oracle


@pytest.mark.parametrize("idempotent", [False, True], ids=["plain", "idempotent"])
@pytest.mark.parametrize("codec", CODECS)
def test_records_come_back_as_sent(broker: Broker, codec: str, idempotent: bool) -> None:
    topic = create_topic(broker, unique(f"codec-{codec}"))
    records = sample_records(60)
    sent = send(producer(broker, compression_codec=codec, enable_idempotence=idempotent), topic, records)
    assert [message.offset() for message in sent] == list(range(60))
    assert contents(whole_log(broker, topic)) == records


@pytest.mark.parametrize("acks", ["0", "1", "all"])
def test_acks(broker: Broker, acks: str) -> None:
    topic = create_topic(broker, unique(f"acks-{acks}"))
    sent = send(producer(broker, acks=acks), topic, sample_records(10))
    if acks != "0":
        assert [message.offset() for message in sent] == list(range(10))
    reader = consumer(broker)
    reader.assign(partitions(topic, 1))
    seen: list[Any] = []
    while_polling(reader, lambda: len(seen) >= 10, lambda message: None if message.error() else seen.append(message))
    assert contents(seen) == sample_records(10)
    reader.close()


def test_batches_of_one_record_keep_their_order(broker: Broker) -> None:
    topic = create_topic(broker, unique("singles"))
    sender = producer(broker, enable_idempotence=True, batch_num_messages=1, linger_ms=0)
    send(sender, topic, [(None, b"%d" % number, []) for number in range(500)])
    assert [int(message.value()) for message in whole_log(broker, topic)] == list(range(500))


def test_a_large_record_fits_up_to_the_limit(broker: Broker) -> None:
    topic = create_topic(broker, unique("large"), configs={"max.message.bytes": "3000000"})
    value = bytes(range(256)) * 11_000
    sender = producer(broker, message_max_bytes=10_000_000)
    first, refused, last = (send(sender, topic, [(None, v, [])])[0] for v in (value, value + value, b"after"))
    assert (first.offset(), last.offset()) == (0, 1)
    assert isinstance(refused, KafkaError)
    assert refused.code() == KafkaError.MSG_SIZE_TOO_LARGE
    # max.partition.fetch.bytes is 1 MiB: a first batch above it is delivered whole all the same.
    assert [message.value() for message in whole_log(broker, topic)] == [value, b"after"]


def test_fetches_smaller_than_a_batch_get_through(broker: Broker) -> None:
    topic = create_topic(broker, unique("small-fetch"), 2)
    records = [(b"k", b"%04d" % number * 300, []) for number in range(200)]
    for partition in range(2):
        # Idempotent, so that retries on a partition that a real Kafka does not lead yet change no order.
        send(producer(broker, batch_size=20_000, enable_idempotence=True), topic, records, partition=partition)
    sizes = {"fetch_message_max_bytes": 3000, "fetch_max_bytes": 5000, "message_max_bytes": 5000}
    read = whole_log(broker, topic, 2, **sizes)
    for partition in range(2):
        assert contents([message for message in read if message.partition() == partition]) == records


def test_create_time_is_kept_and_found(broker: Broker) -> None:
    topic = create_topic(broker, unique("times"))
    sender = producer(broker, compression_codec="gzip", linger_ms=100)
    for number in range(10):
        sender.produce(topic, b"%d" % number, timestamp=1_600_000_000_000 + 1000 * number)
    assert sender.flush(WAIT_S) == 0
    reader = consumer(broker)

    def offset_at(time_ms: int) -> int:
        return reader.offsets_for_times([TopicPartition(topic, 0, time_ms)], timeout=WAIT_S)[0].offset

    assert [offset_at(time) for time in (0, 1_600_000_004_500, 1_600_000_005_000)] == [0, 5, 5]
    assert offset_at(1_600_000_009_001) == OFFSET_END
    reader.close()
    assert [message.timestamp() for message in whole_log(broker, topic)] == [
        (TIMESTAMP_CREATE_TIME, 1_600_000_000_000 + 1000 * number) for number in range(10)
    ]


def test_log_append_time_is_answered_and_stored(broker: Broker) -> None:
    topic = create_topic(broker, unique("appended"), configs={"message.timestamp.type": "LogAppendTime"})
    (answer,) = send(producer(broker), topic, [(None, b"v", [])], timestamp=1_600_000_000_000)
    (message,) = whole_log(broker, topic)
    assert message.timestamp() == answer.timestamp()
    kind, time_ms = message.timestamp()
    assert kind == TIMESTAMP_LOG_APPEND_TIME
    assert time_ms > 1_700_000_000_000


def test_watermarks_and_seek(broker: Broker) -> None:
    topic = create_topic(broker, unique("seek"), 2)
    send(producer(broker), topic, [(None, b"%d" % number, []) for number in range(20)], partition=0)
    reader = consumer(broker)
    assert reader.get_watermark_offsets(TopicPartition(topic, 0), timeout=WAIT_S) == (0, 20)
    assert reader.get_watermark_offsets(TopicPartition(topic, 1), timeout=WAIT_S) == (0, 0)
    reader.assign(partitions(topic, 1))
    assert len(to_the_end(reader, 1)) == 20
    for offset in (15, 3, 19):
        reader.seek(TopicPartition(topic, 0, offset))
        assert [int(message.value()) for message in to_the_end(reader, 1)] == list(range(offset, 20))
    reader.close()


def test_an_offset_past_the_end_is_reset(broker: Broker) -> None:
    topic = create_topic(broker, unique("range"))
    send(producer(broker), topic, sample_records(5))
    reader = consumer(broker)
    reader.assign(partitions(topic, 1, offset=99))
    assert contents(to_the_end(reader, 1)) == sample_records(5)
    reader.close()


def test_a_topic_is_created_by_the_first_record(broker: Broker) -> None:
    topic = unique("auto")
    (answer,) = send(producer(broker), topic, [(None, b"first", [])])
    assert answer.offset() == 0
    assert [message.value() for message in whole_log(broker, topic)] == [b"first"]


def test_an_unknown_topic_is_not_created_by_reading(broker: Broker) -> None:
    topic = unique("unread")
    reader = consumer(broker)
    reader.subscribe([topic])
    codes: list[int] = []
    while not codes:
        message = reader.poll(1)
        codes += [message.error().code()] if message is not None else []
    assert codes == [KafkaError.UNKNOWN_TOPIC_OR_PART]
    assert topic not in reader.list_topics(timeout=WAIT_S).topics
    reader.close()


def test_a_waiting_fetch_is_answered_by_the_record_it_waits_for(broker: Broker) -> None:
    topic = create_topic(broker, unique("wait"))
    sender = producer(broker)
    reader = consumer(broker, fetch_wait_max_ms=20_000, socket_timeout_ms=60_000)
    reader.assign(partitions(topic, 1))
    for value in (b"at once", b"woken"):  # the fetch that brought the first is followed by one that waits
        send(sender, topic, [(None, value, [])])
        message = reader.poll(15)
        assert message is not None, "a fetch was not woken before its own 20 s had passed"
        assert message.value() == value
    reader.close()
