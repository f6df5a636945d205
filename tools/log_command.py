"""`klamm log verify DIR`: every file of a data folder, or of one partition's, checked against every other.

One line a finding; exit code 0 if there is none, 1 if there are some. Only reads, so it may run beside a broker.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from ..storage.verify import verify
from .cli import FAILED, OK, FailedError, UsageError
from .progress import Progress

_EXAMPLES: Final = """\
examples:
  klamm log verify klamm-data                    a whole data folder
  klamm log verify klamm-data/orders-0 --deep    one partition, every record of it"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see `klamm log --help`")


def parser() -> argparse.ArgumentParser:
    found = _Parser(
        prog="klamm log",
        description=__doc__.split("\n\n", 1)[1] if __doc__ else None,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = found.add_subparsers(dest="command", metavar="COMMAND", required=True)
    checking = commands.add_parser("verify", help="check a data folder, or one partition's, and change nothing")
    checking.add_argument("folder", metavar="DIR")
    checking.add_argument("--deep", action="store_true", help="decode every record too, not only the indexed ones")
    checking.add_argument("--json", action="store_true", help="a JSON object a line: path, check, message")
    return found


def run(arguments: Sequence[str]) -> int:
    """`klamm log ARGUMENTS`. Returns the exit code. Raises UsageError, FailedError."""
    options = parser().parse_args(arguments)
    try:
        with Progress("partitions") as progress:
            findings, moving = verify(options.folder, deep=options.deep, on_progress=progress.tick)
    except (OSError, ValueError) as error:
        raise FailedError(str(error)) from None
    for finding in findings:
        print(json.dumps(finding._asdict(), ensure_ascii=False) if options.json else finding)
    if moving:
        print("a broker is at work in this folder: the ends of its logs may be moving", file=sys.stderr)
    print(f"{len(findings)} findings" if findings else "nothing is wrong", file=sys.stderr)
    return FAILED if findings else OK
