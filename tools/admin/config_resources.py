"""Configs of topics, brokers, loggers, groups and client metrics, for `klamm configs`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from ...wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from ...wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from ...wire.messages.list_config_resources import ListConfigResourcesRequest, ListConfigResourcesResponse
from ..client import Client, UnsupportedError
from ..client.errors import check
from .common import CommandError
from .config_entities import Entity

RESOURCES: Final = {"topics": 2, "brokers": 4, "broker-loggers": 8, "client-metrics": 16, "groups": 32}
SOURCES: Final = {
    0: "UNKNOWN",
    1: "DYNAMIC_TOPIC_CONFIG",
    2: "DYNAMIC_BROKER_CONFIG",
    3: "DYNAMIC_DEFAULT_BROKER_CONFIG",
    4: "STATIC_BROKER_CONFIG",
    5: "DEFAULT_CONFIG",
    6: "DYNAMIC_BROKER_LOGGER_CONFIG",
    7: "DYNAMIC_CLIENT_METRICS_CONFIG",
    8: "DYNAMIC_GROUP_CONFIG",
}
_DYNAMIC: Final = {"topics": 1, "client-metrics": 7, "groups": 8}
_SET, _DELETE = 0, 1


def names_of(client: Client, kind: str) -> list[str]:
    """Every entity of a type that may have configs; for brokers their ids and "" for the default."""
    if kind == "topics":
        return sorted(row.name or "" for row in client.metadata().topics)
    if kind in ("brokers", "broker-loggers"):
        client.metadata([])
        return [*map(str, sorted(client.nodes)), *([""] if kind == "brokers" else [])]

    def request(version: int) -> ListConfigResourcesRequest:
        if version == 0 and kind != "client-metrics":  # v0 lists client metrics and nothing else
            raise UnsupportedError(f"The broker cannot list {kind} with configs")
        return ListConfigResourcesRequest(resource_types=[RESOURCES[kind]] if version else [])

    answer = client.any(request, ListConfigResourcesResponse)
    check(answer.error_code)
    return sorted(row.resource_name for row in answer.config_resources)


def configs_of(client: Client, entity: Entity, everything: bool) -> list[Any]:
    """The configs set on one entity, or all of it, by name. Raises ClientError, CommandError."""
    row = DescribeConfigsResource(
        resource_type=RESOURCES[entity.type], resource_name=entity.name or "", configuration_keys=None
    )
    request = DescribeConfigsRequest(resources=[row], include_synonyms=True)
    answer = (
        client.node(_broker(client, entity), request, DescribeConfigsResponse)
        if _is_of_broker(entity)
        else (client.any(request, DescribeConfigsResponse))
    )
    result = answer.results[0]
    check(result.error_code, result.error_message)
    source = _DYNAMIC.get(entity.type)
    if entity.type == "brokers":
        source = 2 if entity.name else 3
    return sorted(
        (one for one in result.configs if everything or source is None or one.config_source == source),
        key=lambda one: str(one.name),
    )


def _is_of_broker(entity: Entity) -> bool:
    return entity.type in ("brokers", "broker-loggers") and entity.name != ""


def _broker(client: Client, entity: Entity) -> int:
    try:
        return int(entity.name or "")
    except ValueError:
        raise CommandError(
            f"The entity name for {entity.type} must be a valid integer broker id, found: {entity.name}"
        ) from None


def line_of(row: Any) -> str:
    """`  name=value sensitive=false synonyms={SOURCE:name=value, ...}`"""

    def text(value: str | None) -> str:
        return "null" if value is None else value

    synonyms = ", ".join(f"{SOURCES.get(s.source, 'UNKNOWN')}:{s.name}={text(s.value)}" for s in row.synonyms)
    return f"  {row.name}={text(row.value)} sensitive={str(row.is_sensitive).lower()} synonyms={{{synonyms}}}"


def alter(client: Client, entity: Entity, add: dict[str, str], delete: Sequence[str]) -> None:
    """Sets and removes configs. Raises ClientError, CommandError."""
    if entity.type == "broker-loggers":
        known = {row.name for row in configs_of(client, entity, everything=True)}
        wrong = [name for name in (*add, *delete) if name not in known]
        if wrong:
            raise CommandError(
                f"Invalid broker logger(s): {','.join(wrong)}",
                "org.apache.kafka.common.errors.InvalidConfigurationException",
            )
    rows = [AlterableConfig(name=key, config_operation=_SET, value=value) for key, value in add.items()]
    rows += [AlterableConfig(name=key, config_operation=_DELETE, value="") for key in delete]
    resource = AlterConfigsResource(resource_type=RESOURCES[entity.type], resource_name=entity.name or "", configs=rows)
    request = IncrementalAlterConfigsRequest(resources=[resource], validate_only=False)
    answer = (
        client.node(_broker(client, entity), request, IncrementalAlterConfigsResponse)
        if _is_of_broker(entity)
        else client.controller(request, IncrementalAlterConfigsResponse)
    )
    for row in answer.responses:
        check(row.error_code, row.error_message)
