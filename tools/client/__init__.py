"""A small blocking Kafka client for klamm's commands.

    from .client import open_client
    with open_client("localhost:9092", command_config="client.properties") as client:
        answer = client.any(DescribeClusterRequest(), DescribeClusterResponse)

It speaks to any Kafka: each connection asks for the broker's versions first, and every request goes out in the highest
version that both know. Everything blocks; a deadline bounds every call.

Clients that send and read records are built on it; it has no buffers of its own. `pipeline.py` has several requests in
flight on a connection.

Left out: TLS and SASL (a `security.protocol` other than PLAINTEXT is refused by name).
"""

from __future__ import annotations

from .client import Client, open_client
from .errors import ClientError, ServerError, UnreachableError, UnsupportedError

__all__ = ["Client", "ClientError", "ServerError", "UnreachableError", "UnsupportedError", "open_client"]
