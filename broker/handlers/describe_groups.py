"""DescribeGroups v0-6 (KIP-345, KIP-430, KIP-1043): state, protocol and members of classic groups.

A group that does not exist is described as Dead, without error up to v5 and with GROUP_ID_NOT_FOUND from v6. Protocol
and subscriptions are shown while the group is Stable. v3 has the authorized operations if asked for, v4 the instance
ids. Source: kafka.server.KafkaApis.handleDescribeGroupsRequest.

Left out: authorization (operations are all that a group has).
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from ..authorized_operations import GROUP_OPERATIONS, NOT_REQUESTED
from ..context import RequestContext
from ..coordinators import gather


def handle(
    request: DescribeGroupsRequest, context: RequestContext
) -> DescribeGroupsResponse | Pending[DescribeGroupsResponse]:
    coordinators = context.broker.coordinators
    answers = [
        coordinators.submit(group_id, DescribeGroupsRequest(groups=[group_id]), context) for group_id in request.groups
    ]
    operations = GROUP_OPERATIONS if request.include_authorized_operations else NOT_REQUESTED
    return gather(answers, lambda parts: _combine(parts, operations))


def _combine(parts: list[DescribeGroupsResponse], operations: int) -> DescribeGroupsResponse:
    groups = [part.groups[0] for part in parts]
    for group in groups:
        if group.error_code == ErrorCode.NONE:
            group.authorized_operations = operations
    return DescribeGroupsResponse(groups=groups)
