"""DescribeAcls v1-3 (KIP-140, KIP-290); the handler answers 3.9's v0 too.

Without an authorizer nothing is known of access control: SECURITY_DISABLED, as in Kafka.
Source: kafka.server.AclApis.handleDescribeAcls.

Left out: authorizers come with security.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.describe_acls import DescribeAclsRequest, DescribeAclsResponse
from ..acl_requests import refuse_unknown
from ..context import RequestContext


def handle(request: DescribeAclsRequest, context: RequestContext) -> DescribeAclsResponse:
    refuse_unknown(
        request.resource_type_filter, request.pattern_type_filter, request.operation, request.permission_type
    )
    return DescribeAclsResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.SECURITY_DISABLED,
        error_message="No Authorizer is configured on the broker",
        resources=[],
    )
