"""klamm's commands on klamm beside what Kafka's commands said on Kafka, which is kept in recorded/: no JVM is needed.

`python -m compat_tests.commands.record` asks Kafka anew.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from compat_tests.commands.cases import CASES, COMMANDS_DIFFER
from compat_tests.commands.ours import klamm
from compat_tests.commands.play import Ended, play
from compat_tests.commands.record import RECORDED_CASES, RECORDED_OPTIONS
from compat_tests.support import Broker
from klamm.tools.completion import words_of

RECORDED: dict[str, list[Any]] = json.loads(RECORDED_CASES.read_text(encoding="utf-8"))
OPTIONS: dict[str, list[str]] = json.loads(RECORDED_OPTIONS.read_text(encoding="utf-8"))
DOCS = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

_ELR = "Kafka's own cluster has eligible leader replicas, and with them min.insync.replicas at every topic"
#: (case, step) -> why klamm's answer is another one. A row that no longer differs fails.
DIFFERENT: dict[tuple[str, str], str] = {
    **COMMANDS_DIFFER,
    ("topics", "--describe --topic {t}"): _ELR,
    ("topics", "--describe --topic {t} --topics-with-overrides"): _ELR,
    ("configs of a file", "--describe --topic {t} --all"): _ELR,
    ("configs of brokers", "--describe --broker-defaults"): _ELR,
    ("configs of brokers", "--describe --entity-type brokers --entity-default"): _ELR,
    ("metadata-quorum", "describe --status"): "the cluster's id, and klamm's controller is reached where its broker is",
    ("features", "describe"): "klamm's broker has no share groups, streams groups and eligible leader replicas yet",
}


def test_every_case_is_recorded() -> None:
    assert {name: len(case.steps) for name, case in CASES.items()} == {
        name: len(rows) for name, rows in RECORDED.items()
    }


@pytest.mark.klamm_only("the other side is a recording")
@pytest.mark.parametrize("name", CASES)
def test_klamms_commands_on_klamm_say_what_kafkas_said_on_kafka(broker: Broker, name: str, tmp_path: Path) -> None:
    case = CASES[name]
    found = play(case, klamm, klamm, broker.bootstrap_servers, tmp_path)
    for step, row, ours in zip(case.steps, RECORDED[name], found, strict=True):
        theirs = Ended(**row)
        if (name, step.arguments) in DIFFERENT:
            assert ours != theirs, f"{step.arguments}: no longer different"
        else:
            assert ours == theirs, step.arguments


def told_of(command: str) -> dict[str, str]:
    """Option -> what the tables of docs/commands.md say of it."""
    text = DOCS.read_text(encoding="utf-8")
    found = dict(re.findall(rf"^\| {command} \| `--([A-Za-z.-]+)` \| ([^|]+) \|", text, re.MULTILINE))
    section = re.search(rf"^## `klamm {command}`\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is not None:
        found |= dict(re.findall(r"^\| `--([A-Za-z.-]+)` \| ([^|]+) \|", section[1], re.MULTILINE))
    return found


@pytest.mark.parametrize("command", OPTIONS)
def test_the_docs_say_of_every_option_what_klamm_does_with_it(command: str) -> None:
    told = told_of(command)
    ours = {word.text[2:] for word in words_of(command) if word.text.startswith("--")}
    assert set(OPTIONS[command]) - told.keys() == set(), "Kafka's options that no table names"
    assert ours - told.keys() == set(), "klamm's options that no table names"
    assert told.keys() - ours - set(OPTIONS[command]) == set(), "options that nobody has"
    assert {name for name in OPTIONS[command] if name not in ours} == {
        name for name, text in told.items() if text.startswith("not there") and name not in ours
    }
