"""AddRaftVoter v0-1 (KIP-853): another controller for the quorum.

UNSUPPORTED_VERSION, with Kafka's message, as from every Kafka whose voters are fixed (kraft.version 0).
Source: org.apache.kafka.raft.internals.AddVoterHandler.

Left out: a quorum of several controllers.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse
from ..context import RequestContext


def handle(request: AddRaftVoterRequest, context: RequestContext) -> AddRaftVoterResponse:
    cluster_id = context.broker.cluster_id
    if request.cluster_id not in (None, cluster_id):
        return AddRaftVoterResponse(
            error_code=ErrorCode.INCONSISTENT_CLUSTER_ID,
            error_message=f'The given id "{request.cluster_id}" doesn\'t match the cluster id "{cluster_id}"',
        )
    if not request.listeners:
        message = "Add voter request didn't include the endpoint (Endpoints(endpoints={})) for the default listener "
        name = context.broker.config.get("controller.listener.names")[0]
        return AddRaftVoterResponse(
            error_code=ErrorCode.INVALID_REQUEST, error_message=f"{message}ListenerName({name})"
        )
    return AddRaftVoterResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        error_message="Cluster doesn't support adding voter because the kraft.version feature is 0",
    )
