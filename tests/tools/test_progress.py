"""Long work shows how far it is where standard error is a terminal, and prints nothing of it anywhere else."""

from __future__ import annotations

import json
import os
import pty
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.tools import progress
from klamm.tools.cli import main

#: Command -> a command line of it, and what its progress says.
Lines = dict[str, tuple[list[str], str]]


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, calls: list[list[str]]) -> str:
    """What the commands print where standard error is a terminal, and every tick is shown."""
    leader, follower = pty.openpty()
    found: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(leader, 4096):
                found.append(data)
        except OSError:
            pass  # Linux's end of a terminal that nobody writes to any more

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    with os.fdopen(follower, "w") as stream, monkeypatch.context() as patch:
        patch.setattr("sys.stderr", stream)
        patch.setattr(progress, "_INTERVAL_S", 0.0)
        for words in calls:
            assert main(words) in (0, 1)
    reader.join(30)
    os.close(leader)
    return b"".join(found).decode()


@pytest.fixture
def lines(klamm: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lines:
    """Command -> a command line of it, and what its progress says."""
    where = (
        "--bootstrap-server",
        klamm("serve", "--port", "0", "--data", tmp_path / "data", "--topic", "t:3").listening(),
    )
    lined = tmp_path / "lines"
    lined.write_text("".join(f"{number}\n" for number in range(50)))
    # The command reads by the descriptor, and leaves the file at its end.
    monkeypatch.setattr("sys.stdin", lined.open())
    rows = [{"topic": "t", "partition": partition, "offset": 0} for partition in range(3)]
    offsets = tmp_path / "offsets.json"
    offsets.write_text(json.dumps({"version": 1, "partitions": rows}))
    plan = tmp_path / "plan.csv"
    plan.write_text("g,t,0,0\nh,t,0,0\n")
    both = ("--group", "g", "--group", "h")
    reset = ["consumer-groups", *where, "--reset-offsets", *both, "--from-file", str(plan), "--execute", "--json"]
    log = tmp_path / "data" / "t-0" / "00000000000000000000.log"
    return {
        "console-producer": (["console-producer", *where, "--topic", "t"], "50 lines"),
        "delete-records": (["delete-records", *where, "--offset-json-file", str(offsets)], "3 of 3 partitions (100 %)"),
        "reset": (reset, ""),
        "consumer-groups": (["consumer-groups", *where, "--describe", *both], "2 of 2 groups (100 %)"),
        "dump-log": (["dump-log", "--files", str(log), "--deep-iteration"], " rows"),
        "log": (["log", "verify", str(tmp_path / "data")], " partitions (100 %)"),
    }


def test_a_terminal_sees_how_far_it_is(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = on_a_terminal(monkeypatch, [words for words, _ in lines.values()])
    for words, told in lines.values():
        assert told in shown, words
    assert "\r\x1b[K" in shown
    assert "\x1b" not in capsys.readouterr().out


def test_a_pipe_sees_nothing_of_it(
    lines: Lines, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "_INTERVAL_S", 0.0)
    for words, told in lines.values():
        assert main(words) in (0, 1)
        found = capsys.readouterr()
        assert "\x1b" not in found.out + found.err
        assert not told or told not in found.err
