"""The table of malformed requests is what malformed.py builds and what a real Kafka makes of it."""

from __future__ import annotations

import json

import pytest

from ..kafka_peer.peer import RealKafka
from .malformed import cases
from .record import DIFFERENCES, TABLE, record

LINES = [json.loads(line) for line in TABLE.read_text().splitlines()]


def test_the_table_has_the_bytes_that_are_built() -> None:
    assert [(line["name"], line["hex"]) for line in LINES] == [(case.name, case.data.hex()) for case in cases()]


def test_the_table_has_klamm_s_differences() -> None:
    told = {line["name"]: (line["klamm"], line["why"]) for line in LINES if "klamm" in line}
    outcomes = {line["name"]: line["kafka"] for line in LINES}
    assert told == {name: (change(outcomes[name]), why) for name, (change, why) in DIFFERENCES.items()}


@pytest.mark.bounded(180)
def test_a_real_kafka_still_has_these_outcomes(fresh_kafka: RealKafka) -> None:
    recorded = {line["name"]: line["kafka"] for line in LINES}
    now = {line["name"]: line["kafka"] for line in record(fresh_kafka.bootstrap_servers)}
    different = {name: (now.get(name), outcome) for name, outcome in recorded.items() if now.get(name) != outcome}
    assert not different
