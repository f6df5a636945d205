"""The tables that the suites share say what they claim to."""

from __future__ import annotations

from .conftest import CLIENTS, HERE
from .support import CODECS, sample_records, unique


def test_codecs_are_those_of_the_record_batch() -> None:
    assert CODECS == ("none", "gzip", "snappy", "lz4", "zstd")


def test_every_suite_has_its_row_and_its_findings() -> None:
    suites = {path.parent.name for path in HERE.glob("*/test_*.py")}
    assert suites <= CLIENTS.keys()
    assert {name for name in suites if not (HERE / name / "FINDINGS.md").exists()} <= {"kafka_peer", "kill"}


def test_sample_records_cover_what_gets_lost() -> None:
    records = sample_records(40)
    assert {None, b""} < {key for key, _, _ in records}
    assert {None, b""} < {value for _, value, _ in records}
    assert len({headers[0] for _, _, headers in records}) == 40


def test_unique_names_differ() -> None:
    assert unique("t") != unique("t")
