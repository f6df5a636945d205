"""Clients' metrics (KIP-714): subscriptions, pushes, and what is refused, with a clock of the test's."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from klamm.broker.client_telemetry import (
    ALL_METRICS,
    DEFAULT_INTERVAL_MS,
    MAX_INSTANCES,
    ClientTelemetry,
    FileReceiver,
    Push,
    subscription_of,
)
from klamm.wire.compression import Codec, compress
from klamm.wire.errors import ErrorCode

CLIENT = {"client_id": "app-1", "client_software_name": "apache-kafka-java", "client_source_address": "127.0.0.1"}
NOBODY = bytes(16)
ID = bytes(range(16))
MAX_BYTES = 1000


class Received:
    def __init__(self) -> None:
        self.pushes: list[Push] = []

    def receive(self, push: Push) -> None:
        self.pushes.append(push)


class World:
    """Subscriptions that the test changes, and a receiver."""

    def __init__(self, *configs: dict[str, str]) -> None:
        self.configs = list(configs)
        self.received = Received()
        self.telemetry = ClientTelemetry(lambda: self.configs, self.received, new_id=lambda: ID)

    def push(self, now_ms: int, compression_type: int = 0, **changes: Any) -> ErrorCode:
        known = subscription_of(self.configs, CLIENT, ID).id
        push = replace(Push(ID, CLIENT, known, False, b"metrics", now_ms), **changes)
        return self.telemetry.push(push, compression_type, MAX_BYTES)

    def ask(self, now_ms: int, instance_id: bytes = ID) -> Any:
        return self.telemetry.ask(instance_id, CLIENT, now_ms)


@pytest.fixture
def world() -> World:
    return World({"interval.ms": "1000", "metrics": "org.apache.kafka.producer."})


def test_what_fits_a_client_is_put_together() -> None:
    configs = [
        {"interval.ms": "5000", "metrics": "a., b."},
        {"interval.ms": "2000", "metrics": "c.", "match": "client_id=app-.*, client_source_address=127.*"},
        {"interval.ms": "100", "metrics": "d.", "match": "client_id=app"},
        {"interval.ms": "100", "metrics": "e.", "match": "client_id=app-1,client_software_name=librdkafka"},
    ]
    found = subscription_of(configs, CLIENT, ID)
    assert (found.interval_ms, found.metrics) == (2000, ["a.", "b.", "c."])
    assert subscription_of(configs, CLIENT, ID) == found
    assert subscription_of(configs, CLIENT, bytes(16)).id != found.id
    assert subscription_of(configs[:1], CLIENT, ID).id != found.id
    nothing = subscription_of([], CLIENT, ID)
    assert (nothing.interval_ms, nothing.metrics) == (DEFAULT_INTERVAL_MS, [])
    everything = subscription_of([{"metrics": "a.,*"}], CLIENT, ID)
    assert everything.metrics == [ALL_METRICS]
    assert -(2**31) <= everything.id < 2**31


def test_a_new_client_gets_an_id(world: World) -> None:
    instance_id, found, error = world.ask(0, NOBODY)
    assert (instance_id, found.metrics, error) == (ID, ["org.apache.kafka.producer."], ErrorCode.NONE)


def test_questions_keep_to_the_interval(world: World) -> None:
    assert world.ask(0)[2] == ErrorCode.NONE
    assert world.ask(999)[1:] == (None, ErrorCode.THROTTLING_QUOTA_EXCEEDED)
    assert world.ask(1000)[2] == ErrorCode.NONE
    assert world.push(1001) == ErrorCode.NONE
    assert world.ask(2000)[2] == ErrorCode.THROTTLING_QUOTA_EXCEEDED
    assert world.ask(2001)[2] == ErrorCode.NONE


def test_pushes_keep_to_the_interval(world: World) -> None:
    world.ask(0)
    assert world.push(1) == ErrorCode.NONE  # the first after a question may come at any time
    assert world.push(1000) == ErrorCode.THROTTLING_QUOTA_EXCEEDED
    assert world.push(1001) == ErrorCode.NONE
    assert world.push(1002, terminating=True) == ErrorCode.NONE
    assert world.push(4000) == ErrorCode.INVALID_REQUEST
    assert [push.time_ms for push in world.received.pushes] == [1, 1001, 1002]


def test_a_changed_subscription_is_learned_at_once(world: World) -> None:
    before = world.ask(0)[1].id
    world.configs.append({"interval.ms": "500", "metrics": "more."})
    assert world.push(10, subscription_id=before) == ErrorCode.UNKNOWN_SUBSCRIPTION_ID
    _, found, error = world.ask(11)
    assert (error, found.interval_ms) == (ErrorCode.NONE, 500)
    assert world.push(12) == ErrorCode.NONE


def test_what_is_refused(world: World) -> None:
    assert world.push(0, instance_id=NOBODY) == ErrorCode.INVALID_REQUEST
    assert world.push(0, instance_id=bytes(15) + b"\1") == ErrorCode.INVALID_REQUEST
    assert world.push(0, compression_type=9) == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert world.push(1000, metrics=bytes(MAX_BYTES + 1)) == ErrorCode.TELEMETRY_TOO_LARGE
    assert world.push(2000, compression_type=Codec.ZSTD, metrics=b"no zstd") == ErrorCode.INVALID_RECORD
    assert world.push(3000, metrics=b"") == ErrorCode.NONE
    assert world.received.pushes == []


@pytest.mark.parametrize("codec", list(Codec))
def test_the_receiver_gets_what_was_compressed(world: World, codec: Codec) -> None:
    assert world.push(0, codec, metrics=compress(codec, b"metrics " * 50)) == ErrorCode.NONE
    (push,) = world.received.pushes
    assert (push.metrics, push.client, push.instance_id) == (b"metrics " * 50, CLIENT, ID)


def test_a_file_that_cannot_be_written(world: World, tmp_path: Path) -> None:
    world.telemetry.receiver = FileReceiver(str(tmp_path / "no" / "folder"))
    assert world.push(0) == ErrorCode.INVALID_RECORD


def test_a_line_for_each_push(world: World, tmp_path: Path) -> None:
    world.telemetry.receiver = FileReceiver(str(tmp_path / "pushes"))
    assert world.push(0) == world.push(1000, terminating=True) == ErrorCode.NONE
    first, last = map(json.loads, (tmp_path / "pushes").read_text().splitlines())
    assert first["clientInstanceId"] == ID.hex()
    assert (first["client_id"], first["metrics"]) == ("app-1", "bWV0cmljcw==")
    assert (first["terminating"], last["terminating"], last["timeMs"]) == (False, True, 1000)


def test_the_number_of_instances_is_bounded(world: World) -> None:
    for number in range(2, MAX_INSTANCES + 10):
        world.telemetry.ask(number.to_bytes(16, "big"), CLIENT, 0)
    assert len(world.telemetry._instances) == MAX_INSTANCES


def test_an_instance_that_was_silent_for_three_intervals_is_a_new_one(world: World) -> None:
    assert world.push(0, terminating=True) == ErrorCode.NONE
    assert world.push(2_999) == ErrorCode.INVALID_REQUEST
    # It was heard of again, and what it said does not matter.
    assert world.push(5_998) == ErrorCode.INVALID_REQUEST
    assert world.push(8_998) == ErrorCode.NONE
