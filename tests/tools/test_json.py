"""`--json` of every command: JSON and nothing else on standard output, what is wrong on standard error."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import COMMANDS, main
from klamm.tools.completion import words_of
from klamm.tools.console.formatters import java_number

DOCS = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
LIMIT_S = 60

#: Command -> its command lines, in which ADDRESS, FOLDER, FILE and SETTINGS stand for the broker's address, its data
#: folder, a file that names partition t-0, and a server.properties. The topic t has ten records.
LINES: dict[str, list[str]] = {
    "storage": [
        "random-uuid",
        "format --config SETTINGS --cluster-id MkU3OEVBNTcwNTJENDM2Qg",
        "info --config SETTINGS",
        "version-mapping",
        "feature-dependencies --feature transaction.version=2",
    ],
    "config": ["retention.ms", "--differs"],
    "get-offsets": ["--bootstrap-server ADDRESS", "--bootstrap-server ADDRESS --topic t --time earliest"],
    "delete-records": ["--bootstrap-server ADDRESS --offset-json-file FILE"],
    "producer-perf-test": [
        "--bootstrap-server ADDRESS --topic p --num-records 5 --record-size 3 --throughput -1 --warmup-records 2",
        "--bootstrap-server ADDRESS --topic p --num-records 5 --payload-file FILE --throughput -1 --print-metrics",
    ],
    "consumer-perf-test": [
        "--bootstrap-server ADDRESS --topic t --num-records 9",
        "--bootstrap-server ADDRESS --topic t --messages 9 --show-detailed-stats --print-metrics",
    ],
    "topics": [
        "--bootstrap-server ADDRESS --create --topic with.dots_too",
        "--bootstrap-server ADDRESS --list",
        "--bootstrap-server ADDRESS --describe",
        "--bootstrap-server ADDRESS --alter --topic with.dots_too --partitions 3",
        "--bootstrap-server ADDRESS --delete --topic with.dots_too",
    ],
    "configs": [
        "--bootstrap-server ADDRESS --describe --topic t --all",
        "--bootstrap-server ADDRESS --alter --topic t --add-config retention.ms=-1",
        "--bootstrap-server ADDRESS --describe --entity-type users",
    ],
    "consumer-groups": [
        "--bootstrap-server ADDRESS --list --state --type",
        "--bootstrap-server ADDRESS --describe --group g",
        "--bootstrap-server ADDRESS --describe --group g --members --verbose",
        "--bootstrap-server ADDRESS --describe --all-groups --state",
        "--bootstrap-server ADDRESS --reset-offsets --group g --topic t --to-earliest --execute",
        "--bootstrap-server ADDRESS --delete-offsets --group g --topic t",
        "--bootstrap-server ADDRESS --delete --group g --group nosuch",
    ],
    "groups": ["--bootstrap-server ADDRESS --list", "--bootstrap-server ADDRESS --list --share"],
    "client-metrics": [
        "--bootstrap-server ADDRESS --alter --name m --metrics org.apache.kafka.",
        "--bootstrap-server ADDRESS --list",
        "--bootstrap-server ADDRESS --describe",
        "--bootstrap-server ADDRESS --delete --name m",
    ],
    "transactions": [
        "--bootstrap-server ADDRESS list",
        "--bootstrap-server ADDRESS describe-producers --topic t --partition 0",
        "--bootstrap-server ADDRESS find-hanging --topic t",
    ],
    "cluster": ["cluster-id --bootstrap-server ADDRESS", "list-endpoints --bootstrap-server ADDRESS"],
    "features": [
        "--bootstrap-server ADDRESS describe",
        "--bootstrap-server ADDRESS upgrade --metadata 4.3 --dry-run",
        "version-mapping",
        "feature-dependencies --feature transaction.version=2",
    ],
    "metadata-quorum": [
        "--bootstrap-server ADDRESS describe --status",
        "--bootstrap-server ADDRESS describe --replication",
        "--bootstrap-server ADDRESS remove-controller -i 7 -d AAAAAAAAAAAAAAAAAAAAAQ --dry-run",
    ],
    "leader-election": ["--bootstrap-server ADDRESS --election-type preferred --all-topic-partitions"],
    "log-dirs": ["--bootstrap-server ADDRESS --describe"],
    "reassign-partitions": [
        "--bootstrap-server ADDRESS --list",
        "--bootstrap-server ADDRESS --generate --topics-to-move-json-file FILE --broker-list 1",
        "--bootstrap-server ADDRESS --execute --reassignment-json-file FILE",
        "--bootstrap-server ADDRESS --verify --reassignment-json-file FILE",
        "--bootstrap-server ADDRESS --cancel --reassignment-json-file FILE",
    ],
}
#: Those that print an object a line.
MANY: dict[str, list[str]] = {
    "console-producer": ["--bootstrap-server ADDRESS --topic p", "--bootstrap-server ADDRESS --topic p --sync"],
    "console-consumer": ["--bootstrap-server ADDRESS --topic t --from-beginning --max-messages 10 --property x=y"],
    "dump-log": ["--files FOLDER/t-0/00000000000000000000.log --deep-iteration"],
    "log": ["verify FOLDER"],
}


def told() -> dict[str, str]:
    """Command -> what the table at the head of docs/commands.md says of its --json."""
    found = {}
    text_of_docs = DOCS.read_text(encoding="utf-8")
    for names, text in re.findall(r"^\| (`[^|]+`) \| ([^|]+) \| [^|]+ \|$", text_of_docs, re.MULTILINE):
        for name in re.findall(r"`([^`]+)`", names):
            found[name.removesuffix(" verify")] = text
    return found


def test_the_docs_say_of_every_command_whether_it_speaks_json() -> None:
    rows = told()
    assert set(COMMANDS) - rows.keys() == set()
    assert {name for name in COMMANDS if rows[name].startswith("yes")} == LINES.keys() | MANY.keys()
    assert {name for name in COMMANDS if "an object a line" in rows[name]} == MANY.keys()
    without = {name for name in COMMANDS if not rows[name].startswith("yes")}
    assert {name for name in without if any(word.text == "--json" for word in words_of(name))} == set()


@pytest.fixture
def named(klamm: Callable[..., Any], tmp_path: Path) -> Callable[[str], list[str]]:
    """named(line): the words of a line of the tables."""
    broker = klamm("serve", "--port", "0", "--data", tmp_path / "data", "--topic", "t:1", "--topic", "p:2")
    address = broker.listening()
    file = tmp_path / "file.json"
    row = {"topic": "t", "partition": 0, "offset": 1, "replicas": [1]}
    file.write_text(json.dumps({"version": 1, "partitions": [row], "topics": [{"topic": "t"}]}))
    settings = tmp_path / "server.properties"
    settings.write_text(f"log.dirs={tmp_path / 'formatted'}\nnode.id=1\nprocess.roles=broker,controller\n")
    values = {"ADDRESS": address, "FOLDER": tmp_path / "data", "FILE": file, "SETTINGS": settings}
    command(["console-producer", "--bootstrap-server", address, "--topic", "t"], "".join(f"{n}\n" for n in range(10)))
    reading = f"console-consumer --bootstrap-server {address} --topic t --group g --from-beginning --max-messages 10"
    assert command(reading.split(), "").returncode == 0
    return lambda line: re.sub("|".join(values), lambda found: str(values[found[0]]), line).split()


def command(words: list[str], stdin: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "klamm", *words], input=stdin, capture_output=True, text=True, timeout=LIMIT_S
    )


def test_every_command_prints_one_value(named: Callable[[str], list[str]], capsys: pytest.CaptureFixture[str]) -> None:
    for name, lines in LINES.items():
        for line in lines:
            words = named(line)
            main([name, *words, "--json"])
            out = capsys.readouterr().out
            assert out.count("\n") == 1, (name, line, out)
            json.loads(out)


def test_some_print_an_object_a_line(named: Callable[[str], list[str]]) -> None:
    for name, lines in MANY.items():
        for line in lines:
            done = command([name, *named(line), "--json"], "a\nb\n")
            assert done.returncode == 0 or name == "log", done.stderr
            assert all(isinstance(json.loads(row), dict) for row in done.stdout.splitlines()), done.stdout
            # A data folder without a fault has no findings.
            assert done.stdout or name == "log"


@pytest.mark.parametrize("name", sorted(LINES.keys() | MANY.keys()))
def test_what_is_wrong_is_said_on_standard_error(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = main([name, "--nosuch", "--json"])
    found = capsys.readouterr()
    assert (code in (1, 2), found.out) == (True, "")
    assert found.err


# --- records ------------------------------------------------------------------------------------------------------

PARTS = ("key", "value", "valueBase64", "headers")
KEYED = ("--reader-property", "parse.key=true", "--reader-property", "null.marker=-", "--reader-property")


def test_records_come_back_as_json(named: Callable[[str], list[str]]) -> None:
    where = named("--bootstrap-server ADDRESS --topic p")
    stdin = "h:x,i:-\tk\tväl\n-\t-\t-\n-\tk\t\udcff\udcfe\n"
    done = subprocess.run(
        [sys.executable, "-m", "klamm", "console-producer", *where, *KEYED, "parse.headers=true", "--json"],
        input=stdin.encode(errors="surrogateescape"),
        capture_output=True,
        timeout=LIMIT_S,
    )
    places = [json.loads(row) for row in done.stdout.splitlines()]
    assert {(row["topic"], tuple(row)) for row in places} == {("p", ("topic", "partition", "offset", "timestamp"))}
    read = command(["console-consumer", *where, "--from-beginning", "--max-messages", "3", "--json"], "")
    found = [json.loads(row) for row in read.stdout.splitlines()]
    at = {(row["partition"], row["offset"], row["timestamp"]) for row in places}
    assert {(row["partition"], row["offset"], row["timestamp"]) for row in found} == at
    assert {row["timestampType"] for row in found} == {"CreateTime"}
    parts = [{name: value for name, value in row.items() if name in PARTS} for row in found]
    expected = [
        {"key": "k", "value": "väl", "headers": [{"key": "h", "value": "x"}, {"key": "i", "value": None}]},
        {"key": None, "value": None, "headers": []},
        {"key": "k", "valueBase64": "//4=", "headers": []},
    ]
    assert sorted(map(json.dumps, parts)) == sorted(map(json.dumps, expected))


def test_deserializers_make_values(named: Callable[[str], list[str]]) -> None:
    where = named("--bootstrap-server ADDRESS --topic t")
    class_name = "org.apache.kafka.common.serialization.{}Deserializer"
    assert command(["console-producer", *where], "\0\0\0\7\n").returncode == 0
    last = ["--partition", "0", "--offset", "10", "--max-messages", "1", "--json"]
    for kind, value in (("Integer", 7), ("Bytes", r"\x00\x00\x00\x07")):
        done = command(["console-consumer", *where, *last, "--value-deserializer", class_name.format(kind)], "")
        assert json.loads(done.stdout)["value"] == value
    assert (
        command(["console-consumer", *where, *last, "--value-deserializer", class_name.format("Long")], "").stdout == ""
    )


def test_numbers_are_written_as_java_writes_them() -> None:
    floats = {0.10000000149011612: "0.1", 1.0: "1.0", 1e10: "1.0E10", float("inf"): "Infinity"}
    assert {value: java_number(value, ">f") for value in floats} == floats
    doubles = {0.1: "0.1", 12345678.9: "1.23456789E7", -1e-300: "-1.0E-300", 0.0: "0.0"}
    assert {value: java_number(value, ">d") for value in doubles} == doubles


def test_a_lost_record_is_an_object_too(named: Callable[[str], list[str]]) -> None:
    where = named("--bootstrap-server ADDRESS --topic p --command-property max.request.size=100")
    done = command(["console-producer", *where, "--json"], "short\n" + "long" * 50 + "\n")
    rows = [json.loads(row) for row in done.stdout.splitlines()]
    assert sorted("error" in row for row in rows) == [False, True]
    assert "RecordTooLargeException: The message is 286 bytes when serialized" in str(rows)
    assert "RecordTooLargeException" in done.stderr
