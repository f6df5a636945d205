"""Every option that klamm's commands share with Kafka's is used by a case, and shows in what the case sees.

That it shows takes minutes and is asked for with KLAMM_EVERY_OPTION=1: each option is left out of a command line that
has it, and the answer must be another one.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from compat_tests.commands.cases import CASES
from compat_tests.commands.ours import klamm
from compat_tests.commands.play import Case, Ended, play
from compat_tests.commands.test_recorded import OPTIONS, RECORDED, told_of
from compat_tests.support import Broker
from klamm.tools.completion import words_of

#: (command, option) -> why no case uses it.
UNUSED: dict[tuple[str, str], str] = {
    ("console-consumer", "enable-systest-events"): "only a signal shows it: tests/tools/test_console_commands.py",
    ("producer-perf-test", "print-metrics"): "figures of a JVM's client",
    ("consumer-perf-test", "print-metrics"): "figures of a JVM's client",
}
#: Of every command.
UNUSED_ANYWHERE = {
    "help": "our own words",
    "version": "klamm's version stands behind Kafka's",
    "bootstrap-server": "every case uses it: play() adds it",
}
#: Compared on files of their own.
OTHERWISE = {"dump-log": "tests/tools/test_dump_log.py"}

#: (command, option) -> why leaving it out changes nothing that a case sees.
UNSEEN: dict[tuple[str, str], str] = {
    ("cluster", "include-fenced-brokers"): "no broker is fenced",
    ("consumer-perf-test", "timeout"): "a time, and masked",
    ("log-dirs", "topic-list"): "the partitions are masked",
    ("reassign-partitions", "disallow-replication-factor-change"): "the one broker can hold no second replica",
}


def uses() -> dict[tuple[str, str], list[tuple[Case, int]]]:
    """(command, option) -> the steps that have it."""
    found: dict[tuple[str, str], list[tuple[Case, int]]] = {}
    for case in CASES.values():
        for number, step in enumerate(case.steps):
            for word in step.arguments.split():
                if word.startswith("--"):
                    found.setdefault((step.command, word[2:].partition("=")[0]), []).append((case, number))
    return found


USES = uses()


@pytest.mark.parametrize("command", sorted(OPTIONS.keys() - OTHERWISE))
def test_a_case_uses_every_option(command: str) -> None:
    shared = {name for name, text in told_of(command).items() if text.startswith(("same", "differs"))}
    needless = {name for owner, name in UNUSED if owner == command}
    used = {name for owner, name in USES if owner == command}
    assert shared - used - needless - UNUSED_ANYWHERE.keys() == set(), "options that no case uses"
    assert needless & used == set(), "a case uses them after all"


def without(case: Case, number: int, option: str) -> Case:
    """The case whose step has the option no more, nor its value."""
    step = case.steps[number]
    takes = {word.text for word in words_of(step.command) if word.takes}
    words: list[str] = []
    left = step.arguments.split()
    while left:
        word = left.pop(0)
        if word.partition("=")[0] != f"--{option}":
            words.append(word)
        elif "=" not in word and left and (word in takes or not left[0].startswith("-")):
            left.pop(0)
    changed = [*case.steps[:number], step._replace(arguments=" ".join(words)), *case.steps[number + 1 :]]
    return case._replace(steps=changed)


#: Nothing unless it is asked for.
ASKED = sorted(USES) if "KLAMM_EVERY_OPTION" in os.environ else []


@pytest.mark.klamm_only("the other side is a recording")
@pytest.mark.bounded(300)
@pytest.mark.parametrize(("command", "option"), ASKED, ids=[" --".join(pair) for pair in ASKED])
def test_leaving_the_option_out_is_seen(broker: Broker, tmp_path: Path, command: str, option: str) -> None:
    if option not in {word.text[2:] for word in words_of(command)}:
        pytest.skip("no option of klamm's")
    # Few steps first: they are quick.
    for case, number in sorted(USES[command, option], key=lambda use: len(use[0].steps)):
        recorded = [Ended(**row) for row in RECORDED[case.name]]
        try:
            found = play(without(case, number, option), klamm, klamm, broker.bootstrap_servers, tmp_path)
        except subprocess.TimeoutExpired:
            found = []  # it waits for records that do not come: that is seen
        if found != recorded:
            assert (command, option) not in UNSEEN, "it is seen after all"
            return
    assert (command, option) in UNSEEN, "nobody would see whether the option is ignored"
