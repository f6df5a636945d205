"""Kafka's own commands and klamm's on the same broker: the same steps, the same output.

By default the administrators' cases on klamm; with --broker=klamm, kafka or both all cases on it, which takes minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.commands.cases import CASES, COMMANDS_DIFFER
from compat_tests.commands.kafka_tools import KafkaTools
from compat_tests.commands.ours import klamm
from compat_tests.commands.play import play
from compat_tests.kafka_peer import peer
from compat_tests.support import Broker

pytestmark = pytest.mark.skipif(peer.missing() is not None, reason=f"no real Kafka: {peer.missing()}")

#: Without times to wait for: a second or two each.
QUICK = (
    "topics",
    "get-offsets",
    "delete-records",
    "log-dirs",
    "leader-election",
    "configs",
    "reassign-partitions",
    "cluster",
    "features",
)


@pytest.fixture(scope="module")
def tools() -> Iterator[KafkaTools]:
    with KafkaTools() as started:
        yield started


@pytest.mark.bounded(150)
@pytest.mark.parametrize("name", CASES)
def test_the_same_steps_end_alike(
    broker: Broker, tools: KafkaTools, name: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    if name not in QUICK and pytestconfig.getoption("--broker") is None:
        pytest.skip("with --broker only")
    case = CASES[name]
    theirs = play(case, tools.run, klamm, broker.bootstrap_servers, tmp_path)
    ours = play(case, klamm, klamm, broker.bootstrap_servers, tmp_path)
    for step, one, other in zip(case.steps, ours, theirs, strict=True):
        if (name, step.arguments) in COMMANDS_DIFFER:
            # Only in what is said, and where that is a hash table's order not even always.
            assert (one.code, one.out) == (other.code, other.out), step.arguments
        else:
            assert one == other, step.arguments
