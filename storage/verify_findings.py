"""What a check of a log's files finds: one line each, bounded in number.

A finding says which file, what is wrong with it, and by which check.
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

#: Of one check in one file; a file that is wrong from end to end would fill screens.
MAX_EACH: Final = 10


class Finding(NamedTuple):
    """`path` is relative to what was checked; `check` is a short name that stays the same; `message` is one line."""

    path: str
    check: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message} [{self.check}]"


class Findings:
    """Collects findings in the order in which they were made."""

    __slots__ = ("_counts", "items")

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self.items: list[Finding] = []

    def add(self, path: str, check: str, message: str) -> None:
        self._counts[path, check] += 1
        if self._counts[path, check] <= MAX_EACH:
            self.items.append(Finding(path, check, " ".join(message.split())))

    def finish(self) -> list[Finding]:
        """All of them, and a line for each check in each file that has more than are shown."""
        for (path, check), count in self._counts.items():
            if count > MAX_EACH:
                self.items.append(Finding(path, check, f"and {count - MAX_EACH} more of these"))
        self._counts.clear()
        return self.items
