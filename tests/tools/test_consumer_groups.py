"""consumer-groups: its tables and plans without a broker, and the command as a process on a klamm process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import FailedError
from klamm.tools.client.client import Node
from klamm.tools.console.member import Offset
from klamm.tools.console.options import OptionsError, parse
from klamm.tools.groups import reset, tables
from klamm.tools.groups.cluster import Group, GroupMember
from klamm.tools.groups.options import OPTIONS, check

LIMIT_S = 60


# --- without a broker ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--list", "--describe", "--all-groups"], "Command must include exactly one action: --list, --describe, "),
        (["--describe"], "Option [describe] takes one of these options: [group], [all-groups]"),
        (
            ["--describe", "--group", "g", "--members", "--state"],
            "Option [describe] takes at most one of these options",
        ),
        (["--describe", "--group", "g", "--state", "Stable"], "Option [describe] does not take a value for [state]"),
        (["--list", "--group", "g"], 'Option "[group]" can\'t be used with option "[list]"'),
        (["--list", "--verbose"], "Option(s) [verbose] are unavailable given other options on the command line"),
        (["--delete", "--group", "g", "--topic", "t"], "The consumer does not support topic-specific offset deletion"),
        (["--delete-offsets", "--group", "g"], "Option [delete-offsets] takes the following options"),
        (
            ["--reset-offsets", "--group", "g", "--to-latest", "--shift-by", "1"],
            'Option "[shift-by]" can\'t be used with option "[to-latest]"',
        ),
        (
            ["--reset-offsets", "--group", "g", "--dry-run", "--execute"],
            "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
        ),
        (["--describe", "--group", "g", "--all-groups"], 'Option "[group]" can\'t be used with option "[all-groups]"'),
    ],
)
def test_options_that_do_not_go_together_are_refused_in_kafkas_words(words: list[str], message: str) -> None:
    with pytest.raises(OptionsError) as error:
        check(parse(OPTIONS, words))
    assert str(error.value).startswith(message)


def test_a_rehearsal_that_was_not_asked_for_is_warned_of() -> None:
    words = ["--reset-offsets", "--group", "g", "--topic", "t", "--to-latest"]
    assert "No action will be performed" in (check(parse(OPTIONS, words)) or "")
    assert check(parse(OPTIONS, [*words, "--dry-run"])) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:01.500", 1500),
        ("1970-01-01T00:00:01", 1000),
        ("1970-01-01T01:00:00.000+01:00", 0),
        ("1970-01-01T00:00:00Z", 0),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, expected: int) -> None:
    assert reset.parse_datetime(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("P1D", 86_400_000), ("PT1H2M3.5S", 3_723_500), ("-PT1S", -1000), ("P1DT-1H", 82_800_000)]
)
def test_durations_are_java_times(text: str, expected: int) -> None:
    assert reset.parse_duration(text) == expected


@pytest.mark.parametrize("text", ["P", "PT", "1D", "P1H", "PT1X"])
def test_other_durations_are_refused(text: str) -> None:
    with pytest.raises(FailedError):
        reset.parse_duration(text)


def test_csv_goes_out_and_comes_back() -> None:
    plans = {"g": {("t", 1): 5, ("t", 0): 7}}
    text = reset.to_csv(plans, with_group=False)
    assert text == "t,0,7\nt,1,5\n"
    assert reset.from_csv(text, ["g"]) == plans
    assert reset.from_csv(reset.to_csv(plans, with_group=True), ["g", "h"]) == plans
    with pytest.raises(FailedError, match="line 2 "):
        reset.from_csv("t,0,7\nt,1\n", ["g"])


def test_partitions_are_topic_and_numbers() -> None:
    assert reset.parse_partitions("t:0,2") == [("t", 0), ("t", 2)]
    for text in ("t:", "t:a", "t:0:1"):
        with pytest.raises(OptionsError):
            reset.parse_partitions(text)


def test_the_table_of_offsets_is_kafkas() -> None:
    rows = [
        tables.OffsetRow("g", "t", 0, Offset(4, 0), 6, "m", "/127.0.0.1", "c"),
        tables.OffsetRow("g", "t", 1, None, None),
    ]
    blank = " " * 15
    assert tables.offsets(rows, verbose=False) == [
        "",
        "GROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID     "
        "HOST            CLIENT-ID",
        f"g{blank}t{blank}0          4{blank}6{blank}2{blank}m{blank}/127.0.0.1      c",
        f"g{blank}t{blank}1          -{blank}-{blank}-{blank}-{blank}-{blank}-",
    ]
    assert "LEADER-EPOCH    CURRENT-OFFSET" in tables.offsets(rows, verbose=True)[1]


def test_the_table_of_members_grows_with_what_they_have() -> None:
    member = GroupMember("m", "", "c", "/h", [("t", 1), ("t", 0), ("s", 2)], [], 3, True)
    group = Group("g", "Stable", "range", Node(1, "h", 9), [member, member._replace(upgraded=False)], 4, 5)
    assert tables.members(group, verbose=False)[1].split() == [
        "GROUP",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
        "#PARTITIONS",
    ]
    verbose = tables.members(group, verbose=True)
    assert verbose[1].split()[5:] == [
        "CURRENT-EPOCH",
        "CURRENT-ASSIGNMENT",
        "TARGET-EPOCH",
        "TARGET-ASSIGNMENT",
        "UPGRADED",
    ]
    assert verbose[2].split()[4:] == ["3", "3", "s:2;t:0,1", "5", "-", "true"]
    static = group._replace(members=[member._replace(instance_id="i")])
    assert "GROUP-INSTANCE-ID" in tables.members(static, verbose=False)[1]


# --- on a broker --------------------------------------------------------------------------------------------------


def klamm_command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "klamm", *arguments], input=stdin, capture_output=True, text=True, timeout=LIMIT_S
    )


@pytest.fixture
def groups(klamm: Callable[..., Any]) -> Callable[..., str]:
    """groups(...): stdout of the command on a broker whose group `g` has read two of three records of t:2."""
    address = klamm("serve", "--port", "0", "--ephemeral", "--topic", "t:2").listening()
    # murmur2 sends all of them to partition 0.
    lines = "21\ta\n21\tb\n21\tc\n"
    to = ["--bootstrap-server", address, "--topic", "t"]
    assert klamm_command("console-producer", *to, "--reader-property=parse.key=true", stdin=lines).returncode == 0
    ended = klamm_command("console-consumer", *to, "--group", "g", "--from-beginning", "--max-messages", "2")
    assert ended.stdout == "a\nb\n", ended.stderr

    def run(*arguments: str) -> str:
        ended = klamm_command("consumer-groups", "--bootstrap-server", address, *arguments)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    return run


def rows(text: str) -> list[list[str]]:
    """The cells of a table, without its header."""
    return [line.split() for line in text.splitlines() if line][1:]


def test_groups_are_listed(groups: Callable[..., str]) -> None:
    assert groups("--list") == "g\n"
    assert rows(groups("--list", "--state", "--type")) == [["g", "Classic", "Empty"]]
    assert rows(groups("--list", "--state", "stable")) == []


def test_a_group_lags_behind(groups: Callable[..., str]) -> None:
    assert rows(groups("--describe", "--group", "g")) == [
        ["g", "t", "0", "2", "3", "1", "-", "-", "-"],
        ["g", "t", "1", "0", "0", "0", "-", "-", "-"],
    ]
    assert rows(groups("--describe", "--all-groups", "--verbose"))[0][3] == "0"
    assert rows(groups("--describe", "--group", "g", "--members")) == []
    state = rows(groups("--describe", "--group", "g", "--state"))
    assert (state[0][0], state[0][-2:]) == ("g", ["Empty", "0"])


def test_an_unknown_group_is_an_error_with_code_0(groups: Callable[..., str]) -> None:
    assert groups("--describe", "--group", "none") == (
        "\nError: Executing consumer group command failed due to"
        " org.apache.kafka.common.errors.GroupIdNotFoundException: Group none not found.\n"
    )


@pytest.mark.parametrize(
    ("scenario", "offset"),
    [
        (["--to-earliest"], "0"),
        (["--to-latest"], "3"),
        (["--to-current"], "2"),
        (["--to-offset", "1"], "1"),
        (["--to-offset", "99"], "3"),
        (["--shift-by", "-1"], "1"),
        (["--shift-by", "-9"], "0"),
        (["--to-datetime", "2000-01-01T00:00:00.000"], "0"),
        (["--to-datetime", "2999-01-01T00:00:00.000"], "3"),
        (["--by-duration", "P1D"], "0"),
    ],
)
def test_offsets_are_moved_only_when_that_is_said(groups: Callable[..., str], scenario: list[str], offset: str) -> None:
    arguments = ["--reset-offsets", "--group", "g", "--topic", "t:0", *scenario]
    # What comes before the table is a note that a partition has nothing that new.
    assert groups(*arguments, "--dry-run").splitlines()[-1].split() == ["g", "t", "0", offset]
    assert rows(groups("--describe", "--group", "g"))[0][3] == "2"
    groups(*arguments, "--execute")
    assert rows(groups("--describe", "--group", "g"))[0][3] == offset


def test_what_is_exported_can_be_taken_back(groups: Callable[..., str], tmp_path: Path) -> None:
    exported = groups("--reset-offsets", "--group", "g", "--all-topics", "--to-earliest", "--export", "--dry-run")
    assert exported == "t,0,0\nt,1,0\n\n"
    (tmp_path / "plan.csv").write_text(exported)
    groups("--reset-offsets", "--group", "g", "--from-file", str(tmp_path / "plan.csv"), "--execute")
    assert [row[3] for row in rows(groups("--describe", "--group", "g"))] == ["0", "0"]


def test_offsets_and_groups_are_deleted(groups: Callable[..., str]) -> None:
    shown = groups("--delete-offsets", "--group", "g", "--topic", "t:0", "--topic", "none")
    assert shown.startswith("Request succeeded for deleting offsets from group g.\n")
    assert "t               0          Successful" in shown
    assert "none            -          Error: org.apache.kafka.common.errors.UnknownTopicOrPartitionException" in shown
    assert groups("--delete", "--group", "g") == "Deletion of requested consumer groups ('g') was successful.\n"
    assert groups("--delete", "--group", "g").splitlines()[1:] == [
        "Error: Deletion of some consumer groups failed:",
        "* Group 'g' could not be deleted due to: org.apache.kafka.common.errors.GroupIdNotFoundException:"
        " The group id does not exist.",
    ]
    assert groups("--list") == ""


def test_a_regular_expression_is_looked_at(groups: Callable[..., str]) -> None:
    pytest.importorskip("re2")
    assert groups("--validate-regex", "a.*") == "The regular expression `a.*` is valid.\n"
    assert groups("--validate-regex", "a(") == "The regular expression `a(` is invalid: missing closing ).\n"


def test_everything_is_there_as_json(groups: Callable[..., str]) -> None:
    def told(*words: str) -> Any:
        return json.loads(groups(*words, "--json"))

    assert told("--list") == [{"group": "g", "type": "Classic", "state": "Empty"}]
    (group,) = told("--describe", "--group", "g")
    assert (group["group"], group["state"], group["members"], group["coordinator"]["id"]) == ("g", "Empty", [], 1)
    first = group["offsets"][0]
    assert {name: first[name] for name in ("topic", "partition", "currentOffset", "logEndOffset", "lag")} == {
        "topic": "t",
        "partition": 0,
        "currentOffset": 2,
        "logEndOffset": 3,
        "lag": 1,
    }
    assert (first["consumerId"], first["host"], first["clientId"]) == (None, None, None)
    assert "offsets" not in told("--describe", "--group", "g", "--state")[0]
    assert told("--reset-offsets", "--group", "g", "--topic", "t:0", "--to-earliest", "--dry-run") == [
        {"group": "g", "topic": "t", "partition": 0, "newOffset": 0}
    ]
    assert told("--delete-offsets", "--group", "g", "--topic", "t:0") == [{"topic": "t", "partition": 0, "error": None}]
    assert told("--delete", "--group", "g") == {"deleted": ["g"], "failed": {}}
    assert list(told("--delete", "--group", "g")["failed"]) == ["g"]
    assert told("--list") == []
