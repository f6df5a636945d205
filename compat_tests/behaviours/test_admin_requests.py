"""Requests of administrators over a socket: a real Kafka's answers today are those that it once gave
(tests/data/admin_requests.jsonl, written by record_admin_requests.py). tests/broker holds klamm to the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import pytest

from compat_tests.support import Broker
from tests.broker.admin_requests import AdminConversation, admin_steps
from tests.broker.raw_client import RawClient

from .record_admin_requests import CONFIG, REPEATABLE, without_eligible_leader_replicas

#: How long Kafka may take until its broker has done what its controller has acknowledged.
SETTLES_S = 10.0
#: Kafka's: the same in each try, and only right when the broker has heard of what came before.
RETRIED = REPEATABLE | {"Produce"}


@pytest.mark.oracle
@pytest.mark.behaviour("46")
def test_every_answer_is_that_of_kafka(start_broker: Callable[[Mapping[str, str]], Broker], broker_kind: str) -> None:
    broker = start_broker(CONFIG)
    with RawClient(broker.bootstrap_servers) as client:
        if broker_kind == "kafka":
            without_eligible_leader_replicas(client)
        conversation = AdminConversation(client.request)
        for step in admin_steps():
            answer = conversation.run(step)
            deadline = time.monotonic() + SETTLES_S
            # klamm has done what it acknowledges, and has no second try.
            while broker_kind == "kafka" and step.api in RETRIED and answer != step.response:
                assert time.monotonic() < deadline, step
                time.sleep(0.05)
                answer = conversation.run(step)
            assert answer == step.response, step
