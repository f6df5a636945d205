"""OffsetForLeaderEpoch v2-4 (KIP-101, KIP-279, KIP-320): where a leader epoch ends in a partition's log.

The answer names the largest epoch that is not above the one asked for, and the offset behind its last record; an epoch
above all that is known, or none, is answered with -1/-1. A client that knows another current leader epoch than the
partition's is told so. Source: kafka.cluster.Partition.lastOffsetForLeaderEpoch.

Left out: replica_id (followers come with replication).
"""

from __future__ import annotations

from functools import partial

from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.offset_for_leader_epoch import (
    EpochEndOffset,
    OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse,
    OffsetForLeaderPartition,
    OffsetForLeaderTopicResult,
)
from ..context import RequestContext


def handle(
    request: OffsetForLeaderEpochRequest, context: RequestContext
) -> OffsetForLeaderEpochResponse | Pending[OffsetForLeaderEpochResponse]:
    keys = [(topic.topic, asked.partition) for topic in request.topics for asked in topic.partitions]
    return context.broker.partitions.when_open(keys, partial(_handle, request, context))


def _handle(request: OffsetForLeaderEpochRequest, context: RequestContext) -> OffsetForLeaderEpochResponse:
    return OffsetForLeaderEpochResponse(
        throttle_time_ms=0,
        topics=[
            OffsetForLeaderTopicResult(
                topic=topic.topic, partitions=[_answer(topic.topic, asked, context) for asked in topic.partitions]
            )
            for topic in request.topics
        ],
    )


def _answer(topic: str, asked: OffsetForLeaderPartition, context: RequestContext) -> EpochEndOffset:
    try:
        partition = context.broker.partitions.get(topic, asked.partition)
        if partition is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        error = partition.check_leader_epoch(asked.current_leader_epoch)
        if error:
            raise KafkaError(error)
        found = partition.log.end_offset_for_epoch(asked.leader_epoch)
    except KafkaError as failure:
        return EpochEndOffset(error_code=failure.code, partition=asked.partition)
    return EpochEndOffset(
        error_code=ErrorCode.NONE,
        partition=asked.partition,
        leader_epoch=found.leader_epoch,
        end_offset=found.end_offset,
    )
