"""Every line of docs/behaviours.md is proved by a test or waits for a capability that is named as open."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "behaviours.md"

LINE = re.compile(r"^- \*\*(?P<name>[a-z0-9-]+)\.\*\* ")
OPEN = re.compile(r"\[open: (?P<capability>[a-z ]+)\]")
CAPABILITY = re.compile(r"^- (?P<capability>[a-z ]+): ")


def sections() -> tuple[str, str]:
    """The document's lines of behaviour, and its list of open capabilities."""
    behaviours, title, capabilities = DOCUMENT.read_text().partition("\n## Open capabilities\n")
    assert title
    return behaviours, capabilities


def behaviours() -> dict[str, set[str]]:
    """Name or number of a line -> the open capabilities that it names."""
    found: dict[str, set[str]] = {}
    text, _ = sections()
    for item in re.split(r"\n(?=- |## )", text):
        match = LINE.match(item)
        if match is None:
            assert not item.startswith("- "), f"an item without a number or a name: {item[:60]}"
            continue
        assert match["name"] not in found, f"{match['name']} stands twice"
        found[match["name"]] = set(OPEN.findall(item))
    return found


def open_capabilities() -> set[str]:
    _, text = sections()
    return {match["capability"] for line in text.splitlines() if (match := CAPABILITY.match(line))}


def markers(source: str) -> Iterator[str]:
    """The names in `pytest.mark.behaviour("...")` calls, wherever in the source they stand."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "behaviour":
            for argument in node.args:
                assert isinstance(argument, ast.Constant), "a behaviour is named by a literal"
                assert isinstance(argument.value, str), "a behaviour is named by a string"
                yield argument.value


def proved() -> dict[str, list[Path]]:
    """Name or number -> the test files with a marker of it."""
    found: dict[str, list[Path]] = {}
    for folder in ("tests", "compat_tests"):
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            for name in markers(path.read_text()):
                found.setdefault(name, []).append(path.relative_to(ROOT))
    return found


def test_every_behaviour_is_proved_or_waits_for_an_open_capability() -> None:
    done = proved()
    assert [name for name, waits_for in behaviours().items() if name not in done and not waits_for] == []


def test_every_marker_names_a_behaviour() -> None:
    known = behaviours()
    assert {name: paths for name, paths in proved().items() if name not in known} == {}


def test_every_capability_that_is_named_is_open() -> None:
    named = {capability for waits_for in behaviours().values() for capability in waits_for}
    assert named == open_capabilities()


def test_the_document_is_read_whole() -> None:
    """Guards the guard: 48 numbers, and the lines that have names."""
    names = behaviours().keys()
    assert {int(name) for name in names if name.isdigit()} == set(range(1, 49))
    assert len(names) > 55
    assert list(markers('@pytest.mark.behaviour("7")\ndef test(): ...\nx = [pytest.mark.behaviour("a-b")]')) == [
        "7",
        "a-b",
    ]
