"""Files that are no part of a log any more and wait to be unlinked (file.delete.delay.ms).

They have been renamed: `.deleted` files of removed segments, `-delete` folders of deleted topics. What a crash or a
kill leaves of them is removed at the next start. Source: LocalLog.deleteSegmentFiles, LogManager.deleteLogs.
"""

from __future__ import annotations

from collections.abc import Iterable

from .files import Files, remove_if_there


class DeletedFiles:
    """Paths in the order in which they came."""

    __slots__ = ("_due", "_new")

    def __init__(self) -> None:
        self._new: list[tuple[str, int]] = []
        self._due: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._new) + len(self._due)

    def add(self, paths: Iterable[str], delay_ms: int) -> None:
        """To be unlinked `delay_ms` after the next `take_due`, which is the one that has a clock."""
        self._new += [(path, delay_ms) for path in paths]

    def take_due(self, now_ms: int) -> list[str]:
        """Those whose time has come; they are the caller's to `unlink`."""
        self._due += [(now_ms + delay_ms, path) for path, delay_ms in self._new]
        self._new.clear()
        taken = [path for due_ms, path in self._due if due_ms <= now_ms]
        if taken:
            self._due = [(due_ms, path) for due_ms, path in self._due if due_ms > now_ms]
        return taken

    def take_all(self) -> list[str]:
        taken = [path for _, path in self._due] + [path for path, _ in self._new]
        self._due.clear()
        self._new.clear()
        return taken


def unlink(files: Files, paths: Iterable[str], folder_suffix: str) -> None:
    """Removes files, and folders (known by their suffix) with what is in them. From any thread. Raises OSError."""
    for path in paths:
        if path.endswith(folder_suffix):
            remove_folder_if_there(files, path)
        else:
            remove_if_there(files, path)


def remove_folder_if_there(files: Files, path: str) -> None:
    """With the files in it. Raises OSError."""
    try:
        for name in files.names(path):
            remove_if_there(files, f"{path}/{name}")
        files.remove_folder(path)
    except FileNotFoundError:
        pass
