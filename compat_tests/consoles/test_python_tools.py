"""kafkatop, on librdkafka's admin API."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest

from .tools import python_tool, run
from .world import GROUPS, IDLE, PARTITION_LAG

BROKER_CONFIG = {"offsets.topic.num.partitions": "5"}


@pytest.fixture
def kafkatop(address: str) -> Callable[..., Any]:
    packages = python_tool("kafkatop", "1.16")
    command = (sys.executable, packages / "bin" / "kafkatop", "--kafka-broker", address)
    return lambda *arguments: json.loads(run(*command, *arguments, packages=packages))


@pytest.mark.bounded(300)
def test_kafkatop_shows_the_lag_of_groups_of_both_protocols(kafkatop: Callable[..., Any]) -> None:
    told = kafkatop("--summary-json", "--all")
    assert set(told) == {*GROUPS, IDLE}
    for group in GROUPS:
        assert told[group]["state"].endswith("STABLE")
        assert told[group]["topics"] == {
            "orders": {"partitions": 3, "lag_max": PARTITION_LAG, "lag_min": PARTITION_LAG}
        }
    assert told[IDLE]["state"].endswith("EMPTY")
    assert told[IDLE]["topics"] == {"orders": {"partitions": 3, "lag_max": 20, "lag_min": 18}}


@pytest.mark.bounded(300)
def test_kafkatop_lists_topics(kafkatop: Callable[..., Any]) -> None:
    told = kafkatop("--topicinfo", "--text")["topics"]
    sizes = {name: topic["partitions"] for name, topic in told.items()}
    assert sizes == {"orders": 3, "compacted": 1, "paid": 1, "__consumer_offsets": 5, "__transaction_state": 50}
