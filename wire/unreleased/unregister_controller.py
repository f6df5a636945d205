"""UnregisterController (API key 94), new in 4.4-dev, and its metadata record: version 0; flexible 0+.

Takes a controller that is gone for good out of the cluster, as UnregisterBroker does with brokers.
"""

from __future__ import annotations

from ..declare import Message, int16, int32, string


class UnregisterControllerRequest(Message, kind="request", api_key=94, versions="0", flexible="0+"):
    controller_id: int = int32("0+")


class UnregisterControllerResponse(Message, kind="response", api_key=94, versions="0", flexible="0+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("0+")
    error_message: str | None = string("0+", nullable="0+")


class UnregisterControllerRecord(Message, kind="metadata", api_key=29, versions="0", flexible="0+"):
    controller_id: int = int32("0+")
