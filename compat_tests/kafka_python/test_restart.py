"""A broker that stops, or is killed, and returns: kafka-python's clients go on, nothing lost, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from kafka import TopicPartition

from ..support import CODECS, Broker, unique
from .clients import consumer, contents, create_topic, producer, samples, to_the_end, while_polling, whole_log


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_clients_go_on_over_a_restart(broker: Broker, end: str) -> None:
    topic, group = create_topic(broker, unique("restart"), 3), unique("group")
    before, after = samples(50, "before"), samples(50, "after")
    with producer(broker, compression_type="lz4", linger_ms=10) as sender, consumer(broker) as lives_on:
        futures = [sender.send(topic, v, key=k, headers=h) for k, v, h in before]
        acknowledged = [future.get(30) for future in futures]
        first_half: list[Any] = []
        with consumer(broker, topic, group_id=group) as leaves:
            while_polling(leaves, lambda: len(first_half) >= 20, first_half.extend, max_records=7)
            leaves.commit()
        lives_on.assign([TopicPartition(topic, number) for number in range(3)])
        followed = to_the_end(lives_on)
        assert len(followed) == 50

        getattr(broker, end)()
        broker.start()

        futures = [sender.send(topic, v, key=k, headers=h) for k, v, h in after]
        acknowledged += [future.get(40) for future in futures]
        while_polling(lives_on, lambda: len(followed) >= 100, followed.extend)
        with consumer(broker, topic, group_id=group) as resumes:
            second_half: list[Any] = []
            while_polling(resumes, lambda: len(first_half) + len(second_half) >= 100, second_half.extend)
            assert to_the_end(resumes) == []

    log = whole_log(broker, topic, 3)
    where = {(record.partition, record.offset): content for record, content in zip(log, contents(log), strict=True)}
    assert len(log) == 100
    for metadata, content in zip(acknowledged, before + after, strict=True):
        assert where[metadata.partition, metadata.offset] == content
    assert sorted((r.partition, r.offset) for r in followed) == sorted(where)
    assert sorted((r.partition, r.offset) for r in first_half + second_half) == sorted(where)


def test_every_codec_is_readable_after_a_kill(broker: Broker) -> None:
    topic = create_topic(broker, unique("kept"))
    for codec in CODECS:
        with producer(broker, compression_type=None if codec == "none" else codec) as sender:
            for key, value, headers in samples(20, codec):
                sender.send(topic, value, key=key, headers=headers)
            sender.flush(30)
    broker.kill()
    broker.start()
    assert contents(whole_log(broker, topic)) == [record for codec in CODECS for record in samples(20, codec)]
