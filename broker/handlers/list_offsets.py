"""ListOffsets v1-11 (KIP-79, KIP-734 max timestamp v7, KIP-405 local and tiered offsets v8-v11).

Special timestamps: -1 the end (the last stable offset under read_committed), -2 the start with its record's leader
epoch, -3 the record with the highest timestamp, -4 the local start; all others the first record at or after that time,
looked for inside of compressed batches too. Nothing found: offset and timestamp -1, no error. A special timestamp
that the version does not know yet, or nobody knows: UNSUPPORTED_VERSION. The same partition twice in a request:
INVALID_REQUEST.
Source: kafka.server.KafkaApis.handleListOffsetRequest, kafka.cluster.Partition.fetchOffsetForTimestamp.

Left out: tiered storage, which makes -5 and -6 find nothing, as in a Kafka without it.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Final, NamedTuple

from ...storage.pending import Pending
from ...storage.warmth import ColdRead, Missing
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsPartitionResponse,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopicResponse,
)
from ..context import RequestContext
from ..partition import Partition

LATEST: Final = -1
EARLIEST: Final = -2
MAX_TIMESTAMP: Final = -3
EARLIEST_LOCAL: Final = -4
LATEST_TIERED: Final = -5
EARLIEST_PENDING_UPLOAD: Final = -6

#: The version from which each special timestamp is known.
_SINCE: Final = {
    LATEST: 0,
    EARLIEST: 0,
    MAX_TIMESTAMP: 7,
    EARLIEST_LOCAL: 8,
    LATEST_TIERED: 9,
    EARLIEST_PENDING_UPLOAD: 11,
}
_READ_COMMITTED: Final = 1
_LEADER_EPOCH_FROM: Final = 4


class Found(NamedTuple):
    """`timestamp_ms` is -1 for special offsets, all are -1 where nothing was found."""

    offset: int = -1
    timestamp_ms: int = -1
    leader_epoch: int = -1


def handle(request: ListOffsetsRequest, context: RequestContext) -> ListOffsetsResponse | Pending[ListOffsetsResponse]:
    found: dict[tuple[str, int], tuple[Found, ErrorCode]] = {}
    return context.broker.warmer.when_warm(partial(_answer, request, context, found))


def _answer(
    request: ListOffsetsRequest,
    context: RequestContext,
    found_before: dict[tuple[str, int], tuple[Found, ErrorCode]],
) -> ListOffsetsResponse:
    """`found_before`: what an earlier attempt has found. Raises ColdRead for all partitions that lack something."""
    cold: list[Missing] = []
    named = Counter((topic.name, asked.partition_index) for topic in request.topics for asked in topic.partitions)
    topics: dict[str, dict[int, ListOffsetsPartitionResponse]] = {}
    for topic in request.topics:
        for asked in topic.partitions:
            key = (topic.name, asked.partition_index)
            if key not in found_before:
                try:
                    if named[key] > 1:
                        raise KafkaError(ErrorCode.INVALID_REQUEST)
                    found_before[key] = _lookup(topic.name, asked, request.isolation_level, context), ErrorCode.NONE
                except ColdRead as missing:
                    cold += missing.ranges
                    continue
                except KafkaError as failure:
                    found_before[key] = Found(), failure.code
            found, error = found_before[key]
            # A topic, or a partition, that is named twice is answered once.
            topics.setdefault(topic.name, {})[asked.partition_index] = ListOffsetsPartitionResponse(
                partition_index=asked.partition_index,
                error_code=error,
                offset=found.offset,
                timestamp=found.timestamp_ms,
                leader_epoch=found.leader_epoch if context.api_version >= _LEADER_EPOCH_FROM else -1,
            )
    if cold:
        raise ColdRead(cold)
    return ListOffsetsResponse(
        throttle_time_ms=0,
        topics=[ListOffsetsTopicResponse(name=name, partitions=list(rows.values())) for name, rows in topics.items()],
    )


def _lookup(topic: str, asked: ListOffsetsPartition, isolation_level: int, context: RequestContext) -> Found:
    timestamp = asked.timestamp
    if timestamp < 0 and context.api_version < _SINCE.get(timestamp, context.api_version + 1):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
    partition = context.broker.partitions.find(topic, asked.partition_index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    error = partition.check_leader_epoch(asked.current_leader_epoch)
    if error:
        raise KafkaError(error)
    return _find(partition, timestamp, isolation_level)


def _find(partition: Partition, timestamp: int, isolation_level: int) -> Found:
    log = partition.log
    end = log.last_stable_offset if isolation_level == _READ_COMMITTED else log.high_watermark
    if timestamp == LATEST:
        return Found(end, -1, partition.leader_epoch)
    if timestamp in (EARLIEST, EARLIEST_LOCAL):
        first = log.earliest()
        return Found(first.offset, -1, first.leader_epoch if first.leader_epoch >= 0 else partition.leader_epoch)
    if timestamp in (LATEST_TIERED, EARLIEST_PENDING_UPLOAD):
        return Found()
    hit = log.max_timestamp_offset() if timestamp == MAX_TIMESTAMP else log.offset_for_timestamp(timestamp)
    if hit.offset >= end:
        return Found()
    return Found(hit.offset, hit.timestamp_ms, hit.leader_epoch)
