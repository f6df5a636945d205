"""The docs hold to the code: every file is in the map, every API in the tables, every link leads somewhere.

Run as a program it writes the map of files in docs/architecture.md and the tables of docs/configuration.md anew.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from klamm.broker.api_table import SERVED
from klamm.broker.config.config import differences
from klamm.tools.cli import COMMANDS
from klamm.tools.completion import words_of
from klamm.tools.config_command import markdown

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
MAP = "## Every file\n"
CONFIGS = "## Every config\n"
CONFIGS_INTRODUCTION = (
    "\nWhat `klamm config` prints; `python tests/test_docs.py` writes these tables from the code.\n\n"
)
INTRODUCTION = "\n`python tests/test_docs.py` writes these tables from the first sentence of each file.\n"
ROOMS = ("tools", "broker", "coordinator", "storage", "wire")
#: Folders whose files follow one pattern; the map has one row for each.
PATTERNED = {
    "wire/messages": "one file an API: its request and response, every version of 4.3.1 and 3.9",
    "wire/log_records": (
        "the records of `__consumer_offsets`, `__transaction_state`, `__share_group_state` and `__cluster_metadata`"
    ),
}


def files() -> dict[str, list[Path]]:
    """Folder -> its Python files, but for those of PATTERNED and __init__.py."""
    found: dict[str, list[Path]] = {}
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py"), key=lambda path: (path.parent, path.name)):
            folder = path.parent.relative_to(ROOT).as_posix()
            if folder not in PATTERNED and path.name != "__init__.py":
                found.setdefault(folder, []).append(path)
    return found


def first_sentence(path: Path) -> str:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    paragraph = " ".join(text.split("\n\n")[0].split())
    return paragraph.split(". ")[0].rstrip(".").replace("|", "/")


def file_map() -> str:
    lines = [MAP + INTRODUCTION]
    for folder, paths in files().items():
        lines.append(f"### {folder}/\n\n| | |\n|---|---|")
        for name, text in PATTERNED.items():
            if name.startswith(f"{folder}/"):
                lines.append(f"| `{name.removeprefix(folder).strip('/')}/` | {text} |")
        lines += [f"| `{path.name}` | {first_sentence(path)} |" for path in paths]
        lines.append("")
    return "\n".join(lines)


def test_the_map_names_every_file_and_no_other() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8").split(MAP)[1]
    named = set()
    for section in text.split("\n### ")[1:]:
        folder = section.split("/\n")[0]
        named |= {f"{folder}/{name}" for name in re.findall(r"^\| `([^`]+\.py)` \|", section, re.MULTILINE)}
    there = {path.relative_to(ROOT).as_posix() for paths in files().values() for path in paths}
    assert sorted(there - named) == [], "run `python tests/test_docs.py`"
    assert sorted(named - there) == [], "run `python tests/test_docs.py`"


def test_every_file_says_what_it_is() -> None:
    assert [path for paths in files().values() for path in paths if not first_sentence(path)] == []


def test_every_link_within_the_repository_leads_somewhere() -> None:
    pages = [*ROOT.glob("*.md"), *DOCS.glob("*.md"), *(ROOT / "compat_tests").rglob("*.md")]
    broken = [
        (page.name, target)
        for page in pages
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        if not (page.parent / target).exists()
    ]
    assert len(pages) > 8
    assert broken == []


def test_every_page_of_docs_is_in_its_index() -> None:
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [page.name for page in DOCS.glob("*.md") if page.name != "index.md" and f"({page.name})" not in index] == []


def test_the_table_of_apis_is_what_is_served() -> None:
    text = (DOCS / "compatibility.md").read_text(encoding="utf-8").split("## APIs")[1]
    rows = dict(re.findall(r"^\| (\w+) \| (\d+(?:-\d+)?)", text, re.MULTILINE))
    served = {
        row.name: f"{row.versions.start}-{row.versions.stop - 1}" if len(row.versions) > 1 else str(row.versions.start)
        for row in SERVED.values()
    }
    rows.pop("API", None)
    assert rows == served


def test_what_a_handler_leaves_out_is_in_the_list() -> None:
    text = (DOCS / "omissions.md").read_text(encoding="utf-8")
    missing = []
    for row in SERVED.values():
        path = ROOT / "broker" / "handlers" / f"{row.api.module}.py"
        if "Left out:" in path.read_text(encoding="utf-8") and row.name not in text:
            missing.append(row.name)
    assert missing == []


def test_differing_defaults_are_in_the_docs() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for name, kafkas, ours, _ in differences():
        assert f"| `{name}` | {kafkas or 'none'} | {ours} |" in text


def test_the_tables_of_configs_are_those_of_the_code() -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8").split(CONFIGS)[1]
    wrong = set(text.splitlines()).symmetric_difference(f"{CONFIGS_INTRODUCTION}{markdown()}".splitlines())
    assert wrong == set(), "run `python tests/test_docs.py`"


def write(page: Path, title: str, text: str) -> None:
    """Everything behind `title` becomes `text`."""
    page.write_text(page.read_text(encoding="utf-8").split(title)[0] + title + text, encoding="utf-8")


def test_the_table_of_commands_has_them_all() -> None:
    table = (DOCS / "commands.md").read_text(encoding="utf-8").split("\n## ")[0]
    first_cells = "".join(re.findall(r"^\| ([^|]+) \|", table, re.MULTILINE))
    assert set(re.findall(r"`([a-z-]+)(?: verify)?`", first_cells)) == set(COMMANDS)


def test_every_option_of_storage_and_config_is_in_its_table() -> None:
    text = (DOCS / "commands.md").read_text(encoding="utf-8")
    for command in ("storage", "config"):
        section = text.split(f"## `klamm {command}`\n")[1].split("\n## ")[0]
        ours = {word.text for word in words_of(command) if word.text.startswith("--")}
        assert ours - set(re.findall(r"`(--[a-z-]+)`", section)) - {"--help"} == set(), command


if __name__ == "__main__":
    write(DOCS / "architecture.md", MAP, file_map().removeprefix(MAP))
    write(DOCS / "configuration.md", CONFIGS, CONFIGS_INTRODUCTION + markdown())
