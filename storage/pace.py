"""How a worker thread gets through much work without a client noticing.

Everything in Python that computes holds the interpreter's lock (GIL), and the loop, which serves the clients, waits up
to sys.getswitchinterval() (5 ms) before it may even ask for it. So the worker gives it up itself, by sleeping, after at
most WORK_S of work. It really sleeps: a thread that merely lets go and takes the lock again (`time.sleep(0)`) is back
before the one that waits has been woken.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

#: Work between two rests: what an answer may be late by.
WORK_S: Final = 0.0003
#: A rest: long enough for a waiting thread to wake up on another processor and take the lock.
REST_S: Final = 0.00005
#: Records between two looks at the clock: about a tenth of WORK_S.
RECORDS_AT_ONCE: Final = 32
#: Longest sleep under a limit of bytes a second, so that an abort is heard.
_THROTTLE_SLEEP_S: Final = 0.1


class AbortedError(Exception):
    """The work is not wanted any more."""


class Pace:
    """`rest` is called often, in the worker; `abort` once, from anywhere.

    `bytes_per_second`: of what `account` is told (log.cleaner.io.max.bytes.per.second).
    """

    __slots__ = ("_bytes", "_bytes_per_second", "_clock", "_sleep", "_started", "_woke", "aborted")

    def __init__(
        self,
        bytes_per_second: float = float("inf"),
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.aborted = False
        self._bytes_per_second = bytes_per_second
        self._clock = clock
        self._sleep = sleep
        self._bytes = 0
        self._started = self._woke = clock()

    def abort(self) -> None:
        """The next `rest` raises AbortedError."""
        self.aborted = True

    def rest(self) -> None:
        """Lets others run if it is time. Raises AbortedError."""
        if self.aborted:
            raise AbortedError
        if self._clock() - self._woke >= WORK_S:
            self._sleep(REST_S)
            self._woke = self._clock()

    def account(self, count: int) -> None:
        """So many bytes were read or written: sleeps as long as they are too many. Raises AbortedError."""
        self._bytes += count
        while (ahead := self._bytes / self._bytes_per_second - (self._clock() - self._started)) > 0:
            self._sleep(min(ahead, _THROTTLE_SLEEP_S))
            self.rest()
