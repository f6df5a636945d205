"""DeleteTopics v1-6 (KIP-4, KIP-516, KIP-599); the handler answers 3.9's v0 too.

From v5 the answer has messages, from v6 topics are named by name or id. With delete.topic.enable=false every topic is
refused: TOPIC_DELETION_DISABLED from v3, INVALID_REQUEST before. When the answer goes out the topic and its logs are
gone. What else is refused: metadata/delete_topics.py. Source: kafka.server.ControllerApis.handleDeleteTopics.

Left out: timeout_ms (the work is done when the answer is), quotas.
"""

from __future__ import annotations

from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.delete_topics import (
    DeletableTopicResult,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
    DeleteTopicState,
)
from ..commit_or_refuse import commit_or_refuse
from ..context import RequestContext

_DELETION_DISABLED_FROM: Final = 3
#: The first version with `topics` in place of `topic_names`.
_TOPIC_STATES_FROM: Final = 6


def handle(request: DeleteTopicsRequest, context: RequestContext) -> DeleteTopicsResponse:
    broker = context.broker
    version = context.api_version
    topics = request.topics
    if version < _TOPIC_STATES_FROM:
        topics = [DeleteTopicState(name=name) for name in request.topic_names]
    if not broker.config.get("delete.topic.enable"):
        code = ErrorCode.TOPIC_DELETION_DISABLED if version >= _DELETION_DISABLED_FROM else ErrorCode.INVALID_REQUEST
        return DeleteTopicsResponse(
            responses=[
                DeletableTopicResult(name=topic.name, topic_id=topic.topic_id, error_code=code) for topic in topics
            ]
        )
    change = broker.controller.delete_topics(topics)
    commit_or_refuse(change.records, change.results, context)
    return DeleteTopicsResponse(responses=change.results)
