"""A broker that stops, or is killed, and returns: librdkafka's clients go on, nothing lost, nothing twice."""

from __future__ import annotations

import pytest
from confluent_kafka import Message

from ..support import CODECS, Broker, sample_records, unique
from .clients import (
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


def place(message: Message) -> tuple[int, int]:
    return message.partition(), message.offset()


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_clients_go_on_over_a_restart(broker: Broker, end: str) -> None:
    topic, group = create_topic(broker, unique("restart"), 3), unique("group")
    before, after = sample_records(50, "before"), sample_records(50, "after")
    sender = producer(broker, enable_idempotence=True, compression_codec="zstd", reconnect_backoff_max_ms=500)
    acknowledged = send(sender, topic, before)
    first_half: list[Message] = []
    leaves = consumer(broker, group_id=group)
    leaves.subscribe([topic])
    while_polling(leaves, lambda: len(first_half) >= 20, lambda m: None if m.error() else first_half.append(m))
    leaves.commit(asynchronous=False)
    leaves.close()
    lives_on = consumer(broker)
    lives_on.assign(partitions(topic, 3))
    followed = to_the_end(lives_on, 3)
    assert len(followed) == 50

    getattr(broker, end)()
    broker.start()

    acknowledged += send(sender, topic, after)
    while_polling(lives_on, lambda: len(followed) >= 100, lambda m: None if m.error() else followed.append(m))
    lives_on.close()
    resumes = consumer(broker, group_id=group)
    resumes.subscribe([topic])
    second_half = to_the_end(resumes, 3)
    resumes.close()

    log = whole_log(broker, topic, 3)
    where = {place(message): content for message, content in zip(log, contents(log), strict=True)}
    assert len(log) == 100
    assert [where[place(message)] for message in acknowledged] == before + after
    assert sorted(map(place, followed)) == sorted(where)
    assert sorted(map(place, first_half + second_half)) == sorted(where)


def test_every_codec_is_readable_after_a_kill(broker: Broker) -> None:
    topic = create_topic(broker, unique("kept"))
    for codec in CODECS:
        send(producer(broker, compression_codec=codec), topic, sample_records(20, codec))
    broker.kill()
    broker.start()
    assert contents(whole_log(broker, topic)) == [r for codec in CODECS for r in sample_records(20, codec)]
