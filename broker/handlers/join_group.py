"""JoinGroup v0-9 (KIP-62, KIP-345, KIP-394, KIP-559, KIP-800, KIP-814): become a member of the next generation.

v0 has no rebalance timeout: the session timeout is both. From v4 a dynamic member without an id is sent back with one
(MEMBER_ID_REQUIRED); static members, v5, join at once, and without a rebalance if they only come back. v7 has the
protocol type, and null where "no protocol" was empty before. v9 tells a leader that came back to skip the assignment.
The answer waits until all members have joined or the rebalance timeout is over.
What happens in which state: coordinator/classic_table.py; in a group of KIP-848:
coordinator/consumer_classic.py. Source: kafka.server.KafkaApis.handleJoinGroupRequest.

Left out: authorization.
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.messages.join_group import JoinGroupRequest, JoinGroupResponse
from ..context import RequestContext


def handle(request: JoinGroupRequest, context: RequestContext) -> JoinGroupResponse | Pending[JoinGroupResponse]:
    return context.broker.coordinators.submit(request.group_id, request, context)  # type: ignore[no-any-return]
