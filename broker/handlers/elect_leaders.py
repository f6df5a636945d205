"""ElectLeaders v0-2 (KIP-183, KIP-460): the preferred replica leads again, or anybody does.

v0 elects preferred leaders only. Without partitions all are looked at, and those that need no election left out of the
answer. What is refused and why: metadata/elections.py. Source: kafka.server.ControllerApis.handleElectLeaders.

Left out: timeout_ms (the work is done when the answer is).
"""

from __future__ import annotations

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.elect_leaders import (
    ElectLeadersRequest,
    ElectLeadersResponse,
    PartitionResult,
    ReplicaElectionResult,
)
from ..commit_or_refuse import commit_or_refuse
from ..context import RequestContext
from ..metadata.elections import elect_leaders


def handle(request: ElectLeadersRequest, context: RequestContext) -> ElectLeadersResponse:
    broker = context.broker
    if request.topic_partitions is not None and not request.topic_partitions:
        return ElectLeadersResponse(throttle_time_ms=0, error_code=ErrorCode.NONE, replica_election_results=[])
    try:
        records, results = elect_leaders(broker.catalogue, request)
    except KafkaError as error:
        return _refusal(request, error)
    commit_or_refuse(records, (row for result in results for row in result.partition_result), context)
    return ElectLeadersResponse(throttle_time_ms=0, error_code=ErrorCode.NONE, replica_election_results=results)


def _refusal(request: ElectLeadersRequest, error: KafkaError) -> ElectLeadersResponse:
    return ElectLeadersResponse(
        throttle_time_ms=0,
        error_code=error.code,
        replica_election_results=[
            ReplicaElectionResult(
                topic=topic.topic,
                partition_result=[
                    PartitionResult(partition_id=index, error_code=error.code, error_message=error.message)
                    for index in topic.partitions
                ],
            )
            for topic in request.topic_partitions or ()
        ],
    )
