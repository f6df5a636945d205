"""Scenarios are recorded again with `--record`; look at the difference before you commit it."""

from __future__ import annotations

import pytest

from .bench import check_table_rows


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record", action="store_true", help="write what coordinator scenarios say now into their files")


@pytest.fixture(autouse=True)
def held_to_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every event leads where its row says."""
    check_table_rows(monkeypatch)
