"""The control port: HTTP/1.1 on a port of its own, apart from the loop of Kafka's connections.

h11 knows the protocol, this file has the sockets. Nothing here is imported unless `--control-port` is given. What a
client does wrong costs it its connection, within bounds: sizes, a time, a number of connections.

Left out: TLS and a password; the port listens where the first listener does, by default on 127.0.0.1 only.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, NamedTuple

import h11
import trio

from ..server import bind

if TYPE_CHECKING:
    from ..broker import Broker

log = logging.getLogger("klamm.control")

#: A connection that sends nothing, or takes nothing, for so long is closed.
IDLE_S: Final = 60.0
MAX_CONNECTIONS: Final = 64
MAX_HEAD_BYTES: Final = 16_384
_READ_BYTES: Final = 16_384
_BACKLOG: Final = 64
_TEXT: Final = "text/plain; charset=utf-8"


class Response(NamedTuple):
    """`status`: HTTP's code."""

    status: int
    body: bytes
    content_type: str = _TEXT


#: Given the control port and the request's headers (names in small letters), answers a GET of one path.
Route = Callable[["ControlPort", Mapping[str, str]], Awaitable[Response]]


async def ready(port: ControlPort, headers: Mapping[str, str]) -> Response:
    """200 while clients can connect; 503 before that, and from the moment that a stop begins."""
    return Response(200, b"ready\n") if port.ready else Response(503, b"not ready\n")


async def metrics(port: ControlPort, headers: Mapping[str, str]) -> Response:
    """What Prometheus collects. The samples are taken in slices of the loop, the text is made in a worker thread."""
    from .families import encode
    from .group_metrics import group_samples
    from .kafka_metrics import broker_samples
    from .log_figures import unopened_logs

    unopened = await unopened_logs(port.broker)
    samples = [sample async for sample in broker_samples(port.broker, unopened)]
    samples += [sample async for sample in group_samples(port.broker, unopened)]
    body, content_type = await trio.to_thread.run_sync(encode, samples, headers.get("accept", ""))
    return Response(200, body, content_type)


ROUTES: Final[Mapping[str, Route]] = {"/ready": ready, "/metrics": metrics}


class ControlPort:
    """Bound when it is made, so that the port is known. `ready`: what /ready answers. Raises OSError."""

    def __init__(self, broker: Broker, host: str, port: int) -> None:
        self.broker = broker
        self.ready = False
        sock = bind(host, port, _BACKLOG)
        self.host, self.port = sock.getsockname()[:2]
        self._listener = trio.SocketListener(trio.socket.from_stdlib_socket(sock))
        self._connections = 0

    async def serve(self, stop: trio.Event) -> None:
        """Answers until it is cancelled, after `stop` that the broker is not ready."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.serve_listeners, self._serve_connection, [self._listener])
            await stop.wait()
            self.ready = False

    async def _serve_connection(self, stream: trio.SocketStream) -> None:
        if self._connections >= MAX_CONNECTIONS:
            log.warning("closing a connection to the control port: there are %d", MAX_CONNECTIONS)
            return
        self._connections += 1
        try:
            await _Http(self, stream).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError, h11.LocalProtocolError):
            pass  # the client has gone
        finally:
            self._connections -= 1


class _Http:
    """One connection: a request, its answer, the next."""

    def __init__(self, port: ControlPort, stream: trio.SocketStream) -> None:
        self._port = port
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def run(self) -> None:
        while True:
            with trio.move_on_after(IDLE_S) as idle:
                try:
                    request = await self._next_request()
                    if request is None:
                        return
                    response = await self._answer(request)
                except h11.RemoteProtocolError as error:
                    request, response = None, Response(error.error_status_hint, f"{error}\n".encode())
                await self._send(response, with_body=request is None or request.method != b"HEAD")
            if idle.cancelled_caught or self._http.our_state is not h11.DONE:
                return
            self._http.start_next_cycle()

    async def _next_request(self) -> h11.Request | None:
        """The head of a request whose body, which nobody asked for, has been read; None when the client has ended."""
        request: h11.Request | None = None
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await self._stream.receive_some(_READ_BYTES))
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.EndOfMessage):
                return request
            elif isinstance(event, h11.ConnectionClosed):
                return None

    async def _answer(self, request: h11.Request) -> Response:
        path = request.target.partition(b"?")[0].decode("latin-1")
        route = ROUTES.get(path)
        if route is None:
            return Response(404, f"there is {' and '.join(sorted(ROUTES))}\n".encode())
        if request.method not in (b"GET", b"HEAD"):
            return Response(405, b"GET only\n")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in request.headers}
        try:
            return await route(self._port, headers)
        except Exception:
            # A fault of ours must not end the broker that it was asked about.
            log.exception("%s failed", path)
            return Response(500, b"it failed; the broker's log says why\n")

    async def _send(self, response: Response, *, with_body: bool) -> None:
        head = [("Content-Type", response.content_type), ("Content-Length", str(len(response.body)))]
        reason = HTTPStatus(response.status).phrase.encode()
        event = h11.Response(status_code=response.status, reason=reason, headers=head)
        data = self._http.send(event) or b""
        if with_body:
            data += self._http.send(h11.Data(data=response.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(data)
