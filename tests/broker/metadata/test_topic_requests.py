"""The handlers' answers held to a real Kafka's, request by request (tests/data/topic_requests.jsonl)."""

from __future__ import annotations

from typing import Any

import pytest

from ..topic_requests import Conversation, steps


@pytest.mark.behaviour("42")
@pytest.mark.behaviour("44")
def test_every_answer_is_that_of_kafka(broker: Any) -> None:
    conversation = Conversation(broker.ask)
    answers = [(step, conversation.run(step)) for step in steps()]
    assert len(answers) > 100
    assert {str(step): answer for step, answer in answers} == {str(step): step.response for step, _ in answers}
