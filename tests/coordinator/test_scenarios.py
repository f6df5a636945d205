"""The scenarios: what is told must be what the file says. `--record` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest

from .story import play

FOLDER = Path(__file__).parent / "scenarios"

#: Each file and the lines of docs/behaviours.md that it proves.
STORIES = {
    "31_member_id_required": [pytest.mark.behaviour("31")],
    "32_static_members": [pytest.mark.behaviour("32")],
    "33_evictions": [pytest.mark.behaviour("33")],
    "34_commits": [pytest.mark.behaviour("34")],
    "47_initial_rebalance_delay": [pytest.mark.behaviour("47")],
    "48_what_is_written": [pytest.mark.behaviour("48")],
    "dead_groups": [pytest.mark.behaviour("dead-groups")],
    "deletion": [pytest.mark.behaviour("group-deletion")],
    "expiry": [],
    "failed_appends": [],
    "high_watermark": [],
    "limits": [],
    "lost_leader": [],
    "pending_offsets": [pytest.mark.behaviour("30")],
    "rebalance": [],
    "votes": [],
}


def test_every_scenario_is_played() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.txt")) == sorted(STORIES)


@pytest.mark.parametrize("name", [pytest.param(name, marks=marks) for name, marks in STORIES.items()])
def test_scenario(name: str, request: pytest.FixtureRequest) -> None:
    path = FOLDER / f"{name}.txt"
    written, played, _ = play(path)
    if request.config.getoption("record", default=False):
        path.write_text(played)
    else:
        assert played == written
