"""Groups move between the protocols, or do not, as group.consumer.migration.policy says; and the limits of groups.

The same commands under each policy, told as a real Kafka 4.3.1 answers them: `python -m tests.coordinator.test_policies
POLICY HOST:PORT` writes the answers of a Kafka with that policy, and `LIMITS`, into the policy's file.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from compat_tests.support import Klamm
from tests.broker.group_story import CONFIG, play

FOLDER = Path(__file__).parent / "policy_stories"
POLICIES = ("disabled", "upgrade", "downgrade", "bidirectional")
LIMITS = {
    "group.max.size": "1",
    "group.consumer.max.size": "2",
    "group.min.session.timeout.ms": "1000",
    "group.max.session.timeout.ms": "10000",
    "group.consumer.assignors": "range",
}


@pytest.mark.parametrize("policy", POLICIES)
def test_policy(policy: str, tmp_path: Path) -> None:
    broker = Klamm(tmp_path, config=CONFIG | LIMITS | {"group.consumer.migration.policy": policy})
    try:
        written, told = play(FOLDER / f"{policy}.txt", broker.bootstrap_servers)
        assert told == written
    finally:
        broker.kill()


if __name__ == "__main__":
    path = FOLDER / f"{sys.argv[1]}.txt"
    path.write_text(play(path, sys.argv[2])[1], encoding="utf-8")
