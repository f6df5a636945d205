"""A folder of log.dirs fails under kafka-python's clients: other partitions go on, and its own when it has returned."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kafka import TopicPartition

from ..support import Klamm, unique, wait_until
from .clients import consumer, create_topic, producer, to_the_end, whole_log

WAIT_S = 60.0


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Klamm]:
    config = {"log.dirs": f"{tmp_path / 'a'},{tmp_path / 'b'}", "log.flush.offset.checkpoint.interval.ms": "200"}
    broker = Klamm(tmp_path / "klamm", config=config)
    yield broker
    broker.kill()


def test_a_producer_waits_for_a_folder_that_returns(klamm: Klamm, tmp_path: Path) -> None:
    topic = create_topic(klamm, unique("folders"), 2)
    with producer(klamm, delivery_timeout_ms=120_000, request_timeout_ms=10_000, linger_ms=0) as sender:
        for number in range(2):
            sender.send(topic, b"before", partition=number).get(WAIT_S)
        (lost,) = (number for number in range(2) if (tmp_path / "b" / f"{topic}-{number}").exists())
        (tmp_path / "b").rename(tmp_path / "away")
        (tmp_path / "b").write_bytes(b"")
        wait_until(lambda: "Stopping serving replicas in dir" in klamm.log_path.read_text(), WAIT_S, "the failure")

        waits = sender.send(topic, b"while it was gone", partition=lost)
        sender.send(topic, b"elsewhere", partition=1 - lost).get(WAIT_S)
        with consumer(klamm) as reader:
            reader.assign([TopicPartition(topic, 1 - lost)])
            assert [record.value for record in to_the_end(reader)] == [b"before", b"elsewhere"]
        assert not waits.is_done

        klamm.stop()
        (tmp_path / "b").unlink()
        (tmp_path / "away").rename(tmp_path / "b")
        klamm.start()
        assert waits.get(WAIT_S).offset == 1
    found = [(record.partition, record.value) for record in whole_log(klamm, topic, 2)]
    assert sorted(found) == sorted(
        [(0, b"before"), (1, b"before"), (lost, b"while it was gone"), (1 - lost, b"elsewhere")]
    )
