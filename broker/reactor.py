"""All sockets of a broker behind one kernel poller, driven by one trio task.

trio wakes a task for each socket that becomes ready, which costs 10-20 us a time: more than handling a small request.
So the sockets are registered with a poller of our own (epoll, or kqueue), and trio waits for that poller alone: one
wake-up serves every socket that is ready. While requests keep coming the poller is asked directly, at first without a
wait, then with one of at most a millisecond, and trio gets a turn between rounds. Connections are plain objects with
callbacks; no task, no lock, and no await is spent on a request. Worker threads hand back what they have found through
the same poller (`call_from_thread`): by way of trio it would wait for trio's turn, longer than an fsync takes.
"""

from __future__ import annotations

import logging
import math
import os
import select
import socket
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final, Protocol

import trio

from .timers import Timers

log = logging.getLogger("klamm.reactor")

#: After traffic, how long the poller itself is waited on before the wait goes to trio. It bounds what other tasks
#: (async handlers, results of worker threads) may be delayed under load.
LINGER_S: Final = 0.001
#: Before that, how long the poller is asked again and again. A client that waits for each answer sends its next request
#: within this time; a processor that was allowed to sleep meanwhile takes as long to wake as the request takes.
SPIN_S: Final = 0.0001 if (os.cpu_count() or 1) > 1 else 0.0
#: It is asked so only where one of so many sockets comes back again and again. Where thousands of members send a
#: heartbeat now and then, the next one to come is another, and spinning would fill a processor for nothing.
SPIN_FOR: Final = 4
#: A socket that has had the loop to itself for so long is alone (`Reactor.serves_one`).
ALONE_S: Final = 0.05
#: Rounds of the poller between two turns of trio under continuous load.
ROUNDS_BEFORE_TRIO: Final = 64
#: Sockets answered in one round.
EVENTS_A_ROUND: Final = 256


class Pollable(Protocol):
    """What stands behind a registered file descriptor. Its callbacks deal with their own failures."""

    def on_readable(self) -> None: ...

    def on_writable(self) -> None: ...


if sys.platform == "linux":

    class Poller:
        """Level-triggered epoll."""

        def __init__(self) -> None:
            self._epoll = select.epoll()
            self.fileno = self._epoll.fileno
            self.close = self._epoll.close

        def set(self, fd: int, *, known: bool, read: bool, write: bool) -> None:
            """Which events of `fd` to report; a hang-up is reported (as readable) whatever is asked."""
            mask = (select.EPOLLIN if read else select.EPOLLRDHUP) | (select.EPOLLOUT if write else 0)
            if known:
                self._epoll.modify(fd, mask)
            else:
                self._epoll.register(fd, mask)

        def forget(self, fd: int) -> None:
            self._epoll.unregister(fd)

        def poll(self, timeout_s: float) -> list[tuple[int, bool, bool]]:
            """(fd, readable or hung up, writable) of the sockets that are ready."""
            write = select.EPOLLOUT
            return [
                (fd, events & ~write != 0, events & write != 0)
                for fd, events in self._epoll.poll(timeout_s, EVENTS_A_ROUND)
            ]

else:

    class Poller:
        """The twin of epoll on macOS and BSD: a kqueue. A hang-up is noticed only while reading is asked for."""

        def __init__(self) -> None:
            self._kqueue = select.kqueue()
            self.fileno = self._kqueue.fileno
            self.close = self._kqueue.close
            self._filters: dict[int, tuple[bool, bool]] = {}

        def set(self, fd: int, *, known: bool, read: bool, write: bool) -> None:
            had = self._filters.get(fd, (False, False))
            changes = [
                select.kevent(fd, kind, select.KQ_EV_ADD if wanted else select.KQ_EV_DELETE)
                for kind, wanted, before in (
                    (select.KQ_FILTER_READ, read, had[0]),
                    (select.KQ_FILTER_WRITE, write, had[1]),
                )
                if wanted != before
            ]
            if changes:
                self._kqueue.control(changes, 0, 0)
            self._filters[fd] = (read, write)

        def forget(self, fd: int) -> None:
            self.set(fd, known=True, read=False, write=False)
            del self._filters[fd]

        def poll(self, timeout_s: float) -> list[tuple[int, bool, bool]]:
            return [
                (event.ident, event.filter == select.KQ_FILTER_READ, event.filter == select.KQ_FILTER_WRITE)
                for event in self._kqueue.control(None, EVENTS_A_ROUND, timeout_s)
            ]


class Doorbell:
    """How other threads wake the loop: a socket that becomes readable.

    `listens`: the loop waits, or is about to. Only then it is rung, once: a loop that is awake looks by itself, and a
    system call less is also one time less that the threads change places in the interpreter.
    """

    def __init__(self) -> None:
        self.listens = False
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self.fileno: Final = self._ours.fileno()

    def ring(self) -> None:
        if self.listens:
            self.listens = False
            with suppress(BlockingIOError):  # full of earlier rings, which serve as well
                self._theirs.send(b"!")

    def on_readable(self) -> None:
        with suppress(BlockingIOError):
            self._ours.recv(4096)

    def on_writable(self) -> None:
        """Never asked for."""


class Reactor:
    """`clock`: the broker's time in epoch milliseconds, by which the timers run."""

    def __init__(self, timers: Timers, clock: Callable[[], int]) -> None:
        self.timers = timers
        self.poller = Poller()
        self._clock = clock
        self._handlers: dict[int, Pollable] = {}
        self._soon: deque[Callable[[], None]] = deque()
        self._sleep: trio.CancelScope | None = None
        self._turned_s = 0.0  # when another socket than the one before was served, by perf_counter
        timers.on_earlier = self.wake
        self._doorbell = Doorbell()
        self.register(self._doorbell.fileno, self._doorbell)

    def register(self, fd: int, handler: Pollable) -> None:
        """Report to `handler` when `fd` can be read."""
        self._handlers[fd] = handler
        self.poller.set(fd, known=False, read=True, write=False)

    def want(self, fd: int, *, read: bool, write: bool) -> None:
        """Change what is reported."""
        self.poller.set(fd, known=True, read=read, write=write)

    def forget(self, fd: int) -> None:
        """Before `fd` is closed."""
        self.poller.forget(fd)
        del self._handlers[fd]

    def soon(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop's next round: how one connection's work reaches into another's, without being
        nested in it."""
        self._soon.append(callback)
        self.wake()

    def call_from_thread(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the loop, soon. The one method that any thread may call."""
        self._soon.append(callback)  # a deque's append and popleft are safe among threads
        self._doorbell.ring()

    def wake(self) -> None:
        """End a sleep in trio, if there is one: there is something to do, or an earlier deadline."""
        if self._sleep is not None:
            self._sleep.cancel()

    def serves_one(self) -> bool:
        """Has nobody but the socket that is being served asked for anything lately?"""
        return perf_counter() - self._turned_s > ALONE_S

    async def run(self) -> None:
        """Serve until cancelled."""
        poll, handlers, soon, timers = self.poller.poll, self._handlers, self._soon, self.timers
        bell = self._doorbell
        rounds = 0  # since trio last had a turn; 0 directly after it
        recent: deque[int] = deque(maxlen=SPIN_FOR)
        comes_back = False  # the socket of the last round is one of the recent ones
        while True:
            events = poll(0.0)
            if not events and rounds and not soon:
                if comes_back:
                    spun = perf_counter() + SPIN_S
                    while not events and not soon and perf_counter() < spun:
                        events = poll(0.0)
                if not events:
                    bell.listens = True  # before the last look at what threads have called
                    events = poll(0.0 if soon else LINGER_S)
                    bell.listens = False
            if events and (first := events[0][0]) != bell.fileno:
                comes_back = first in recent
                if len(events) > 1 or not recent or first != recent[-1]:
                    self._turned_s = perf_counter()
                recent.append(first)
            for fd, readable, writable in events:
                handler = handlers.get(fd)
                if handler is None:
                    continue  # closed by another's callback in this round
                if writable:
                    handler.on_writable()
                if readable and handlers.get(fd) is handler:
                    handler.on_readable()
            called = len(soon)
            for _ in range(called):
                self._call(soon.popleft())
            deadline_ms = timers.next_deadline_ms()
            if deadline_ms is not None:
                now_ms = self._clock()
                if deadline_ms <= now_ms:
                    timers.run_due(now_ms)
            if not events and not called and not soon:  # what a thread has called may have answered: more may come
                rounds = 0
                await self._wait_in_trio()
            elif rounds < ROUNDS_BEFORE_TRIO:
                rounds += 1
            else:
                rounds = 0
                await trio.lowlevel.checkpoint()

    def _call(self, callback: Callable[[], None]) -> None:
        """A fault of klamm's in one callback must not end the broker for everybody."""
        try:
            callback()
        except Exception:
            log.exception("a callback of the loop failed")

    async def _wait_in_trio(self) -> None:
        """Sleep until a socket is ready, a timer is due, or `wake`."""
        deadline_ms = self.timers.next_deadline_ms()
        seconds = math.inf if deadline_ms is None else max(0, deadline_ms - self._clock()) / 1000
        self._doorbell.listens = True
        if self._soon:  # a thread was faster than that
            seconds = 0
        with trio.move_on_after(seconds) as self._sleep:
            await trio.lowlevel.wait_readable(self.poller.fileno())
        self._sleep = None
        self._doorbell.listens = False
