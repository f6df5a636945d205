"""The Debian package's kcat (an older librdkafka): what a person types at it, and what comes back."""

from __future__ import annotations

import json

import pytest

from ..support import CODECS, Broker, unique
from .clients import kcat, produce, whole_log

BROKER_CONFIG = {"num.partitions": "3"}


@pytest.mark.parametrize("codec", CODECS)
def test_keys_and_headers_come_back_in_every_codec(broker: Broker, codec: str) -> None:
    topic = unique(f"codec-{codec}")
    lines = [f"key-{number % 5}|value {number} " + "klamm " * 20 for number in range(60)]
    options = ("-X", f"compression.codec={codec}", "-K", "|", "-H", "a=1", "-H", "b=", "-H", "a=2")
    produce(broker, topic, lines, *options)
    read = whole_log(broker, topic)
    assert sorted(f"{line.key}|{line.payload}" for line in read) == sorted(lines)
    assert {tuple(line.headers) for line in read} == {("a", "1", "b", "", "a", "2")}
    for partition in range(3):
        mine = [line for line in read if line.partition == partition]
        assert [line.offset for line in mine] == list(range(len(mine)))
        numbers = [int(line.payload.split()[1]) for line in mine if line.payload]
        assert numbers == sorted(numbers)


def test_null_and_empty_values(broker: Broker) -> None:
    topic = unique("null")
    produce(broker, topic, ["key|", "key|x"], "-K", "|", "-Z")
    produce(broker, topic, ["key|"], "-K", "|")
    assert [(line.key, line.payload) for line in whole_log(broker, topic)] == [("key", None), ("key", "x"), ("key", "")]


@pytest.mark.parametrize("acks", ["0", "1", "-1"])
def test_acks(broker: Broker, acks: str) -> None:
    topic = unique(f"acks{acks}")
    # The topic stands first: acks=0 sends its records once, to whoever leads then.
    produce(broker, topic, ["first"], "-p", "0")
    produce(broker, topic, [f"{number}" for number in range(20)], "-p", "0", "-X", f"topic.acks={acks}")
    read = kcat(broker, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-c", "21", "-q").splitlines()
    assert read == ["first", *map(str, range(20))]


def test_idempotent_producer(broker: Broker) -> None:
    topic = unique("idempotent")
    options = ("-p", "1", "-X", "enable.idempotence=true", "-X", "batch.num.messages=3")
    produce(broker, topic, [f"{number}" for number in range(100)], *options)
    assert [line.payload for line in whole_log(broker, topic)] == [f"{number}" for number in range(100)]


def test_metadata_lists_brokers_and_partitions(broker: Broker) -> None:
    topic = unique("listed")
    produce(broker, topic, ["x"])
    listed = json.loads(kcat(broker, "-L", "-J"))
    assert [node["name"] for node in listed["brokers"]] == [broker.bootstrap_servers]
    assert listed["controllerid"] == listed["brokers"][0]["id"]
    (entry,) = [entry for entry in listed["topics"] if entry["topic"] == topic]
    assert [(part["partition"], part["leader"], len(part["isrs"])) for part in entry["partitions"]] == [
        (number, listed["brokers"][0]["id"], 1) for number in range(3)
    ]


def test_offsets_by_time_and_from_both_ends(broker: Broker) -> None:
    topic = unique("times")
    produce(broker, topic, [f"{number}" for number in range(10)], "-p", "2")
    read = whole_log(broker, topic)
    kinds = {line.timestamp[0] for line in read}
    first = read[0].timestamp[1]
    assert kinds == {"create"}
    assert f"{topic} [2] offset 0" in kcat(broker, "-Q", "-t", f"{topic}:2:{first}")
    assert f"{topic} [2] offset 10" in kcat(broker, "-Q", "-t", f"{topic}:2:-1")
    assert f"{topic} [2] offset 0" in kcat(broker, "-Q", "-t", f"{topic}:2:-2")

    def values(*options: str) -> list[str]:
        return kcat(broker, "-C", "-t", topic, "-p", "2", "-e", "-q", *options).split()

    assert values("-o", "7") == ["7", "8", "9"]
    assert values("-o", "-2") == ["8", "9"]
    assert values("-o", f"s@{first}") == [f"{number}" for number in range(10)]
    assert values("-o", "beginning", "-c", "2") == ["0", "1"]


def test_a_message_over_the_limit_is_refused(broker: Broker) -> None:
    topic = unique("large")
    produce(broker, topic, ["x"], "-p", "0")
    sizes = ("-X", "message.max.bytes=10000000", "-p", "0", "-t", topic)
    told = kcat(broker, "-P", *sizes, stdin="x" * 2_000_000, succeeds=False)
    assert "Message size too large" in told
    kcat(broker, "-P", *sizes, stdin="x" * 900_000)
    assert [len(line.payload or "") for line in whole_log(broker, topic)] == [1, 900_000]


def test_reading_an_unknown_topic_says_so(broker: Broker) -> None:
    told = kcat(broker, "-C", "-t", unique("unknown"), "-X", "allow.auto.create.topics=false", "-e", succeeds=False)
    assert "Unknown topic or partition" in told


@pytest.mark.parametrize("assignor", ["range", "roundrobin", "cooperative-sticky"])
def test_a_group_goes_on_where_it_stopped(broker: Broker, assignor: str) -> None:
    topic, group = unique("group-topic"), unique("group")
    for partition in range(3):
        produce(broker, topic, [f"{partition}-{number}" for number in range(20)], "-p", f"{partition}")
    settings = ("-X", "auto.offset.reset=earliest", "-X", f"partition.assignment.strategy={assignor}")
    arguments = (*settings, "-q", "-G", group, topic)
    first = kcat(broker, "-c", "25", *arguments).split()
    second = kcat(broker, "-e", *arguments).split()
    assert len(first) == 25
    assert sorted(first + second) == sorted(f"{p}-{number}" for p in range(3) for number in range(20))
    assert kcat(broker, "-e", *arguments) == ""


def test_static_member(broker: Broker) -> None:
    topic, group = unique("static"), unique("group")
    produce(broker, topic, ["a", "b"], "-p", "0")
    settings = ("-X", "auto.offset.reset=earliest", "-X", "group.instance.id=one", "-X", "session.timeout.ms=6000")
    # A static member does not leave: the second run takes the same place at once, without waiting for a timeout.
    assert kcat(broker, *settings, "-e", "-q", "-G", group, topic).split() == ["a", "b"]
    produce(broker, topic, ["c"], "-p", "0")
    assert kcat(broker, *settings, "-e", "-q", "-G", group, topic).split() == ["c"]
