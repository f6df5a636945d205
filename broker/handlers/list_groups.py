"""ListGroups v0-5 (KIP-518, KIP-848): the groups of this coordinator, all or those of some states (v4) or types (v5).

Filters are taken without regard to case; one that fits nothing lists nothing. A coordinator that is still being read
from its log fails the whole, so that nobody takes a part of the groups for all.
Source: kafka.server.KafkaApis.handleListGroupsRequest.

Left out: authorization.
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.errors import ErrorCode
from ...wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ..context import RequestContext
from ..coordinators import gather


def handle(request: ListGroupsRequest, context: RequestContext) -> ListGroupsResponse | Pending[ListGroupsResponse]:
    coordinators = context.broker.coordinators
    return gather([coordinators.submit_to(index, request, context) for index in coordinators.partitions()], _combine)


def _combine(parts: list[ListGroupsResponse]) -> ListGroupsResponse:
    """A shard that this broker does not coordinate (any more) has no groups here."""
    failed = next((part for part in parts if part.error_code not in (0, ErrorCode.NOT_COORDINATOR)), None)
    if failed is not None:
        return failed
    return ListGroupsResponse(error_code=ErrorCode.NONE, groups=[group for part in parts for group in part.groups])
