"""The operations on a resource as Metadata, DescribeCluster and DescribeGroups list them: a bit for each AclOperation.

Without an authorizer everybody may do all that the resource knows (KIP-430). Source:
org.apache.kafka.security.authorizer.AclEntry.supportedOperations, org.apache.kafka.common.acl.AclOperation.
"""

from __future__ import annotations

from typing import Final

READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE = (
    1 << code for code in range(3, 13)
)

TOPIC_OPERATIONS: Final = READ | WRITE | CREATE | DELETE | ALTER | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS
CLUSTER_OPERATIONS: Final = (
    CREATE | ALTER | DESCRIBE | CLUSTER_ACTION | DESCRIBE_CONFIGS | ALTER_CONFIGS | IDEMPOTENT_WRITE
)
GROUP_OPERATIONS: Final = READ | DELETE | DESCRIBE | DESCRIBE_CONFIGS | ALTER_CONFIGS

#: "Not asked for" in a response.
NOT_REQUESTED: Final = -(1 << 31)
