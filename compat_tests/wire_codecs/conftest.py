"""The jars, or an honest skip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ..kafka_peer import peer
from . import jars


def _or_skip(ask: Any) -> Any:
    try:
        return ask()
    except peer.PeerUnavailableError as error:
        pytest.skip(f"wire_codecs: {error}")


@pytest.fixture(scope="session")
def current_jars() -> list[Path]:
    """Kafka 4.3.1's jars."""
    found: list[Path] = _or_skip(jars.current_jars)
    return found


@pytest.fixture(scope="session")
def old_clients() -> Path:
    """The clients of 3.9.2."""
    found: Path = _or_skip(jars.old_clients)
    return found
