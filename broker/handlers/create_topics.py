"""CreateTopics v2-7 (KIP-4, KIP-464, KIP-525, KIP-516); the handler answers 3.9's v0-1 too.

From v4 -1 stands for the default number of partitions and replicas (Kafka takes it in every version), from v5 the
answer has the topic's configs, from v7 its id, also for validateOnly, when nothing is created. When the answer goes
out the topic can be written to; Kafka answers some ms earlier. What is refused and why: metadata/create_topics.py.
Source: kafka.server.ControllerApis.handleCreateTopics.

Left out: timeout_ms (the work is done when the answer is), topic_config_error_code (authorization), quotas.
"""

from __future__ import annotations

from typing import Final

from ...wire.messages.create_topics import CreatableTopicResult, CreateTopicsRequest, CreateTopicsResponse
from ..commit_or_refuse import commit_or_refuse
from ..context import RequestContext

#: The first version whose answer has configs (KIP-525).
_CONFIGS_FROM: Final = 5


def handle(request: CreateTopicsRequest, context: RequestContext) -> CreateTopicsResponse:
    broker = context.broker
    change = broker.controller.create_topics(
        request.topics,
        validate_only=request.validate_only,
        describe=context.api_version >= _CONFIGS_FROM,
    )
    results = change.results
    if not commit_or_refuse(change.records, results, context):
        results = [
            CreatableTopicResult(name=row.name, error_code=row.error_code, error_message=row.error_message)
            for row in results
        ]
    return CreateTopicsResponse(topics=results)
