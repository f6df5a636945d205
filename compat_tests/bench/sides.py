"""What the sections of the benchmark share: the two brokers, topics, and lines of Markdown."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ..kafka_peer.peer import RealKafka, missing
from ..support import Klamm

Broker = Klamm | RealKafka


def say(line: str = "") -> None:
    print(line, flush=True)


@contextmanager
def brokers(folder: Path, config: Mapping[str, str] | None = None) -> Iterator[list[tuple[str, Broker]]]:
    """klamm and, where it can run, a real Kafka; with default settings but for `config`."""
    running: list[tuple[str, Broker]] = []
    ours = Klamm(folder / "klamm", config=config)
    running.append(("klamm", ours))
    try:
        if missing() is None:
            kafka = RealKafka(folder / "kafka", config=config)
            running.append(("Kafka", kafka))
        else:
            say(f"(no real Kafka here: {missing()})")
        yield running
    finally:
        for _, broker in running:
            broker.stop()


def create_topic(bootstrap_servers: str, name: str, partitions: int = 1) -> None:
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": bootstrap_servers})
    admin.create_topics([NewTopic(name, partitions, 1)])[name].result(30)
    time.sleep(0.5)  # Kafka leads a new partition some ms after it answers


def address(broker: Broker) -> tuple[str, int]:
    host, _, port = broker.bootstrap_servers.rpartition(":")
    return host, int(port)


@contextmanager
def one_broker(name: str, folder: Path, config: Mapping[str, str]) -> Iterator[Broker]:
    broker: Broker = Klamm(folder, config=config) if name == "klamm" else RealKafka(folder, config=config)
    try:
        yield broker
    finally:
        broker.stop()


def one_after_the_other(folder: Path) -> Iterator[tuple[str, Broker]]:
    """klamm and, where it can run, a real Kafka, each alone on the machine."""
    for name in ("klamm", "Kafka"):
        if name == "Kafka" and (why := missing()) is not None:
            say(f"(no real Kafka here: {why})")
            return
        with one_broker(name, folder / name, {}) as broker:
            yield name, broker
