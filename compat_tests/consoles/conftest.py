"""One broker a module, filled with what the tools look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ..support import Broker
from .world import filled


@pytest.fixture(scope="module")
def _filled(_module_broker: Broker) -> Iterator[None]:
    with filled(_module_broker):
        yield


@pytest.fixture
def address(broker: Broker, _filled: None) -> str:
    return broker.bootstrap_servers
