"""How a partition's log is opened without holding up a broker's loop.

What it is going to read a thread brings into memory first; then the loop opens it, a slice each time it goes round, for
a walk along a gigabyte and its checksums takes a second.

A clean log is opened from the ends of its last segment's files and the newest producers' snapshot; after an unclean
end, and where a clean one did not wait for the device, all from the recovery point on is walked. Reads by path: nothing
of the folder is open yet.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from ..wire.errors import KafkaError
from .files import Files
from .handles import HandleCache
from .segment import LOG_SUFFIX, SNAPSHOT_SUFFIX

if TYPE_CHECKING:
    from .log import Log

#: Of a clean segment the batches behind the last index entry are walked.
TAIL_BYTES: Final = 1_048_576

#: Work of one slice: what others are held up by.
SLICE_S: Final = 0.001


class LogOpening:
    """The opening of `log`, which was made `in_steps`. Belongs to the loop; whoever waits for it may make slices."""

    __slots__ = ("_clock", "_failure", "_log", "done")

    def __init__(self, log: Log, clock: Callable[[], float] = time.perf_counter) -> None:
        self._log = log
        self._clock = clock
        self._failure: KafkaError | None = None
        #: The log is open, or cannot be opened: `result` says which.
        self.done = False

    def step(self) -> bool:
        """One slice; whether it is done now."""
        until = self._clock() + SLICE_S
        try:
            for _ in self._log.opening:
                if self._clock() >= until:
                    return False
        except KafkaError as error:
            self._failure = error
        self.done = True
        return True

    def result(self) -> Log:
        """The log; what is left of the work is done at once. Raises KafkaError."""
        while not self.done:
            self.step()
        if self._failure is not None:
            raise self._failure
        return self._log

    def abandon(self) -> None:
        """Leaves it as it is."""
        self._log.opening.close()
        self._log.discard()


class LogOpenings:
    """Those of a folder that are under way, and those that nobody has come for yet, by (topic, partition)."""

    def __init__(self) -> None:
        self._items: dict[tuple[str, int], LogOpening] = {}

    def __contains__(self, key: tuple[str, int]) -> bool:
        return key in self._items

    def __len__(self) -> int:
        return len(self._items)

    def begin(self, key: tuple[str, int], make: Callable[[], Log]) -> LogOpening:
        """The one that is there, or one of the log that `make` makes `in_steps`."""
        if key not in self._items:
            self._items[key] = LogOpening(make())
        return self._items[key]

    def take(self, key: tuple[str, int]) -> Log | None:
        """The log, if it has one; what is left of the work is done at once. Raises KafkaError."""
        opening = self._items.pop(key, None)
        return None if opening is None else opening.result()

    def take_done(self) -> dict[tuple[str, int], Log]:
        """The logs that are open; those that could not be opened stay."""
        done = {}
        for key, opening in self._items.items():
            if opening.done:
                with contextlib.suppress(KafkaError):
                    done[key] = opening.result()
        for key in done:
            del self._items[key]
        return done

    def abandon(self, keys: Iterable[tuple[str, int]] | None = None) -> None:
        """Those, or all."""
        for key in tuple(self._items if keys is None else keys):
            opening = self._items.pop(key, None)
            if opening is not None:
                opening.abandon()


class ColdFolder:
    """A partition's folder that nobody has looked into yet. `clean`: so the last process left it; `then` is called on
    the loop when what is needed has been read."""

    __slots__ = ("clean", "path", "recovery_point", "then")

    def __init__(self, path: str, recovery_point: int, then: Callable[[], None], *, clean: bool) -> None:
        self.path = path
        self.recovery_point = recovery_point
        self.then = then
        self.clean = clean

    def job(self, cache: HandleCache) -> FolderJob:
        return FolderJob(cache.files, self)


class FolderJob:
    """`run` in a worker thread, then `finish` on the loop."""

    def __init__(self, files: Files, folder: ColdFolder) -> None:
        self._files = files
        self._folder = folder

    def run(self) -> None:
        """What is not there any more is passed over. Raises OSError."""
        names = [(*os.path.splitext(name), name) for name in self._files.names(self._folder.path)]
        recovery_point = self._folder.recovery_point
        bases = [int(stem) for stem, suffix, _ in names if suffix == LOG_SUFFIX and stem.isdigit()]
        first = max((base for base in bases if base <= recovery_point), default=0)
        # All from the recovery point on; a clean log's last segment is walked at its end, if it was ever on the device.
        tail_only = self._folder.clean and max(bases, default=0) == first < recovery_point
        newest_snapshot = max((stem for stem, suffix, _ in names if suffix == SNAPSHOT_SUFFIX), default="")
        for stem, suffix, name in names:
            if stem.isdigit() and int(stem) < first and stem != newest_snapshot:
                continue
            self._warm(name, all_of_it=suffix != LOG_SUFFIX or not tail_only)

    def _warm(self, name: str, *, all_of_it: bool) -> None:
        files = self._files
        try:
            fd = files.open(os.path.join(self._folder.path, name))
        except FileNotFoundError:
            return
        try:
            size = files.data_size(fd)  # a preallocated file is mostly a hole
            start = 0 if all_of_it else max(0, size - TAIL_BYTES)
            files.warm(fd, start, size - start)
            if start:
                files.warm(fd, 0, 1)
        finally:
            files.close(fd)

    def finish(self) -> None:
        self._folder.then()
