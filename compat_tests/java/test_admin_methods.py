"""Every method of Kafka's Admin client, with good and bad input: what it gives on a real Kafka, klamm gives too.

Kafka's outcomes are recorded (record_admin_methods.py); `--broker=both` asks a real one again.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from ..support import Broker
from .jvm import Program
from .record_admin_methods import CONFIG, KAFKA_SETTLES_MS, RECORDED, outcomes

BROKER_CONFIG: Final = CONFIG
KAFKAS: Final[dict[str, Any]] = json.loads(RECORDED.read_text())
NOT_THERE: Final = {"error": "UnsupportedVersionException"}
#: What klamm gives where it differs: share groups and streams groups are not there yet.
KLAMMS: Final[dict[str, Any]] = {
    "describeShareGroups: of nobody": {"absent": NOT_THERE},
    "listShareGroupOffsets: of nobody": NOT_THERE,
    "alterShareGroupOffsets: of nobody": NOT_THERE,
    "deleteShareGroupOffsets: of nobody": NOT_THERE,
    "describeStreamsGroups: of nobody": {"absent": NOT_THERE},
}


@pytest.fixture(scope="module")
def given(program: Program, _module_broker: Broker, broker_kind: str) -> dict[str, Any]:
    """All cases in one go: each builds on those before it."""
    return outcomes(program, _module_broker.bootstrap_servers, KAFKA_SETTLES_MS if broker_kind == "kafka" else 0)


@pytest.mark.bounded(240)
@pytest.mark.parametrize("case", KAFKAS)
def test_admin(case: str, given: dict[str, Any], broker_kind: str) -> None:
    expected = KLAMMS.get(case, KAFKAS[case]) if broker_kind == "klamm" else KAFKAS[case]
    assert given[case] == expected


def test_every_method_has_a_case(program: Program) -> None:
    assert {case.partition(":")[0] for case in KAFKAS} - {"setup"} == set(program.call("admin_method_names"))


def test_every_case_is_recorded(given: dict[str, Any]) -> None:
    assert list(given) == list(KAFKAS)
    assert set(KLAMMS) <= set(KAFKAS)
