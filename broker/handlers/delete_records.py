"""DeleteRecords v0-2 (KIP-107): moves the start of partitions' logs forward.

Offset -1 is the high watermark, a lower offset than the log's start changes nothing, one above the high watermark is
OFFSET_OUT_OF_RANGE. A log that is compacted and not deleted from is POLICY_VIOLATION, an internal topic
INVALID_TOPIC_EXCEPTION. Of a partition named twice the last counts. The new start is in the checkpoint file when the
answer goes out, so that it survives a kill; segments that lie before it whole are gone.
Source: kafka.server.ReplicaManager.deleteRecords, kafka.cluster.Partition.deleteRecordsOnLeader.

Left out: timeout_ms and waiting for followers, whose log start is the low watermark (replication).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from ...storage.pending import Pending
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.delete_records import (
    DeleteRecordsPartitionResult,
    DeleteRecordsRequest,
    DeleteRecordsResponse,
    DeleteRecordsTopicResult,
)
from ..context import RequestContext
from ..metadata.topic_names import INTERNAL_TOPICS

#: DeleteRecordsRequest.HIGH_WATERMARK and DeleteRecordsResponse.INVALID_LOW_WATERMARK.
HIGH_WATERMARK: Final = -1
NO_LOW_WATERMARK: Final = -1


def handle(
    request: DeleteRecordsRequest, context: RequestContext
) -> DeleteRecordsResponse | Pending[DeleteRecordsResponse]:
    asked: dict[str, dict[int, int]] = {}
    for topic in request.topics:
        for row in topic.partitions:
            asked.setdefault(topic.name, {})[row.partition_index] = row.offset
    keys = [(name, index) for name, offsets in asked.items() for index in offsets]
    return context.broker.partitions.when_open(keys, partial(_handle, asked, context))


def _handle(asked: dict[str, dict[int, int]], context: RequestContext) -> DeleteRecordsResponse:
    return DeleteRecordsResponse(
        throttle_time_ms=0,
        topics=[
            DeleteRecordsTopicResult(
                name=name, partitions=[_answer(name, index, offset, context) for index, offset in offsets.items()]
            )
            for name, offsets in asked.items()
        ],
    )


def _answer(topic: str, index: int, offset: int, context: RequestContext) -> DeleteRecordsPartitionResult:
    try:
        start, error = _delete_before(topic, index, offset, context), ErrorCode.NONE
    except KafkaError as failure:
        start, error = NO_LOW_WATERMARK, failure.code
    return DeleteRecordsPartitionResult(partition_index=index, low_watermark=start, error_code=error)


def _delete_before(topic: str, index: int, offset: int, context: RequestContext) -> int:
    partition = context.broker.partitions.get(topic, index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if topic in INTERNAL_TOPICS:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    log = partition.log
    if log.config.is_compacted and not log.config.is_deleted:
        raise KafkaError(ErrorCode.POLICY_VIOLATION)
    if offset == HIGH_WATERMARK:
        offset = log.high_watermark
    if offset < 0:
        raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
    return log.delete_before(offset)
