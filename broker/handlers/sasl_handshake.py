"""SaslHandshake v0-1 (KIP-43, KIP-152).

Over a plaintext listener nobody logs in: ILLEGAL_SASL_STATE, and the connection stays, as in Kafka. It is advertised
all the same: clients that tell a broker's release by its APIs take one without it for a Kafka of 2015.
Source: kafka.server.KafkaApis.handleSaslHandshakeRequest.

Left out: logins come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.sasl_handshake import SaslHandshakeRequest, SaslHandshakeResponse
from ..context import RequestContext


def handle(request: SaslHandshakeRequest, context: RequestContext) -> SaslHandshakeResponse:
    return SaslHandshakeResponse(error_code=ErrorCode.ILLEGAL_SASL_STATE, mechanisms=[])
