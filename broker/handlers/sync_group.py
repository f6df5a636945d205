"""SyncGroup v0-5 (KIP-345, KIP-559): the leader brings the assignment, every member takes its part.

v3 has the instance id. From v5 protocol type and name must be there and fit the group's, else
INCONSISTENT_GROUP_PROTOCOL. Followers wait for the leader's request, and all for its record to be safe.
What happens in which state: coordinator/classic_table.py; in a group of KIP-848:
coordinator/consumer_classic.py. Source: kafka.server.KafkaApis.handleSyncGroupRequest.

Left out: authorization.
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from ..context import RequestContext


def handle(request: SyncGroupRequest, context: RequestContext) -> SyncGroupResponse | Pending[SyncGroupResponse]:
    return context.broker.coordinators.submit(request.group_id, request, context)  # type: ignore[no-any-return]
