"""A Spring Boot application: KafkaTemplate, a @KafkaListener with a group, another with explicit partition offsets."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ..java.clients import Consumed, Consumer, to_json
from ..java.jvm import Program
from ..support import CODECS, Broker, Record, sample_records, unique, wait_until

HERE = Path(__file__).resolve().parent


class Application:
    """A running application; its topic has three partitions and is made by its start."""

    def __init__(self, broker: Broker, log_path: Path, topic: str) -> None:
        arguments = [f"--spring.kafka.bootstrap-servers={broker.bootstrap_servers}", f"--klamm.topic={topic}"]
        self.program = Program(HERE, "klamm.compat.Application", log_path, [*arguments, f"--klamm.group={topic}"])
        # Both are ids of @KafkaListener methods.
        self.group = Consumer(self.program, "group")
        self.offsets = Consumer(self.program, "offsets")

    def send(self, records: list[Record], codec: str = "none", partition: int | None = None) -> list[dict[str, int]]:
        rows = [
            {
                "partition": partition,
                "key": to_json(key),
                "value": to_json(value),
                "headers": [[name, to_json(content)] for name, content in headers],
            }
            for key, value, headers in records
        ]
        sent: list[dict[str, int]] = self.program.call("send", codec=codec, records=rows)
        return sent

    def send_values(self, values: list[str], partition: int | None = None) -> list[dict[str, int]]:
        return self.send([(value.encode(), value.encode(), []) for value in values], partition=partition)

    def heard(self, listener: Consumer, sent: list[dict[str, int]]) -> list[Consumed]:
        """Waits until the listener has heard what was sent; the records in the order of `sent`."""
        wanted = [(row["partition"], row["offset"]) for row in sent]
        self.program.wait_for(lambda: set(wanted) <= set(places(listener)), f"{len(wanted)} records at {listener.name}")
        by_place = {(record.partition, record.offset): record for record in listener.records()}
        return [by_place[place] for place in wanted]


def places(listener: Consumer) -> list[tuple[int, int]]:
    """(partition, offset) of each record it has heard, as often as it has."""
    return [
        (record["partition"], record["offset"]) for event in listener.events("records") for record in event["records"]
    ]


Start = Callable[[str], contextlib.AbstractContextManager[Application]]


@pytest.fixture
def start(broker: Broker, tmp_path: Path) -> Start:
    """start(topic): an application that has answered its first command, and that ends with the block."""

    @contextlib.contextmanager
    def running(topic: str) -> Iterator[Application]:
        application = Application(broker, tmp_path / f"{unique('spring')}.log", topic)
        with application.program:
            assert application.program.call("partitions") == 3
            yield application

    return running


def test_every_codec_reaches_the_group(start: Start) -> None:
    with start(unique("spring")) as application:
        # Each of the listener's three consumers comes to hold one of the three partitions.
        wait_until(lambda: application.program.call("assignment", listener="group") == [1, 1, 1], 20, "an assignment")
        for codec in CODECS:
            records = sample_records(40, codec)
            heard = application.heard(application.group, application.send(records, codec))
            assert [record.content for record in heard] == records
        assert len(places(application.group)) == 40 * len(CODECS)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_the_broker_restarts_under_the_application(broker: Broker, start: Start, how: str) -> None:
    with start(unique("spring")) as application:
        sent = application.send_values([str(number) for number in range(100)])
        application.heard(application.group, sent)
        application.program.call("start", listener="offsets")
        first_partition = [row for row in sent if row["partition"] == 1]
        application.heard(application.offsets, first_partition)
        if how == "SIGTERM":
            broker.stop()
        else:
            broker.kill()
        # Sent while there is no broker: the template's producer keeps them until there is one.
        waiting = application.program.start(
            "send", codec="none", records=[{"key": None, "value": to_json(b"late"), "headers": [], "partition": 1}]
        )
        broker.start()
        late = application.program.finish(waiting)
        later = late + application.send_values([str(number) for number in range(100, 200)])
        application.heard(application.group, later)
        application.heard(application.offsets, later)
        assert [row["offset"] for row in late] == [len(first_partition)]
        assert sorted(places(application.group)) == sorted((row["partition"], row["offset"]) for row in sent + later)
        assert len(places(application.offsets)) == len(set(places(application.offsets)))


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_stopped_listener_resumes_where_it_was(broker: Broker, start: Start, how: str) -> None:
    with start(unique("spring")) as application:
        before = application.send_values([str(number) for number in range(60)])
        application.heard(application.group, before)
        application.program.call("stop", listener="group")
        between = application.send_values([str(number) for number in range(60, 120)])
        if how == "SIGTERM":
            broker.stop()
        else:
            broker.kill()
        broker.start()
        application.program.call("start", listener="group")
        application.heard(application.group, between)
        assert sorted(places(application.group)) == sorted(
            (row["partition"], row["offset"]) for row in before + between
        )


def test_the_application_restarts_and_its_offsets_listener_starts_over(broker: Broker, start: Start) -> None:
    topic = unique("spring")
    with start(topic) as application:
        sent: list[Any] = []
        for partition in range(3):
            sent += application.send_values([f"{partition}-{number}" for number in range(5)], partition)
        application.heard(application.group, sent)
        by_partition = {number: [row for row in sent if row["partition"] == number] for number in range(3)}
        # As the annotation says: from offset 2, from the beginning, the last one.
        expected = by_partition[0][2:] + by_partition[1] + by_partition[2][-1:]
        application.program.call("start", listener="offsets")
        application.heard(application.offsets, expected)
        assert len(places(application.offsets)) == len(expected)
    broker.restart()
    with start(topic) as application:
        [new] = application.send_values(["new"], 1)
        application.heard(application.group, [new])
        # The group goes on behind what it had committed; explicit offsets are sought again at each start.
        assert places(application.group) == [(1, 5)]
        application.program.call("start", listener="offsets")
        application.heard(application.offsets, [*expected, new])
        assert len(places(application.offsets)) == len(expected) + 1
