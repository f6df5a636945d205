"""Whole frames: size, header and body, and the streams of them on both sides of a connection.

On a connection each request and each response is a frame: an int32 size, a header, a body. What opens the header is the
same in all of its versions; what follows depends on the API and the version:

| | non-flexible | flexible |
|---|---|---|
| request | v1: key, version, correlation id, client id | v2: the same and tagged fields |
| response | v0: correlation id | v1: the same and tagged fields |

Three traps. The client id keeps its int16 length in header v2. ControlledShutdown v0 has request header v0, without a
client id. A response to ApiVersions always has header v0, and where the server does not know the version that was asked
for, it answers UNSUPPORTED_VERSION in the body of version 0 (KIP-511).

Nothing here reads or writes a socket: bytes come in through `feed`, and bytes come out. A server that must be fast
calls `decode_request_header` and `codec.decode_from` on the frames it cut itself, as klamm's broker does.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from .apis import APIS, BY_KEY, Api
from .codec import DecodeError, decode_from, encode_parts
from .declare import Message
from .errors import ErrorCode
from .messages.headers import RequestHeader, ResponseHeader
from .uvarint import decode_uvarint

#: Kafka's default of socket.request.max.bytes, and of what a client takes for a response.
MAX_FRAME_BYTES: Final = 104_857_600

PRODUCE: Final = 0
API_VERSIONS: Final = 18
CONTROLLED_SHUTDOWN: Final = 7

_FLEXIBLE_FROM: Final = {api.key: 32768 if api.flexible_from is None else api.flexible_from for api in APIS}

_size = struct.Struct(">i")
_request_head = struct.Struct(">hhih").unpack_from
_shortest_head = struct.Struct(">hhi").unpack_from


class FrameError(ValueError):
    """A stream that cannot go on: a size out of bounds, or a response that answers no request."""


class Request(NamedTuple):
    """`header_tags`: tagged fields of the header as {tag: bytes}, of which Kafka 4.3 has none."""

    api: Api
    version: int
    correlation_id: int
    client_id: str | None
    message: Message
    header_tags: dict[int, bytes] | None = None


class Response(NamedTuple):
    """`version` is that of the body: 0 where a server did not know the version of an ApiVersions request."""

    api: Api
    version: int
    correlation_id: int
    message: Message
    header_tags: dict[int, bytes] | None = None


# --- one frame, without its size ----------------------------------------------------------------------------------


def decode_request_header(frame: bytes | bytearray) -> tuple[int, int, int, str | None, int]:
    """(API key, version, correlation id, client id, the position of the body) of a frame without its size.

    The version is not checked: a server answers an ApiVersions request of any version. Raises DecodeError, for an
    unknown API key too.
    """
    try:
        api_key, version, correlation_id, length = _request_head(frame)
        flexible_from = _FLEXIBLE_FROM[api_key]
    except (struct.error, KeyError):
        return _decode_rare_header(frame)
    if api_key == CONTROLLED_SHUTDOWN and version == 0:
        return _decode_rare_header(frame)
    position = 10
    client_id = None
    if length >= 0:
        position += length
        if position > len(frame):
            reason = f"a length of {length} with {len(frame) - 10} bytes left"
            raise DecodeError("RequestHeader", 1, "client_id", 10, reason)
        client_id = frame[10:position].decode("utf-8", "replace")
    if version < flexible_from:
        return api_key, version, correlation_id, client_id, position
    if position < len(frame) and frame[position] == 0:
        return api_key, version, correlation_id, client_id, position + 1
    return api_key, version, correlation_id, client_id, skip_header_tags(frame, position)


def _decode_rare_header(frame: bytes | bytearray) -> tuple[int, int, int, str | None, int]:
    """A header that is too short, that has no client id, or whose API nobody knows."""
    try:
        api_key, version, correlation_id = _shortest_head(frame)
    except struct.error:
        raise DecodeError("RequestHeader", 0, "", len(frame), "the bytes end too soon") from None
    if api_key not in _FLEXIBLE_FROM:
        raise DecodeError("RequestHeader", 0, "request_api_key", 0, f"no API has key {api_key}")
    if api_key != CONTROLLED_SHUTDOWN or version != 0:
        raise DecodeError("RequestHeader", 1, "client_id", 8, "the bytes end too soon")
    return api_key, version, correlation_id, None, 8


def skip_header_tags(frame: bytes | bytearray, position: int) -> int:
    """The position behind the tagged fields of a request header, of which none are known (KIP-482). Raises
    DecodeError."""
    begin = position
    try:
        count, position = decode_uvarint(frame, position)
        if 2 * count > len(frame) - position:
            raise DecodeError("RequestHeader", 2, "", position, f"{count} tagged fields with too few bytes left")
        for _ in range(count):
            _, position = decode_uvarint(frame, position)
            size, position = decode_uvarint(frame, position)
            position += size
    except (IndexError, ValueError) as error:
        if isinstance(error, DecodeError):
            raise
        raise DecodeError("RequestHeader", 2, "", begin, "tagged fields that cannot be read") from error
    if position > len(frame):
        raise DecodeError("RequestHeader", 2, "", begin, "tagged fields that end behind the frame")
    return position


def decode_request(frame: bytes | bytearray) -> Request:
    """The request in a frame without its size. Raises DecodeError, for a version that Kafka never had too."""
    api_key, version, correlation_id, client_id, position = decode_request_header(frame)
    api = BY_KEY[api_key]
    header_version = api.request_header_version(version)
    tags = None
    if header_version == 2:
        header, _ = decode_from(RequestHeader, 2, frame)
        tags = header.unknown_tagged_fields
    message = _decode_body(api.request(), version, frame, position)
    return Request(api, version, correlation_id, client_id, message, tags)


def decode_response(frame: bytes | bytearray, api: Api, version: int) -> Response:
    """The response in a frame without its size, to a request of `version`. Raises DecodeError."""
    header, position = decode_from(ResponseHeader, api.response_header_version(version), frame)
    tags = header.unknown_tagged_fields
    unsupported = struct.pack(">h", ErrorCode.UNSUPPORTED_VERSION)
    if api.key == API_VERSIONS and version and frame[position : position + 2] == unsupported:
        # The server did not know the version: so it says, in the version that all clients know.
        try:
            found = _decode_body(api.response(), version, frame, position)
        except DecodeError:
            version = 0
            found = _decode_body(api.response(), 0, frame, position)
    else:
        found = _decode_body(api.response(), version, frame, position)
    return Response(api, version, header.correlation_id, found, tags)


def _decode_body(message: type[Message], version: int, frame: bytes | bytearray, position: int) -> Message:
    if version not in message.VERSIONS and version not in message.LEGACY_VERSIONS:
        raise DecodeError(message.__name__, version, "", position, "Kafka has no such version")
    found, end = decode_from(message, version, frame, position)
    if end != len(frame):
        raise DecodeError(message.__name__, version, "", end, f"{len(frame) - end} bytes behind the message")
    return found


# --- frames to send -----------------------------------------------------------------------------------------------


def _api_of(message: Message, kind: str) -> Api:
    if kind != message.KIND or message.API_KEY is None:
        raise FrameError(f"{type(message).__name__} is not a {kind}")
    return BY_KEY[message.API_KEY]


def _framed(parts: list[Any]) -> bytes:
    data = b"".join(parts)
    return _size.pack(len(data)) + data


def encode_request(
    message: Message,
    version: int,
    correlation_id: int,
    client_id: str | None = None,
    header_tags: dict[int, bytes] | None = None,
) -> bytes:
    """A request as it goes on the wire, with its size. Raises EncodeError."""
    api = _api_of(message, "request")
    header = RequestHeader(
        request_api_key=api.key,
        request_api_version=version,
        correlation_id=correlation_id,
        unknown_tagged_fields=header_tags,
    )
    header_version = api.request_header_version(version)
    if header_version:
        header.client_id = client_id
    parts: list[Any] = []
    encode_parts(header, header_version, parts)
    encode_parts(message, version, parts)
    return _framed(parts)


def encode_response(
    message: Message, version: int, correlation_id: int, header_tags: dict[int, bytes] | None = None
) -> bytes:
    """A response as it goes on the wire, with its size. Raises EncodeError."""
    api = _api_of(message, "response")
    header = ResponseHeader(correlation_id=correlation_id, unknown_tagged_fields=header_tags)
    parts: list[Any] = []
    encode_parts(header, api.response_header_version(version), parts)
    encode_parts(message, version, parts)
    return _framed(parts)


# --- streams ------------------------------------------------------------------------------------------------------


class FrameReader:
    """Cuts a stream of bytes into frames without their sizes.

    `max_bytes` bounds one frame. What a size claims is not allocated: the buffer holds what has come.
    """

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.max_bytes = max_bytes
        self._buffer = bytearray()
        self._needed = 4

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[bytes]:
        """The frames that `data` completes, in their order. Raises FrameError; the stream is then at its end.

        The iterator must be exhausted before more bytes are fed.
        """
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._needed:
            return
        position = 0
        left = len(buffer)
        self._needed = 4
        try:
            while left >= 4:
                (size,) = _size.unpack_from(buffer, position)
                if not 0 <= size <= self.max_bytes:
                    raise FrameError(f"a frame of {size} bytes, where {self.max_bytes} are allowed")
                if left < 4 + size:
                    self._needed = 4 + size
                    break
                frame = bytes(buffer[position + 4 : position + 4 + size])
                position += 4 + size
                left -= 4 + size
                yield frame
        finally:
            del buffer[:position]

    @property
    def buffered_bytes(self) -> int:
        """How much of an unfinished frame has come. Not 0 at the end of a stream: it was cut."""
        return len(self._buffer)


class ServerStream:
    """The server's side of one connection: bytes in, requests out."""

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.frames = FrameReader(max_bytes)

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Request]:
        """The requests that `data` completes. Raises FrameError and DecodeError: Kafka closes the connection at both.

        An ApiVersions request of a version that Kafka 4.3.1 does not have is a DecodeError too; who wants to answer it
        reads its header by `decode_request_header`.
        """
        for frame in self.frames.feed(data):
            yield decode_request(frame)

    def respond(self, request: Request, message: Message) -> bytes:
        """The frame that answers a request. Raises EncodeError."""
        return encode_response(message, request.version, request.correlation_id)


class ClientStream:
    """The client's side of one connection: requests out with correlation ids, bytes in, responses out.

    Kafka answers the requests of one connection in their order; a response with another correlation id is an error, as
    in Kafka's NetworkClient. A Produce request with acks=0 is never answered.
    """

    def __init__(self, client_id: str | None = None, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self.client_id = client_id
        self.frames = FrameReader(max_bytes)
        self._next_id = 0
        self._awaited: deque[tuple[int, Api, int]] = deque()

    @property
    def in_flight(self) -> int:
        """How many requests are not answered yet."""
        return len(self._awaited)

    def request(self, message: Message, version: int) -> bytes:
        """The frame of a request under the next correlation id. Raises EncodeError."""
        correlation_id = self._next_id
        data = encode_request(message, version, correlation_id, self.client_id)
        self._next_id = (correlation_id + 1) & 0x7FFFFFFF
        api = _api_of(message, "request")
        if not (api.key == PRODUCE and getattr(message, "acks", None) == 0):
            self._awaited.append((correlation_id, api, version))
        return data

    def feed(self, data: bytes | bytearray | memoryview) -> Iterator[Response]:
        """The responses that `data` completes. Raises FrameError and DecodeError."""
        for frame in self.frames.feed(data):
            if not self._awaited:
                raise FrameError("a response that no request waits for")
            expected, api, version = self._awaited.popleft()
            if len(frame) >= 4 and _size.unpack_from(frame)[0] != expected:
                raise FrameError(f"correlation id {_size.unpack_from(frame)[0]}, where {expected} is next")
            yield decode_response(frame, api, version)
