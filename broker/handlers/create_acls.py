"""CreateAcls v1-3 (KIP-140, KIP-290); the handler answers 3.9's v0 too.

Without an authorizer there is nothing to add to: SECURITY_DISABLED for each entry, as in Kafka.
Source: kafka.server.AclApis.handleCreateAcls.

Left out: authorizers come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.create_acls import AclCreationResult, CreateAclsRequest, CreateAclsResponse
from ..acl_requests import refuse_unknown
from ..context import RequestContext


def handle(request: CreateAclsRequest, context: RequestContext) -> CreateAclsResponse:
    for one in request.creations:
        refuse_unknown(one.resource_type, one.resource_pattern_type, one.operation, one.permission_type)
    refused = AclCreationResult(error_code=ErrorCode.SECURITY_DISABLED, error_message="No Authorizer is configured.")
    return CreateAclsResponse(throttle_time_ms=0, results=[refused] * len(request.creations))
