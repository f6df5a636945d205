"""One JVM for the suite, and the clients of one test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..support import Broker
from .clients import Java
from .jvm import Program

HERE = Path(__file__).resolve().parent


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    with Program(HERE, "klamm.compat.Main", tmp_path_factory.mktemp("java") / "stderr.log") as running:
        yield running


@pytest.fixture
def java(program: Program, broker: Broker) -> Iterator[Java]:
    """Java clients of the module's broker, closed after the test."""
    clients = Java(program, broker)
    yield clients
    clients.close()
