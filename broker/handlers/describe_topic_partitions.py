"""DescribeTopicPartitions v0 (KIP-966): topics page by page, in the order of their names.

Without topics all are described; of those asked for a missing one is an error. A page holds at most
response_partition_limit partitions, at least one and no more than max.request.partition.size.limit; what is left begins
at next_cursor. A request's cursor names one of its topics; those before it are passed over.
Source: kafka.server.handlers.DescribeTopicPartitionsRequestHandler, KRaftMetadataCache.describeTopicResponse.

Left out: authorization.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...wire.errors import ErrorCode
from ...wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    DescribeTopicPartitionsResponsePartition,
    DescribeTopicPartitionsResponseTopic,
)
from ..authorized_operations import TOPIC_OPERATIONS
from ..context import RequestContext
from ..metadata.image import NO_LEADER, BrokerImage, PartitionImage, TopicImage
from ..metadata.topic_names import INTERNAL_TOPICS, topic_name_error
from .metadata import Addresses, broker_addresses, offline_replicas


def handle(request: DescribeTopicPartitionsRequest, context: RequestContext) -> DescribeTopicPartitionsResponse:
    catalogue = context.broker.catalogue
    asked = {topic.name for topic in request.topics}
    cursor = request.cursor
    if cursor is not None and (cursor.partition_index < 0 or (asked and cursor.topic_name not in asked)):
        return _refusal(request, ErrorCode.INVALID_REQUEST)
    if cursor is None and "" in asked:
        return _refusal(request, ErrorCode.UNKNOWN_SERVER_ERROR)  # Kafka stumbles over the name
    first = cursor.topic_name if cursor is not None else ""
    names = sorted(name for name in asked or catalogue.topics if name >= first)
    addresses = broker_addresses(context)
    limit = context.broker.config.get("max.request.partition.size.limit")
    left = max(min(limit, request.response_partition_limit), 1)
    answers: list[DescribeTopicPartitionsResponseTopic] = []
    following: Cursor | None = None
    for name in names:
        if not left:
            following = Cursor(topic_name=name, partition_index=0)
            break
        topic = catalogue.topic(name)
        if topic is None:
            answers.append(_missing(name))
            continue
        start = cursor.partition_index if cursor is not None and name == cursor.topic_name else 0
        end = min(len(topic.partitions), start + left)
        answers.append(_described(topic, range(start, end), addresses, catalogue.brokers))
        if end < len(topic.partitions):
            following = Cursor(topic_name=name, partition_index=end)
            break
        left -= max(end - start, 0)
    return DescribeTopicPartitionsResponse(throttle_time_ms=0, topics=answers, next_cursor=following)


def _refusal(request: DescribeTopicPartitionsRequest, error: ErrorCode) -> DescribeTopicPartitionsResponse:
    """The answer to a request that does not fit: an error for each topic, which is none where all were asked for."""
    return DescribeTopicPartitionsResponse(
        throttle_time_ms=0,
        topics=[DescribeTopicPartitionsResponseTopic(error_code=error, name=topic.name) for topic in request.topics],
    )


def _missing(name: str) -> DescribeTopicPartitionsResponseTopic:
    code = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION if topic_name_error(name) is None else ErrorCode.INVALID_TOPIC_EXCEPTION
    return DescribeTopicPartitionsResponseTopic(
        error_code=code,
        name=name,
        is_internal=name in INTERNAL_TOPICS,
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _described(
    topic: TopicImage, indexes: range, addresses: Addresses, brokers: Mapping[int, BrokerImage]
) -> DescribeTopicPartitionsResponseTopic:
    return DescribeTopicPartitionsResponseTopic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.topic_id,
        is_internal=topic.is_internal,
        partitions=[_partition(topic.partitions[index], addresses, brokers) for index in indexes],
        topic_authorized_operations=TOPIC_OPERATIONS,
    )


def _partition(
    partition: PartitionImage, addresses: Addresses, brokers: Mapping[int, BrokerImage]
) -> DescribeTopicPartitionsResponsePartition:
    return DescribeTopicPartitionsResponsePartition(
        error_code=ErrorCode.NONE,
        partition_index=partition.index,
        leader_id=partition.leader if partition.leader in addresses else NO_LEADER,
        leader_epoch=partition.leader_epoch,
        replica_nodes=partition.replicas,
        isr_nodes=partition.isr,
        eligible_leader_replicas=partition.eligible_leader_replicas,
        last_known_elr=partition.last_known_elr,
        offline_replicas=offline_replicas(partition, addresses, brokers),
    )
