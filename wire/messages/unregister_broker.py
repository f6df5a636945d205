"""UnregisterBroker (API key 64): versions 0; flexible 0+.

Takes a broker that is gone for good out of the cluster (KIP-631).
"""

from __future__ import annotations

from ..declare import Message, int16, int32, string


class UnregisterBrokerRequest(Message, kind="request", api_key=64, versions="0", flexible="0+"):
    broker_id: int = int32("0+")


class UnregisterBrokerResponse(Message, kind="response", api_key=64, versions="0", flexible="0+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("0+")
    error_message: str | None = string("0+", nullable="0+")
