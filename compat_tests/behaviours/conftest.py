"""A real Kafka for the tests of this folder; without a JDK and Maven each of them says so and is skipped."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ..kafka_peer import peer

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # the steps and the raw client stand in tests/broker

#: After a kill -9 Kafka refuses its own broker until the dead one's session has timed out: 9 s by default.
CONFIG = {"broker.session.timeout.ms": "1500", "broker.heartbeat.interval.ms": "300"}
#: Small and quick to start: it is asked for answers here, not for speed.
JVM = ("-Xmx512M", "-XX:TieredStopAtLevel=1")


@contextmanager
def _started(directory: Path) -> Iterator[peer.RealKafka]:
    reason = peer.missing()
    if reason:
        pytest.skip(f"no real Kafka: {reason}")
    try:
        broker = peer.RealKafka(directory, config=CONFIG, jvm=JVM)
    except peer.PeerUnavailableError as error:
        pytest.skip(f"no real Kafka: {error}")
    with broker:
        yield broker


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[peer.RealKafka]:
    with _started(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture
def fresh_kafka(tmp_path: Path) -> Iterator[peer.RealKafka]:
    """One that nobody has asked for anything."""
    with _started(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def restartable(kafka: peer.RealKafka) -> peer.RealKafka:
    """A broker that the test may kill and start again."""
    return kafka


@pytest.fixture(scope="session")
def address(kafka: peer.RealKafka) -> str:
    """host:port"""
    return kafka.bootstrap_servers
