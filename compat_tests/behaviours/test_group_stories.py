"""Stories of consumer groups and of transactions: a real Kafka answers as the files say, and so does klamm."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from compat_tests.support import Broker
from tests.broker import transaction_story
from tests.broker.group_story import CONFIG, FOLDER, play


@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_every_answer_is_that_of_kafka(
    start_broker: Callable[[Mapping[str, str]], Broker], broker_kind: str, name: str
) -> None:
    written, told = play(FOLDER / f"{name}.txt", start_broker(CONFIG).bootstrap_servers)
    assert told == written


@pytest.mark.oracle
@pytest.mark.parametrize("name", sorted(path.stem for path in transaction_story.FOLDER.glob("*.txt")))
def test_every_answer_about_transactions_is_that_of_kafka(
    start_broker: Callable[[Mapping[str, str]], Broker], broker_kind: str, name: str
) -> None:
    path = transaction_story.FOLDER / f"{name}.txt"
    written, told = transaction_story.play(path, start_broker(CONFIG).bootstrap_servers)
    assert told == written
