"""DeleteGroups v0-2 (KIP-229): forgets groups without members, and all their offsets.

Each group goes to its own coordinator: GROUP_ID_NOT_FOUND, also for an empty name, or NON_EMPTY_GROUP. A group that is
named twice is answered once. Source: kafka.server.KafkaApis.handleDeleteGroupsRequest,
org.apache.kafka.coordinator.group.GroupCoordinatorService.deleteGroups.

Left out: share and streams groups, authorization.
"""

from __future__ import annotations

from typing import Any

from ...wire.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from ..context import RequestContext
from ..coordinators import gather


def handle(request: DeleteGroupsRequest, context: RequestContext) -> Any:
    coordinators = context.broker.coordinators
    by_shard: dict[int, list[str]] = {}
    for group_id in dict.fromkeys(request.groups_names):
        by_shard.setdefault(coordinators.partition_of(group_id), []).append(group_id)
    parts = [
        coordinators.submit_to(shard, DeleteGroupsRequest(groups_names=names), context)
        for shard, names in by_shard.items()
    ]

    def combine(answers: list[DeleteGroupsResponse]) -> DeleteGroupsResponse:
        results = [result for answer in answers for result in answer.results]
        return DeleteGroupsResponse(throttle_time_ms=0, results=results)

    return gather(parts, combine)
