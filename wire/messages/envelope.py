"""Envelope (API key 58): versions 0; flexible 0+.

A broker forwards a client's request to the controller, with who sent it (KIP-590).
"""

from __future__ import annotations

from ..declare import Message, bytes_, int16


class EnvelopeRequest(Message, kind="request", api_key=58, versions="0", flexible="0+"):
    request_data: bytes = bytes_("0+")
    request_principal: bytes | None = bytes_("0+", nullable="0+")
    client_host_address: bytes = bytes_("0+")


class EnvelopeResponse(Message, kind="response", api_key=58, versions="0", flexible="0+"):
    response_data: bytes | None = bytes_("0+", nullable="0+", default=None)
    error_code: int = int16("0+")
