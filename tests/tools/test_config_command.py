"""`klamm config`: which configs it shows, and what it says of each."""

from __future__ import annotations

import json
import os
import pty

import pytest

from klamm.broker.config.config import Config, ConfigError
from klamm.broker.config.texts import SCOPES, docs, rows
from klamm.tools.cli import main
from klamm.tools.table import print_table


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["config", *arguments]) == 0
    return capsys.readouterr().out


def test_every_config_has_its_own_words_and_no_words_are_left_over() -> None:
    names = {name for keys in SCOPES.values() for name in keys}
    assert set(docs()) == names
    assert [name for name, text in docs().items() if not text.endswith(".") or len(text) < 10] == []


def test_one_config_is_told_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "offsets.topic.replication.factor") == (
        "offsets.topic.replication.factor (of broker)\n"
        "  Replicas of __consumer_offsets.\n"
        "  type     short\n"
        "  default  1 (Kafka's is 3)\n"
        "  allowed  [1,...]\n"
        "  update   read-only\n"
        "  klamm    honoured\n"
    )
    # A name that brokers and topics have is told of both.
    assert shown(capsys, "min.insync.replicas").count("  default  1\n") == 2


def test_a_pipe_gets_a_line_each_with_tabs(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("\t") for line in shown(capsys, "retention", "--scope", "topic").splitlines()]
    assert [line[0] for line in lines] == [
        "delete.retention.ms",
        "local.retention.bytes",
        "local.retention.ms",
        "retention.bytes",
        "retention.ms",
    ]
    assert lines[-1] == ["retention.ms", "topic", "long", "604800000", "honoured", "[-1,...]", docs()["retention.ms"]]


def test_filters(capsys: pytest.CaptureFixture[str]) -> None:
    differing = json.loads(shown(capsys, "--differs", "--json"))
    assert {row["name"] for row in differing} >= {"node.id", "log.dir", "group.initial.rebalance.delay.ms"}
    assert [row for row in differing if row["default"] == row["kafka_default"]] == []
    refused = json.loads(shown(capsys, "--standing", "refused", "--json"))
    assert {row["name"] for row in refused} == {row.name for row in rows() if row.standing == "refused"}
    assert all("stops the start" in row["why"] for row in refused)
    assert json.loads(shown(capsys, "*.id", "--standing", "honoured", "--json"))[0]["name"] == "broker.id"
    everything = json.loads(shown(capsys, "--internal", "--json"))
    assert len(everything) == len(rows())
    assert len(json.loads(shown(capsys, "--json"))) < len(everything)


def test_what_is_called_refused_is(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"boolean": "true", "string": "x.Y", "class": "x.Y", "list": "x"}
    refused = [row for row in rows() if row.standing == "refused"]
    assert refused
    for row in refused:
        with pytest.raises(ConfigError, match=row.name):
            Config.of(**{row.name: values[row.type]})


def test_what_names_nothing_is_a_failure_and_a_wrong_option_a_wrong_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["config", "no.such.config"]) == 1
    assert capsys.readouterr().err == "klamm: no config is meant by no.such.config\n"
    assert main(["config", "--standing", "loved"]) == 2
    assert "see `klamm config --help`" in capsys.readouterr().err


def test_a_terminal_gets_aligned_columns_cut_where_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    leader, follower = pty.openpty()
    with os.fdopen(follower, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((12, 24)))
        print_table(["A", "B"], [["long", "x"], ["s", "much too long"]])
        terminal.flush()
        data = b""
        while data.count(b"\n") < 3:  # what was written may come in pieces
            data += os.read(leader, 4096)
    os.close(leader)
    assert data.decode().replace("\r\n", "\n") == "A     B\nlong  x\ns     much …\n"
