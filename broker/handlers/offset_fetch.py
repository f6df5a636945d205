"""OffsetFetch v1-10 (KIP-88, KIP-320, KIP-447, KIP-709, KIP-848, KIP-1156): a group's committed offsets.

Up to v7 one group, from v8 several. From v2 null topics mean all, and an error of the group has a place of its own;
v1 repeats it for each partition. v5 has the leader epoch, v7 RequireStable, v9 the member's id and epoch (of the new
protocol only), v10 topic ids, UNKNOWN_TOPIC_ID for one that is not there. What was never committed, in a group that
does not exist either, is offset -1 without error. Source: kafka.server.KafkaApis.handleOffsetFetchRequest.

With RequireStable an offset that an open transaction may move is UNSTABLE_OFFSET_COMMIT.

Left out: authorization.
"""

from __future__ import annotations

from typing import Final

from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
    OffsetFetchResponsePartition,
    OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
)
from ..context import RequestContext
from ..coordinators import gather

_TOP_LEVEL_ERROR_FROM: Final = 2
_GROUPS_FROM: Final = 8
_TOPIC_IDS_FROM: Final = 10


def handle(request: OffsetFetchRequest, context: RequestContext) -> OffsetFetchResponse | Pending[OffsetFetchResponse]:
    version = context.api_version
    if version >= _GROUPS_FROM:
        answers = [_fetch(group, request.require_stable, context) for group in request.groups]
        return gather(answers, lambda groups: OffsetFetchResponse(groups=groups))
    group = OffsetFetchRequestGroup(group_id=request.group_id, topics=None)
    if request.topics is not None:
        group.topics = [
            OffsetFetchRequestTopics(name=topic.name, partition_indexes=topic.partition_indexes)
            for topic in request.topics
        ]
    answer = _fetch(group, request.require_stable, context)
    return gather([answer], lambda groups: _one_group(groups[0], group, version))


def _fetch(
    group: OffsetFetchRequestGroup, require_stable: bool, context: RequestContext
) -> OffsetFetchResponseGroup | Pending[OffsetFetchResponseGroup]:
    """One group, with topics known both by name and by id, where there are such."""
    catalogue = context.broker.catalogue
    by_id = context.api_version >= _TOPIC_IDS_FROM
    unknown = []
    if group.topics is not None:
        for topic in group.topics:
            image = catalogue.topic_by_id(topic.topic_id) if by_id else catalogue.topic(topic.name)
            if image is not None:
                topic.name, topic.topic_id = image.name, image.topic_id
            elif by_id:
                unknown.append(topic)
        if unknown:
            group.topics = [topic for topic in group.topics if topic not in unknown]
    asked = OffsetFetchRequest(groups=[group], require_stable=require_stable)
    answer = context.broker.coordinators.submit(group.group_id, asked, context)
    return gather([answer], lambda answers: _with_ids(answers[0].groups[0], unknown, by_id, context))


def _with_ids(
    answer: OffsetFetchResponseGroup, unknown: list[OffsetFetchRequestTopics], by_id: bool, context: RequestContext
) -> OffsetFetchResponseGroup:
    """To a request by id, topics by id: those of a name that has gone since have none and are left out."""
    if not by_id or answer.error_code != ErrorCode.NONE:
        return answer
    topics = []
    for topic in answer.topics:
        image = context.broker.catalogue.topic(topic.name)
        if image is not None:
            topic.topic_id = image.topic_id
            topics.append(topic)
    for missing in unknown:
        rows = [_unknown_topic_id(index) for index in missing.partition_indexes]
        topics.append(OffsetFetchResponseTopics(topic_id=missing.topic_id, partitions=rows))
    answer.topics = topics
    return answer


def _unknown_topic_id(index: int) -> OffsetFetchResponsePartitions:
    return OffsetFetchResponsePartitions(
        partition_index=index, committed_offset=-1, metadata="", error_code=ErrorCode.UNKNOWN_TOPIC_ID
    )


def _one_group(answer: OffsetFetchResponseGroup, asked: OffsetFetchRequestGroup, version: int) -> OffsetFetchResponse:
    """The shape of v1-7."""
    if answer.error_code != ErrorCode.NONE and version < _TOP_LEVEL_ERROR_FROM:
        return OffsetFetchResponse(
            topics=[
                OffsetFetchResponseTopic(
                    name=topic.name,
                    partitions=[
                        OffsetFetchResponsePartition(
                            partition_index=index, committed_offset=-1, metadata="", error_code=answer.error_code
                        )
                        for index in topic.partition_indexes
                    ],
                )
                for topic in asked.topics or ()
            ]
        )
    return OffsetFetchResponse(
        error_code=answer.error_code,
        topics=[
            OffsetFetchResponseTopic(
                name=topic.name,
                partitions=[
                    OffsetFetchResponsePartition(
                        partition_index=row.partition_index,
                        committed_offset=row.committed_offset,
                        committed_leader_epoch=row.committed_leader_epoch,
                        metadata=row.metadata,
                        error_code=row.error_code,
                    )
                    for row in topic.partitions
                ],
            )
            for topic in answer.topics
        ],
    )
