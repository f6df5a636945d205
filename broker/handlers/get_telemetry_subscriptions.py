"""GetTelemetrySubscriptions v0 (KIP-714): which of its metrics a client shall send, how often, and who it is.

Advertised only with a receiver (klamm.telemetry.file), answered without one too, as in Kafka. A client that asks again
before its interval is over gets THROTTLING_QUOTA_EXCEEDED. Source: org.apache.kafka.server.ClientMetricsManager.
"""

from __future__ import annotations

from ...wire.messages.get_telemetry_subscriptions import (
    GetTelemetrySubscriptionsRequest,
    GetTelemetrySubscriptionsResponse,
)
from ..client_telemetry import COMPRESSION_TYPES
from ..context import RequestContext


def client_of(context: RequestContext) -> dict[str, str]:
    """What subscriptions match a client by, under the names of KIP-714."""
    connection = context.connection
    name, version = connection.client_software if connection is not None else ("", "")
    host, _, port = connection.peer.rpartition(":") if connection is not None else ("", "", "")
    return {
        "client_id": context.client_id or "",
        "client_software_name": name,
        "client_software_version": version,
        "client_source_address": host,
        "client_source_port": port,
    }


def handle(request: GetTelemetrySubscriptionsRequest, context: RequestContext) -> GetTelemetrySubscriptionsResponse:
    broker = context.broker
    instance_id, found, error = broker.telemetry.ask(request.client_instance_id, client_of(context), context.now_ms)
    if found is None:
        return GetTelemetrySubscriptionsResponse(error_code=error)
    return GetTelemetrySubscriptionsResponse(
        client_instance_id=instance_id,
        subscription_id=found.id,
        accepted_compression_types=list(COMPRESSION_TYPES),
        push_interval_ms=found.interval_ms,
        telemetry_max_bytes=broker.config.get("telemetry.max.bytes"),
        delta_temporality=True,
        requested_metrics=found.metrics,
    )
