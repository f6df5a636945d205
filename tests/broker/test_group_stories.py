"""Stories of consumer groups: klamm answers as the files say, which is as a real Kafka answers."""

from __future__ import annotations

import pytest

from .group_story import CONFIG, FOLDER, play

BROKER_CONFIG = CONFIG

#: Each file and the lines of docs/behaviours.md that it proves.
STORIES = {
    "35_joining": [pytest.mark.behaviour("35")],
    "36_epochs": [pytest.mark.behaviour("36"), pytest.mark.behaviour("37")],
    "37_static_members": [pytest.mark.behaviour("37")],
    "migration": [pytest.mark.behaviour("group-types")],
    "patterns": [],
}


def test_every_story_is_told() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(STORIES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks) for name, marks in STORIES.items()])
def test_story(name: str, address: str) -> None:
    written, told = play(FOLDER / f"{name}.txt", address)
    assert told == written
