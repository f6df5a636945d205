"""The controller's part of ElectLeaders: who leads a partition that has another leader than it should, or none.

Source: ReplicationControlManager.electLeaders, PartitionChangeBuilder.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.log_records.metadata_topics import PartitionChangeRecord
from ...wire.messages.elect_leaders import ElectLeadersRequest, PartitionResult, ReplicaElectionResult
from .image import NO_LEADER, BrokerImage, Catalogue, PartitionImage

#: org.apache.kafka.common.ElectionType
PREFERRED: Final = 0
UNCLEAN: Final = 1
#: LeaderRecoveryState: the leader may lack records that were committed.
RECOVERING: Final = 1

_NOT_NEEDED: Final = "Leader election not needed for topic partition."
_UNAVAILABLE: Final = {
    PREFERRED: (ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, "The preferred leader was not available."),
    UNCLEAN: (
        ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE,
        "Eligible topic partition leaders are not available.",
    ),
}


def elect_leaders(
    catalogue: Catalogue, request: ElectLeadersRequest
) -> tuple[list[Message], list[ReplicaElectionResult]]:
    """The records of the elections, and the results: of each partition that was asked for, or, where all were, of
    those that did not have the right leader already. Raises KafkaError(INVALID_REQUEST) for an unknown type."""
    if request.election_type not in (PREFERRED, UNCLEAN):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}")
    asked = request.topic_partitions
    everything = asked is None
    wanted: Iterator[tuple[str, list[int]]]
    if asked is None:
        wanted = ((topic.name, list(topic.partitions)) for topic in catalogue.topics.values())
    else:
        wanted = ((row.topic, row.partitions) for row in asked)
    records: list[Message] = []
    results = []
    for topic, indexes in wanted:
        answers = []
        for index in indexes:
            code, message = ErrorCode.NONE, None
            try:
                records.append(_elect(catalogue, topic, index, request.election_type))
            except KafkaError as error:
                code, message = error.code, error.message
            if not everything or code != ErrorCode.ELECTION_NOT_NEEDED:
                answers.append(PartitionResult(partition_id=index, error_code=code, error_message=message))
        results.append(ReplicaElectionResult(topic=topic, partition_result=answers))
    return records, results


def _elect(catalogue: Catalogue, topic: str, index: int, kind: int) -> Message:
    image = catalogue.topic(topic)
    if image is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {topic}")
    partition = image.partitions.get(index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {topic}-{index}")
    if partition.leader == partition.replicas[0] if kind == PREFERRED else partition.leader != NO_LEADER:
        raise KafkaError(ErrorCode.ELECTION_NOT_NEEDED, _NOT_NEEDED)
    leader = _candidate(partition, catalogue.brokers, kind)
    if leader is None:
        raise KafkaError(*_UNAVAILABLE[kind])
    clean = leader in partition.isr
    return PartitionChangeRecord(
        partition_id=index,
        topic_id=image.topic_id,
        leader=leader,
        isr=None if clean else [leader],
        leader_recovery_state=-1 if clean else RECOVERING,
    )


def _candidate(partition: PartitionImage, brokers: Mapping[int, BrokerImage], kind: int) -> int | None:
    """Who may lead: the first replica and only it, or any, best one that has all records."""
    active = [node_id for node_id in partition.replicas if node_id in brokers and brokers[node_id].is_active]
    in_sync = [node_id for node_id in active if node_id in partition.isr]
    if kind == PREFERRED:
        return next((node_id for node_id in in_sync if node_id == partition.replicas[0]), None)
    return next(iter(in_sync or active), None)
