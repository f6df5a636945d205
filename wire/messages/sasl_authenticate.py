"""SaslAuthenticate (API key 36): versions 0-2; flexible 2+.

One step of a SASL exchange (KIP-152).

- v1: how long the session lasts (KIP-368)
- v2: flexible
"""

from __future__ import annotations

from ..declare import Message, bytes_, int16, int64, string


class SaslAuthenticateRequest(Message, kind="request", api_key=36, versions="0-2", flexible="2+"):
    auth_bytes: bytes = bytes_("0+")


class SaslAuthenticateResponse(Message, kind="response", api_key=36, versions="0-2", flexible="2+"):
    error_code: int = int16("0+")
    error_message: str | None = string("0+", nullable="0+")
    auth_bytes: bytes = bytes_("0+")
    session_lifetime_ms: int = int64("1+", default=0, ignorable=True)
