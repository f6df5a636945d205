"""One connection to one broker: the versions it has, one request at a time, and its answer."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any, TypeVar

from ...wire.apis import BY_KEY, Api
from ...wire.codec import CodecError, EncodeError
from ...wire.declare import Message
from ...wire.errors import ErrorCode
from ...wire.frames import ClientStream, FrameError
from ...wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from .errors import ServerError, UnreachableError, UnsupportedError

R = TypeVar("R", bound=Message)

_READ_BYTES = 262_144


class Connection:
    """Connects and asks for the versions at once. `deadline_s`: by time.monotonic(), for both.

    Raises UnreachableError when the broker does not answer, ServerError when it refuses.
    """

    def __init__(self, host: str, port: int, client_id: str, deadline_s: float) -> None:
        self.host, self.port = host, port
        self._stream = ClientStream(client_id)
        try:
            self._socket = socket.create_connection((host, port), timeout=_left(deadline_s))
        except OSError as error:
            raise UnreachableError(f"{host}:{port}: {error.strerror or error}") from None
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        #: API key -> the versions that the broker has.
        self.versions: dict[int, range] = {}
        try:
            self.api_versions = self._ask_versions(deadline_s)
        except BaseException:
            self.close()
            raise

    def _ask_versions(self, deadline_s: float) -> ApiVersionsResponse:
        request = ApiVersionsRequest(client_software_name="klamm", client_software_version="0.1.0")
        answer = self._exchange(request, ApiVersionsResponse, 4, deadline_s)
        if answer.error_code == ErrorCode.UNSUPPORTED_VERSION:
            # An older broker says in version 0 what it has (KIP-511).
            ours = BY_KEY[ApiVersionsRequest.API_KEY or 0]
            highest = max((row.max_version for row in answer.api_keys if row.api_key == ours.key), default=0)
            answer = self._exchange(request, ApiVersionsResponse, min(highest, 3), deadline_s)
        if answer.error_code:
            raise ServerError(answer.error_code)
        self.versions = {row.api_key: range(row.min_version, row.max_version + 1) for row in answer.api_keys}
        return answer

    def version_of(self, api: Api, highest: int | None = None) -> int:
        """The highest version both have, at most `highest`. Raises UnsupportedError."""
        theirs = self.versions.get(api.key)
        if theirs is None:
            raise UnsupportedError(f"The node does not support {api.name.upper()}")
        last = min(theirs[-1], max(api.versions[-1], api.versions_3_9[-1] if api.versions_3_9 else -1))
        if highest is not None:
            last = min(last, highest)
        if last < theirs[0]:
            raise UnsupportedError(
                f"The node has {api.name} in versions {theirs[0]} to {theirs[-1]}, of which none can be used"
            )
        return last

    def request(
        self,
        request: Message | Callable[[int], Message],
        response: type[R],
        deadline_s: float,
        highest: int | None = None,
    ) -> R:
        """The answer to `request`, or to what `request(version)` makes where versions differ in shape.

        Raises UnreachableError, UnsupportedError when the version cannot carry the request.
        """
        api = BY_KEY[response.API_KEY if response.API_KEY is not None else -1]
        version = self.version_of(api, highest)
        message = request if isinstance(request, Message) else request(version)
        return self._exchange(message, response, version, deadline_s)

    def _exchange(self, message: Message, response: type[R], version: int, deadline_s: float) -> R:
        try:
            data = self._stream.request(message, version)
        except EncodeError as error:
            raise UnsupportedError(str(error)) from None
        answer: Any = None
        try:
            self._socket.settimeout(_left(deadline_s))
            self._socket.sendall(data)
            while answer is None:
                self._socket.settimeout(_left(deadline_s))
                received = self._socket.recv(_READ_BYTES)
                if not received:
                    raise UnreachableError(f"{self.host}:{self.port}: the broker closed the connection")
                for found in self._stream.feed(received):
                    answer = found.message
        except OSError as error:
            raise UnreachableError(f"{self.host}:{self.port}: {error.strerror or error}") from None
        except (FrameError, CodecError) as error:
            raise UnreachableError(f"{self.host}:{self.port} does not speak Kafka's protocol: {error}") from None
        if not isinstance(answer, response):
            raise TypeError(f"{type(answer).__name__} answers {type(message).__name__}, not {response.__name__}")
        return answer

    def post(self, message: Message, deadline_s: float, highest: int | None = None) -> None:
        """Sends a request, whose answer `take` will bring; a Produce with acks=0 gets none.

        Raises UnreachableError, UnsupportedError.
        """
        api = BY_KEY[message.API_KEY if message.API_KEY is not None else -1]
        try:
            data = self._stream.request(message, self.version_of(api, highest))
        except EncodeError as error:
            raise UnsupportedError(str(error)) from None
        try:
            self._socket.settimeout(_left(deadline_s))
            self._socket.sendall(data)
        except OSError as error:
            raise UnreachableError(f"{self.host}:{self.port}: {error.strerror or error}") from None

    def take(self) -> list[Message]:
        """The answers to posted requests that are there, once select() calls it readable. Raises UnreachableError."""
        try:
            received = self._socket.recv(_READ_BYTES)
            if not received:
                raise UnreachableError(f"{self.host}:{self.port}: the broker closed the connection")
            return [found.message for found in self._stream.feed(received)]
        except OSError as error:
            raise UnreachableError(f"{self.host}:{self.port}: {error.strerror or error}") from None
        except (FrameError, CodecError) as error:
            raise UnreachableError(f"{self.host}:{self.port} does not speak Kafka's protocol: {error}") from None

    def fileno(self) -> int:
        """For select()."""
        return self._socket.fileno()

    def close(self) -> None:
        self._socket.close()


def _left(deadline_s: float) -> float:
    """Seconds until then; a little where it has passed, because 0 would make the socket non-blocking."""
    return max(deadline_s - time.monotonic(), 0.001)
