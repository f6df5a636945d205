"""ConsumerGroupHeartbeat v0-1 (KIP-848): join, stay in and leave a group whose partitions the server assigns.

Member epoch 0 joins, -1 leaves, -2 leaves for a while (static members). The answer has the member's epoch, when to ask
again, and the assignment where it is news. v1 has subscriptions by regular expression, and the client makes the member
id. Refused while the cluster's group.version is 0 or group.coordinator.rebalance.protocols leaves "consumer" out.
What becomes of one: coordinator/consumer_heartbeat.py. Source: kafka.server.KafkaApis.handleConsumerGroupHeartbeat.

Left out: authorization (a regular expression finds every topic).
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from ..context import RequestContext


def handle(
    request: ConsumerGroupHeartbeatRequest, context: RequestContext
) -> ConsumerGroupHeartbeatResponse | Pending[ConsumerGroupHeartbeatResponse]:
    coordinators = context.broker.coordinators
    if not coordinators.serves_consumer_groups():
        return ConsumerGroupHeartbeatResponse(error_code=ErrorCode.UNSUPPORTED_VERSION)
    return coordinators.submit(request.group_id, request, context)  # type: ignore[no-any-return]
