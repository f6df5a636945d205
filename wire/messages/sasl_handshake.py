"""SaslHandshake (API key 17): versions 0-1; flexible none.

Chooses the SASL mechanism.

- v0: raw tokens follow, without frames of Kafka's
- v1: SaslAuthenticate requests follow (KIP-152)

Can have no v2: old clients would take it without asking (KAFKA-9577).
"""

from __future__ import annotations

from ..declare import Message, array, int16, string


class SaslHandshakeRequest(Message, kind="request", api_key=17, versions="0-1"):
    mechanism: str = string("0+")


class SaslHandshakeResponse(Message, kind="response", api_key=17, versions="0-1"):
    error_code: int = int16("0+")
    mechanisms: list[str] = array("string", "0+")
