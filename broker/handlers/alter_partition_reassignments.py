"""AlterPartitionReassignments v0-1 (KIP-455, KIP-860): which brokers a partition's replicas should move to.

Null replicas cancel a reassignment. v1 may ask that the number of replicas stays. What is refused and why:
metadata/reassignments.py. Source: kafka.server.ControllerApis.handleAlterPartitionReassignments.

Left out: moving replicas (replication); timeout_ms.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
)
from ..context import RequestContext
from ..metadata.reassignments import check_reassignments


def handle(request: AlterPartitionReassignmentsRequest, context: RequestContext) -> AlterPartitionReassignmentsResponse:
    # Kafka answers for itself, and otherwise, where nothing is asked.
    may_change_factor = request.allow_replication_factor_change or not request.topics
    return AlterPartitionReassignmentsResponse(
        throttle_time_ms=0,
        allow_replication_factor_change=may_change_factor,
        error_code=ErrorCode.NONE,
        error_message=None if request.topics else "",
        responses=check_reassignments(context.broker.catalogue, request.topics, may_change_factor=may_change_factor),
    )
