"""ExpireDelegationToken (API key 40): versions 1-2; 0 up to 3.9; flexible 2+.

Ends a delegation token (KIP-48).

- v1: answered before throttled (KIP-219)
- v2: flexible
"""

from __future__ import annotations

from ..declare import Message, bytes_, int16, int32, int64


class ExpireDelegationTokenRequest(Message, kind="request", api_key=40, versions="1-2", legacy="0", flexible="2+"):
    hmac: bytes = bytes_("0+")
    expiry_time_period_ms: int = int64("0+")


class ExpireDelegationTokenResponse(Message, kind="response", api_key=40, versions="1-2", legacy="0", flexible="2+"):
    error_code: int = int16("0+")
    expiry_timestamp_ms: int = int64("0+")
    throttle_time_ms: int = int32("0+")
