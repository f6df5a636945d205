"""DescribeUserScramCredentials v0 (KIP-554): which mechanisms users have a password for, and its iterations.

Without users all are described. A user named twice is DUPLICATE_RESOURCE, one without credentials RESOURCE_NOT_FOUND.
Source: org.apache.kafka.image.ScramImage.describe.

Left out: authorization.
"""

from __future__ import annotations

from collections import Counter

from ...wire.errors import ErrorCode
from ...wire.messages.describe_user_scram_credentials import (
    CredentialInfo,
    DescribeUserScramCredentialsRequest,
    DescribeUserScramCredentialsResponse,
    DescribeUserScramCredentialsResult,
)
from ..context import RequestContext


def handle(
    request: DescribeUserScramCredentialsRequest, context: RequestContext
) -> DescribeUserScramCredentialsResponse:
    stored = context.broker.catalogue.scram_credentials.users
    times = Counter(user.name for user in request.users or ()) or dict.fromkeys(stored, 1)
    results = []
    for name, count in times.items():
        result = DescribeUserScramCredentialsResult(user=name, error_code=ErrorCode.NONE)
        if count > 1:
            result.error_code = ErrorCode.DUPLICATE_RESOURCE
            result.error_message = (
                f"Cannot describe SCRAM credentials for the same user twice in a single request: {name}"
            )
        elif name not in stored:
            result.error_code = ErrorCode.RESOURCE_NOT_FOUND
            result.error_message = f"Attempt to describe a user credential that does not exist: {name}"
        else:
            result.credential_infos = [
                CredentialInfo(mechanism=mechanism, iterations=credential.iterations)
                for mechanism, credential in stored[name].items()
            ]
        results.append(result)
    return DescribeUserScramCredentialsResponse(
        throttle_time_ms=0, error_code=ErrorCode.NONE, error_message="", results=results
    )
