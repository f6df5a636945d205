"""CreatePartitions v0-3 (KIP-195, KIP-599): gives topics more partitions.

`count` is what the topic has afterwards; without assignments the brokers are chosen as for a new topic. When the
answer goes out the partitions can be written to; Kafka answers some ms earlier. What is refused and why:
metadata/create_partitions.py. Source: kafka.server.ControllerApis.handleCreatePartitions.

Left out: timeout_ms (the work is done when the answer is), quotas.
"""

from __future__ import annotations

from ...wire.messages.create_partitions import CreatePartitionsRequest, CreatePartitionsResponse
from ..commit_or_refuse import commit_or_refuse
from ..context import RequestContext


def handle(request: CreatePartitionsRequest, context: RequestContext) -> CreatePartitionsResponse:
    broker = context.broker
    change = broker.controller.create_partitions(request.topics, validate_only=request.validate_only)
    commit_or_refuse(change.records, change.results, context)
    return CreatePartitionsResponse(throttle_time_ms=0, results=change.results)
