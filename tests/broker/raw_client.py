"""A client with no manners: any request in any version, or any bytes, over one blocking socket.

It knows nothing of retries, metadata or sessions, and hides nothing: what came back is what the caller gets. The
address is "host:port" of any broker, so that the same steps run against klamm and against a real Kafka.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from klamm.wire.apis import BY_NAME, Api
from klamm.wire.codec import decode, encode
from klamm.wire.declare import Message
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.offset_fetch import OffsetFetchRequest

#: Longer than any answer of a broker that is alive takes, shorter than a test may last.
TIMEOUT_S = 15.0
CLIENT_ID = "raw"

_SIZE = struct.Struct(">i")


class ClosedError(Exception):
    """The broker closed the connection where an answer was awaited."""


class SilentError(Exception):
    """The broker neither answered nor closed the connection in time."""


def api_of(message: Message) -> Api:
    """The row of `klamm.wire.apis` that a request belongs to."""
    return BY_NAME[type(message).__name__.removesuffix("Request")]


def header_bytes(api: Api, version: int, correlation_id: int, client_id: str | None = CLIENT_ID) -> bytes:
    """The request header as this version of the API has it."""
    head = struct.pack(">hhi", api.key, version, correlation_id)
    header_version = api.request_header_version(version)
    if header_version >= 1:
        name = None if client_id is None else client_id.encode()
        head += struct.pack(">h", -1) if name is None else struct.pack(">h", len(name)) + name
    return head + b"\0" if header_version >= 2 else head


def framed(payload: bytes) -> bytes:
    """`payload` behind its length."""
    return _SIZE.pack(len(payload)) + payload


def request_bytes(message: Message, version: int, correlation_id: int = 1, client_id: str | None = CLIENT_ID) -> bytes:
    """A whole request: frame length, header, body."""
    return framed(header_bytes(api_of(message), version, correlation_id, client_id) + encode(message, version))


def decode_response(api: Api, version: int, frame: bytes) -> Message:
    """The response in a frame without its length. Raises klamm.wire.codec.DecodeError."""
    head = 4
    if api.response_header_version(version) == 1:
        assert frame[4] == 0, "this client knows no tagged fields of a response header"
        head = 5
    return decode(api.response(), version, frame[head:])


class RawClient:
    """One connection. Every wait ends after `timeout_s` with SilentError."""

    def __init__(self, address: str, timeout_s: float = TIMEOUT_S, receive_buffer_bytes: int = 0) -> None:
        host, _, port = address.rpartition(":")
        self.timeout_s = timeout_s
        self.sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            if receive_buffer_bytes:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            self.sock.settimeout(timeout_s)
            self.sock.connect((host.strip("[]"), int(port)))
            # Half frames must leave as they were written.
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException:
            self.sock.close()
            raise
        self._correlation_id = 0
        self._awaited: list[tuple[int, Api, int]] = []

    def __enter__(self) -> RawClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.sock.close()

    def request(self, message: Message, version: int) -> Any:
        """Sends one request and returns its response. Raises ClosedError, SilentError."""
        self.send(message, version)
        return self.receive()

    def send(self, message: Message, version: int, answered: bool = True) -> None:
        """Sends a request; `receive` gives its response later. answered: False for Produce with acks=0."""
        self._correlation_id += 1
        if answered:
            self._awaited.append((self._correlation_id, api_of(message), version))
        self.send_bytes(request_bytes(message, version, self._correlation_id))

    def receive(self) -> Any:
        """The response to the oldest request that has none. Raises ClosedError, SilentError."""
        correlation_id, api, version = self._awaited.pop(0)
        frame = self.read_frame()
        assert struct.unpack_from(">i", frame)[0] == correlation_id, "answers out of order"
        return decode_response(api, version, frame)

    def send_bytes(self, data: bytes) -> None:
        """Sends bytes as they are; a broker that has closed already is not an error here."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def finish_sending(self) -> None:
        """Half-closes: the broker reads the end, and may still answer."""
        self.sock.shutdown(socket.SHUT_WR)

    def read_frame(self) -> bytes:
        """The next frame without its length. Raises ClosedError, SilentError."""
        deadline = time.monotonic() + self.timeout_s
        (size,) = _SIZE.unpack(self._read(4, deadline))
        return self._read(size, deadline)

    def _read(self, count: int, deadline: float) -> bytes:
        data = bytearray()
        while len(data) < count:
            part = self._receive_some(count - len(data), deadline)
            if not part:
                raise ClosedError(f"closed after {len(data)} of {count} bytes")
            data += part
        return bytes(data)

    def read_until_close(self) -> bytes:
        """All bytes until the broker closes the connection. Raises SilentError when it does not."""
        deadline = time.monotonic() + self.timeout_s
        data = bytearray()
        while part := self._receive_some(65_536, deadline):
            data += part
        return bytes(data)

    def _receive_some(self, count: int, deadline: float) -> bytes:
        """b"" at the end of the connection, a reset included: Kafka resets what it closes with bytes unread."""
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise SilentError(f"no answer in {self.timeout_s} s")
        self.sock.settimeout(left_s)
        try:
            return self.sock.recv(count)
        except TimeoutError:
            raise SilentError(f"no answer in {self.timeout_s} s") from None
        except ConnectionError:
            return b""


def ask(address: str, message: Message, version: int, timeout_s: float = TIMEOUT_S) -> Any:
    """One request on a connection of its own: its response. Raises ClosedError, SilentError."""
    with RawClient(address, timeout_s) as client:
        return client.request(message, version)


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = TIMEOUT_S) -> None:
    """Looks again every few milliseconds, for states that a broker announces to nobody. Else AssertionError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"waited {timeout_s} s in vain for {what}"
        time.sleep(0.01)


def wait_for_leaders(address: str, topic: str, partitions: int = 1) -> None:
    """Until all partitions can be written to: Kafka answers CreateTopics before the broker leads."""
    asked = [ListOffsetsPartition(partition_index=index, timestamp=-1) for index in range(partitions)]
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=asked)])
    with RawClient(address) as client:

        def leads() -> bool:
            answers = client.request(request, 5).topics[0].partitions
            return all(answer.error_code == 0 for answer in answers)

        wait_for(leads, f"leaders of {topic}")


def wait_for_coordinators(address: str, group: str = "waited-for") -> None:
    """Until this group and a producer id can be had: Kafka makes what they need at the first request for them."""
    committed = OffsetFetchRequest(group_id=group, topics=[])
    producer = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000)
    with RawClient(address) as client:

        def coordinates() -> bool:
            client.request(FindCoordinatorRequest(key=group), 2)
            return client.request(committed, 7).error_code == 0

        wait_for(coordinates, "the group coordinator")
        wait_for(lambda: client.request(producer, 4).error_code == 0, "a producer id")
