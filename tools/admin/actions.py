"""Command lines of commands with actions (`klamm cluster cluster-id`), which in Kafka are read by argparse4j."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, Final

VERSION: Final = "4.3.1"


class _Version(argparse.Action):
    """Prints the version and ends with 0, also where a required option is missing."""

    def __init__(self, option_strings: Sequence[str], dest: str, **more: Any) -> None:
        super().__init__(option_strings, dest, nargs=0, help=more.get("help"))

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from ... import __version__

        print(f"{VERSION} (klamm {__version__})")
        parser.exit(0)


def parser_of(name: str, about: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends with examples. `name`: of the command, without `klamm`."""
    return argparse.ArgumentParser(
        f"klamm {name}",
        description=about,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-v", "--version", action=_Version, help="show the version and exit")


def add_json(parser: argparse.ArgumentParser, *, again: bool = False) -> None:
    """--json. `again`: of an action, where it need not be because the command takes it before the action too."""
    default = argparse.SUPPRESS if again else False
    parser.add_argument("--json", action="store_true", default=default, help="print the result as one JSON value")


def parse_or_code(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> argparse.Namespace | int:
    """The options, or the exit code of a command line that is wrong or asks for the help only.

    argparse leaves with 2 on a wrong command line; Kafka's tools leave with 1.
    """
    try:
        return parser.parse_args(arguments)
    except SystemExit as leaving:
        return 1 if leaving.code else 0
