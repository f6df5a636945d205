"""Requests of administrators, held to a real Kafka's answers one by one (tests/data/admin_requests.jsonl, and
drawn ones in hunted_admin_requests.jsonl), and that what they changed survives a kill -9."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compat_tests.support import Klamm

from .admin_requests import CONFIG, HUNT_CONFIG, HUNTED, AdminConversation, admin_steps
from .raw_client import RawClient
from .topic_requests import Step

BROKER_CONFIG = CONFIG

#: What only reads, and is the same whoever asks and when.
READS = frozenset(
    {
        *("DescribeConfigs", "DescribeClientQuotas", "DescribeUserScramCredentials", "ListConfigResources"),
        *("DescribeLogDirs", "ListOffsets", "DescribeTopicPartitions", "OffsetFetch"),
    }
)


def questions() -> list[Step]:
    """The reading requests of the table, each once."""
    found = {}
    for step in admin_steps():
        if step.api in READS:
            found[step.api, step.version, json.dumps(step.request)] = step
    return list(found.values())


@pytest.mark.behaviour("25")
@pytest.mark.behaviour("46")
@pytest.mark.behaviour("group-deletion")
@pytest.mark.behaviour("delete-records")
def test_every_answer_is_that_of_kafka_and_outlives_a_kill(klamm: Klamm) -> None:
    with RawClient(klamm.bootstrap_servers) as client:
        conversation = AdminConversation(client.request)
        answers = [(step, conversation.run(step)) for step in admin_steps()]
        assert len(answers) > 500
        for step, answer in answers:
            assert answer == step.response, step
        before = [conversation.run(step) for step in questions()]
    klamm.kill()
    klamm.start()
    with RawClient(klamm.bootstrap_servers) as client:
        conversation = AdminConversation(client.request)
        after = [conversation.run(step) for step in questions()]
    for step, was, found in zip(questions(), before, after, strict=True):
        # The broker was killed: it leads in a new epoch.
        assert without_epochs(found) == without_epochs(was), step


def test_every_answer_to_a_drawn_request_is_that_of_kafka(tmp_path: Path) -> None:
    broker = Klamm(tmp_path, config=HUNT_CONFIG)
    try:
        with RawClient(broker.bootstrap_servers) as client:
            conversation = AdminConversation(client.request)
            drawn = list(admin_steps(HUNTED))
            assert len(drawn) > 500
            for step in drawn:
                assert conversation.run(step) == step.response, step
    finally:
        broker.stop()


def without_epochs(answer: object) -> object:
    if isinstance(answer, list):
        return [without_epochs(item) for item in answer]
    if isinstance(answer, dict):
        return {key: without_epochs(item) for key, item in answer.items() if key != "leaderEpoch"}
    return answer
