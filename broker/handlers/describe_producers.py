"""DescribeProducers v0 (KIP-664): the producers that partitions of this broker remember.

A producer is in the answer until producer.id.expiration.ms have passed since its last batch.
Source: kafka.server.KafkaApis.handleDescribeProducersRequest, ReplicaManager.activeProducerState.

Left out: authorization.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.describe_producers import (
    DescribeProducersRequest,
    DescribeProducersResponse,
    PartitionResponse,
    ProducerState,
    TopicResponse,
)
from ..context import RequestContext
from ..metadata.topic_names import topic_name_error

_NO_TOPIC: Final = "This server does not host this topic-partition."


def handle(
    request: DescribeProducersRequest, context: RequestContext
) -> DescribeProducersResponse | Pending[DescribeProducersResponse]:
    keys = [(topic.name, index) for topic in request.topics for index in topic.partition_indexes]
    return context.broker.partitions.when_open(keys, partial(_handle, request, context))


def _handle(request: DescribeProducersRequest, context: RequestContext) -> DescribeProducersResponse:
    return DescribeProducersResponse(
        throttle_time_ms=0,
        topics=[
            TopicResponse(
                name=topic.name,
                partitions=[_answer(topic.name, index, context) for index in topic.partition_indexes],
            )
            for topic in request.topics
        ],
    )


def _answer(topic: str, index: int, context: RequestContext) -> PartitionResponse:
    try:
        producers, code, message = _producers(topic, index, context), ErrorCode.NONE, None
    except KafkaError as error:
        producers, code, message = [], error.code, error.message
    return PartitionResponse(partition_index=index, error_code=code, error_message=message, active_producers=producers)


def _producers(topic: str, index: int, context: RequestContext) -> list[ProducerState]:
    problem = topic_name_error(topic)
    if problem is not None:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    if context.broker.catalogue.topic(topic) is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, _NO_TOPIC)
    partition = context.broker.partitions.get(topic, index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    return [
        ProducerState(
            producer_id=producer_id,
            producer_epoch=entry.epoch,
            last_sequence=entry.last_sequence,
            last_timestamp=entry.last_timestamp_ms,
            coordinator_epoch=entry.coordinator_epoch,
            current_txn_start_offset=entry.first_transaction_offset,
        )
        for producer_id, entry in partition.log.producers.entries.items()
    ]
