"""Builds the application before the first test."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from ..java.jvm import build

HERE = Path(__file__).resolve().parent


def pytest_collection_finish(session: pytest.Session) -> None:
    # On a new machine Maven fetches Streams and its RocksDB: longer than a test may take. The tests tell of a failure.
    if not session.config.option.collectonly and any(item.path.is_relative_to(HERE) for item in session.items):
        with contextlib.suppress(RuntimeError):
            build(HERE)
