"""One klamm process for all tests of a module, configured by the module's BROKER_CONFIG.

Steps that also hold for a real Kafka take only `address`; compat_tests/behaviours gives them a real one.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from compat_tests.support import Broker, Klamm


@pytest.fixture(scope="module")
def klamm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Klamm]:
    """The broker process; what it logged is shown when it ended by itself or logged an internal error."""
    config = getattr(request.module, "BROKER_CONFIG", {})
    broker = Klamm(tmp_path_factory.mktemp("klamm"), config=config)
    yield broker
    alive = broker.running
    broker.stop()
    text = broker.log_path.read_text(errors="replace")
    assert alive, f"klamm ended by itself:\n{text[-3000:]}"
    assert "Traceback (most recent call last)" not in text, f"klamm logged an internal error:\n{text[-3000:]}"


@pytest.fixture(scope="module")
def restartable(klamm: Klamm) -> Broker:
    """A broker that the test may kill and start again."""
    return klamm


@pytest.fixture(scope="module")
def address(klamm: Klamm) -> str:
    """host:port"""
    return klamm.bootstrap_servers
