"""librdkafka pushes its metrics (KIP-714) to a broker that has somewhere to put them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import main

from ..support import Broker, unique, wait_until
from .clients import WAIT_S, create_topic, producer, send

StartBroker = Callable[[Mapping[str, str]], Broker]


@pytest.mark.klamm_only("the receiver of a Kafka is a Java class")
def test_a_producer_pushes_what_it_is_subscribed_to(start_broker: StartBroker, tmp_path: Path) -> None:
    file = tmp_path / "pushes"
    broker = start_broker({"klamm.telemetry.file": str(file)})
    settings = {"interval.ms": "200", "metrics": "org.apache.kafka.producer.", "match": "client_id=pushes.*"}
    # librdkafka's admin client has no name for this kind of resource.
    pairs = ",".join(f"{key}={value}" for key, value in settings.items())
    where = ["--bootstrap-server", broker.bootstrap_servers, "--entity-type", "client-metrics", "--entity-name", "s"]
    assert main(["configs", *where, "--alter", "--add-config", pairs]) == 0
    topic = create_topic(broker, unique("telemetry"))
    client = producer(broker, client_id="pushes-1")
    silent = producer(broker, client_id="silent")

    def pushed() -> list[dict[str, Any]]:
        lines = file.read_text().splitlines() if file.exists() else []
        return [row for row in map(json.loads, lines) if row["metrics"]]

    def more() -> bool:
        send(client, topic, [(b"k", b"v", [])])
        send(silent, topic, [(b"k", b"v", [])])
        return len(pushed()) >= 2

    wait_until(more, WAIT_S, "two pushes")
    assert {row["client_id"] for row in pushed()} == {"pushes-1"}
    assert {row["client_software_name"] for row in pushed()} == {"confluent-kafka-python"}
