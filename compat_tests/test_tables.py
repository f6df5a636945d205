"""The tables that the suites share say what they claim to."""

from __future__ import annotations

import pytest

from .conftest import CLIENTS, HERE
from .support import CODECS, sample_records, unique


def test_codecs_are_those_of_the_record_batch() -> None:
    assert CODECS == ("none", "gzip", "snappy", "lz4", "zstd")


@pytest.mark.parametrize("client", sorted(CLIENTS.keys() - {"kafka_peer", "kill"}))
def test_every_client_has_tests_and_findings(client: str) -> None:
    assert list((HERE / client).glob("test_*.py"))
    assert (HERE / client / "FINDINGS.md").exists()


def test_sample_records_cover_what_gets_lost() -> None:
    records = sample_records(40)
    assert {None, b""} < {key for key, _, _ in records}
    assert {None, b""} < {value for _, value, _ in records}
    assert len({headers[0] for _, _, headers in records}) == 40


def test_unique_names_differ() -> None:
    assert unique("t") != unique("t")
