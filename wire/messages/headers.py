"""The headers that open each request and response frame (KIP-482 for the flexible ones)."""

from __future__ import annotations

from ..declare import Message, int16, int32, string


class RequestHeader(Message, kind="header", versions="1-2", legacy="0", flexible="2+"):
    request_api_key: int = int16("0+")
    request_api_version: int = int16("0+")
    correlation_id: int = int32("0+")
    client_id: str | None = string("1+", nullable="1+", flexible="none")


class ResponseHeader(Message, kind="header", versions="0-1", flexible="1+"):
    correlation_id: int = int32("0+")
