"""ConsumerGroupDescribe v0-1 (KIP-848): state, epochs, assignor and members of consumer groups.

A group of another kind is GROUP_ID_NOT_FOUND, with the message saying so: admin clients then ask DescribeGroups. v1
has the members' types (0 classic, 1 consumer). The authorized operations come if asked for.
Source: kafka.server.KafkaApis.handleConsumerGroupDescribe.

Left out: authorization (operations are all that a group has).
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
)
from ..authorized_operations import GROUP_OPERATIONS, NOT_REQUESTED
from ..context import RequestContext
from ..coordinators import gather


def handle(
    request: ConsumerGroupDescribeRequest, context: RequestContext
) -> ConsumerGroupDescribeResponse | Pending[ConsumerGroupDescribeResponse]:
    coordinators = context.broker.coordinators
    if not coordinators.serves_consumer_groups():
        error = ErrorCode.UNSUPPORTED_VERSION
        return ConsumerGroupDescribeResponse(
            groups=[DescribedGroup(error_code=error, group_id=group_id) for group_id in request.group_ids]
        )
    answers = [
        coordinators.submit(group_id, ConsumerGroupDescribeRequest(group_ids=[group_id]), context)
        for group_id in request.group_ids
    ]
    operations = GROUP_OPERATIONS if request.include_authorized_operations else NOT_REQUESTED
    return gather(answers, lambda parts: _combine(parts, operations))


def _combine(parts: list[ConsumerGroupDescribeResponse], operations: int) -> ConsumerGroupDescribeResponse:
    groups = [part.groups[0] for part in parts]
    for group in groups:
        if group.error_code == ErrorCode.NONE:
            group.authorized_operations = operations
    return ConsumerGroupDescribeResponse(groups=groups)
