"""The scenarios of consumer groups: what is told must be what the file says. `--record` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from .consumer_story import play

FOLDER = Path(__file__).parent / "consumer_scenarios"


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_scenario(name: str, request: pytest.FixtureRequest) -> None:
    path = FOLDER / f"{name}.txt"
    written, played = play(path)
    if request.config.getoption("record", default=False):
        path.write_text(played, encoding="utf-8")
    else:
        assert played == written
