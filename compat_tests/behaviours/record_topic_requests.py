"""Writes what a real Kafka answers to the requests of tests/data/topic_requests.jsonl into that file.

    python -m compat_tests.behaviours.record_topic_requests HOST:PORT      of a fresh Kafka with num.partitions=3

A new request is a new line without "response" (see tests/broker/topic_requests.py). Kafka answers some requests before
it has done what they ask, so each is asked until two answers 0.6 s apart are the same.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from tests.broker.raw_client import RawClient
from tests.broker.topic_requests import TABLE, Conversation, Step, steps

READS = ("Metadata", "DescribeCluster", "InitProducerId")


def settled(conversation: Conversation, step: Step, pause_s: float) -> dict[str, Any]:
    """The answer to a step; of one that changes nothing that is given twice, that which has settled."""
    answer = conversation.run(step)
    while step.api in READS:
        time.sleep(pause_s)
        before, answer = answer, conversation.run(step)
        if answer == before:
            break
    return answer


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = []
    with RawClient(sys.argv[1]) as client:
        conversation = Conversation(client.request)
        for step, text in zip(steps(), TABLE.read_text().splitlines(), strict=True):
            lines.append(json.loads(text) | {"response": settled(conversation, step, 0.6)})
    TABLE.write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
    print(f"{len(lines)} answers in {TABLE.name}")


if __name__ == "__main__":
    main()
