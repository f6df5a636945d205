"""The loop itself: what is called when, and that one's fault is not everybody's."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest
import trio

from klamm.broker import reactor as reactor_module
from klamm.broker.reactor import ALONE_S, LINGER_S, ROUNDS_BEFORE_TRIO, Doorbell, Reactor
from klamm.broker.timers import Timers

TIMEOUT_S = 10


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


class Reader:
    """Reads what comes, and tells how much it was."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.data = b""
        self.readable = trio.Event()

    def on_readable(self) -> None:
        self.data += self.sock.recv(65_536)
        self.readable.set()

    def on_writable(self) -> None:
        raise AssertionError("nobody asked for this")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def reactor(nursery: trio.Nursery, clock: Clock) -> Reactor:
    found = Reactor(Timers(), clock)
    nursery.start_soon(found.run)
    return found


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    yield ours, theirs
    ours.close()
    theirs.close()


async def test_a_sleeping_loop_wakes_for_bytes(reactor: Reactor, pair: tuple[socket.socket, socket.socket]) -> None:
    reader = Reader(pair[0])
    reactor.register(pair[0].fileno(), reader)
    with trio.fail_after(TIMEOUT_S):
        await trio.testing.wait_all_tasks_blocked()
        pair[1].send(b"x")
        await reader.readable.wait()
    assert reader.data == b"x"
    reactor.forget(pair[0].fileno())


async def test_what_is_not_wanted_is_not_reported(reactor: Reactor, pair: tuple[socket.socket, socket.socket]) -> None:
    reader = Reader(pair[0])
    reactor.register(pair[0].fileno(), reader)
    reactor.want(pair[0].fileno(), read=False, write=False)
    with trio.fail_after(TIMEOUT_S):
        pair[1].send(b"x")
        await trio.testing.wait_all_tasks_blocked(LINGER_S * 5)
        assert reader.data == b""
        reactor.want(pair[0].fileno(), read=True, write=False)
        await reader.readable.wait()
    reactor.forget(pair[0].fileno())


async def test_a_timer_wakes_the_loop_at_its_time(reactor: Reactor, clock: Clock) -> None:
    called = trio.Event()
    with trio.fail_after(TIMEOUT_S):
        await trio.testing.wait_all_tasks_blocked()
        reactor.timers.call_at(20, called.set)
        clock.now = 20
        await called.wait()


async def test_a_thread_reaches_a_sleeping_loop(reactor: Reactor) -> None:
    called: list[tuple[int, int]] = []
    all_called = trio.Event()

    def call_twice() -> None:
        for number in range(2):
            reactor.call_from_thread(lambda number=number: called.append((number, threading.get_ident())))
        reactor.call_from_thread(all_called.set)

    with trio.fail_after(TIMEOUT_S):
        await trio.testing.wait_all_tasks_blocked()
        await trio.to_thread.run_sync(call_twice)
        await all_called.wait()
    assert called == [(0, threading.get_ident()), (1, threading.get_ident())]


async def test_no_call_of_a_thread_is_missed_however_busy_the_loop_is(reactor: Reactor) -> None:
    """The next call comes when the one before was heard, with the loop waiting, about to, or awake."""

    def call_again_and_again() -> None:
        for number in range(1000):
            heard = threading.Event()
            reactor.call_from_thread(heard.set)
            if not heard.wait(TIMEOUT_S):
                raise TimeoutError(f"call {number} was not heard")
            if number % 100 == 0:
                trio.from_thread.run(trio.testing.wait_all_tasks_blocked)

    with trio.fail_after(4 * TIMEOUT_S):
        await trio.to_thread.run_sync(call_again_and_again)


async def test_a_thread_that_calls_just_before_the_loop_listens_is_heard(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """It does not ring, so that the loop has to look once more before it sleeps."""
    called = trio.Event()
    waits = 0

    class Late(Doorbell):
        @property
        def listens(self) -> bool:
            return self._listens

        @listens.setter
        def listens(self, listens: bool) -> None:
            nonlocal waits
            waits += listens
            if waits == 1 and listens:
                loop.call_from_thread(called.set)
            self._listens = listens

    monkeypatch.setattr(reactor_module, "Doorbell", Late)
    loop = Reactor(Timers(), clock)
    with trio.fail_after(TIMEOUT_S):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(loop.run)
            await called.wait()
            nursery.cancel_scope.cancel()
    loop.poller.close()


async def test_a_fault_in_a_callback_leaves_the_loop_running(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    called = trio.Event()
    reactor.soon(lambda: 1 // 0 and None)
    reactor.soon(called.set)
    with trio.fail_after(TIMEOUT_S):
        await called.wait()
    assert "ZeroDivisionError" in caplog.text


async def test_other_tasks_have_their_turn_under_load(reactor: Reactor) -> None:
    rounds = 0

    def again() -> None:
        nonlocal rounds
        rounds += 1
        reactor.soon(again)

    reactor.soon(again)
    with trio.fail_after(TIMEOUT_S):
        while rounds < 3 * ROUNDS_BEFORE_TRIO:
            before = rounds
            await trio.lowlevel.checkpoint()
            # Between two turns of this task the loop has at most two: trio shuffles who comes first.
            assert rounds - before <= 2 * (ROUNDS_BEFORE_TRIO + 1)


class ScriptEndedError(Exception):
    """All events of a script have come."""


class ScriptedPoller:
    """Each of `fds` becomes readable when the one before has been served and the poller is waited on.

    `asked`: how often it was asked without a wait before each of these waits.
    """

    def __init__(self, fds: list[int]) -> None:
        self._fds = fds
        self.asked: list[int] = []
        self._asked = 0

    def poll(self, timeout_s: float) -> list[tuple[int, bool, bool]]:
        if timeout_s or not self.asked:  # the very first comes at once: a loop without traffic sleeps in trio
            self.asked.append(self._asked)
            self._asked = 0
            if len(self.asked) > len(self._fds):
                raise ScriptEndedError
            return [(self._fds[len(self.asked) - 1], True, False)]
        self._asked += 1
        return []


#: Stands for the reactor's own doorbell.
BELL = -1


@pytest.mark.parametrize(
    ("fds", "spins"),
    [
        ([7] * 20, True),
        ([7, 8] * 10, True),
        ([7, BELL] * 10, True),
        ([*range(100, 120)], False),
        ([fd for number in range(100, 110) for fd in (number, BELL)], False),
    ],
)
async def test_only_sockets_that_come_back_are_spun_for(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, fds: list[int], spins: bool
) -> None:
    ticks = iter(range(1_000_000))
    monkeypatch.setattr(reactor_module, "SPIN_S", 10)
    monkeypatch.setattr(reactor_module, "perf_counter", lambda: next(ticks))
    reactor = Reactor(Timers(), clock)
    script = ScriptedPoller([reactor._doorbell.fileno if fd == BELL else fd for fd in fds])
    reactor.poller.close()
    monkeypatch.setattr(reactor, "poller", script)
    with pytest.raises(ScriptEndedError):
        await reactor.run()
    # Not for the first ones: nobody has come back yet.
    assert set(script.asked[4:]) == {10 if spins else 1}


@pytest.mark.parametrize(("fds", "alone"), [([7] * 20, True), ([7, 8] * 10, False), ([8, *[7] * 19], True)])
async def test_a_socket_that_nobody_came_between_is_alone(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, fds: list[int], alone: bool
) -> None:
    now_s = 0.0
    monkeypatch.setattr(reactor_module, "SPIN_S", 0)
    monkeypatch.setattr(reactor_module, "perf_counter", lambda: now_s)
    reactor, script = Reactor(Timers(), clock), ScriptedPoller(fds)
    reactor.poller.close()
    monkeypatch.setattr(reactor, "poller", script)

    def served(_: Reader) -> None:
        nonlocal now_s
        now_s += ALONE_S

    reader = Reader(socket.socket())
    monkeypatch.setattr(Reader, "on_readable", served)
    for fd in {*fds}:
        reactor._handlers[fd] = reader
    with pytest.raises(ScriptEndedError):
        await reactor.run()
    reader.sock.close()
    assert reactor.serves_one() == alone
