"""Heartbeat (API key 12): versions 0-4; flexible 4+.

A member of a classic group says that it is there, and learns of a rebalance.

- v1: throttle time
- v2: answered before throttled (KIP-219)
- v3: static members (KIP-345)
- v4: flexible
"""

from __future__ import annotations

from ..declare import Message, int16, int32, string


class HeartbeatRequest(Message, kind="request", api_key=12, versions="0-4", flexible="4+"):
    group_id: str = string("0+")
    generation_id: int = int32("0+")
    member_id: str = string("0+")
    group_instance_id: str | None = string("3+", nullable="3+", default=None)


class HeartbeatResponse(Message, kind="response", api_key=12, versions="0-4", flexible="4+"):
    throttle_time_ms: int = int32("1+", ignorable=True)
    error_code: int = int16("0+")
