"""SaslAuthenticate v0-2 (KIP-152, KIP-368).

Over a plaintext listener nobody logs in: ILLEGAL_SASL_STATE, and the connection stays, as in Kafka (see
sasl_handshake.py). Source: kafka.server.KafkaApis.handleSaslAuthenticateRequest.

Left out: logins come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.sasl_authenticate import SaslAuthenticateRequest, SaslAuthenticateResponse
from ..context import RequestContext


def handle(request: SaslAuthenticateRequest, context: RequestContext) -> SaslAuthenticateResponse:
    return SaslAuthenticateResponse(
        error_code=ErrorCode.ILLEGAL_SASL_STATE,
        error_message="SaslAuthenticate request received after successful authentication",
        auth_bytes=b"",
    )
