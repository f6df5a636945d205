"""Deadlines of the whole broker in one heap: delayed fetches, group sessions, idle connections.

The clock is a parameter, so that tests and a control API can move it. Cancelled timers stay in the heap until their
time comes (lazy deletion). A callback that raises is logged, and the others go on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from heapq import heappop, heappush

log = logging.getLogger("klamm.timers")


class Timer:
    """What `call_at` gives back; `cancel()` more than once, or after the call, does nothing."""

    __slots__ = ("callback", "deadline_ms")

    def __init__(self, deadline_ms: int, callback: Callable[[], None]) -> None:
        self.deadline_ms = deadline_ms
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class Timers:
    """`on_earlier` is called when a new timer is the first to come, so that the loop can shorten its sleep."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Timer]] = []
        self._count = 0
        self.on_earlier: Callable[[], None] = lambda: None

    def call_at(self, deadline_ms: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` once the clock has reached `deadline_ms` (epoch milliseconds of the broker's clock)."""
        timer = Timer(deadline_ms, callback)
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
            heappop(heap)
        return heap[0][0] if heap else None

    def run_due(self, now_ms: int) -> None:
        """Call all that is due, in the order of deadlines; a timer set meanwhile for now or earlier is called too."""
        heap = self._heap
        while heap and (heap[0][0] <= now_ms or heap[0][2].callback is None):
            callback = heappop(heap)[2].callback
            if callback is not None:
                try:
                    callback()
                except Exception:
                    log.exception("what was due at a deadline failed")
