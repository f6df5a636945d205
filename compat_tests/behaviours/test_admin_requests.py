"""Requests of administrators over a socket: a real Kafka's answers today are those that it once gave
(tests/data/admin_requests.jsonl, written by record_admin_requests.py). tests/broker holds klamm to the same.

KLAMM_HUNT_SEEDS=7,8 asks klamm and a real Kafka 1,000 new requests each (hunt.py), and compares the answers."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from compat_tests.kafka_peer.peer import RealKafka
from compat_tests.support import Broker, Klamm
from tests.broker.admin_requests import CONFIG, HUNT_CONFIG, AdminConversation, admin_steps
from tests.broker.raw_client import RawClient

from .hunt_admin_requests import differences
from .record_admin_requests import REPEATABLE, without_eligible_leader_replicas

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


@pytest.mark.bounded(900)
@pytest.mark.parametrize("seed", [int(seed) for seed in os.environ.get("KLAMM_HUNT_SEEDS", "").split(",") if seed])
def test_both_brokers_answer_drawn_requests_alike(tmp_path: Path, seed: int) -> None:
    klamm = Klamm(tmp_path / "klamm", config=HUNT_CONFIG)
    try:
        with RealKafka(tmp_path / "kafka", config=HUNT_CONFIG) as kafka:
            found = list(differences(kafka.bootstrap_servers, klamm.bootstrap_servers, seed, 1000))
    finally:
        klamm.stop()
    assert not found
