"""Tables of klamm's own commands: aligned and cut to the window on a terminal, tabs between the columns in a pipe."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Final

#: Of a terminal that does not know its own: nothing is cut.
_UNKNOWN_WIDTH: Final = 1_000_000


def print_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """On a terminal the last column is cut where the window ends; a pipe gets every character, and no heads."""
    if not sys.stdout.isatty():
        for row in rows:
            print("\t".join(row))
        return
    width = os.get_terminal_size(sys.stdout.fileno()).columns or _UNKNOWN_WIDTH
    wide = [max(len(row[at]) for row in [heads, *rows]) for at in range(len(heads))]
    for row in [heads, *rows]:
        line = "  ".join(cell.ljust(wide[at]) for at, cell in enumerate(row)).rstrip()
        print(line if len(line) <= width else f"{line[: width - 1]}…")
