"""Each malformed request of tests/data/malformed_requests.jsonl has the outcome that a real Kafka 4.3.1 has.

The table is written by compat_tests/behaviours/record.py, and checked against a real Kafka there. Where klamm differs
on purpose, its line says how and why.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from compat_tests.behaviours.build import TOPIC
from compat_tests.behaviours.malformed import prepare

from .outcomes import Case, observe
from .process import log_end

TABLE = Path(__file__).resolve().parents[1] / "data" / "malformed_requests.jsonl"
LINES: list[dict[str, Any]] = [json.loads(line) for line in TABLE.read_text().splitlines()]
#: klamm answers at once what it answers at all; a slow machine makes a case fail for nothing only when it takes longer.
SILENCE_S = 0.3
PATIENCE_S = 10.0


@pytest.fixture(scope="module")
def prepared(address: str) -> str:
    prepare(address)
    return address


@pytest.mark.parametrize("line", LINES, ids=[line["name"] for line in LINES])
def test_outcome(prepared: str, line: dict[str, Any]) -> None:
    expected = line.get("klamm", line["kafka"])
    silence_s = SILENCE_S if "silent" in expected else PATIENCE_S
    case = Case(line["name"], bytes.fromhex(line["hex"]), line.get("half", False))
    assert observe(prepared, case, silence_s) == expected


def test_the_table_is_large_and_its_differences_have_reasons() -> None:
    assert len(LINES) >= 60
    assert all(line["why"] for line in LINES if "klamm" in line)


def test_none_of_it_left_a_record_behind(prepared: str) -> None:
    assert log_end(prepared, TOPIC) == 0
