"""What Kafka checks in an ACL request before it looks for an authorizer.

Source: org.apache.kafka.common.requests.DescribeAclsRequest, CreateAclsRequest and DeleteAclsRequest (their `UNKNOWN
elements` checks, made while the request is parsed: nothing answers it, the connection closes).
"""

from __future__ import annotations

from ..wire.errors import ErrorCode, KafkaError

#: The code of ResourceType, PatternType, AclOperation and AclPermissionType for what a client could not name.
UNKNOWN = 0


def refuse_unknown(*codes: int) -> None:
    """codes: the resource type, pattern type, operation and permission of one filter or ACL.

    Raises KafkaError INVALID_REQUEST, which closes the connection, where one is UNKNOWN. Codes that no release knows
    pass, as in Kafka.
    """
    if UNKNOWN in codes:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "an ACL request with UNKNOWN elements")
