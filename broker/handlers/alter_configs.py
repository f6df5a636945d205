"""AlterConfigs v0-2 (KIP-133): the configs of topics, brokers, groups and client metrics, each resource's all at once.

What a resource had and is not told again is removed. When the answer goes out the change is in the metadata log and has
taken effect. What is refused and why: alter_configs.py. A resource that is named twice is answered INVALID_REQUEST;
Kafka 4.3.1 never answers that. Source: kafka.server.ConfigAdminManager.

Left out: see IncrementalAlterConfigs.
"""

from __future__ import annotations

from ...wire.messages.alter_configs import AlterConfigsRequest, AlterConfigsResourceResponse, AlterConfigsResponse
from ..alter_configs import Operation, Resource, alter_configs
from ..context import RequestContext
from ..loggers import SET


def handle(request: AlterConfigsRequest, context: RequestContext) -> AlterConfigsResponse:
    resources = [
        Resource(
            resource.resource_type,
            resource.resource_name,
            [Operation(config.name, SET, config.value) for config in resource.configs],
        )
        for resource in request.resources
    ]
    outcomes = alter_configs(resources, context, validate_only=request.validate_only, replace=True)
    return AlterConfigsResponse(
        throttle_time_ms=0,
        responses=[
            AlterConfigsResourceResponse(
                error_code=outcome.code,
                error_message=outcome.message,
                resource_type=resource.kind,
                resource_name=resource.name,
            )
            for resource, outcome in zip(resources, outcomes, strict=True)
        ],
    )
