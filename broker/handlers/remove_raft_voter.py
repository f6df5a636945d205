"""RemoveRaftVoter v0 (KIP-853): a controller less in the quorum.

UNSUPPORTED_VERSION, with Kafka's message, as from every Kafka whose voters are fixed (kraft.version 0); where the log
names them (kraft.version 1) the last one stays.
Source: org.apache.kafka.raft.internals.RemoveVoterHandler.

Left out: a quorum of several controllers.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.remove_raft_voter import RemoveRaftVoterRequest, RemoveRaftVoterResponse
from ..context import RequestContext
from ..metadata.voters import replica_key, replica_keys


def handle(request: RemoveRaftVoterRequest, context: RequestContext) -> RemoveRaftVoterResponse:
    cluster_id = context.broker.cluster_id
    if request.cluster_id not in (None, cluster_id):
        return RemoveRaftVoterResponse(
            error_code=ErrorCode.INCONSISTENT_CLUSTER_ID,
            error_message=f'The given id "{request.cluster_id}" doesn\'t match the cluster id "{cluster_id}"',
        )
    voters = context.broker.catalogue.voters
    if voters:
        asked = replica_key(request.voter_id, request.voter_directory_id)
        return RemoveRaftVoterResponse(
            error_code=ErrorCode.VOTER_NOT_FOUND,
            error_message=f"Cannot remove voter {asked} from the set of voters {replica_keys(voters)}",
        )
    return RemoveRaftVoterResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        error_message="Cluster doesn't support removing voter because the kraft.version feature is 0",
    )
