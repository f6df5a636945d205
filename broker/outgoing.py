"""What a connection sends: answers wait in order, leave when the socket takes them, and are let go of at the close.

Bytes go out joined, in one send. A file range goes from the page cache to the socket by sendfile, a turn's share at a
time, and only when it is in memory; while it is not, the warmer brings it there and others are served. Try first, wait
only for EAGAIN.

Source: org.apache.kafka.common.network.{NetworkSend, Selector}.
"""

from __future__ import annotations

import logging
import socket
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final

from .file_slice import FileSlice

if TYPE_CHECKING:
    from .broker import Broker

log = logging.getLogger("klamm.connection")

#: Bytes of files sent in one turn: so long as copying them takes, nobody else is served. Where nobody else has asked
#: for anything lately the turn is longer, which costs less a byte.
FILE_BYTES_A_TURN: Final = 65_536
FILE_BYTES_ALONE: Final = 262_144
#: For bytes that a file range follows: the kernel need not send them in a packet of their own.
MORE: Final = getattr(socket, "MSG_MORE", 0)


class CloseConnection(Exception):  # noqa: N818  # not an error of klamm's: how a connection ends
    """Close the connection and say why in one log line."""


def guarded(callback: Callable[..., None]) -> Callable[..., None]:
    """A callback of the loop whose failure ends its connection and nothing else."""

    @wraps(callback)
    def callback_or_close(self: Outgoing, *arguments: Any) -> None:
        try:
            callback(self, *arguments)
        except CloseConnection as reason:
            # Requests before the bad one have their answers, as far as the socket takes them now.
            with suppress(CloseConnection, OSError):
                self._send()
            self.close(str(reason))
        except ConnectionError:
            self.close()
        except Exception:
            # A fault of klamm's, or a disk's: the client sees a broken connection and may try again.
            log.exception("closing connection from %s", self.peer)
            self.close()

    return callback_or_close


class Outgoing(ABC):
    """The sending half of a connection (connection.py), which appends to `out` and calls `_send`.

    `peer`: "host:port" for the log; `closed`: nothing more is sent.
    """

    __slots__ = (
        "answer_bytes",
        "broker",
        "closed",
        "fd",
        "interest",
        "out",
        "peer",
        "reactor",
        "sock",
        "warming",
    )

    def __init__(self, broker: Broker, sock: socket.socket) -> None:
        self.broker = broker
        self.reactor = broker.reactor
        self.sock = sock
        self.fd = sock.fileno()
        host, port = sock.getpeername()[:2]
        self.peer = f"{host}:{port}"
        self.out: deque[bytes | memoryview | FileSlice] = deque()  # not yet sent
        self.answer_bytes = 0
        self.interest = (True, False)
        self.closed = False
        self.warming = False  # what is to be sent next is being brought into memory

    @abstractmethod
    def _queue_turn(self) -> None:
        """All is sent after a wait: requests may be read and handled again."""

    @abstractmethod
    def _on_closed(self) -> None:
        """Let go of what was read and not answered."""

    def _send(self) -> None:
        """Send what there is to send; what the socket does not take waits for `on_writable`."""
        out = self.out
        if not out or self.closed or self.warming:
            return
        budget = 0
        while out:
            head = out[0]
            if isinstance(head, FileSlice):
                budget = budget or (FILE_BYTES_ALONE if self.reactor.serves_one() else FILE_BYTES_A_TURN)
                sent = self._send_file(head, budget)
                budget -= sent
                if not sent or not budget:
                    break
            elif not self._send_bytes():
                break
        self.answer_bytes = 0
        if out:
            # A slow reader, or one with more than its share of a turn: nothing more is read from it or handled for it
            # until it has taken its answers.
            self._want(read=False, write=not self.warming)
        elif self.interest != (True, False):
            self._want(read=True, write=False)
            self._queue_turn()

    def _send_bytes(self) -> bool:
        """Send the bytes that head the queue, joined; False if the socket is full. No file slice is the head."""
        out = self.out
        parts: list[bytes | memoryview] = []
        while out and not isinstance(head := out[0], FileSlice):
            parts.append(head)
            out.popleft()
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        try:
            sent = self.sock.send(data, MORE if out else 0)
        except (BlockingIOError, InterruptedError):
            sent = 0
        if sent < len(data):
            out.appendleft(memoryview(data)[sent:])
            return False
        return True

    def _send_file(self, part: FileSlice, budget: int) -> int:
        """Send up to `budget` bytes of a file range, if they are in memory: how many went; 0 if the socket is full, or
        has to wait for the device. The range is released when all of it is sent."""
        size = min(part.remaining, budget)
        if not part.is_warm(size):
            self.warming = True
            self.broker.warmer.run(part.warm_job(), self._on_warmed)
            return 0
        try:
            sent = part.send(self.fd, size)
        except (BlockingIOError, InterruptedError):
            return 0
        if not sent:
            raise CloseConnection("a log file ended before a range of it was sent")
        ahead = part.ahead_job()
        if ahead is not None:
            self.broker.warmer.run(ahead)
        if not part.remaining:
            self.out.popleft()
            part.release()
        return sent

    @guarded
    def _on_warmed(self) -> None:
        """What is to be sent next is in memory now."""
        self.warming = False
        self._send()

    @guarded
    def on_writable(self) -> None:
        """The socket takes bytes again."""
        self._send()

    def _want(self, *, read: bool, write: bool) -> None:
        if self.interest != (read, write):
            self.interest = (read, write)
            self.reactor.want(self.fd, read=read, write=write)

    def close(self, reason: str | None = None) -> None:
        """Close the socket and let go of all that is held for it; `reason` makes a log line."""
        if self.closed:
            return
        self.closed = True
        if reason is not None:
            log.info("closing connection from %s: %s", self.peer, reason)
        self.reactor.forget(self.fd)
        self.sock.close()
        for item in self.out:
            if isinstance(item, FileSlice):
                item.release()
        self.out.clear()
        self._on_closed()
