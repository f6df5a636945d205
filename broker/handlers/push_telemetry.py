"""PushTelemetry v0 (KIP-714): a client's metrics, which go to the receiver.

Errors, in Kafka's order: INVALID_REQUEST for an id that nobody has or a client that said goodbye,
THROTTLING_QUOTA_EXCEEDED before the interval is over, UNKNOWN_SUBSCRIPTION_ID after the subscription has changed,
UNSUPPORTED_COMPRESSION_TYPE, TELEMETRY_TOO_LARGE (telemetry.max.bytes), INVALID_RECORD for what the receiver does not
take. Source: org.apache.kafka.server.ClientMetricsManager.
"""

from __future__ import annotations

from ...wire.messages.push_telemetry import PushTelemetryRequest, PushTelemetryResponse
from ..client_telemetry import Push
from ..context import RequestContext
from .get_telemetry_subscriptions import client_of


def handle(request: PushTelemetryRequest, context: RequestContext) -> PushTelemetryResponse:
    push = Push(
        instance_id=request.client_instance_id,
        client=client_of(context),
        subscription_id=request.subscription_id,
        terminating=request.terminating,
        metrics=bytes(request.metrics),
        time_ms=context.now_ms,
    )
    max_bytes = context.broker.config.get("telemetry.max.bytes")
    error = context.broker.telemetry.push(push, request.compression_type, max_bytes)
    return PushTelemetryResponse(error_code=error)
