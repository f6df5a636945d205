"""`klamm config`: every config of Kafka's, its default, what is allowed, and what klamm does with it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final, NoReturn

from ..broker.config.texts import ACCEPTED_WORD, HONOURED_WORD, REFUSED_WORD, SCOPES, Row, rows
from .cli import OK, FailedError, UsageError
from .table import print_table

_EXAMPLES: Final = """\
examples:
  klamm config log.retention.ms              everything about one config
  klamm config 'log.*' --standing honoured   those of a pattern that take effect
  klamm config retention --scope topic       those with a word in their name
  klamm config --differs                     where klamm's default is not Kafka's
  klamm config --json > configs.json
"""

#: What stands first in a section of the docs.
_TITLES: Final = {
    "broker": "Brokers",
    "topic": "Topics",
    "group": "Groups",
    "client-metrics": "Client metrics",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `klamm config --help`")


def parser() -> argparse.ArgumentParser:
    found = _Parser(
        "klamm config",
        description="Lists the configs of Kafka 4.3.1, each with its default and what klamm does with it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    found.add_argument("pattern", nargs="*", help="a name, a part of one, or a pattern with * and ?")
    found.add_argument("--scope", choices=sorted(SCOPES), help="only configs of such a resource")
    standings = (HONOURED_WORD, ACCEPTED_WORD, REFUSED_WORD)
    found.add_argument("--standing", choices=standings, help="only those that klamm treats so")
    found.add_argument("--differs", action="store_true", help="only those whose default is not Kafka's")
    found.add_argument("--internal", action="store_true", help="Kafka's internal ones too")
    found.add_argument("--json", action="store_true", help="print the result as one JSON value")
    return found


def run(arguments: Sequence[str]) -> int:
    """`klamm config ARGUMENTS`. Returns the exit code. Raises UsageError, FailedError if no config is meant."""
    options = parser().parse_args(arguments)
    found = [row for row in rows() if _is_wanted(row, options)]
    if not found:
        raise FailedError(f"no config is meant by {' '.join(options.pattern) or 'these options'}")
    exact = [row for row in found if row.name in options.pattern]
    if options.json:
        print(json.dumps([row._asdict() for row in found], ensure_ascii=False))
    elif exact and len(options.pattern) == 1:
        print("\n\n".join(_all_about(row) for row in exact))
    else:
        heads = ("NAME", "SCOPE", "TYPE", "DEFAULT", "STANDING", "VALID", "WHAT FOR")
        cells = [(row.name, row.scope, row.type, _text(row.default), row.standing, row.valid, row.doc) for row in found]
        print_table(heads, cells)
    return OK


def _is_wanted(row: Row, options: argparse.Namespace) -> bool:
    named = row.name in options.pattern
    return (
        (not options.pattern or any(_fits(row.name, pattern) for pattern in options.pattern))
        and options.scope in (None, row.scope)
        and options.standing in (None, row.standing)
        and (not options.differs or row.default != row.kafka_default)
        and (options.internal or named or not row.internal)
    )


def _fits(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) if any(mark in pattern for mark in "*?[") else pattern in name


def _text(value: str | None) -> str:
    return "null" if value is None else value or '""'


def _all_about(row: Row) -> str:
    lines = [f"{row.name} (of {row.scope})", f"  {row.doc}", f"  type     {row.type}"]
    default = _text(row.default)
    if row.default != row.kafka_default:
        default += f" (Kafka's is {_text(row.kafka_default)})"
    lines.append(f"  default  {default}")
    if row.valid:
        lines.append(f"  allowed  {row.valid}")
    lines.append(f"  update   {row.update}")
    lines.append(f"  klamm    {row.standing}" + (f" ({row.why})" if row.why else ""))
    return "\n".join(lines)


# --- the docs ---------------------------------------------------------------------------------------------------------


def markdown() -> str:
    """The tables of docs/configuration.md: every config that is not internal."""
    lines = []
    for scope, title in _TITLES.items():
        found = [row for row in rows() if row.scope == scope and not row.internal]
        lines += [f"### {title}", "", "| Config | Type | Default | Allowed | Update | In klamm | |"]
        lines.append("|---|---|---|---|---|---|---|")
        for row in found:
            klamm = row.standing + (f": {row.why}" if row.why else "")
            cells = (f"`{row.name}`", row.type, _text(row.default), row.valid, row.update, klamm, row.doc)
            lines.append(f"| {' | '.join(cell.replace('|', '&#124;').replace('<', '&lt;') for cell in cells)} |")
        lines.append("")
    return "\n".join(lines)
