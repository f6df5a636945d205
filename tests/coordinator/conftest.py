"""Scenarios are recorded again with `--record`; look at the difference before you commit it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .bench import check_table_rows
from .site import Site


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write what coordinator scenarios say now into their files")


@pytest.fixture(autouse=True)
def held_to_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event leads where its row says."""
    check_table_rows(monkeypatch)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "data")
    yield made
    made.stop()


@pytest.fixture
def ready(site: Site) -> Site:
    """With the topic t of two partitions, and the coordinators' topic."""
    site.create("t", 2)
    assert site.find("g").coordinators[0].error_code == 0
    return site
