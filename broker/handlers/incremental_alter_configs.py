"""IncrementalAlterConfigs v0-1 (KIP-339): single configs of topics, brokers, groups and client metrics, and loggers.

Each is set, deleted, or, if it is a list of a topic or broker, appended to or subtracted from. Brokers: this one by its
id, or the defaults of the cluster under the name "" (KIP-226), which take effect at once where klamm honours them and
which DescribeConfigs names as their own sources. Levels of loggers (KIP-412) end with the process; all else is in the
metadata log when the answer goes out. What is refused and why: alter_configs.py, config/dynamic.py, loggers.py.
Source: kafka.server.ConfigAdminManager.

Left out: listeners and cordoned folders at run time, configs of one listener (`listener.name.X.key`), policies.
"""

from __future__ import annotations

from ...wire.messages.incremental_alter_configs import (
    AlterConfigsResourceResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ..alter_configs import Operation, Resource, alter_configs
from ..context import RequestContext
from ..loggers import alter_levels
from ..metadata.image import BROKER_LOGGER_RESOURCE


def handle(request: IncrementalAlterConfigsRequest, context: RequestContext) -> IncrementalAlterConfigsResponse:
    validate_only = request.validate_only
    resources = [
        Resource(
            resource.resource_type,
            resource.resource_name,
            [Operation(config.name, config.config_operation, config.value) for config in resource.configs],
        )
        for resource in request.resources
    ]

    def loggers(number: int) -> bool:
        resource = request.resources[number]
        if resource.resource_type != BROKER_LOGGER_RESOURCE:
            return False
        alter_levels(context.broker.node_id, resource.resource_name, resource.configs, validate_only=validate_only)
        return True

    outcomes = alter_configs(resources, context, validate_only=validate_only, replace=False, special=loggers)
    return IncrementalAlterConfigsResponse(
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
