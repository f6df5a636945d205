"""OffsetDelete v0 (KIP-496): forgets offsets of a group in topics that its members do not read.

A partition that does not exist is UNKNOWN_TOPIC_OR_PARTITION. An error of the group is the answer's, without topics. A
topic that members read: GROUP_SUBSCRIBED_TO_TOPIC.
Source: kafka.server.KafkaApis.handleOffsetDeleteRequest, org.apache.kafka.coordinator.group.OffsetMetadataManager.

Left out: share and streams groups, authorization.
"""

from __future__ import annotations

from typing import Any

from ...wire.errors import ErrorCode
from ...wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
    OffsetDeleteResponsePartition,
    OffsetDeleteResponseTopic,
)
from ..context import RequestContext
from ..coordinators import gather


def handle(request: OffsetDeleteRequest, context: RequestContext) -> Any:
    catalogue = context.broker.catalogue
    known: list[OffsetDeleteRequestTopic] = []
    unknown: dict[str, list[OffsetDeleteResponsePartition]] = {}
    for topic in request.topics:
        image = catalogue.topic(topic.name)
        there: list[OffsetDeleteRequestPartition] = []
        if image is None:
            unknown.setdefault(topic.name, [])
        for row in topic.partitions:
            if image is not None and row.partition_index in image.partitions:
                there.append(row)
            else:
                unknown.setdefault(topic.name, []).append(
                    OffsetDeleteResponsePartition(
                        partition_index=row.partition_index, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
                    )
                )
        if there:
            known.append(OffsetDeleteRequestTopic(name=topic.name, partitions=there))

    def combine(answers: list[OffsetDeleteResponse]) -> OffsetDeleteResponse:
        (answer,) = answers
        if answer.error_code != ErrorCode.NONE:
            return answer
        found: dict[str, list[OffsetDeleteResponsePartition]] = {}
        for topic in answer.topics:
            found.setdefault(topic.name, []).extend(topic.partitions)
        names = dict.fromkeys((*unknown, *found))
        return OffsetDeleteResponse(
            error_code=ErrorCode.NONE,
            throttle_time_ms=0,
            topics=[
                OffsetDeleteResponseTopic(name=name, partitions=unknown.get(name, []) + found.get(name, []))
                for name in names
            ],
        )

    asked = OffsetDeleteRequest(group_id=request.group_id, topics=known)
    return gather([context.broker.coordinators.submit(request.group_id, asked, context)], combine)
