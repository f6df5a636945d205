"""The scenarios of transactions: what is told must be what the file says. `--record` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from .transaction_story import play

FOLDER = Path(__file__).parent / "transaction_scenarios"

#: Each file and the lines of docs/behaviours.md that it proves.
STORIES = {
    "11_fencing": [pytest.mark.behaviour("11")],
    "26_init_aborts": [pytest.mark.behaviour("26")],
    "28_end_again": [pytest.mark.behaviour("28")],
    "crashes": [],
    "exhausted_epochs": [],
    "failed_appends": [],
    "high_watermark": [],
    "kip_360": [pytest.mark.behaviour("kip-360")],
    "timeouts": [],
}


def test_every_scenario_is_played() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(STORIES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks) for name, marks in STORIES.items()])
def test_scenario(name: str, request: pytest.FixtureRequest) -> None:
    path = FOLDER / f"{name}.txt"
    written, played = play(path)
    if request.config.getoption("record", default=False):
        path.write_text(played, encoding="utf-8")
    else:
        assert played == written
