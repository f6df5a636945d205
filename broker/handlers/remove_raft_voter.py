"""RemoveRaftVoter v0 (KIP-853): a controller less in the quorum.

UNSUPPORTED_VERSION, with Kafka's message, as from every Kafka whose voters are fixed (kraft.version 0).
Source: org.apache.kafka.raft.internals.RemoveVoterHandler.

Left out: a quorum of several controllers.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from ..context import RequestContext


def handle(request: RemoveRaftVoterRequest, context: RequestContext) -> RemoveRaftVoterResponse:
    cluster_id = context.broker.cluster_id
    if request.cluster_id not in (None, cluster_id):
        return RemoveRaftVoterResponse(
            error_code=ErrorCode.INCONSISTENT_CLUSTER_ID,
            error_message=f'The given id "{request.cluster_id}" doesn\'t match the cluster id "{cluster_id}"',
        )
    return RemoveRaftVoterResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        error_message="Cluster doesn't support removing voter because the kraft.version feature is 0",
    )
