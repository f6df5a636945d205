"""How far long work is, on standard error where that is a terminal: one line that is written over."""

from __future__ import annotations

import sys
import time
from typing import Final

_INTERVAL_S: Final = 0.2
_CLEAR: Final = "\r\x1b[K"


class Progress:
    """`tick(done)` as often as one likes, with the total if it is known only then, or never (0).

    A context, at whose end the line is gone. `off`: nothing is shown.
    """

    def __init__(self, what: str, total: int = 0, *, off: bool = False) -> None:
        self._what = what
        self._total = total
        self._shows = sys.stderr.isatty() and not off
        self._next_s = time.monotonic() + _INTERVAL_S
        self._shown = False

    def tick(self, done: int, total: int | None = None) -> None:
        self._total = self._total if total is None else total
        if self._shows and (now_s := time.monotonic()) >= self._next_s:
            self._next_s = now_s + _INTERVAL_S
            self._shown = True
            of_all, share = (f" of {self._total}", f" ({100 * done // self._total} %)") if self._total else ("", "")
            print(f"{_CLEAR}{done}{of_all} {self._what}{share}", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
