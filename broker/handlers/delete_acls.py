"""DeleteAcls v1-3 (KIP-140, KIP-290); the handler answers 3.9's v0 too.

Without an authorizer there is nothing to delete from: SECURITY_DISABLED for each filter, as in Kafka.
Source: kafka.server.AclApis.handleDeleteAcls.

Left out: authorizers come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.delete_acls import DeleteAclsFilterResult, DeleteAclsRequest, DeleteAclsResponse
from ..acl_requests import refuse_unknown
from ..context import RequestContext


def handle(request: DeleteAclsRequest, context: RequestContext) -> DeleteAclsResponse:
    for one in request.filters:
        refuse_unknown(one.resource_type_filter, one.pattern_type_filter, one.operation, one.permission_type)
    refused = DeleteAclsFilterResult(
        error_code=ErrorCode.SECURITY_DISABLED, error_message="No Authorizer is configured.", matching_acls=[]
    )
    return DeleteAclsResponse(throttle_time_ms=0, filter_results=[refused] * len(request.filters))
