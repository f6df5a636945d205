"""One JVM for the suite, and the clients of one test."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import Broker
from .clients import Java
from .jvm import Program, build

HERE = Path(__file__).resolve().parent


def pytest_collection_finish(session: pytest.Session) -> None:
    # Before the first test: on a new machine Maven fetches the client, which takes longer than a test may.
    # A failure is told by the tests, which build again.
    if not session.config.option.collectonly and any(item.path.is_relative_to(HERE) for item in session.items):
        with contextlib.suppress(RuntimeError):
            build(HERE)


@pytest.fixture(scope="package")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(HERE, "klamm.compat.Main", tmp_path_factory.mktemp("java") / "stderr.log") as running:
        yield running


@pytest.fixture
def java(program: Program, broker: Broker) -> Iterator[Java]:
    """Java clients of the module's broker, closed after the test."""
    clients = Java(program, broker)
    yield clients
    clients.close()
