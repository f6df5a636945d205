"""One client connection: bytes in, frames to handlers, answers out in order.

A connection has one request in flight: while an answer is pending, later frames wait in the buffer (Kafka mutes the
channel). All complete frames of one read are handled before the next, and their answers leave in one send
(outgoing.py). Try first, wait only for EAGAIN.

What a client does wrong on this level closes the connection with one log line: a frame that is too large or negative,
an unknown API key or version, a body that cannot be read (docs/behaviours.md line 1).

Source: org.apache.kafka.common.network.{NetworkReceive, Selector}, kafka.network.SocketServer.
"""

from __future__ import annotations

import socket
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ..storage.pending import Pending
from ..wire.codec import DECODE_FAILURES, DecodeError, decode_error, encode_parts
from ..wire.errors import KafkaError
from .api_table import API_VERSIONS_KEY, SERVED, Served
from .context import RequestContext
from .outgoing import CloseConnection, Outgoing, guarded

if TYPE_CHECKING:
    from .broker import Broker
    from .server import Listener

#: One read of the socket. All connections share one buffer of this size: a frame is copied out of it once.
READ_BYTES: Final = 262_144
#: Frames of one connection handled before the others get their turn.
FRAMES_A_TURN: Final = 64
#: Answer bytes made in one turn before they must be sent.
ANSWER_BYTES_A_TURN: Final = 1_048_576
#: A parked connection goes on reading up to this, to notice that the client has gone.
PARKED_READ_BYTES: Final = 65_536

_read_buffer = bytearray(READ_BYTES)
_read_view = memoryview(_read_buffer)

_request_head = struct.Struct(">hhih").unpack_from
_size = struct.Struct(">i").unpack_from
_answer_head = struct.Struct(">ii").pack
_flexible_answer_head = struct.Struct(">iix").pack


def _behind_header_tags(frame: bytes | bytearray, position: int) -> int:
    from ..wire.frames import skip_header_tags  # hardly any client sends a tagged field in a header

    try:
        return skip_header_tags(frame, position)
    except DecodeError as error:
        raise CloseConnection(str(error)) from None


class Connection(Outgoing):
    """`client_host`: "/host", as Kafka writes it in group descriptions."""

    __slots__ = (
        "buffered",
        "client_host",
        "client_id",
        "client_id_bytes",
        "client_software",
        "frame",
        "frame_filled",
        "frame_size",
        "in_flight",
        "in_flight_api",
        "last_active_ms",
        "listener",
        "requests",
        "server_address",
        "turn_queued",
    )

    def __init__(self, broker: Broker, sock: socket.socket, listener: Listener) -> None:
        super().__init__(broker, sock)
        self.requests = broker.requests
        self.listener = listener
        self.client_host = "/" + self.peer.rpartition(":")[0]
        self.server_address: tuple[str, int] = sock.getsockname()[:2]
        self.client_id: str | None = None
        self.client_id_bytes = b""
        self.client_software = ("", "")  # name and version, from ApiVersions (KIP-511)
        self.buffered = b""  # complete or half frames that were read and not yet handled
        self.frame: bytearray | None = None  # a large frame that is being read
        self.frame_filled = 0
        self.frame_size = 0
        self.in_flight: Pending[Any] | None = None
        #: The API of the last request that had to wait, for the metrics.
        self.in_flight_api = ""
        self.turn_queued = False
        self.last_active_ms = broker.now_ms()
        self.reactor.register(self.fd, self)

    # --- reading --------------------------------------------------------------------------------------------------

    @guarded
    def on_readable(self) -> None:
        """The socket has bytes, or has ended."""
        if self.frame is not None:
            self._read_large_frame(self.frame)
            return
        try:
            count = self.sock.recv_into(_read_buffer)
        except (BlockingIOError, InterruptedError):
            return
        if not count:
            self.close()
        elif self.in_flight is not None or self.out or self.buffered:
            self._keep(count)
        else:
            self._handle(_read_view, count)

    def _keep(self, count: int) -> None:
        """Bytes that come while an answer is pending or unsent wait; too many of them and reading stops."""
        self.buffered += bytes(_read_view[:count])
        if self.in_flight is None and not self.out:
            self._continue()
        elif len(self.buffered) >= PARKED_READ_BYTES:
            self._want(read=False, write=self.interest[1])

    def _continue(self) -> None:
        """Handle what was buffered."""
        data, self.buffered = self.buffered, b""
        self._handle(memoryview(data), len(data))

    def _read_large_frame(self, frame: bytearray) -> None:
        if self.frame_filled == len(frame):
            # Memory follows the bytes that have come: a mere claim of 100 MB does not take 100 MB. Repeating it is
            # how a bytearray doubles without a second object, whose memory malloc would keep.
            frame *= 2
            del frame[self.frame_size :]
        try:
            with memoryview(frame) as view:
                count = self.sock.recv_into(view[self.frame_filled :])
        except (BlockingIOError, InterruptedError):
            return
        if not count:
            self.close()
            return
        self.frame_filled += count
        if self.frame_filled == self.frame_size:
            self.frame = None
            self._handle_frame(frame)
            self._send()

    def _handle(self, data: memoryview, count: int) -> None:
        """Handle the complete frames in `data[:count]`, keep the rest, send the answers."""
        position = 0
        frames = 0
        max_bytes = self.broker.max_request_bytes
        while count - position >= 4:
            (size,) = _size(data, position)
            if not 0 <= size <= max_bytes:
                raise CloseConnection(f"a frame of {size} bytes (socket.request.max.bytes is {max_bytes})")
            end = position + 4 + size
            if end > count:
                if size > READ_BYTES - 4:
                    self._begin_large_frame(size, data[position + 4 : count])
                    position = count
                break
            if frames == FRAMES_A_TURN or self.answer_bytes > ANSWER_BYTES_A_TURN:
                self._queue_turn()
                break
            self._handle_frame(bytes(data[position + 4 : end]))
            position = end
            frames += 1
            if self.in_flight is not None or self.closed:
                break
        if position < count and not self.closed:
            self.buffered = bytes(data[position:count])
        self._send()

    def _begin_large_frame(self, size: int, start: memoryview) -> None:
        self.frame = bytearray(READ_BYTES)
        self.frame[: len(start)] = start
        self.frame_filled = len(start)
        self.frame_size = size

    def _queue_turn(self) -> None:
        if not self.turn_queued:
            self.turn_queued = True
            self.reactor.soon(self._take_turn)

    @guarded
    def _take_turn(self) -> None:
        """Go on with buffered frames, in a later round than the one that left them."""
        self.turn_queued = False
        if self.closed or self.in_flight is not None or self.out:
            return
        if self.buffered:
            self._continue()
        if self.in_flight is None and not self.out and not self.closed and not self.interest[0]:
            self._want(read=True, write=False)

    # --- one request ----------------------------------------------------------------------------------------------

    def _handle_frame(self, frame: bytes | bytearray) -> None:
        try:
            api_key, version, correlation_id, size = _request_head(frame)
        except struct.error:
            raise CloseConnection(f"a frame of {len(frame)} bytes has no request header") from None
        row = SERVED.get(api_key)
        if row is None:
            raise CloseConnection(f"API key {api_key} version {version} is not served")
        position = 10
        if size >= 0:
            position += size
            name = frame[10:position]
            if name != self.client_id_bytes:
                self._set_client_id(bytes(name))
        now_ms = self.last_active_ms = self.broker.now_ms()
        client_id = self.client_id if size >= 0 else None
        context = RequestContext(self.broker, self, version, client_id, self.client_host, self.listener.name, now_ms)
        if version not in row.versions:
            if api_key != API_VERSIONS_KEY:
                raise CloseConnection(f"{row.name} version {version} is not served")
            context.api_version = 0
            self._answer(row, correlation_id, 0, row.module.unsupported_version(context))
            return
        self.requests[api_key << 16 | version] += 1
        if version >= row.flexible_from:
            if position < len(frame) and not frame[position]:
                position += 1
            else:
                position = _behind_header_tags(frame, position)
        if position > len(frame):
            raise CloseConnection(f"a request header that ends behind its frame of {len(frame)} bytes")
        decoder = row.decoders.get(version) or row.decoder(version)
        try:
            request, _ = decoder(frame, position)
        except DECODE_FAILURES as error:
            raise CloseConnection(str(decode_error(row.api.request(), version, error))) from None
        try:
            response = row.handle(request, context)
        except KafkaError as error:
            raise CloseConnection(f"{row.name} version {version}: {error}") from error
        if isinstance(response, Pending):
            self._wait_for(response, row, correlation_id, version)
        elif response is not None:
            self._answer(row, correlation_id, version, response)

    def _set_client_id(self, name: bytes) -> None:
        # What is not UTF-8 is replaced, as Java's decoder does it.
        self.client_id = name.decode(errors="replace")
        self.client_id_bytes = name

    def _wait_for(self, response: Pending[Any], row: Served, correlation_id: int, version: int) -> None:
        self.in_flight = response
        self.in_flight_api = row.name
        response.add_callback(partial(self._on_completed, row, correlation_id, version))

    def _on_completed(self, row: Served, correlation_id: int, version: int, pending: Pending[Any]) -> None:
        """A pending answer is there; it is sent in the loop's next round, not inside of what completed it."""
        if not self.closed:
            self.reactor.soon(partial(self._finish, row, correlation_id, version, pending))

    @guarded
    def _finish(self, row: Served, correlation_id: int, version: int, pending: Pending[Any]) -> None:
        if self.closed:
            return
        self.in_flight = None
        try:
            response = pending.result()
        except KafkaError as error:
            raise CloseConnection(f"{row.name} version {version}: {error}") from error
        if isinstance(response, Pending):  # it had to wait before it could begin, and waits again
            self._wait_for(response, row, correlation_id, version)
            return
        if response is not None:
            self._answer(row, correlation_id, version, response)
        self._send()
        self._take_turn()

    def _answer(self, row: Served, correlation_id: int, version: int, response: Any) -> None:
        """Encode a response behind its size and header, and append it to what is to be sent."""
        parts: list[Any] = [b""]
        encoder = row.encoders.get(version)
        if encoder is None:
            encode_parts(response, version, parts)
            row.encoder(version)
        else:
            encoder(response, parts.append)
        size = sum(map(len, parts))
        if version >= row.flexible_from and row.api.key != API_VERSIONS_KEY:
            parts[0] = _flexible_answer_head(size + 5, correlation_id)
        else:
            parts[0] = _answer_head(size + 4, correlation_id)
        if row.sends_files:
            self.out.extend(parts)
        else:
            self.out.append(b"".join(parts))
        self.answer_bytes += size

    # --- the end --------------------------------------------------------------------------------------------------

    def _on_closed(self) -> None:
        self.buffered = b""
        self.frame = None
        if self.in_flight is not None:
            self.in_flight.abandon()
            self.in_flight = None
        self.listener.connections.discard(self)
