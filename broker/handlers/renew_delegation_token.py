"""RenewDelegationToken v1-2 (KIP-48); the handler answers 3.9's v0 too.

Over a plaintext listener DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as in Kafka (see create_delegation_token.py).
Source: kafka.server.KafkaApis.handleRenewTokenRequest.

Left out: tokens come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.renew_delegation_token import RenewDelegationTokenRequest, RenewDelegationTokenResponse
from ..context import RequestContext


def handle(request: RenewDelegationTokenRequest, context: RequestContext) -> RenewDelegationTokenResponse:
    return RenewDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, expiry_timestamp_ms=-1, throttle_time_ms=0
    )
