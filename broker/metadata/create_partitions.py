"""The controller's part of CreatePartitions: what is refused, and the records of what is not.

Source: kafka.server.ControllerApis.createPartitions, ReplicationControlManager.createPartitions.

Left out: controller mutation quotas, authorization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from ...wire.declare import Message
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.create_partitions import CreatePartitionsTopic, CreatePartitionsTopicResult
from .create_topics import MAX_RECORDS_PER_REQUEST, partition_record
from .image import Catalogue, TopicImage
from .placement import check_assignment, place_replicas


def create_partitions(
    catalogue: Catalogue, requested: Sequence[CreatePartitionsTopic], start: Callable[[], int]
) -> tuple[list[Message], list[CreatePartitionsTopicResult]]:
    """The records that add what can be added, and one result a topic. `start`: where the placement of a topic's
    replicas begins, best a random number."""
    times = Counter(topic.name for topic in requested)
    results = [
        CreatePartitionsTopicResult(
            name=name, error_code=ErrorCode.INVALID_REQUEST, error_message="Duplicate topic name."
        )
        for name, count in times.items()
        if count > 1
    ]
    records: list[Message] = []
    for topic in requested:
        if times[topic.name] > 1:
            continue
        code, message = ErrorCode.NONE, None
        try:
            added = _records(catalogue, topic, start)
            # Kafka answers UNKNOWN_SERVER_ERROR, and creates the first of them all the same.
            if len(records) + len(added) > MAX_RECORDS_PER_REQUEST:
                raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
            records += added
        except KafkaError as error:
            code, message = error.code, error.message
        results.append(CreatePartitionsTopicResult(name=topic.name, error_code=code, error_message=message))
    return records, results


def _records(catalogue: Catalogue, wanted: CreatePartitionsTopic, start: Callable[[], int]) -> list[Message]:
    topic = catalogue.topic(wanted.name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    count = len(topic.partitions)
    if wanted.count == count:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {count} partition(s).")
    if wanted.count < count:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {wanted.name} currently has {count} partition(s); {wanted.count} would not be an increase.",
        )
    additional = wanted.count - count
    if wanted.assignments is not None and len(wanted.assignments) != additional:
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {additional} additional partition(s), but only {len(wanted.assignments)} assignment(s) "
            "were specified.",
        )
    if additional > MAX_RECORDS_PER_REQUEST:
        raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    return [
        partition_record(catalogue.brokers, topic.topic_id, index, replicas)
        for index, replicas in enumerate(_placed(catalogue, wanted, topic, start), count)
    ]


def _placed(
    catalogue: Catalogue, wanted: CreatePartitionsTopic, topic: TopicImage, start: Callable[[], int]
) -> list[list[int]]:
    """The node ids of each new partition. The replication factor is that of the first partition."""
    count = len(topic.partitions)
    factor = len(next(iter(topic.partitions.values())).replicas)
    if wanted.assignments is None:
        return place_replicas(catalogue.brokers, wanted.count - count, factor, start())
    placed = []
    for index, assignment in enumerate(wanted.assignments, count):
        check_assignment(catalogue.brokers, assignment.broker_ids, factor, index)
        placed.append(assignment.broker_ids)
    return placed
