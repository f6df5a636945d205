"""ListConfigResources v0-1 (KIP-714, KIP-1142): the names of what configs can be set for.

v0 lists the subscriptions to client metrics. v1 takes resource types, none meaning all: topics, brokers and their
loggers whether or not they have configs, groups and client metrics that have some. A type that v1 does not know is
UNSUPPORTED_VERSION. Source: kafka.server.KafkaApis.handleListConfigResources.

Left out: authorization.
"""

from __future__ import annotations

from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.list_config_resources import (
    ConfigResource,
    ListConfigResourcesRequest,
    ListConfigResourcesResponse,
)
from ..context import RequestContext
from ..metadata.image import (
    BROKER_LOGGER_RESOURCE,
    BROKER_RESOURCE,
    CLIENT_METRICS_RESOURCE,
    GROUP_RESOURCE,
    TOPIC_RESOURCE,
)
from .metadata import broker_addresses

_TYPES: Final = (GROUP_RESOURCE, CLIENT_METRICS_RESOURCE, BROKER_LOGGER_RESOURCE, BROKER_RESOURCE, TOPIC_RESOURCE)
_TYPES_FROM: Final = 1


def handle(request: ListConfigResourcesRequest, context: RequestContext) -> ListConfigResourcesResponse:
    if context.api_version < _TYPES_FROM:
        wanted: tuple[int, ...] = (CLIENT_METRICS_RESOURCE,)
    else:
        wanted = tuple(request.resource_types) or _TYPES
    if not set(wanted) <= set(_TYPES):
        return ListConfigResourcesResponse(throttle_time_ms=0, error_code=ErrorCode.UNSUPPORTED_VERSION)
    return ListConfigResourcesResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        config_resources=[
            ConfigResource(resource_name=name, resource_type=kind)
            for kind in _TYPES
            if kind in wanted
            for name in _names(kind, context)
        ],
    )


def _names(kind: int, context: RequestContext) -> list[str]:
    catalogue = context.broker.catalogue
    if kind == TOPIC_RESOURCE:
        return list(catalogue.topics)
    if kind in (BROKER_RESOURCE, BROKER_LOGGER_RESOURCE):
        return [str(node_id) for node_id in broker_addresses(context)]
    return catalogue.configured(kind)
