"""`klamm producer-perf-test` and `consumer-perf-test`: their lines, and that the records are there. No speed."""

from __future__ import annotations

import io
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import main
from klamm.tools.perf.date_format import format_time
from klamm.tools.perf.statistics import Statistics, ratio, shown
from klamm.tools.progress import Progress

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


def values(run: Run, topic: str, count: int, *more: str) -> list[str]:
    """The first `count` values in the topic."""
    ends = ("--max-messages", str(count), "--timeout-ms", "30000")
    return run("console-consumer", "--topic", topic, "--from-beginning", *ends, *more)[1].splitlines()


def test_all_records_are_there_and_the_total_is_kafkas_line(run: Run) -> None:
    words = ("--topic", "three", "--num-records", "5000", "--throughput", "-1", "--payload-monotonic")
    code, out, err = run("producer-perf-test", *words, "--command-property", "batch.size=2000", "linger.ms=0")
    assert (code, err) == (0, "")
    assert re.fullmatch(TOTAL, out), out
    assert sorted(map(int, values(run, "three", 5000))) == list(range(5000))
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
    assert all(re.fullmatch("[A-Z]{10}", value) for value in values(run, "one", 120))


def test_transactions_are_committed(run: Run) -> None:
    words = ("--topic", "three", "--num-records", "300", "--throughput", "1000", "--record-size", "5")
    assert run("producer-perf-test", *words, "--transaction-duration-ms", "50", "--transactional-id", "perf")[0] == 0
    assert len(values(run, "three", 300, "--isolation-level", "read_committed")) == 300
    (row,) = json.loads(run("transactions", "list", "--json")[1])
    assert (row["transactionalId"], row["transactionState"]) == ("perf", "CompleteCommit")


def test_payloads_of_a_file_and_json(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "payloads"
    file.write_text("a;bb;ccc")
    words = ("--topic", "one", "--num-records", "50", "--throughput", "-1", "--payload-file", str(file))
    code, out, err = run("producer-perf-test", *words, "--payload-delimiter", ";", "--json", "--print-metrics")
    assert code == 0
    assert err.splitlines() == [f"Reading payloads from: {file}", "Number of records read: 3"]
    report = json.loads(out)
    assert (report["total"]["records"], report["lost"], report["metrics"]["record-send-total"]) == (50, 0, 50)
    assert set(values(run, "one", 50)) <= {"a", "bb", "ccc"}


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


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_for_terminals(terminal: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Stream(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    stream = Stream()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.setattr("klamm.tools.progress._INTERVAL_S", 0)
    with Progress("records", 8) as progress:
        progress.tick(2)
    assert stream.getvalue() == ("\r\x1b[K2 of 8 records (25 %)\r\x1b[K" if terminal else "")


def test_numbers_are_javas() -> None:
    assert [shown(ratio(*pair), 2) for pair in ((1, 2), (1, 0), (0, 0))] == ["0.50", "Infinity", "NaN"]


# --- the consumer -----------------------------------------------------------------------------------------------------

HEADS = (
    "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec, rebalance.time.ms, "
    "fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
)


def fill(run: Run, topic: str, count: int) -> None:
    words = ("--topic", topic, "--num-records", str(count), "--throughput", "-1", "--record-size", "1024")
    assert run("producer-perf-test", *words)[0] == 0


def test_the_consumer_counts_what_is_there(run: Run) -> None:
    fill(run, "three", 2048)
    code, out, err = run("consumer-perf-test", "--topic", "three", "--num-records", "2048", "--date-format", "yyyy")
    heads, row = out.splitlines()
    assert (code, err, heads) == (0, "", HEADS)
    cells = row.split(", ")
    assert [cells[0], cells[2], cells[4]] == [cells[1], "2.0000", "2048"]
    assert len(cells) == 10
    detailed = run(
        "consumer-perf-test", "--include", "th.*", "--num-records", "2048", "--show-detailed-stats", "--hide-header",
        "--reporting-interval", "1",
    )[1]  # fmt: skip
    assert [line.split(", ")[1] for line in detailed.splitlines()] == ["0"] * detailed.count("\n")
    assert detailed


def test_a_groups_offsets_are_committed_and_the_timeout_is_said(run: Run) -> None:
    fill(run, "one", 50)
    words = ("--topic", "one", "--group", "perf", "--timeout", "500", "--json", "--num-records")
    assert json.loads(run("consumer-perf-test", *words, "50")[1])["data.consumed.in.nMsg"] == 50
    code, out, err = run("consumer-perf-test", *words, "1")
    assert (code, json.loads(out)["data.consumed.in.nMsg"]) == (0, 0)
    assert err.startswith(
        "WARNING: Exiting before consuming the expected number of records: timeout (500 ms) exceeded."
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--topic", "t"], "Exactly one of the following arguments is required: [messages], [num-records]"),
        (["--num-records", "1"], "Exactly one of the following arguments is required: [topic], [include]"),
        (
            ["--topic", "t", "--num-records", "1", "--messages", "1"],
            "Exactly one of the following arguments is required",
        ),
        (
            ["--topic", "t", "--num-records", "1", "--reporting-interval", "0"],
            "Reporting interval must be greater than 0.",
        ),
        (["--topic", "t", "--num-records", "1", "--date-format", "bb"], "Illegal pattern character 'b'"),
    ],
)
def test_a_wrong_command_line_of_the_consumer(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["consumer-perf-test", "--bootstrap-server", "127.0.0.1:1", *words]) == 1
    assert capsys.readouterr().err.startswith(message)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("yyyy-MM-dd HH:mm:ss:SSS", "2026-03-01 15:04:05:006"),
        ("h:m a, MMM d ''yy", "3:4 PM, Mar 1 '26"),
        ("EEEE 'o''clock' MMMM D", "Sunday o'clock March 60"),
        ("E k K", "Sun 15 3"),
    ],
)
def test_times_are_written_as_java_does(pattern: str, text: str) -> None:
    moment_s = time.mktime((2026, 3, 1, 15, 4, 5, 0, 0, -1))
    assert format_time(pattern, int(moment_s) * 1000 + 6) == text


# --- verifiable-consumer ----------------------------------------------------------------------------------------------

#: After which a consumer is killed, and its lines end.
LIMIT_S = 60

Event = dict[str, Any]


class Consumer:
    """A process of klamm's verifiable-consumer, event by event."""

    def __init__(self, *words: str) -> None:
        arguments = [sys.executable, "-m", "klamm", "verifiable-consumer", *words]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        self.limit = threading.Timer(LIMIT_S, self.process.kill)
        self.limit.start()

    def until(self, name: str, count: int | None = None) -> list[Event]:
        """The events up to one of that name, with `count` partitions if that is said."""
        found: list[Event] = []
        assert self.process.stdout is not None
        for line in self.process.stdout:
            found.append(json.loads(line))
            if found[-1]["name"] == name and count in (None, len(found[-1].get("partitions", ()))):
                return found
        raise AssertionError(f"no {name}: {found}")

    def end(self, number: signal.Signals) -> tuple[int, list[str]]:
        self.process.send_signal(number)
        names = [json.loads(line)["name"] for line in self.process.communicate()[0].splitlines()]
        return self.process.returncode, names


@pytest.fixture
def consumer(klamm: Callable[..., Any], tmp_path: Path) -> Iterator[Callable[..., Consumer]]:
    often = [f"group.consumer.{name}heartbeat.interval.ms=100" for name in ("", "min.")]
    more = [word for setting in often for word in ("--set", setting)]
    address = klamm("serve", "--host", "127.0.0.1", "--port", 0, "--ephemeral", "--topic", "two:2", *more).listening()
    main(["producer-perf-test", "--bootstrap-server", address, "--topic", "two", *_SOME])
    config = tmp_path / "consumer.properties"
    config.write_text("heartbeat.interval.ms=100\n")
    with ExitStack() as stack:

        def start(*words: str) -> Consumer:
            more = () if "consumer" in words else ("--command-config", str(config))
            found = Consumer("--bootstrap-server", address, "--topic", "two", "--group-id", "g", *words, *more)
            stack.callback(found.process.wait)
            stack.callback(found.process.kill)
            stack.callback(found.limit.cancel)
            return found

        yield start


_SOME = ("--num-records", "700", "--record-size", "10", "--throughput", "-1")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_verifiable_consumer_behind_what_it_has_read(
    consumer: Callable[..., Consumer], number: signal.Signals
) -> None:
    one = consumer("--max-messages", "1000")
    read = 0
    committed: dict[int, int] = {}
    while read < 700:
        *_, consumed, ended = one.until("offsets_committed")
        assert consumed["count"] <= 500, "max.poll.records"
        assert sum(row["count"] for row in consumed["partitions"]) == consumed["count"]
        assert ended["success"] is True
        read += consumed["count"]
        assert [row["maxOffset"] + 1 for row in consumed["partitions"]] == [row["offset"] for row in ended["offsets"]]
        committed.update({row["partition"]: row["offset"] for row in ended["offsets"]})
    assert sum(committed.values()) == 700
    assert one.end(number) == (128 + number, ["shutdown_requested", "partitions_revoked", "shutdown_complete"])


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_verifiable_consumers_share_partitions(consumer: Callable[..., Consumer], protocol: str) -> None:
    first = consumer("--group-protocol", protocol)
    assert first.until("partitions_assigned", 2)[0]["name"] == "startup_complete"
    second = consumer("--group-protocol", protocol)
    gained = second.until("partitions_assigned", 1)[-1]["partitions"]
    # Eager members of the classic protocol give up all and get some back; by KIP-848 one goes and the other stays.
    lost = first.until("partitions_revoked", 2 if protocol == "classic" else 1)[-1]["partitions"]
    back = first.until("partitions_assigned", 1 if protocol == "classic" else 0)[-1]["partitions"]
    kept = back if protocol == "classic" else [{"topic": "two", "partition": 1 - lost[0]["partition"]}]
    assert sorted(row["partition"] for row in [*kept, *gained]) == [0, 1]
    assert second.end(signal.SIGTERM)[0] == 128 + signal.SIGTERM
    assert first.until("partitions_assigned", 2 if protocol == "classic" else 1)
