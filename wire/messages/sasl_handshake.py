"""SaslHandshake (API key 17): versions 0-1; flexible none."""

from __future__ import annotations

from ..declare import Message, array, int16, string


class SaslHandshakeRequest(Message, kind="request", api_key=17, versions="0-1"):
    mechanism: str = string("0+")


class SaslHandshakeResponse(Message, kind="response", api_key=17, versions="0-1"):
    error_code: int = int16("0+")
    mechanisms: list[str] = array("string", "0+")
