"""The controller's part of AlterPartitionReassignments: what is refused.

A target is a list of registered brokers, each once. A cluster of one broker has one such list, which every partition
has already: what is not refused changes nothing, as in Kafka.
Source: ReplicationControlManager.alterPartitionReassignments.

Left out: reassignments that move replicas come with replication.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.alter_partition_reassignments import (
    ReassignablePartition,
    ReassignablePartitionResponse,
    ReassignableTopic,
    ReassignableTopicResponse,
)
from .image import Catalogue
from .placement import check_replicas


def check_reassignments(
    catalogue: Catalogue, topics: Sequence[ReassignableTopic], *, may_change_factor: bool
) -> list[ReassignableTopicResponse]:
    """One result a partition. `may_change_factor`: a target may have another number of replicas."""
    return [
        ReassignableTopicResponse(
            name=topic.name,
            partitions=[_answer(catalogue, topic.name, target, may_change_factor) for target in topic.partitions],
        )
        for topic in topics
    ]


def _answer(
    catalogue: Catalogue, topic: str, target: ReassignablePartition, may_change_factor: bool
) -> ReassignablePartitionResponse:
    code, message = ErrorCode.NONE, None
    try:
        _check(catalogue, topic, target, may_change_factor)
    except KafkaError as error:
        code, message = error.code, error.message
    return ReassignablePartitionResponse(partition_index=target.partition_index, error_code=code, error_message=message)


def _check(catalogue: Catalogue, topic: str, target: ReassignablePartition, may_change_factor: bool) -> None:
    image = catalogue.topic(topic)
    if image is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find a topic named {topic}.")
    partition = image.partitions.get(target.partition_index)
    if partition is None:
        raise KafkaError(
            ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"Unable to find partition {topic}:{target.partition_index}."
        )
    if target.replicas is None:
        raise KafkaError(ErrorCode.NO_REASSIGNMENT_IN_PROGRESS)
    check_replicas(catalogue.brokers, target.replicas, None)
    if not may_change_factor and len(target.replicas) != len(partition.replicas):
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            f"The replication factor is changed from {len(partition.replicas)} to {len(target.replicas)}",
        )
