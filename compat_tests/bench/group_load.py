"""Members of many groups over many connections, in a process of their own: `python -m compat_tests.bench.group_load`.

Each connection has whole groups, one at the default; a member's heartbeat is a frame that is made once, with the
member's number as its correlation id, so that a heartbeat costs this process a write, a read and a comparison. The
frames go out evenly over the interval, by the clock and not by the answers: a broker that is slow is asked no less.

Reads one JSON line (the fields of `Load`) from stdin and writes one (the fields of `Held`) to stdout.
"""

from __future__ import annotations

import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

from .group_members import ClassicMembers, ConsumerMembers, Members, members_of
from .processes import cpu_seconds, resident_mb

#: Nothing has come for so long: the broker is taken to have stopped.
SILENCE_S = 60.0
SET_UP_S = 300.0
#: Groups are joined for minutes where a broker is slow; those that are there are kept alive meanwhile.
ALIVE_EVERY_S = 10.0
_numbers = struct.Struct(">ii").unpack_from
#: Behind the frame's size, correlation id, tags and throttle time; so in both kinds of heartbeat.
_error_code = struct.Struct(">h").unpack_from
ERROR_AT = 13


@dataclass(frozen=True)
class Load:
    """`kind`: "classic" or "consumer"; `topic`: what the members subscribe to; `pid`: of the broker, whose processor
    time is taken."""

    kind: str
    host: str
    port: int
    pid: int
    topic: str
    groups: int
    members: int
    connections: int
    interval_s: float
    hold_s: float


@dataclass
class Held:
    """What was measured while the rate was held. `errors`: answers by error code; `changed`: answers that were no
    errors and yet not the ones of a member that simply stays; `gone`: members that their groups no longer had
    afterwards."""

    set_up_s: float = 0.0
    seconds: float = 0.0
    sent: int = 0
    answered: int = 0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    max_ms: float = 0.0
    broker_cpu_s: float = 0.0
    client_cpu_s: float = 0.0
    memory_before_mb: float = 0.0
    memory_mb: float = 0.0
    errors: dict[int, int] = field(default_factory=dict)
    changed: int = 0
    gone: int = 0


class Connections:
    """Blocking sockets that are written to at once and read when they are ready."""

    def __init__(self, address: tuple[str, int], count: int) -> None:
        self.sockets = [_connect(address) for _ in range(count)]
        self.fds = [sock.fileno() for sock in self.sockets]
        self._halves: dict[int, bytes] = {}
        self._epoll = select.epoll()
        for fd in self.fds:
            self._epoll.register(fd, select.EPOLLIN)

    def send(self, connection: int, frame: bytes) -> None:
        if os.write(self.fds[connection], frame) != len(frame):
            raise RuntimeError("the broker does not take what it is sent")

    def receive(self, timeout_s: float, take: Callable[[bytes], None]) -> bool:
        """Hands each whole frame that is there to `take`; whether there was anything within the time."""
        events = self._epoll.poll(timeout_s)
        for fd, _ in events:
            data = os.read(fd, 262_144)
            if not data:
                raise RuntimeError("the broker closed a connection")
            if fd in self._halves:
                data = self._halves.pop(fd) + data
            position = 0
            while len(data) - position >= 4:
                end = position + 4 + int.from_bytes(data[position : position + 4])
                if end > len(data):
                    break
                take(data[position:end] if position or end < len(data) else data)
                position = end
            if position < len(data):
                self._halves[fd] = data[position:]
        return bool(events)


def _connect(address: tuple[str, int]) -> socket.socket:
    sock = socket.create_connection(address, 30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.settimeout(None)
    return sock


def set_up(load: Load, members: Members, connections: Connections) -> None:
    """Has all groups joined, some at a time. Raises RuntimeError."""
    alive = start = time.monotonic()
    for first in range(0, load.groups, members.groups_at_once):
        groups = range(first, min(first + members.groups_at_once, load.groups))
        for connection, frame in members.begin(groups):
            connections.send(connection, frame)
        waiting = True

        def take(frame: bytes) -> None:
            for connection, answer in members.on_answer(frame):
                connections.send(connection, answer)

        while waiting:
            if not connections.receive(SILENCE_S, take):
                raise RuntimeError(f"nothing came for {SILENCE_S} s while groups {groups} were joined")
            if time.monotonic() - start > SET_UP_S:
                raise RuntimeError(f"groups {groups} were not joined {SET_UP_S} s after the first")
            waiting = not members.ready(groups)
        if time.monotonic() - alive > ALIVE_EVERY_S:
            keep_alive(load, members, connections, groups.stop)
            alive = time.monotonic()


def keep_alive(load: Load, members: Members, connections: Connections, groups: int) -> None:
    """A heartbeat of every member so far."""
    left = groups * load.members

    def take(_frame: bytes) -> None:
        nonlocal left
        left -= 1

    for number in range(groups * load.members):
        connections.send(number // load.members % load.connections, members.heartbeat(number))
        if number % 1000 == 999:
            connections.receive(0.0, take)
    while left:
        if not connections.receive(SILENCE_S, take):
            raise RuntimeError(f"{left} heartbeats were not answered in {SILENCE_S} s")


def hold(load: Load, members: Members, connections: Connections, held: Held) -> None:
    """Sends every member's heartbeat once an interval, for `hold_s`; fills in `held`."""
    count = load.groups * load.members
    # By phase: all first members in the order of groups, then all second ones, and so on.
    order = [group * load.members + index for index in range(load.members) for group in range(load.groups)]
    connection_of = [number // load.members % load.connections for number in range(count)]
    frames = [members.heartbeat(number) for number in range(count)]
    expected = [members.expected(number) for number in range(count)]
    fds, write = connections.fds, os.write
    sent_at = [0.0] * count
    took: list[float] = []
    clock = time.perf_counter

    def take(frame: bytes) -> None:
        number = _numbers(frame)[1]
        took.append(clock() - sent_at[number])
        if frame[9:] != expected[number]:
            (error,) = _error_code(frame, ERROR_AT)
            if error:
                held.errors[error] = held.errors.get(error, 0) + 1
            else:
                held.changed += 1

    step_s = load.interval_s / count
    cpu, own_cpu, start = cpu_seconds(load.pid), time.process_time(), clock()
    end = start + load.hold_s
    sent = 0
    while (now := clock()) < end:
        due = min(int((now - start) / step_s) + 1, sent + 256)
        while sent < due:
            number = order[sent % count]
            sent_at[number] = clock()
            write(fds[connection_of[number]], frames[number])
            sent += 1
        connections.receive(max(0.0, start + sent * step_s - clock()), take)
    held.seconds = clock() - start
    held.broker_cpu_s, held.client_cpu_s = cpu_seconds(load.pid) - cpu, time.process_time() - own_cpu
    while len(took) < sent and connections.receive(SILENCE_S, take):
        pass
    took.sort()
    held.sent, held.answered = sent, len(took)
    held.p50_ms, held.p99_ms = (took[int(len(took) * part)] * 1000 for part in (0.5, 0.99))
    held.max_ms = took[-1] * 1000


def run(load: Load) -> Held:
    """Raises RuntimeError when the broker does not do its part."""
    held = Held(memory_before_mb=resident_mb(load.pid))
    connections = Connections((load.host, load.port), load.connections)
    kinds: dict[str, type[Members]] = {"classic": ClassicMembers, "consumer": ConsumerMembers}
    members = kinds[load.kind](load.groups, load.members, load.connections, load.topic, load.interval_s)
    start = time.monotonic()
    set_up(load, members, connections)
    keep_alive(load, members, connections, load.groups)
    held.set_up_s = time.monotonic() - start
    hold(load, members, connections, held)
    held.memory_mb = resident_mb(load.pid)
    held.gone = load.groups * load.members - members_there(members, connections)
    return held


def members_there(members: Members, connections: Connections) -> int:
    """How many members stable groups have now. Raises RuntimeError."""
    there = 0
    for frame, request in members.describe():
        answers: list[bytes] = []
        connections.send(0, frame)
        while not answers:
            if not connections.receive(SILENCE_S, answers.append):
                raise RuntimeError("groups were not described")
        there += members_of(request, answers[0])
    return there


def main() -> int:
    print(json.dumps(asdict(run(Load(**json.loads(sys.stdin.readline()))))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
