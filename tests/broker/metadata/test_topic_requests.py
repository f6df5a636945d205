"""The handlers' answers held to a real Kafka's, request by request (tests/data/topic_requests.jsonl)."""

from __future__ import annotations

from typing import Any

import pytest

from ..topic_requests import Conversation, steps


@pytest.mark.behaviour("42")
@pytest.mark.behaviour("44")
def test_every_answer_is_that_of_kafka(broker: Any) -> None:
    """But for those that depend on the real topic configs, which the same table proves over a socket."""
    conversation = Conversation(broker.ask)
    answers = [(step, conversation.run(step)) for step in steps()]
    compared = [(step, answer) for step, answer in answers if not step.config]
    assert len(compared) > 100
    assert {str(step): answer for step, answer in compared} == {str(step): step.response for step, _ in compared}
