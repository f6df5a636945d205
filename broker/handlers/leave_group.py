"""LeaveGroup v0-5 (KIP-345, KIP-800): members leave, or an administrator takes them out.

Up to v2 one member, whose error is the answer's. From v3 several, each with its error; a static member may be named by
its instance id alone. v5 says why. Source: kafka.server.KafkaApis.handleLeaveGroupRequest.

Left out: authorization.
"""

from __future__ import annotations

from ...storage.pending import Pending
from ...wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse
from ..context import RequestContext


def handle(request: LeaveGroupRequest, context: RequestContext) -> LeaveGroupResponse | Pending[LeaveGroupResponse]:
    return context.broker.coordinators.submit(request.group_id, request, context)  # type: ignore[no-any-return]
