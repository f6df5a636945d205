"""`klamm reassign-partitions`: the plans that it makes, and its actions on one broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klamm.tools.admin.common import CommandError
from klamm.tools.admin.reassign_plan import Move, read_targets, read_topics, spread, throttled
from klamm.tools.cli import main

Run = Callable[..., tuple[int, str, str]]


@given(
    partitions=st.integers(1, 30),
    brokers=st.integers(1, 7),
    factor=st.integers(1, 7),
    start=st.integers(0, 6),
    shift=st.integers(0, 6),
)
def test_partitions_are_spread_evenly(partitions: int, brokers: int, factor: int, start: int, shift: int) -> None:
    factor = min(factor, brokers)
    found = spread(partitions, factor, dict.fromkeys(range(1, brokers + 1)), start % brokers, shift % brokers)
    assert all(len(set(replicas)) == factor for replicas in found)
    leaders = Counter(replicas[0] for replicas in found)
    assert max(leaders.values()) - min(leaders[broker] for broker in range(1, brokers + 1)) <= 1


def test_the_rule_is_kafkas() -> None:
    # The example in the comment of Kafka's AdminUtils: ten partitions, five brokers, three replicas.
    found = spread(10, 3, dict.fromkeys(range(5)), 0, 0)
    assert found == [
        [0, 1, 2],
        [1, 2, 3],
        [2, 3, 4],
        [3, 4, 0],
        [4, 0, 1],
        [0, 2, 3],
        [1, 3, 4],
        [2, 4, 0],
        [3, 0, 1],
        [4, 1, 2],
    ]


@given(partitions=st.integers(1, 20), start=st.integers(0, 5), shift=st.integers(0, 5), factor=st.integers(1, 6))
def test_replicas_are_on_different_racks_while_there_are_some(
    partitions: int, start: int, shift: int, factor: int
) -> None:
    racks = {0: "a", 1: "c", 2: "c", 3: "b", 4: "b", 5: "a"}
    for replicas in spread(partitions, factor, racks, start, shift):
        assert len(set(replicas)) == factor
        assert len({racks[broker] for broker in replicas}) == min(factor, 3)


def test_more_replicas_than_brokers_are_refused() -> None:
    with pytest.raises(
        CommandError, match="The target replication factor of 3 cannot be reached because only 2 broker"
    ):
        spread(1, 3, {1: None, 2: None})


def test_both_sides_of_a_move_are_throttled() -> None:
    moves = {("t", 1): Move([2, 3], [1]), ("t", 0): Move([2, 1], [3]), ("u", 0): Move([1], [])}
    assert throttled(moves) == {
        "t": {
            "leader.replication.throttled.replicas": "0:1,0:2,1:2,1:3",
            "follower.replication.throttled.replicas": "0:3,1:1",
        },
        "u": {"leader.replication.throttled.replicas": "0:1", "follower.replication.throttled.replicas": ""},
    }


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"version": 2, "partitions": []}, "Not supported version field value 2"),
        ({"partitions": [{"topic": "t"}]}, "a partition needs topic, partition and replicas"),
        (
            {"partitions": [{"topic": "t", "partition": 0, "replicas": [1], "log_dirs": []}]},
            "Size of replicas list [1]",
        ),
        (
            {"partitions": [{"topic": "t", "partition": 0, "replicas": [1]}] * 2},
            "Partition reassignment contains duplicate topic partitions: t-0",
        ),
    ],
)
def test_files_that_cannot_be_used(content: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = tmp_path / "moves.json"
    file.write_text(json.dumps(content))
    with pytest.raises(CommandError) as caught:
        read_targets(str(file))
    assert str(caught.value).startswith(message)


def test_topics_come_once(tmp_path: Path) -> None:
    file = tmp_path / "topics.json"
    file.write_text('{"version": 1, "topics": [{"topic": "a"}, {"topic": "b"}, {"topic": "a"}]}')
    with pytest.raises(CommandError, match=r"contains duplicate entries: \[a\]"):
        read_topics(str(file))


def test_a_plan_is_generated_executed_and_verified(
    klamm: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    address = klamm("serve", "--host", "127.0.0.1", "--port", 0, "--ephemeral", "--topic", "t:2").listening()
    topics, moves = tmp_path / "topics.json", tmp_path / "moves.json"
    topics.write_text('{"version": 1, "topics": [{"topic": "t"}]}')

    def run(*words: str) -> tuple[int, Any]:
        code = main(["reassign-partitions", "--bootstrap-server", address, "--json", *words])
        return code, json.loads(capsys.readouterr().out)

    code, plan = run("--generate", "--topics-to-move-json-file", str(topics), "--broker-list", "1")
    assert (code, [row["replicas"] for row in plan["proposed"]["partitions"]]) == (0, [[1], [1]])
    moves.write_text(json.dumps(plan["proposed"]))
    code, started = run("--execute", "--reassignment-json-file", str(moves), "--throttle", "1000")
    assert (code, started["started"], started["rollback"]) == (0, ["t-0", "t-1"], plan["current"])
    assert run("--list") == (0, [])
    code, state = run("--verify", "--reassignment-json-file", str(moves))
    assert (code, state["inProgress"]) == (0, False)
    assert state["partitions"] == [f"Reassignment of partition t-{index} is completed." for index in (0, 1)]
    assert run("--cancel", "--reassignment-json-file", str(moves)) == (0, {"cancelled": [], "logDirs": []})
