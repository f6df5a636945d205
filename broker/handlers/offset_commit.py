"""OffsetCommit v2-10 (KIP-320, KIP-345, KIP-848, KIP-1156): keep a group's offsets.

Topics and partitions that do not exist are refused first, by name UNKNOWN_TOPIC_OR_PARTITION, by id (v10)
UNKNOWN_TOPIC_ID; the group is only asked about the rest. v2-4 may name a retention time of their own, v6 has the
leader epoch, v7 the instance id; an unknown group is GROUP_ID_NOT_FOUND from v9, before ILLEGAL_GENERATION.
Whom a commit is taken from: coordinator/classic_member.py and consumer_offsets.py; when it is forgotten: expiry.py.
Source: kafka.server.KafkaApis.handleOffsetCommitRequest.

Left out: authorization.
"""

from __future__ import annotations

from typing import Final

from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..context import RequestContext
from ..coordinators import gather

_TOPIC_IDS_FROM: Final = 10


def handle(
    request: OffsetCommitRequest, context: RequestContext
) -> OffsetCommitResponse | Pending[OffsetCommitResponse]:
    refused: dict[bytes | str, OffsetCommitResponseTopic] = {}
    for topic in request.topics:
        _take_unknown(topic, context, refused)
    request.topics = [topic for topic in request.topics if topic.partitions]
    if not request.topics:
        return OffsetCommitResponse(topics=list(refused.values()))
    answer = context.broker.coordinators.submit(request.group_id, request, context)
    if not refused:
        return answer  # type: ignore[no-any-return]
    return gather([answer], lambda answers: _merge(refused, answers[0], context))


def _take_unknown(
    topic: OffsetCommitRequestTopic, context: RequestContext, refused: dict[bytes | str, OffsetCommitResponseTopic]
) -> None:
    """Take out of the request's topic the partitions that do not exist, and give it both its name and its id."""
    catalogue = context.broker.catalogue
    by_id = context.api_version >= _TOPIC_IDS_FROM
    image = catalogue.topic_by_id(topic.topic_id) if by_id else catalogue.topic(topic.name)
    if image is not None:
        topic.name, topic.topic_id = image.name, image.topic_id
        known = image.partitions
        if all(row.partition_index in known for row in topic.partitions):
            return
        error = ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    else:
        known = {}
        error = ErrorCode.UNKNOWN_TOPIC_ID if by_id else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    rows, topic.partitions = topic.partitions, []
    answer = refused.setdefault(
        topic.topic_id if by_id else topic.name,
        OffsetCommitResponseTopic(name=topic.name, topic_id=topic.topic_id, partitions=[]),
    )
    for row in rows:
        if row.partition_index in known:
            topic.partitions.append(row)
        else:
            answer.partitions.append(
                OffsetCommitResponsePartition(partition_index=row.partition_index, error_code=error)
            )


def _merge(
    refused: dict[bytes | str, OffsetCommitResponseTopic], answer: OffsetCommitResponse, context: RequestContext
) -> OffsetCommitResponse:
    """One answer: what was refused, and behind it, topic by topic, what the coordinator answers."""
    by_id = context.api_version >= _TOPIC_IDS_FROM
    for topic in answer.topics:
        first = refused.setdefault(topic.topic_id if by_id else topic.name, topic)
        if first is not topic:
            first.partitions += topic.partitions
    return OffsetCommitResponse(topics=list(refused.values()))
