"""The parts of the console commands that need no broker."""

from __future__ import annotations

import json
import struct

import pytest

from klamm.tools.console import formatters, lines, options, partitioner
from klamm.tools.console.member import assign_range
from klamm.wire.codec import encode
from klamm.wire.log_records.classic_group import OffsetCommitKey, OffsetCommitValue
from klamm.wire.log_records.transaction import TransactionLogKey, TransactionLogValue
from klamm.wire.records import Record

TABLE = (
    options.Option("topic", "string", "a topic"),
    options.Option("timeout", "long", "a time", 1000),
    options.Option("timeout-ms", "long", "another time"),
    options.Option("state", "optional", "states"),
    options.Option("sync", "flag", "at once"),
)


@pytest.mark.parametrize(
    ("words", "name", "expected"),
    [
        (["--topic", "t"], "topic", ["t"]),
        (["--topic=t"], "topic", ["t"]),
        (["-topic", "t"], "topic", ["t"]),
        (["--to", "t"], "topic", ["t"]),
        (["--topic", "a", "--topic", "b"], "topic", ["a", "b"]),
        (["--topic", "a", "stray", "words"], "topic", ["a"]),
        (["--topic", "-"], "topic", ["-"]),
        (["--timeout", "-1"], "timeout", [-1]),
        (["--state", "Stable,Empty"], "state", ["Stable,Empty"]),
        (["--state", "--sync"], "state", []),
        (["--sync", "--", "--topic", "t"], "topic", []),
    ],
)
def test_options_are_read_as_jopt_simple_reads_them(words: list[str], name: str, expected: list[object]) -> None:
    assert options.parse(TABLE, words).all(name) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--nosuch"], "nosuch is not a recognized option"),
        (["--ti", "1"], "ti is not a recognized option"),
        (["--topic"], "Option topic requires an argument"),
        (["--sync=1"], "Option sync does not accept an argument"),
        (["--timeout", "soon"], "Cannot parse argument 'soon' of option timeout"),
        (["--timeout", str(2**63)], f"Cannot parse argument '{2**63}' of option timeout"),
    ],
)
def test_a_wrong_command_line_is_refused_in_jopt_simples_words(words: list[str], message: str) -> None:
    with pytest.raises(options.OptionsError) as error:
        options.parse(TABLE, words)
    assert str(error.value) == message


def test_a_default_stands_where_an_option_does_not() -> None:
    found = options.parse(TABLE, ["--state"])
    assert (found.last("timeout"), found.last("topic"), found.has("state")) == (1000, None, True)


def test_zookeeper_stands_for_the_broker(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("KLAMM_BOOTSTRAP", "here:1")
    found = options.parse((options.ZOOKEEPER,), ["--zookeeper", "localhost:2181/kafka"])
    assert options.bootstrap(found, "bootstrap-server") == "here:1"
    assert capsys.readouterr().err.count("\n") == 1


KEYED = {"parse.key": "true", "parse.headers": "true", "null.marker": "NULL"}


@pytest.mark.parametrize(
    ("properties", "line", "expected"),
    [
        ({}, "a\tb", Record(value=b"a\tb")),
        ({"parse.key": "TRUE "}, "a\tb", Record(key=b"a", value=b"b")),
        (KEYED, "h:1,i:NULL\tk\tNULL", Record(key=b"k", headers=(("h", b"1"), ("i", None)))),
        (KEYED, "NULL\tNULL\tv", Record(value=b"v")),
        ({"parse.key": "true", "ignore.error": "true"}, "alone", Record(value=b"alone")),
        ({"parse.headers": "true", "ignore.error": "true"}, "h\tv", Record(value=b"v", headers=(("h", None),))),
        ({"parse.key": "true", "key.separator": "::"}, "k:::v", Record(key=b"k", value=b":v")),
        ({}, "\udcff", Record(value=b"\xff")),
    ],
)
def test_lines_become_records(properties: dict[str, str], line: str, expected: Record) -> None:
    assert lines.parse_line(line, 1, lines.settings(properties)) == expected


@pytest.mark.parametrize(
    ("properties", "line", "message"),
    [
        ({"parse.key": "true"}, "alone", "No key separator found on line number 7: 'alone'"),
        (KEYED, "\tk\tv", "No header key separator found in pair '' on line number 7"),
        (KEYED, "NULL:1\tk\tv", "Header keys should not be equal to the null marker 'NULL' as they can't be null"),
    ],
)
def test_a_line_that_does_not_fit_is_refused(properties: dict[str, str], line: str, message: str) -> None:
    with pytest.raises(lines.LineError) as error:
        lines.parse_line(line, 7, lines.settings(properties))
    assert str(error.value) == message


def test_separators_must_differ() -> None:
    with pytest.raises(lines.LineError, match=r"null\.marker and key\.separator may not be equal"):
        lines.settings({"null.marker": "\t"})


# org.apache.kafka.common.utils.UtilsTest.testMurmur2 of Kafka has these.
@pytest.mark.parametrize(
    ("data", "signed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_murmur2_is_kafkas(data: bytes, signed: int) -> None:
    assert partitioner.murmur2(data) == signed % 2**32


def test_range_gives_runs_of_partitions() -> None:
    assigned = assign_range({"a": ["t", "u"], "b": ["t"], "c": ["t"]}, {"t": 4, "u": 1})
    assert assigned == {"a": [("t", 0), ("t", 1), ("u", 0)], "b": [("t", 2)], "c": [("t", 3)]}


SHOWN = formatters.Shown("t", 3, Record(b"k", None, (("h", b"1"), ("i", None)), 17, 5))


@pytest.mark.parametrize(
    ("properties", "line"),
    [
        ({}, b"null\n"),
        (
            {f"print.{name}": "true" for name in ("timestamp", "partition", "offset", "headers", "key")},
            b"CreateTime:17\tPartition:3\tOffset:5\th:1,i:null\tk\tnull\n",
        ),
        ({"print.key": "true", "print.value": "false", "key.separator": "|"}, b"k\n"),
        ({"null.literal": "-", "line.separator": ";"}, b"-;"),
        ({"print.value": "false"}, b""),
        ({"print.epoch": "true", "print.delivery": "true"}, b"Delivery:NOT_PRESENT\tEpoch:NOT_PRESENT\tnull\n"),
    ],
)
def test_the_default_formatter_shows_what_its_properties_say(properties: dict[str, str], line: bytes) -> None:
    assert formatters.formatter(formatters.DEFAULT, properties)(SHOWN) == line


def test_deserializers_show_numbers() -> None:
    show = formatters.formatter(
        formatters.DEFAULT, {"value.deserializer": "org.apache.kafka.common.serialization.LongDeserializer"}
    )
    assert show(SHOWN._replace(record=Record(value=struct.pack(">q", -5)))) == b"-5\n"
    with pytest.raises(formatters.FormatterError, match="not 8"):
        show(SHOWN._replace(record=Record(value=b"1")))


def test_what_is_not_there_is_refused_by_name() -> None:
    with pytest.raises(formatters.FormatterError, match=r"org\.example\.Mine"):
        formatters.formatter("org.example.Mine", {})
    with pytest.raises(formatters.FormatterError, match=r"org\.example\.Mine"):
        formatters.formatter(formatters.DEFAULT, {"key.deserializer": "org.example.Mine"})


def test_commits_and_transactions_are_shown_as_json() -> None:
    key = b"\0\1" + encode(OffsetCommitKey(group="g", topic="t", partition=2), 0)
    value = b"\0\3" + encode(OffsetCommitValue(offset=9, metadata="", commit_timestamp=11), 3)
    offsets = formatters.formatter("org.apache.kafka.tools.consumer.OffsetsMessageFormatter", {})
    assert json.loads(offsets(SHOWN._replace(record=Record(key, value)))) == {
        "key": {"type": 1, "data": {"group": "g", "topic": "t", "partition": 2}},
        "value": {"version": 3, "data": {"offset": 9, "leaderEpoch": -1, "metadata": "", "commitTimestamp": 11}},
    }
    assert json.loads(offsets(SHOWN._replace(record=Record(key, None))))["value"] is None
    assert json.loads(offsets(SHOWN._replace(record=Record(key, b"\0\x63"))))["value"] == {
        "version": 99,
        "data": "unknown",
    }
    groups = formatters.formatter("org.apache.kafka.tools.consumer.GroupMetadataMessageFormatter", {})
    assert groups(SHOWN._replace(record=Record(key, value))) == b""
    transactions = formatters.formatter("org.apache.kafka.tools.consumer.TransactionLogMessageFormatter", {})
    state = TransactionLogValue(
        producer_id=1,
        producer_epoch=0,
        transaction_timeout_ms=5,
        transaction_status=0,
        transaction_partitions=None,
        transaction_last_update_timestamp_ms=3,
        transaction_start_timestamp_ms=2,
    )
    record = Record(b"\0\0" + encode(TransactionLogKey(transactional_id="x"), 0), b"\0\0" + encode(state, 0))
    shown = json.loads(transactions(SHOWN._replace(record=record)))
    assert (shown["key"]["data"], shown["value"]["data"]["producerId"]) == ({"transactionalId": "x"}, 1)
