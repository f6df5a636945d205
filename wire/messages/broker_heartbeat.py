"""BrokerHeartbeat (API key 63): versions 0-2; flexible 0+.

A registered broker says that it is there, and learns whether it is fenced (KIP-631).

- v1: folders that have failed (KIP-858)
- v2: folders that are cordoned
"""

from __future__ import annotations

from ..declare import Message, array, boolean, int16, int32, int64


class BrokerHeartbeatRequest(Message, kind="request", api_key=63, versions="0-2", flexible="0+"):
    broker_id: int = int32("0+")
    broker_epoch: int = int64("0+", default=-1)
    current_metadata_offset: int = int64("0+")
    want_fence: bool = boolean("0+")
    want_shut_down: bool = boolean("0+")
    offline_log_dirs: list[bytes] = array("uuid", "1+", tag=0, default_factory=list)
    cordoned_log_dirs: list[bytes] | None = array("uuid", "2+", nullable="2+", tag=1, default=None)


class BrokerHeartbeatResponse(Message, kind="response", api_key=63, versions="0-2", flexible="0+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("0+")
    is_caught_up: bool = boolean("0+", default=False)
    is_fenced: bool = boolean("0+", default=True)
    should_shut_down: bool = boolean("0+")
