"""ListPartitionReassignments v0 (KIP-455): the partitions whose replicas move. Null topics ask for all.

What is unknown or does not move is left out. Source: ReplicationControlManager.listPartitionReassignments.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...wire.errors import ErrorCode
from ...wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    OngoingPartitionReassignment,
    OngoingTopicReassignment,
)
from ..context import RequestContext
from ..metadata.image import TopicImage


def handle(request: ListPartitionReassignmentsRequest, context: RequestContext) -> ListPartitionReassignmentsResponse:
    catalogue = context.broker.catalogue
    found: list[OngoingTopicReassignment] = []
    if request.topics is None:
        found = [_moving(topic, topic.partitions) for topic in catalogue.topics.values()]
    else:
        asked = ((catalogue.topic(row.name), row.partition_indexes) for row in request.topics)
        found = [_moving(topic, indexes) for topic, indexes in asked if topic is not None]
    return ListPartitionReassignmentsResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        error_message=None,
        topics=[topic for topic in found if topic.partitions],
    )


def _moving(topic: TopicImage, indexes: Iterable[int]) -> OngoingTopicReassignment:
    partitions = (topic.partitions.get(index) for index in indexes)
    return OngoingTopicReassignment(
        name=topic.name,
        partitions=[
            OngoingPartitionReassignment(
                partition_index=partition.index,
                replicas=partition.replicas,
                adding_replicas=partition.adding_replicas,
                removing_replicas=partition.removing_replicas,
            )
            for partition in partitions
            if partition is not None and (partition.adding_replicas or partition.removing_replicas)
        ],
    )
