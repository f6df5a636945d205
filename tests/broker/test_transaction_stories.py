"""Stories of transactions: klamm answers as the files say, which is as a real Kafka answers."""

from __future__ import annotations

import pytest

from .transaction_story import FOLDER, play

#: Each file and the lines of docs/behaviours.md that it proves.
STORIES = {
    "27_init": [pytest.mark.behaviour("27"), pytest.mark.behaviour("kip-360")],
    "29_partitions": [pytest.mark.behaviour("29")],
    "30_offsets": [pytest.mark.behaviour("30")],
    "40_markers": [pytest.mark.behaviour("40"), pytest.mark.behaviour("26")],
    "shared_id": [],
}


def test_every_story_is_told() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(STORIES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks) for name, marks in STORIES.items()])
def test_story(name: str, address: str) -> None:
    written, told = play(FOLDER / f"{name}.txt", address)
    assert told == written
