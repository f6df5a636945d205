"""Worker threads that bring files into memory, so that the loop never waits for a device; and other work that would
hold it up.

`when_warm` tries, has what is missing read, and tries again. A thread touches nothing but leased descriptors, and it
reports through the reactor. The threads are trio's, which keeps idle ones for some seconds.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from trio.lowlevel import start_thread_soon

from ..storage.pending import Pending
from ..storage.warmth import ColdRange, ColdRead, Job, Missing, Slices, ThreadWork

if TYPE_CHECKING:
    from ..storage.handles import Handle, HandleCache
    from .reactor import Reactor

log = logging.getLogger("klamm.warmer")

T = TypeVar("T")

#: Reads that the devices are asked for at once.
THREADS: Final = 4
#: A walk along a file asks for one block after the other: each time twice as much is read, up to this.
LONGEST_READ_BYTES: Final = 67_108_864
#: After so many attempts that lacked something in the same file, memory is too short to hold it: the next one waits.
ATTEMPTS: Final = 16


class Warmer:
    """Belongs to the loop's thread. `cache`: the open files that the jobs are about."""

    def __init__(self, reactor: Reactor, cache: HandleCache) -> None:
        self._reactor = reactor
        self._cache = cache
        self._waiting: deque[tuple[Job, Callable[[], None] | None]] = deque()
        self._running = 0

    def run(self, job: Job, then: Callable[[], None] | None = None) -> None:
        """Has a thread run `job`; then, on the loop, finishes it and calls `then`, also if it failed."""
        self._waiting.append((job, then))
        self._begin()

    def _begin(self) -> None:
        while self._waiting and self._running < THREADS:
            job, then = self._waiting.popleft()
            self._running += 1
            start_thread_soon(partial(self._run, job, then), lambda _: None, "klamm warmer")

    def _run(self, job: Job, then: Callable[[], None] | None) -> None:
        """In the thread."""
        failure: Exception | None = None
        try:
            job.run()
        except Exception as error:
            failure = error
        self._reactor.call_from_thread(partial(self._finish, job, then, failure))

    def _finish(self, job: Job, then: Callable[[], None] | None, failure: Exception | None) -> None:
        self._running -= 1
        self._begin()
        job.finish()
        if failure is not None:
            # Whoever asked for it tries to read, and learns what is wrong.
            log.warning("a file could not be read ahead of its use: %s", failure)
        if then is not None:
            then()

    def warm(self, ranges: Sequence[Missing], then: Callable[[], None]) -> None:
        """Has all that is missing seen to; calls `then` when the last of it is, never before this returns."""
        jobs: list[Job] = []
        sliced: list[Slices] = []
        for missing in ranges:
            if not isinstance(missing, ThreadWork):
                sliced.append(missing)
                continue
            try:
                jobs.append(missing.job(self._cache))
            except OSError:
                continue  # the next attempt says what is wrong with the file
        left = len(jobs) + len(sliced)

        def one_done() -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        def go_on(work: Slices) -> None:
            if work.step():
                one_done()
            else:
                self._reactor.soon(partial(go_on, work))

        for job in jobs:
            self.run(job, one_done)
        for work in sliced:
            self._reactor.soon(partial(go_on, work))
        if not left:
            self._reactor.soon(then)

    def when_warm(self, attempt: Callable[[], T]) -> T | Pending[T]:
        """What `attempt` returns, at once if all it reads is in memory. It may be called several times, so that it must
        change nothing before its last read. What it raises is raised, or fails the Pending."""
        try:
            return attempt()
        except ColdRead as cold:
            answer: Pending[T] = Pending()
            _Attempts(self, self._cache, attempt, answer).wait(cold)
            return answer

    def chore(self, attempt: Callable[[], object]) -> None:
        """As `when_warm`, for what nobody waits for: a failure that comes later is logged."""

        def done(pending: Pending[object]) -> None:
            try:
                pending.result()
            except Exception:
                log.exception("a chore failed")

        found = self.when_warm(attempt)
        if isinstance(found, Pending):
            found.add_callback(done)


class Progress:
    """What one question has lacked so far: how much to read next, and when to stop trying."""

    def __init__(self) -> None:
        self._last: tuple[Handle, int, int] | None = None
        self.attempts = 0

    def widened(self, cold: ColdRead) -> Sequence[Missing]:
        """What to read now: twice as much as the last time where a walk goes on in the same file."""
        first = cold.ranges[0]
        if not isinstance(first, ColdRange):
            return cold.ranges
        if self._last is None or self._last[0] is not first.handle:
            self._last, self.attempts = (first.handle, first.position, first.size), 0
            return cold.ranges
        self.attempts += 1
        size = max(first.size, min(2 * self._last[2], LONGEST_READ_BYTES))
        self._last = (first.handle, first.position, size)
        return [ColdRange(first.handle, first.position, size), *cold.ranges[1:]]

    @property
    def is_stuck(self) -> bool:
        return self.attempts >= ATTEMPTS


class _Attempts:
    """The attempts at one question of `when_warm`."""

    def __init__(self, warmer: Warmer, cache: HandleCache, attempt: Callable[[], T], answer: Pending[T]) -> None:
        self._warmer = warmer
        self._cache = cache
        self._attempt = attempt
        self._answer = answer
        self._progress = Progress()
        self._abandoned = False
        answer.on_abandoned = self._abandon

    def _abandon(self) -> None:
        self._abandoned = True

    def wait(self, cold: ColdRead) -> None:
        self._warmer.warm(self._progress.widened(cold), self._again)

    def _again(self) -> None:
        if self._abandoned:
            return
        try:
            value = waiting(self._cache, self._attempt) if self._progress.is_stuck else self._attempt()
        except ColdRead as cold:
            self.wait(cold)
        except Exception as error:
            self._answer.fail(error)
        else:
            self._answer.complete(value)


def waiting(cache: HandleCache, attempt: Callable[[], T]) -> T:
    """What `attempt` returns; it waits for what is not in memory."""
    before, cache.serves_loop = cache.serves_loop, False
    try:
        return attempt()
    finally:
        cache.serves_loop = before
