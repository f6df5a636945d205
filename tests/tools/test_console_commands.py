"""console-producer and console-consumer as processes, on a klamm process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from klamm.tools.cli import main

LIMIT_S = 60


def klamm_command(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "klamm", *arguments], input=stdin, capture_output=True, text=True, timeout=LIMIT_S
    )


@pytest.fixture
def address(klamm: Callable[..., Any]) -> str:
    """A broker of this test's own."""
    found: str = klamm("serve", "--port", "0", "--ephemeral", "--topic", "t:2").listening()
    return found


def produce(address: str, *arguments: str, stdin: str) -> None:
    ended = klamm_command("console-producer", "--bootstrap-server", address, *arguments, stdin=stdin)
    assert (ended.returncode, ended.stderr) == (0, "")


def consume(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return klamm_command("console-consumer", "--bootstrap-server", address, "--timeout-ms", "20000", *arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--sync"],
        ["--request-required-acks", "1", "--compression-codec"],
        ["--compression-codec", "zstd", "--batch-size", "1"],
        ["--command-property", "acks=0", "--command-property", "compression.type=lz4"],
    ],
)
def test_what_one_writes_the_other_shows(address: str, arguments: list[str]) -> None:
    produce(address, "--topic", "new", *arguments, stdin="one\ntwo\nthree")
    ended = consume(address, "--topic", "new", "--from-beginning", "--max-messages", "3")
    assert (ended.returncode, ended.stdout) == (0, "one\ntwo\nthree\n")
    assert ended.stderr == "Processed a total of 3 messages\n"


def test_keys_headers_and_nulls_go_through(address: str) -> None:
    properties = ["--reader-property", "parse.key=true", "--reader-property", "parse.headers=true"]
    produce(
        address, "--topic", "new", *properties, "--reader-property", "null.marker=-", stdin="h:1,i:-\tk\t-\n-\t-\tv\n"
    )
    shown = [f"--formatter-property=print.{name}=true" for name in ("key", "headers", "offset", "partition")]
    ended = consume(
        address, "--topic", "new", "--partition", "0", "--offset", "earliest", "--max-messages", "2", *shown
    )
    assert ended.stdout == "Partition:0\tOffset:0\th:1,i:null\tk\tnull\nPartition:0\tOffset:1\tNO_HEADERS\tnull\tv\n"


def test_a_key_keeps_its_partition(address: str) -> None:
    # murmur2 of the first is even, of the second odd, without their sign bits: see test_console_parts.py.
    lines = "21\ta\na-little-bit-longer-string\tb\n21\tc\n"
    produce(address, "--topic", "t", "--reader-property", "parse.key=true", stdin=lines)
    shown = "--formatter-property=print.partition=true"
    ended = consume(address, "--topic", "t", "--from-beginning", "--max-messages", "3", shown)
    assert sorted(ended.stdout.splitlines()) == ["Partition:0\ta", "Partition:0\tc", "Partition:1\tb"]


def test_a_group_goes_on_where_it_stopped(address: str) -> None:
    produce(address, "--topic", "new", stdin="a\nb\nc\n")
    group = ["--topic", "new", "--from-beginning", "--group", "g"]
    assert consume(address, *group, "--max-messages", "2").stdout == "a\nb\n"
    assert consume(address, *group, "--max-messages", "1").stdout == "c\n"


def test_the_time_limit_ends_with_0_and_says_so(address: str) -> None:
    ended = klamm_command("console-consumer", "--bootstrap-server", address, "--topic", "t", "--timeout-ms", "300")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert ended.stderr.endswith("org.apache.kafka.common.errors.TimeoutException\nProcessed a total of 0 messages\n")


def test_a_pattern_reads_every_topic_that_fits(address: str) -> None:
    produce(address, "--topic", "ab", stdin="1\n")
    produce(address, "--topic", "ac", stdin="2\n")
    produce(address, "--topic", "xab", stdin="3\n")
    ended = consume(address, "--include", "a.", "--from-beginning", "--max-messages", "2")
    assert sorted(ended.stdout.split()) == ["1", "2"]


def test_a_line_without_its_key_ends_with_1_after_what_came_before(address: str) -> None:
    ended = klamm_command(
        *("console-producer", "--bootstrap-server", address, "--topic", "new", "--reader-property", "parse.key=true"),
        stdin="k\tv\nalone\n",
    )
    assert ended.returncode == 1
    assert "No key separator found on line number 2: 'alone'" in ended.stderr
    assert consume(address, "--topic", "new", "--from-beginning", "--max-messages", "1").stdout == "v\n"


@pytest.mark.parametrize(("arguments", "code"), [(["--sync"], 1), ([], 0)])
def test_a_topic_that_cannot_be_is_an_error_that_sync_ends_with(address: str, arguments: list[str], code: int) -> None:
    ended = klamm_command(
        "console-producer", "--bootstrap-server", address, "--topic", "no topic", *arguments, stdin="a\n"
    )
    assert ended.returncode == code
    assert "org.apache.kafka.common.errors.InvalidTopicException: Invalid topics: [no topic]" in ended.stderr


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("console-producer", ["--topic", "t"], 'Missing required argument "[bootstrap-server]"'),
        ("console-producer", ["--bootstrap-server", "h:1"], 'Missing required argument "[topic]"'),
        ("console-consumer", ["--topic", "t"], 'Missing required argument "[bootstrap-server]"'),
        (
            "console-consumer",
            ["--bootstrap-server", "h:1"],
            "Exactly one of the following arguments is required: [topic], [include]",
        ),
        (
            "console-consumer",
            ["--bootstrap-server", "h:1", "--topic", "t", "--offset", "3"],
            "The partition is required when offset is specified.",
        ),
        (
            "console-consumer",
            ["--bootstrap-server", "h:1", "--topic", "t", "--partition", "0", "--group", "g"],
            "Options group and partition cannot be specified together.",
        ),
    ],
)
def test_a_wrong_command_line_ends_with_1_and_the_options(command: str, arguments: list[str], message: str) -> None:
    ended = klamm_command(command, *arguments)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith(message + "\n")
    assert "--bootstrap-server <string>" in ended.stderr


def test_a_signal_ends_the_consumer_with_its_number(address: str) -> None:
    produce(address, "--topic", "new", stdin="a\n")
    arguments = ["console-consumer", "--bootstrap-server", address, "--topic", "new", "--from-beginning"]
    arguments += ["--enable-systest-events"]
    consumer = subprocess.Popen(
        [sys.executable, "-m", "klamm", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ.copy(),
    )
    limit = threading.Timer(LIMIT_S, consumer.kill)
    limit.start()
    try:
        assert consumer.stdout is not None
        assert consumer.stdout.readline() == "a\n"
        consumer.send_signal(signal.SIGTERM)
        out, err = consumer.communicate()
    finally:
        limit.cancel()
    assert (consumer.returncode, out, err) == (143, "shutdown_complete\n", "Processed a total of 1 messages\n")


def test_a_consumer_leaves_the_signals_as_it_found_them(address: str) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    code = main(["console-consumer", "--bootstrap-server", address, "--topic", "t", "--max-messages", "0"])
    assert code == 0
    assert [signal.getsignal(number) for number in numbers] == before
