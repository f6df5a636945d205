"""What lag exporters and consoles in Go ask, by way of the two clients that they are written with (go/*/main.go).

FINDINGS.md tells of the tools themselves, and of their runs by hand.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..support import Broker
from .tools import BUILD_TIMEOUT_S, go_program, run
from .world import COMMITTED, IDLE, IDLE_LAG, LAG, TRANSACTION_TIMEOUT_MS, filled

CONFIG = {"offsets.topic.num.partitions": "5"}
StartBroker = Callable[[Mapping[str, str]], Broker]
#: Partition to offset, as JSON has it.
COMMITS = {"orders": {str(number): COMMITTED for number in range(3)}}
IDLE_COMMITS = {"orders": {"0": 0, "1": 1, "2": 2}}


def told(program: Path, start_broker: StartBroker, *arguments: str) -> dict[str, Any]:
    """What the program found on a broker of its own (it changes things), which is filled first."""
    broker = start_broker(CONFIG)
    with filled(broker):
        found: dict[str, Any] = json.loads(run(program, broker.bootstrap_servers, *arguments))
    assert found["brokers"] == [broker.bootstrap_servers]
    return found


@pytest.fixture(scope="module")
def sarama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program("sarama", tmp_path_factory.mktemp("go"))


@pytest.fixture(scope="module")
def franz(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program("franz", tmp_path_factory.mktemp("go"))


# kafka_exporter's default, the first with flexible versions, and the newest.
@pytest.mark.parametrize("release", ["2.0.0", "2.8.0", "4.1.0"])
@pytest.mark.bounded(BUILD_TIMEOUT_S)
def test_sarama(sarama: Path, start_broker: StartBroker, release: str) -> None:
    found = told(sarama, start_broker, release)
    assert found["controller"] == found["brokers"][0]
    orders = found["topics"]["orders"]
    assert (orders["oldest"], orders["newest"]) == ([0, 0, 0], [20, 20, 20])
    assert orders["configs"]["retention.ms"] == "7200000"
    assert found["topics"]["compacted"]["configs"]["cleanup.policy"] == "compact"

    # The group of KIP-848 is dead to DescribeGroups before v6, as on a Kafka; its offsets are there.
    assert {name: group["state"] for name, group in found["groups"].items()} == {
        "classic": "Stable",
        "modern": "Dead",
        IDLE: "Empty",
    }
    assert found["groups"]["classic"]["members"] == [{"client_id": "classic-app", "assigned": {"orders": [0, 1, 2]}}]
    offsets = {name: group["offsets"] for name, group in found["groups"].items()}
    assert offsets == {"classic": COMMITS, "modern": COMMITS, IDLE: IDLE_COMMITS}
    # The same, from the records of the offsets topic.
    assert found["commits"] == offsets

    refused = {name: error.removeprefix("kafka server: ") for name, error in found["changes"] if error}
    assert refused == {
        "create again": "Topic with this name already exists - Topic 'made' already exists.",
        "fewer partitions": "Number of partitions is invalid - The topic made currently has 3 partition(s); "
        "2 would not be an increase.",
        "bad config": "Configuration is invalid - Invalid value never for configuration retention.ms: "
        "Not a number of type LONG",
        "records behind the end": "failed to delete records: kafka server: The requested offset is outside the range "
        "of offsets maintained by the server for the given topic/partition",
        "group with members": "The group is not empty",
        "group again": "The group id does not exist",
        "delete again": "Request was for a topic or partition that does not exist on this broker",
    }


@pytest.mark.bounded(BUILD_TIMEOUT_S)
def test_franz_go(franz: Path, start_broker: StartBroker) -> None:
    found = told(franz, start_broker)
    # It tells the release by the APIs: share groups, which came with 4.1, are not among klamm's.
    assert found["release"].startswith(("at least v3.9", "at least v4."))
    assert {name: found["topics"][name] for name in ("orders", "compacted")} == {
        "orders": [20, 20, 20],
        "compacted": [0],
    }
    assert found["topics"]["paid"][0] >= 3
    assert found["configs"] == {"retention.ms": "7200000"}
    assert found["broker_configs"] > 200
    assert found["log_dir_bytes"]["orders"] > 0
    # kadm's Lag describes groups of the classic protocol only.
    assert found["states"] == {"classic": "Stable", IDLE: "Empty"}
    assert found["members"] == {"classic": ["classic-app"]}
    assert found["lag"] == {"classic": {"orders": LAG}, IDLE: {"orders": IDLE_LAG}}
    assert found["committed"] == [COMMITTED] * 3
    assert found["producers"] == 1
    assert found["transactions"] == {"payments": f"Ongoing of {TRANSACTION_TIMEOUT_MS} ms"}
    assert {name: error.split(":")[0] for name, error in found["changes"] if error} == {
        "create again": "TOPIC_ALREADY_EXISTS",
        "bad config": "INVALID_CONFIG",
        "offsets of a group with members": "UNKNOWN_MEMBER_ID",
        "delete again": "UNKNOWN_TOPIC_OR_PARTITION",
    }
    assert found["read"] == sorted(f"value {number}" for number in range(60))
