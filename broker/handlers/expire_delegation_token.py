"""ExpireDelegationToken v1-2 (KIP-48); the handler answers 3.9's v0 too.

Over a plaintext listener DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as in Kafka (see create_delegation_token.py).
Source: kafka.server.KafkaApis.handleExpireTokenRequest.

Left out: tokens come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.expire_delegation_token import ExpireDelegationTokenRequest, ExpireDelegationTokenResponse
from ..context import RequestContext


def handle(request: ExpireDelegationTokenRequest, context: RequestContext) -> ExpireDelegationTokenResponse:
    return ExpireDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, expiry_timestamp_ms=-1, throttle_time_ms=0
    )
