"""Heartbeat v0-4 (KIP-345): a member is alive; it learns here that it has to join again.

v3 has the instance id. REBALANCE_IN_PROGRESS while members are awaited; while the coordinator is read from its log the
answer is no error, so that nobody leaves for that. Source: kafka.server.KafkaApis.handleHeartbeatRequest.

Left out: authorization.
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..context import RequestContext


def handle(request: HeartbeatRequest, context: RequestContext) -> HeartbeatResponse | Pending[HeartbeatResponse]:
    return context.broker.coordinators.submit(request.group_id, request, context)  # type: ignore[no-any-return]
