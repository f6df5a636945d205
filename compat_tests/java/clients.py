"""Java clients as a test sees them: opened by one call, closed after the test, records as plain tuples."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..support import Broker, Record, unique, wait_until
from .jvm import ANSWER_TIMEOUT_S, Program

Partition = tuple[str, int]


def to_json(value: bytes | None) -> str | None:
    return None if value is None else base64.b64encode(value).decode()


def to_bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


@dataclass(frozen=True, slots=True)
class Consumed:
    """A record as the Java consumer gave it; timestamp in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: str
    leader_epoch: int | None
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]

    @property
    def content(self) -> Record:
        return self.key, self.value, self.headers


@dataclass(frozen=True, slots=True)
class Client:
    """One client in the program, by its name there."""

    program: Program
    name: str

    def start(self, command: str, **arguments: Any) -> int:
        return self.program.start(command, client=self.name, **arguments)

    def call(self, command: str, **arguments: Any) -> Any:
        return self.program.call(command, client=self.name, **arguments)

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        return self.program.events_of(self.name, *kinds)


class Producer(Client):
    def send(
        self,
        topic: str,
        records: Iterable[Record],
        partition: int | None = None,
        timestamps: Iterable[int | None] | None = None,
    ) -> Any:
        """Sends all at once and waits: [{partition, offset, timestamp} or {error, message}, ...]; timestamps in ms."""
        rows = [
            {
                "topic": topic,
                "partition": partition,
                "timestamp": timestamp,
                "key": to_json(key),
                "value": to_json(value),
                "headers": [[name, to_json(content)] for name, content in headers],
            }
            for (key, value, headers), timestamp in zip(records, timestamps or itertools.repeat(None), strict=False)
        ]
        return self.call("send", records=rows)

    def send_values(self, topic: str, values: Iterable[str], partition: int | None = None) -> Any:
        return self.send(topic, [(None, value.encode(), []) for value in values], partition)


class Consumer(Client):
    def records(self) -> list[Consumed]:
        """What it has consumed so far."""
        return [
            Consumed(
                **{
                    **record,
                    "key": to_bytes(record["key"]),
                    "value": to_bytes(record["value"]),
                    "headers": [(name, to_bytes(content)) for name, content in record["headers"]],
                }
            )
            for event in self.events("records")
            for record in event["records"]
        ]

    def count(self) -> int:
        return sum(len(event["records"]) for event in self.events("records"))

    def take(self, count: int, timeout_s: float = ANSWER_TIMEOUT_S) -> list[Consumed]:
        """Waits until it has consumed at least `count` records in all; returns all it has."""
        self.program.wait_for(lambda: self.count() >= count, f"{count} records at {self.name}", timeout_s)
        return self.records()

    def owned(self) -> set[Partition]:
        """The partitions it holds after all rebalances so far."""
        held: set[Partition] = set()
        for event in self.events("assigned", "revoked", "lost"):
            partitions = {(topic, partition) for topic, partition in event["partitions"]}
            held = held | partitions if event["event"] == "assigned" else held - partitions
        return held

    def committed(self) -> dict[Partition, int]:
        """The offsets that it has committed with success."""
        return {
            (topic, partition): offset
            for event in self.events("committed")
            for topic, partition, offset, _metadata in event["offsets"]
        }

    def failure(self) -> str:
        """Waits for the exception that ended its polling; returns its class name."""
        self.program.wait_for(lambda: self.events("failed"), f"{self.name} to fail")
        return str(self.events("failed")[0]["problem"]["error"])

    def ask_offsets(self, question: str, partitions: Sequence[Partition]) -> dict[Partition, int]:
        """question: "beginning_offsets", "end_offsets" or "committed"."""
        return {(row[0], row[1]): row[2] for row in self.call(question, partitions=partitions)}


class Java:
    """Opens clients of one broker; `close` closes what is still open."""

    def __init__(self, program: Program, broker: Broker) -> None:
        self.program = program
        self.broker = broker
        self._open: list[tuple[str, Client]] = []

    def _new(self, command: str, closing: str, client: Client, config: dict[str, Any], **arguments: Any) -> None:
        config = {"bootstrap.servers": self.broker.bootstrap_servers, "client.id": client.name, **config}
        client.call(command, config=config, **arguments)
        self._open.append((closing, client))

    def producer(self, **config: Any) -> Producer:
        """Config keys with underscores for dots."""
        producer = Producer(self.program, unique("producer"))
        self._new("open_producer", "close_producer", producer, _dotted(config))
        return producer

    def admin(self, **config: Any) -> Client:
        admin = Client(self.program, unique("admin"))
        self._new("open_admin", "close_admin", admin, _dotted(config))
        return admin

    def consumer(
        self,
        *topics: str,
        pattern: str | None = None,
        re2: str | None = None,
        partitions: Sequence[tuple[str, int, int | None]] | None = None,
        commit: bool = False,
        **config: Any,
    ) -> Consumer:
        """Subscribed to topics, a pattern (Java's) or one in RE2's syntax for the broker (KIP-848), or assigned
        partitions with an offset to start from or None.

        commit: commits synchronously after each batch. Starts at the earliest offset unless the config says otherwise.
        """
        consumer = Consumer(self.program, unique("consumer"))
        settings = {"auto.offset.reset": "earliest", "enable.auto.commit": "false", **_dotted(config)}
        what: dict[str, Any] = {"topics": list(topics)}
        if pattern is not None:
            what = {"pattern": pattern}
        elif re2 is not None:
            what = {"re2": re2}
        elif partitions is not None:
            what = {"partitions": partitions}
        self._new("open_consumer", "close_consumer", consumer, settings, commit=commit, **what)
        return consumer

    def close_client(self, client: Client, **arguments: Any) -> None:
        closing = next(closing for closing, open_client in self._open if open_client is client)
        self._open.remove((closing, client))
        client.call(closing, **arguments)

    def close(self) -> None:
        for number in [client.start(closing) for closing, client in self._open]:
            self.program.finish(number)
        self._open.clear()

    def create_topic(self, partitions: int = 1, **configs: Any) -> str:
        """A new topic of a unique name, which the broker lists (Kafka's controller may answer a moment earlier)."""
        topic = unique("java")
        admin = self.admin()
        made = admin.call(
            "create_topics",
            topics=[{"name": topic, "partitions": partitions, "replication": 1, "configs": _dotted(configs)}],
        )
        assert "error" not in made[topic], made
        wait_until(lambda: topic in admin.call("list_topics"), 10, f"{topic} in the list")
        self.close_client(admin)
        return topic


def _dotted(config: dict[str, Any]) -> dict[str, str]:
    return {
        key.replace("_", "."): str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in config.items()
    }
