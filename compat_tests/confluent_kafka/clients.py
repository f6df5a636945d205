"""confluent-kafka (librdkafka) clients set up for tests: short waits, explicit commits, acknowledgements collected."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from ..support import Broker, Record

WAIT_S = 30.0
# Not the end of a consumer: it is at the end of a partition, or its broker is restarting.
PASSING = {KafkaError._PARTITION_EOF, KafkaError._TRANSPORT, KafkaError._ALL_BROKERS_DOWN}


def producer(broker: Broker, **config: Any) -> Producer:
    """Keywords are librdkafka's settings with underscores for dots."""
    return Producer({"bootstrap.servers": broker.bootstrap_servers, "linger.ms": 5, **_dotted(config)})


def consumer(broker: Broker, **config: Any) -> Consumer:
    defaults = {
        "bootstrap.servers": broker.bootstrap_servers,
        "group.id": "unused",  # librdkafka wants one even where no group is joined
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        "fetch.wait.max.ms": 100,
        "enable.partition.eof": True,
        # A broker that returns is found at once, not after up to 10 s.
        "reconnect.backoff.max.ms": 500,
    }
    return Consumer({**defaults, **_dotted(config)})


def _dotted(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key.replace("_", "."): value for key, value in config.items()}


def admin(broker: Broker) -> AdminClient:
    """Keep it in a variable: its pending answers fail with _DESTROY as soon as nothing refers to it."""
    return AdminClient({"bootstrap.servers": broker.bootstrap_servers})


def create_topic(broker: Broker, name: str, partitions: int = 1, configs: Mapping[str, str] | None = None) -> str:
    new = NewTopic(name, num_partitions=partitions, replication_factor=1, config=dict(configs or {}))
    client = admin(broker)
    client.create_topics([new])[name].result(WAIT_S)
    return name


def send(sender: Producer, topic: str, records: list[Record], **options: Any) -> list[Message | KafkaError]:
    """Produces, waits for every answer, and returns them in the order of `records`."""
    answers: dict[int, Message | KafkaError] = {}

    def on_delivery(number: int) -> Callable[[KafkaError | None, Message], None]:
        return lambda error, message: answers.__setitem__(number, error or message)

    for number, (key, value, headers) in enumerate(records):
        sender.produce(topic, value, key=key, headers=headers, on_delivery=on_delivery(number), **options)
    assert sender.flush(WAIT_S) == 0, "records were not answered in time"
    return [answers[number] for number in range(len(records))]


def partitions(topic: str, count: int, offset: int = 0) -> list[TopicPartition]:
    return [TopicPartition(topic, number, offset) for number in range(count)]


def while_polling(reader: Consumer, done: Callable[[], object], take: Callable[[Message], object]) -> None:
    """Polls, handing each message and end-of-partition to `take`, until `done` holds. AssertionError after WAIT_S."""
    deadline = time.monotonic() + WAIT_S
    while not done():
        assert time.monotonic() < deadline, f"waited {WAIT_S} s in vain"
        message = reader.poll(0.1)
        if message is None:
            continue
        error = message.error()
        # A broker that is restarting is an event to librdkafka, not the end of the consumer.
        if error and error.code() not in (
            KafkaError._PARTITION_EOF,
            KafkaError._TRANSPORT,
            KafkaError._ALL_BROKERS_DOWN,
        ):
            raise KafkaException(error)
        if not error or error.code() == KafkaError._PARTITION_EOF:
            take(message)


def to_the_end(reader: Consumer, partition_count: int) -> list[Message]:
    """Messages until each of the assigned partitions has told that it is at its end."""
    messages: list[Message] = []
    at_the_end: set[int] = set()

    def take(message: Message) -> None:
        if message.error():
            at_the_end.add(message.partition())
        else:
            messages.append(message)

    while_polling(reader, lambda: len(at_the_end) >= partition_count, take)
    return messages


def whole_log(broker: Broker, topic: str, count: int = 1, **config: Any) -> list[Message]:
    """Every record of a topic's partitions, in the order of each, without a group."""
    reader = consumer(broker, **config)
    try:
        reader.assign(partitions(topic, count))
        return to_the_end(reader, count)
    finally:
        reader.close()


def contents(messages: list[Message]) -> list[Record]:
    return [(message.key(), message.value(), message.headers() or []) for message in messages]
