"""Asks two fresh brokers the same admin requests, drawn from a seed (hunt.py), and prints where their answers differ.

    python -m compat_tests.behaviours.hunt_admin_requests KAFKA_HOST:PORT KLAMM_HOST:PORT SEED COUNT

Both have the settings of tests.broker.admin_requests.HUNT_CONFIG. Kafka's broker hears of some changes after its
controller has answered: what only reads, or may be said again, is asked again until the answers agree, or time is up.
Lists whose order is that of a hash are compared without it. A closed connection is an answer too.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator
from typing import Any, Final

from klamm.wire.declare import Message
from tests.broker.admin_requests import AdminConversation
from tests.broker.raw_client import ClosedError, RawClient
from tests.broker.topic_requests import Step

from .hunt import hunted, swept
from .hunt_preparation import prepared
from .record_admin_requests import PASSING, REPEATABLE, without_eligible_leader_replicas

#: What may be asked again: it changes nothing more.
RETRIED: Final = REPEATABLE | {"ElectLeaders", "AlterReplicaLogDirs"}
SETTLES_S: Final = 5.0
CLOSED: Final = {"connection": "closed"}


class Asker:
    """A broker that is asked again on a new connection when it has closed the last one."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = RawClient(address)
        self._conversation = AdminConversation(self._ask)

    def _ask(self, message: Message, version: int) -> Message:
        answer: Message = self._client.request(message, version)
        return answer

    def answer(self, step: Step) -> dict[str, Any]:
        """The masked answer, or CLOSED."""
        try:
            return self._conversation.run(step)
        except ClosedError:
            self.close()
            self._client = RawClient(self._address)
            return CLOSED

    def close(self) -> None:
        self._client.close()


def differences(kafka: str, klamm: str, seed: int, count: int) -> Iterator[tuple[Step, dict[str, Any], dict[str, Any]]]:
    """(step, Kafka's answer, klamm's) where they differ."""
    with RawClient(kafka) as client:
        without_eligible_leader_replicas(client)
    theirs, ours = Asker(kafka), Asker(klamm)
    try:
        for step in itertools.chain(prepared(), swept(), hunted(seed, count)):
            expected, answer = theirs.answer(step), ours.answer(step)
            deadline = time.monotonic() + SETTLES_S
            while (
                expected != answer
                and (step.api in RETRIED or expected.get("errorCode") in PASSING)
                and time.monotonic() < deadline
            ):
                time.sleep(0.05)
                expected = theirs.answer(step)
            if expected != answer:
                yield step, expected, answer
    finally:
        theirs.close()
        ours.close()


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    found = 0
    for step, expected, answer in differences(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])):
        found += 1
        print(f"{step} {json.dumps(step.request)}\n    Kafka: {json.dumps(expected)}\n    klamm: {json.dumps(answer)}")
    sys.exit(f"{found} answers differ" if found else None)


if __name__ == "__main__":
    main()
