"""What a handler is told besides the request itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .broker import Broker
    from .connection import Connection


class RequestContext:
    """One request's surroundings.

    `api_version`: of the request and its response; `client_id`: from the header, or None; `client_host`: the peer as
    Kafka writes it in group descriptions, such as "/127.0.0.1"; `listener`: the listener's name, such as "PLAINTEXT";
    `now_ms`: the broker's clock when handling began.
    """

    __slots__ = ("api_version", "broker", "client_host", "client_id", "connection", "listener", "now_ms")

    def __init__(
        self,
        broker: Broker,
        connection: Connection | None,
        api_version: int,
        client_id: str | None,
        client_host: str,
        listener: str,
        now_ms: int,
    ) -> None:
        self.broker = broker
        self.connection = connection
        self.api_version = api_version
        self.client_id = client_id
        self.client_host = client_host
        self.listener = listener
        self.now_ms = now_ms
