"""AddRaftVoter v0-1 (KIP-853): another controller for the quorum.

UNSUPPORTED_VERSION, with Kafka's message, as from every Kafka whose voters are fixed (kraft.version 0). Where the log
names them (kraft.version 1) the answer is Kafka's for a controller that cannot be reached, since klamm joins none.
Source: org.apache.kafka.raft.internals.AddVoterHandler.

Left out: a quorum of several controllers.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.add_raft_voter import AddRaftVoterRequest, AddRaftVoterResponse
from ..context import RequestContext
from ..metadata.voters import replica_key, replica_keys


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
    voters = context.broker.catalogue.voters
    if any(voter.voter_id == request.voter_id for voter in voters):
        asked = replica_key(request.voter_id, request.voter_directory_id)
        return AddRaftVoterResponse(
            error_code=ErrorCode.DUPLICATE_VOTER,
            error_message=f"The voter id for {asked} is already part of the set of voters {replica_keys(voters)}.",
        )
    if voters:
        return AddRaftVoterResponse(
            error_code=ErrorCode.REQUEST_TIMED_OUT,
            error_message="Aborted add voter operation for since API_VERSIONS returned an error BROKER_NOT_AVAILABLE",
        )
    return AddRaftVoterResponse(
        error_code=ErrorCode.UNSUPPORTED_VERSION,
        error_message="Cluster doesn't support adding voter because the kraft.version feature is 0",
    )
