"""DescribeDelegationToken v1-3 (KIP-48, KIP-373); the handler answers 3.9's v0 too.

Over a plaintext listener DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, as in Kafka (see create_delegation_token.py).
Source: kafka.server.KafkaApis.handleDescribeTokensRequest.

Left out: tokens come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.describe_delegation_token import DescribeDelegationTokenRequest, DescribeDelegationTokenResponse
from ..context import RequestContext


def handle(request: DescribeDelegationTokenRequest, context: RequestContext) -> DescribeDelegationTokenResponse:
    return DescribeDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED, tokens=[], throttle_time_ms=0
    )
