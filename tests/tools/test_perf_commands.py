"""`klamm producer-perf-test` and `consumer-perf-test`: their lines, and that the records are there. No speed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import main
from klamm.tools.perf.statistics import Statistics, ratio, shown

Run = Callable[..., tuple[int, str, str]]

TOTAL = (
    r"(\d+) records sent, (?:\d+\.\d{6}|Infinity) records/sec \((?:\d+\.\d\d|Infinity) MB/sec\), \d+\.\d\d ms avg "
    r"latency, \d+\.\d\d ms max latency, \d+ ms 50th, \d+ ms 95th, \d+ ms 99th, \d+ ms 99\.9th\.\n"
)


@pytest.fixture
def run(klamm: Callable[..., Any], capsys: pytest.CaptureFixture[str]) -> Run:
    arguments = ("--port", 0, "--ephemeral", "--topic", "one:1", "--topic", "three:3")
    address = klamm("serve", "--host", "127.0.0.1", *arguments).listening()

    def call(command: str, *words: str) -> tuple[int, str, str]:
        code = main([command, "--bootstrap-server", address, *words])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def values(run: Run, topic: str, *more: str) -> list[str]:
    out = run("console-consumer", "--topic", topic, "--from-beginning", "--timeout-ms", "2000", *more)[1]
    return out.splitlines()


def test_all_records_are_there_and_the_total_is_kafkas_line(run: Run) -> None:
    words = ("--topic", "three", "--num-records", "5000", "--throughput", "-1", "--payload-monotonic")
    code, out, err = run("producer-perf-test", *words, "--command-property", "batch.size=2000", "linger.ms=0")
    assert (code, err) == (0, "")
    assert re.fullmatch(TOTAL, out), out
    assert sorted(map(int, values(run, "three"))) == list(range(5000))
    offsets = run("get-offsets", "--topic", "three")[1]
    assert len(re.findall(r"three:\d:[1-9]", offsets)) == 3, "batches without keys go to all partitions"


def test_throughput_windows_and_warm_up(run: Run) -> None:
    words = ("--topic", "one", "--num-records", "120", "--throughput", "100", "--record-size", "10")
    code, out, _ = run("producer-perf-test", *words, "--reporting-interval", "50", "--warmup-records", "20")
    lines = out.splitlines(keepends=True)
    assert code == 0
    assert lines[0].startswith("Warmup first 20 records. Steady state results will print after")
    assert "In steady state.\n" in lines
    assert re.fullmatch(TOTAL, lines[-2])
    assert re.fullmatch(TOTAL.replace("records sent", "steady state records sent", 1), lines[-1])
    window = r"\d+ records sent, \S+ records/sec \(\S+ MB/sec\), \d+\.\d ms avg latency, \d+\.\d ms max latency\.\n"
    assert [line for line in lines if re.fullmatch(window, line)]
    assert all(re.fullmatch("[A-Z]{10}", value) for value in values(run, "one"))


def test_transactions_are_committed(run: Run) -> None:
    words = ("--topic", "three", "--num-records", "300", "--throughput", "1000", "--record-size", "5")
    assert run("producer-perf-test", *words, "--transaction-duration-ms", "50", "--transactional-id", "perf")[0] == 0
    assert len(values(run, "three", "--isolation-level", "read_committed")) == 300
    (row,) = json.loads(run("transactions", "list", "--json")[1])
    assert (row["transactionalId"], row["transactionState"]) == ("perf", "CompleteCommit")


def test_payloads_of_a_file_and_json(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "payloads"
    file.write_text("a;bb;ccc")
    words = ("--topic", "one", "--num-records", "50", "--throughput", "-1", "--payload-file", str(file))
    code, out, _ = run("producer-perf-test", *words, "--payload-delimiter", ";", "--json", "--print-metrics")
    lines = out.splitlines()
    assert code == 0
    assert lines[:2] == [f"Reading payloads from: {file}", "Number of records read: 3"]
    report = json.loads(lines[2])
    assert (report["total"]["records"], report["lost"], report["metrics"]["record-send-total"]) == (50, 0, 50)
    assert set(values(run, "one")) <= {"a", "bb", "ccc"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--record-size", "0"], "--record-size should be greater than zero."),
        ([], "one of the arguments --record-size --payload-file --payload-monotonic is required"),
        (
            ["--record-size", "1", "--payload-monotonic"],
            "argument --payload-monotonic: not allowed with argument --record-",
        ),
        (["--record-size", "1", "--warmup-records", "9"], "The value for --warmup-records must be strictly fewer than"),
        (["--record-size", "1", "--transaction-duration-ms", "0"], "--transaction-duration-ms should be greater than"),
        (["--record-size", "1", "--reporting-interval", "0"], "--reporting-interval should be greater than zero."),
        (
            ["--record-size", "1", "--producer-props", "a=1", "--command-property", "b=1"],
            "--command-property and --prod",
        ),
        (
            ["--record-size", "1", "--command-property", "linger"],
            "java.lang.IllegalArgumentException: Invalid property: l",
        ),
        (
            ["--record-size", "1", "--command-property", "acks=3"],
            "Invalid value 3 for configuration acks: String must be",
        ),
        (["--payload-file", "/nosuch"], "File does not exist or empty file provided."),
    ],
)
def test_a_wrong_command_line_ends_with_1_and_kafkas_words(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["--bootstrap-server", "127.0.0.1:1", "--topic", "t", "--num-records", "9", "--throughput", "-1"]
    assert main(["producer-perf-test", *common, *words]) == 1
    assert message in capsys.readouterr().err


def test_without_arguments_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["producer-perf-test"]) == 0
    assert capsys.readouterr().out.startswith("usage: klamm producer-perf-test")


def test_percentiles_are_those_of_every_record() -> None:
    found = Statistics(10_000)
    found.add(98, 980, 3, 0)
    found.add(1, 10, 7, 0)
    found.add(1, 10, 20, 0)
    total = found.total()
    assert [total[name] for name in ("50th", "95th", "99th", "99.9th", "maxLatencyMs")] == [3, 3, 20, 20, 20]
    assert total["avgLatencyMs"] == 3.21


def test_numbers_are_javas() -> None:
    assert [shown(ratio(*pair), 2) for pair in ((1, 2), (1, 0), (0, 0))] == ["0.50", "Infinity", "NaN"]
