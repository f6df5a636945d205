"""kafka-console, on @platformatic/kafka: a client of its own, which no other suite here uses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from ..support import unique
from .tools import node_tool, run

BROKER_CONFIG = {"offsets.topic.num.partitions": "5"}
Console = Callable[..., list[Any]]


@pytest.fixture
def console(address: str) -> Console:
    command = node_tool("kafka-console", "3.1.55") / "kafka-console"

    def told(*arguments: str, stdin: str = "") -> list[Any]:
        """What it printed: a JSON value a line."""
        return [json.loads(line) for line in run(command, "-b", address, *arguments, stdin=stdin).splitlines()]

    return told


@pytest.mark.bounded(300)
def test_the_cluster_and_its_topics(console: Console, address: str) -> None:
    (cluster,) = console("metadata")
    host, port = address.split(":")
    assert [(node["host"], node["port"]) for node in cluster["brokers"]] == [(host, int(port))]
    assert cluster["controllerId"] == cluster["brokers"][0]["nodeId"]
    sizes = {topic["topic"]: len(topic["partitionMetadata"]) for topic in cluster["topicMetadata"]}
    assert {name: sizes[name] for name in ("orders", "compacted", "paid")} == {"orders": 3, "compacted": 1, "paid": 1}
    assert set(console("list", "--all")) - set(console("list")) == {"__consumer_offsets", "__transaction_state"}


@pytest.mark.bounded(300)
def test_configs_of_a_topic_and_of_the_broker(console: Console) -> None:
    (topic,) = console("config", "--resource", "topic", "--resourceName", "orders")
    # Source 1: set on this topic.
    assert {one["name"]: one["value"] for one in topic["configs"] if one["configSource"] == 1} == {
        "retention.ms": "7200000"
    }
    (broker,) = console("config", "--resource", "broker", "--resourceName", "1")
    assert len(broker["configs"]) > 200


@pytest.mark.bounded(300)
def test_offsets_of_a_topic_and_of_a_group(console: Console) -> None:
    ends = console("topic:offsets", "orders")
    assert [(end["partition"], end["low"], end["high"]) for end in ends] == [(number, "0", "20") for number in range(3)]
    for group in ("classic", "modern"):
        (committed,) = console("topic:offsets", "orders", "--group", group)
        assert [one["offset"] for one in committed["partitions"]] == ["5", "5", "5"]


@pytest.mark.bounded(300)
def test_a_topic_is_made_filled_copied_read_and_deleted(console: Console) -> None:
    topic, copy = unique("made"), unique("copy")
    for name in (topic, copy):
        console("topic:create", name, "--partitions", "2")
    records = [{"key": f"k{number}", "value": {"n": number}, "headers": {"h": "x"}} for number in range(20)]
    console("produce", topic, stdin="".join(f"{json.dumps(record)}\n" for record in records))
    console("topic:copy", topic, copy)
    read = console("consume", copy, "--snapshot", "--from", "0", "--group", unique("reader"))
    assert sorted(record["value"]["n"] for record in read) == list(range(20))
    assert {(record["key"], record["headers"]["h"]) for record in read} == {(f"k{n}", "x") for n in range(20)}
    console("topic:delete", copy)
    assert {topic, copy} & set(console("list")) == {topic}
