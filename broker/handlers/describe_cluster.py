"""DescribeCluster v0-2 (KIP-700, KIP-919, KIP-1073): brokers, controller, cluster id.

v1 names the type of endpoint that the client believes to speak to: this is a broker's, so that of a controller is a
MISMATCHED_ENDPOINT_TYPE. v2 may ask for fenced brokers. Source: kafka.server.AuthHelper.computeDescribeClusterResponse.
"""

from __future__ import annotations

from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.describe_cluster import (
    DescribeClusterBroker,
    DescribeClusterRequest,
    DescribeClusterResponse,
)
from ..authorized_operations import CLUSTER_OPERATIONS, NOT_REQUESTED
from ..context import RequestContext
from .metadata import broker_addresses, controller_id

#: org.apache.kafka.common.requests.EndpointType
_BROKER_ENDPOINT: Final = 1
_CONTROLLER_ENDPOINT: Final = 2


def handle(request: DescribeClusterRequest, context: RequestContext) -> DescribeClusterResponse:
    if request.endpoint_type == _CONTROLLER_ENDPOINT:
        return DescribeClusterResponse(
            error_code=ErrorCode.MISMATCHED_ENDPOINT_TYPE,
            error_message="The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type "
            "CONTROLLER",
        )
    if request.endpoint_type != _BROKER_ENDPOINT:
        return DescribeClusterResponse(
            error_code=ErrorCode.UNSUPPORTED_ENDPOINT_TYPE,
            error_message=f"Unsupported endpoint type {request.endpoint_type}",
        )
    broker = context.broker
    brokers = broker.catalogue.brokers
    addresses = broker_addresses(context, include_fenced=request.include_fenced_brokers)
    return DescribeClusterResponse(
        cluster_id=broker.cluster_id,
        controller_id=controller_id(context, addresses),
        brokers=[
            DescribeClusterBroker(
                broker_id=node_id,
                host=host,
                port=port,
                rack=brokers[node_id].rack,
                is_fenced=brokers[node_id].fenced,
            )
            for node_id, (host, port) in addresses.items()
        ],
        cluster_authorized_operations=(
            CLUSTER_OPERATIONS if request.include_cluster_authorized_operations else NOT_REQUESTED
        ),
    )
