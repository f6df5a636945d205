"""Deadlines of the whole broker in one heap: delayed fetches, group sessions, idle connections.

The clock is a parameter, so that tests and a control API can move it. Cancelled timers stay in the heap until their
time comes or most of the heap is of their kind (a Produce that waits for the device sets one for 30 s and cancels it
after a millisecond). A callback that raises is logged, and the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Final

log = logging.getLogger("klamm.timers")

#: So many cancelled timers are not worth the walk through the heap that takes them out.
FEW: Final = 1000


class Timer:
    """What `call_at` gives back; `cancel()` more than once, or after the call, does nothing."""

    __slots__ = ("_timers", "callback", "deadline_ms")

    def __init__(self, timers: Timers, deadline_ms: int, callback: Callable[[], None]) -> None:
        self._timers = timers
        self.deadline_ms = deadline_ms
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        if self.callback is not None:
            self.callback = None
            self._timers.one_cancelled()


class Timers:
    """`on_earlier` is called when a new timer is the first to come, so that the loop can shorten its sleep."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0
        #: At least so many of the heap are cancelled.
        self._cancelled = 0
        self.on_earlier: Callable[[], None] = lambda: None

    def call_at(self, deadline_ms: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` once the clock has reached `deadline_ms` (epoch milliseconds of the broker's clock)."""
        timer = Timer(self, deadline_ms, callback)
        self._count += 1
        first = not self._heap or deadline_ms < self._heap[0][0]
        heappush(self._heap, (deadline_ms, self._count, timer))
        if first:
            self.on_earlier()
        return timer

    def next_deadline_ms(self) -> int | None:
        """When the next live timer is due, or None."""
        heap = self._heap
        while heap and heap[0][2].callback is None:
            self._pop()
        return heap[0][0] if heap else None

    def one_cancelled(self) -> None:
        """A timer of the heap will not be called."""
        self._cancelled += 1
        if self._cancelled > FEW and 2 * self._cancelled > len(self._heap):
            self._heap[:] = [entry for entry in self._heap if entry[2].callback is not None]
            heapify(self._heap)
            self._cancelled = 0

    def _pop(self) -> Timer:
        timer = heappop(self._heap)[2]
        self._cancelled -= timer.callback is None
        return timer

    def run_due(self, now_ms: int) -> None:
        """Call all that is due, in the order of deadlines; a timer set meanwhile for now or earlier is called too."""
        heap = self._heap
        while heap and (heap[0][0] <= now_ms or heap[0][2].callback is None):
            timer = self._pop()
            callback, timer.callback = timer.callback, None
            if callback is not None:
                try:
                    callback()
                except Exception:
                    log.exception("what was due at a deadline failed")
