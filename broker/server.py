"""Listening sockets: one `Listener` an address, each with the connections it accepted."""

from __future__ import annotations

import logging
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from .connection import Connection
from .connection_limits import UNLIMITED, AddressLimits

if TYPE_CHECKING:
    from .broker import Broker

log = logging.getLogger("klamm.server")

#: Accepted in one turn, so that a storm of connections does not starve those that are there.
ACCEPTS_A_TURN: Final = 64
#: After a failure, such as no file descriptor being left, how long until the next attempt.
ACCEPT_PAUSE_MS: Final = 100


class Address(NamedTuple):
    """A listener's name and where it listens."""

    listener: str
    host: str
    port: int


def bind(host: str, port: int, backlog: int) -> socket.socket:
    """A bound, listening, non-blocking socket; port 0 picks a free one. Up to `backlog` connections wait to be accepted
    (socket.listen.backlog.size). Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    if not host:
        host = "0.0.0.0"  # an empty host in `listeners` means every interface, as in Kafka
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


class Listener:
    """A named listening socket. `max_connections`, `address_limits`: beyond them a new connection is closed at once."""

    def __init__(
        self, broker: Broker, name: str, sock: socket.socket, max_connections: int, limits: AddressLimits
    ) -> None:
        self.broker = broker
        self.name = name
        self.sock = sock
        self.max_connections = max_connections
        self.address_limits = limits
        self.connections: set[Connection] = set()
        #: How many connections there have been.
        self.accepted = 0
        host, port = sock.getsockname()[:2]
        self.address = Address(name, host, port)

    def open(self) -> None:
        """Begin to accept."""
        self.broker.reactor.register(self.sock.fileno(), self)

    def on_readable(self) -> None:
        """Clients are waiting to be accepted."""
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, peer = self.sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionError):
                return
            except OSError as error:
                self._pause(error)
                return
            self._accepted(sock, peer[0])

    def _accepted(self, sock: socket.socket, address: str) -> None:
        if len(self.connections) >= self.max_connections:
            log.warning("closing a new connection on %s: max.connections=%d", self.name, self.max_connections)
            sock.close()
            return
        limit = self.address_limits.of(address)
        if limit != UNLIMITED and self._count_of(address) >= limit:
            log.info("closing a new connection of %s, which has all %d that it may have", address, limit)
            sock.close()
            return
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections.add(Connection(self.broker, sock, self))
            self.accepted += 1
        except OSError:  # it has gone already
            sock.close()

    def _count_of(self, address: str) -> int:
        """Connections that an address has, over all listeners."""
        host = "/" + address
        return sum(
            connection.client_host == host for listener in self.broker.listeners for connection in listener.connections
        )

    def _pause(self, error: OSError) -> None:
        log.warning("cannot accept connections on %s: %s", self.name, error)
        reactor, fd = self.broker.reactor, self.sock.fileno()
        reactor.want(fd, read=False, write=False)

        def resume() -> None:
            if self.sock.fileno() == fd:
                reactor.want(fd, read=True, write=False)

        self.broker.timers.call_at(self.broker.now_ms() + ACCEPT_PAUSE_MS, resume)

    def on_writable(self) -> None:
        """Never asked for."""

    def close(self) -> None:
        """Stop accepting; the connections stay."""
        self.broker.reactor.forget(self.sock.fileno())
        self.sock.close()

    def close_idle(self, before_ms: int) -> None:
        """Close connections with no request since `before_ms` (connections.max.idle.ms) and none in flight."""
        for connection in [c for c in self.connections if c.last_active_ms < before_ms and c.in_flight is None]:
            connection.close()
