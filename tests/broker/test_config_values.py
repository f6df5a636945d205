"""Values of configs, and .properties files, held to the answers of Kafka 4.3.1's classes (data/config_values.tsv)."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klamm.broker.config.definitions import BROKER, CLIENT_METRICS, GROUP, TOPIC
from klamm.broker.config.kinds import InvalidValue, Key, Type, format_value, parse
from klamm.broker.config.sources import parse_properties

ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests/data/config_values.tsv"
SCOPES = {"B": BROKER, "T": TOPIC, "G": GROUP, "C": CLIENT_METRICS}


def recorded_rows() -> list[list[str]]:
    """[scope, name, value, OK or ERR, value or message] of each line, decoded."""
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    return [[unquote_plus(field) for field in line.split("\t")] for line in lines]


def our_answer(key: Key, text: str) -> list[str]:
    try:
        value = parse(key, text)
    except InvalidValue as error:
        return ["ERR", str(error)]
    return ["OK", "" if key.type is Type.PASSWORD else str(format_value(value))]


@pytest.mark.parametrize("scope", SCOPES)
def test_each_recorded_value_is_taken_or_refused_in_kafkas_words(scope: str) -> None:
    rows = [row for row in recorded_rows() if row[0] == scope]
    wrong = [
        (name, value, answer, our_answer(SCOPES[scope][name], value))
        for _, name, value, *answer in rows
        if our_answer(SCOPES[scope][name], value) != answer
    ]
    assert rows
    assert wrong == []


def test_every_config_but_class_names_has_recorded_values() -> None:
    seen = {(row[0], row[1]) for row in recorded_rows()}
    missing = [
        key.name
        for scope, keys in SCOPES.items()
        for key in keys.values()
        if key.type is not Type.CLASS and (scope, key.name) not in seen and not key.name.startswith("klamm.")
    ]
    assert missing == []


def test_properties_files_are_read_as_java_reads_them() -> None:
    rows = [line.split("\t") for line in RECORDED.read_text(encoding="utf-8").splitlines() if line.startswith("P")]
    assert len(rows) > 30
    for _, _, text, outcome, *expected in rows:
        source = unquote_plus(text)
        if outcome == "ERR":
            with pytest.raises(ValueError, match="Malformed"):
                parse_properties(source)
        else:
            found = parse_properties(source)
            pairs = [f"{quote_plus(name)}={quote_plus(value)}" for name, value in sorted(found.items())]
            assert pairs == [f"{quote_plus(unquote_plus(a))}={quote_plus(unquote_plus(b))}" for a, b in split(expected)]


def split(pairs: list[str]) -> list[tuple[str, str]]:
    return [(name, value) for name, _, value in (pair.partition("=") for pair in pairs)]


@pytest.mark.oracle
def test_the_recording_is_what_kafka_answers_today() -> None:
    peer = kafka_peer()
    if peer.missing():
        pytest.skip(peer.missing())
    lines = RECORDED.read_text(encoding="utf-8").splitlines()
    questions = "".join("\t".join(line.split("\t")[:3]) + "\n" for line in lines)
    command = peer.java_command(str(ROOT / "tests/data/ConfigAnswers.java"))
    done = subprocess.run(command, input=questions.encode(), capture_output=True, timeout=120, check=True)
    assert done.stdout.decode().splitlines() == lines


def kafka_peer() -> Any:
    spec = importlib.util.spec_from_file_location("kafka_peer_starter", ROOT / "compat_tests/kafka_peer/peer.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


numbers = st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: abs(number) < 1e300)


@given(numbers)
def test_a_double_survives_its_text(number: float) -> None:
    key = BROKER["log.cleaner.io.buffer.load.factor"]
    text = format_value(number)
    assert text is not None
    assert parse(key, text) == number
    assert "." in text
    assert ("E" in text) == (number != 0 and not 1e-3 <= abs(number) < 1e7)


@given(st.text(max_size=60))
def test_any_text_is_read_as_properties_or_refused(text: str) -> None:
    try:
        found = parse_properties(text)
    except ValueError:
        assert "\\u" in text
    else:
        assert len(found) <= text.count("\n") + text.count("\r") + 1


every_key = st.sampled_from([key for keys in SCOPES.values() for key in keys.values()])
like_numbers = st.text("+-.0123456789eE", max_size=20)


@given(every_key, st.one_of(st.text(max_size=30), like_numbers))
def test_any_value_is_taken_or_refused_and_its_text_means_the_same(key: Key, text: str) -> None:
    try:
        value = parse(key, text)
    except InvalidValue:
        return
    assert parse(key, format_value(value)) == value


def test_a_number_of_ten_thousand_digits_is_refused() -> None:
    with pytest.raises(InvalidValue, match="Not a number of type LONG"):
        parse(TOPIC["retention.ms"], "9" * 10_000)


escaped = st.text(st.characters(max_codepoint=0xFF), min_size=1, max_size=20)


@given(st.dictionaries(escaped, escaped, max_size=5))
def test_what_is_escaped_comes_back(properties: dict[str, str]) -> None:
    def write(text: str) -> str:
        return "".join(f"\\u{ord(letter):04x}" for letter in text)

    assert parse_properties("\n".join(f"{write(k)}={write(v)}" for k, v in properties.items())) == properties
