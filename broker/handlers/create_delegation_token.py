"""CreateDelegationToken v1-3 (KIP-48, KIP-373); the handler answers 3.9's v0 too.

Tokens are for clients that logged in, so that over a plaintext listener they are DELEGATION_TOKEN_REQUEST_NOT_ALLOWED
whatever is asked. Source: kafka.server.KafkaApis.handleCreateTokenRequest.

Left out: tokens come with security.
"""

from __future__ import annotations

from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.create_delegation_token import CreateDelegationTokenRequest, CreateDelegationTokenResponse
from ..context import RequestContext

#: KafkaPrincipal.ANONYMOUS
_TYPE: Final = "User"
_NAME: Final = "ANONYMOUS"
_REQUESTER_FROM: Final = 3


def handle(request: CreateDelegationTokenRequest, context: RequestContext) -> CreateDelegationTokenResponse:
    requester = (_TYPE, _NAME) if context.api_version >= _REQUESTER_FROM else ("", "")
    return CreateDelegationTokenResponse(
        error_code=ErrorCode.DELEGATION_TOKEN_REQUEST_NOT_ALLOWED,
        principal_type=_TYPE,
        principal_name=_NAME,
        token_requester_principal_type=requester[0],
        token_requester_principal_name=requester[1],
        issue_timestamp_ms=-1,
        expiry_timestamp_ms=-1,
        max_timestamp_ms=-1,
        token_id="",
        hmac=b"",
        throttle_time_ms=0,
    )
