"""Requests about topics, brokers and producer ids over a socket: klamm's answers, and a real Kafka's today, are those
that a real Kafka once gave (tests/data/topic_requests.jsonl, written by record_topic_requests.py)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from compat_tests.support import Broker
from tests.broker.raw_client import RawClient
from tests.broker.topic_requests import Conversation, steps

from .record_topic_requests import READS

CONFIG = {"num.partitions": "3", "offsets.topic.num.partitions": "4"}
#: How long Kafka may take until its metadata cache shows what it has acknowledged.
SETTLES_S = 10.0


@pytest.mark.oracle
@pytest.mark.behaviour("42")
@pytest.mark.behaviour("44")
def test_every_answer_is_that_of_kafka(start_broker: Callable[[Mapping[str, str]], Broker], broker_kind: str) -> None:
    broker = start_broker(CONFIG)
    with RawClient(broker.bootstrap_servers) as client:
        conversation = Conversation(client.request)
        for step in steps():
            answer = conversation.run(step)
            deadline = time.monotonic() + SETTLES_S
            # klamm has done what it acknowledges, and has no second try.
            while broker_kind == "kafka" and step.api in READS and answer != step.response:
                assert time.monotonic() < deadline, step
                time.sleep(0.05)
                answer = conversation.run(step)
            assert answer == step.response, step
