"""DescribeConfigs v1-4 (KIP-133, KIP-226, KIP-569).

Topics, this broker, the cluster's defaults of brokers (the name ""), the broker's loggers (KIP-412), groups (KIP-848)
and client metrics subscriptions (KIP-714). Synonyms (v1) say where a value would come from next, in Kafka's order: the
resource itself, this broker at run time, the cluster at run time, server.properties, the default. From v3 the types of
values, and docs if asked for: ours say what klamm does with the config. A config that Kafka does not know shows as
sensitive, without its value. An unknown resource type fails the whole request. A topic config that follows a broker
config measured in hours or minutes shows the default as its source, as in 4.3.1.
Source: kafka.server.ConfigHelper.

Left out: is_default of 3.9's v0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResourceResult,
    DescribeConfigsResponse,
    DescribeConfigsResult,
    DescribeConfigsSynonym,
)
from ..config.definitions import BROKER, CLIENT_METRICS, GROUP, TOPIC, broker_default
from ..config.dynamic import dynamic_key, synonyms_of
from ..config.kinds import READ_ONLY, Key, Type, format_value, java_integer, parse
from ..config.texts import docs
from ..config.topic import SYNONYMS
from ..config.topics import (
    CLIENT_METRICS_CONFIG,
    DEFAULT_CONFIG,
    DYNAMIC_BROKER_CONFIG,
    DYNAMIC_BROKER_LOGGER_CONFIG,
    DYNAMIC_DEFAULT_BROKER_CONFIG,
    GROUP_CONFIG,
    STATIC_BROKER_CONFIG,
    TOPIC_CONFIG,
    effective_topic_configs,
)
from ..context import RequestContext
from ..loggers import logger_levels
from ..metadata.image import (
    BROKER_LOGGER_RESOURCE,
    BROKER_RESOURCE,
    CLIENT_METRICS_RESOURCE,
    GROUP_RESOURCE,
    TOPIC_RESOURCE,
)
from ..metadata.topic_names import topic_name_error

if TYPE_CHECKING:
    from ..config import Config

#: What Kafka says of INVALID_REQUEST where it has nothing better to say.
_MALFORMED: Final = (
    "This most likely occurs because of a request being malformed by the client library or the message was sent to an "
    "incompatible broker. See the broker logs for more details."
)

Entries = list[DescribeConfigsResourceResult]


def handle(request: DescribeConfigsRequest, context: RequestContext) -> DescribeConfigsResponse:
    if any(resource.resource_type not in _DESCRIBERS for resource in request.resources):
        return DescribeConfigsResponse(
            throttle_time_ms=0,
            results=[_result(resource, ErrorCode.INVALID_REQUEST, _MALFORMED) for resource in request.resources],
        )
    return DescribeConfigsResponse(
        throttle_time_ms=0, results=[_describe(resource, request, context) for resource in request.resources]
    )


def _describe(
    resource: DescribeConfigsResource, request: DescribeConfigsRequest, context: RequestContext
) -> DescribeConfigsResult:
    try:
        entries = _DESCRIBERS[resource.resource_type](resource.resource_name, context)
    except KafkaError as error:
        return _result(resource, error.code, error.message or "")
    # An empty list of keys means all of them (KAFKA-9824).
    if resource.configuration_keys:
        wanted = frozenset(resource.configuration_keys)
        entries = [entry for entry in entries if entry.name in wanted]
    for entry in entries:
        if not request.include_synonyms:
            entry.synonyms = []
        if resource.resource_type == BROKER_LOGGER_RESOURCE:
            continue
        if not request.include_documentation:
            entry.documentation = None
        elif entry.name in (words := docs()):
            entry.documentation = f"{words[entry.name]} {entry.documentation}"
    return _result(resource, ErrorCode.NONE, "", entries)


def _result(
    resource: DescribeConfigsResource, code: ErrorCode, message: str, entries: Entries | None = None
) -> DescribeConfigsResult:
    return DescribeConfigsResult(
        error_code=code,
        error_message=message,
        resource_type=resource.resource_type,
        resource_name=resource.resource_name,
        configs=entries or [],
    )


# --- one function a resource type: (name, context) -> its entries; KafkaError for what cannot be described ------------


def _topic(name: str, context: RequestContext) -> Entries:
    problem = topic_name_error(name)
    if problem is not None:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    topic = context.broker.catalogue.topic(name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    config = context.broker.config
    entries = []
    for key_name, effective in effective_topic_configs(topic.configs, config).items():
        key = TOPIC[key_name]
        value = format_value(parse(key, effective.value))
        synonyms = [_synonym(key_name, value, TOPIC_CONFIG)] if effective.source == TOPIC_CONFIG else []
        for broker_name, _ in SYNONYMS.get(key_name, ())[:1]:
            synonyms += _broker_synonyms(broker_name, config)
        entries.append(_entry(key, value, synonyms))
    return entries


def _broker(name: str, context: RequestContext) -> Entries:
    config = context.broker.config
    if not name:
        return [_cluster_default(given, text) for given, text in config.cluster.items()]
    node_id = context.broker.node_id
    if _broker_id(name) != node_id:
        message = f"Unexpected broker id, expected {node_id} or empty string, but received {name}"
        raise KafkaError(ErrorCode.INVALID_REQUEST, message)
    entries = [
        _entry(key, config.text(key.name), _broker_synonyms(key.name, config), read_only=key.update == READ_ONLY)
        for key in BROKER.values()
        if not key.internal or config.is_given(key.name)
    ]
    return entries + [
        _set_by_name(given, setting.text, _broker_synonyms(given, config))
        for given, setting in config.given.items()
        if given not in BROKER
    ]


def _cluster_default(name: str, text: str) -> DescribeConfigsResourceResult:
    key = dynamic_key(name)
    shown = None if key is None or key.is_sensitive else text
    return _set_by_name(name, text, [_synonym(name, shown, DYNAMIC_DEFAULT_BROKER_CONFIG)])


def _set_by_name(name: str, text: str, synonyms: list[DescribeConfigsSynonym]) -> DescribeConfigsResourceResult:
    """A config that somebody set. One that Kafka does not know is taken for a secret."""
    key = dynamic_key(name)
    if key is not None:
        return _entry(key, text, synonyms, read_only=key.update == READ_ONLY)
    return DescribeConfigsResourceResult(
        name=name,
        value=None,
        read_only=True,
        config_source=synonyms[0].source,
        is_sensitive=True,
        synonyms=synonyms,
        config_type=Type.UNKNOWN,
        documentation=None,
    )


def _broker_logger(name: str, context: RequestContext) -> Entries:
    node_id = context.broker.node_id
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Broker id must not be empty")
    if _broker_id(name) != node_id:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {node_id} but received {name}")
    return [
        DescribeConfigsResourceResult(
            name=logger,
            value=level,
            read_only=False,
            config_source=DYNAMIC_BROKER_LOGGER_CONFIG,
            is_sensitive=False,
            synonyms=[],
            config_type=Type.UNKNOWN,
            documentation="",
        )
        for logger, level in logger_levels()
    ]


def _group(name: str, context: RequestContext) -> Entries:
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Group name must not be empty")
    config = context.broker.config
    overrides = context.broker.catalogue.configs(GROUP_RESOURCE, name)
    entries = []
    for key in GROUP.values():
        broker_name = f"group.{key.name}"
        if broker_name in BROKER:
            value, synonyms = config.text(broker_name), _broker_synonyms(broker_name, config)
        else:
            value, synonyms = key.default, [_synonym(key.name, key.default, DEFAULT_CONFIG)]
        if key.name in overrides:
            value = format_value(parse(key, overrides[key.name]))
            synonyms = [_synonym(key.name, value, GROUP_CONFIG), *synonyms]
        entries.append(_entry(key, value, synonyms))
    return entries


def _client_metrics(name: str, context: RequestContext) -> Entries:
    if not name:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Client metrics subscription name must not be empty")
    overrides = context.broker.catalogue.configs(CLIENT_METRICS_RESOURCE, name)
    entries = []
    for key in CLIENT_METRICS.values():
        value = format_value(parse(key, overrides.get(key.name, key.default)))
        synonyms = [_synonym(key.name, value, CLIENT_METRICS_CONFIG)] if key.name in overrides else []
        entries.append(_entry(key, value, synonyms))
    return entries


_DESCRIBERS: Final[Mapping[int, Callable[[str, RequestContext], Entries]]] = {
    TOPIC_RESOURCE: _topic,
    BROKER_RESOURCE: _broker,
    BROKER_LOGGER_RESOURCE: _broker_logger,
    CLIENT_METRICS_RESOURCE: _client_metrics,
    GROUP_RESOURCE: _group,
}


# --- entries ----------------------------------------------------------------------------------------------------------


def _entry(
    key: Key, value: str | None, synonyms: list[DescribeConfigsSynonym], read_only: bool = False
) -> DescribeConfigsResourceResult:
    return DescribeConfigsResourceResult(
        name=key.name,
        value=None if key.is_sensitive else value,
        read_only=read_only,
        config_source=synonyms[0].source if synonyms else DEFAULT_CONFIG,
        is_sensitive=key.is_sensitive,
        synonyms=synonyms,
        config_type=key.type,
        documentation=_documentation(key),
    )


def _documentation(key: Key) -> str:
    allowed = f" Allowed: {key.valid.text}." if key.valid.text else ""
    return f"In klamm: {key.standing or 'takes effect'}.{allowed}"


def _synonym(name: str, value: str | None, source: int) -> DescribeConfigsSynonym:
    return DescribeConfigsSynonym(name=name, value=value, source=source)


def _broker_synonyms(name: str, config: Config) -> list[DescribeConfigsSynonym]:
    """Where a broker config's value comes from, and where it would come from next. Names in other units (hours for
    milliseconds) follow only behind the name itself, as in Kafka."""
    key = dynamic_key(name)
    hidden = key is None or key.is_sensitive
    texts_of: tuple[tuple[Callable[[str], str | None], int], ...] = (
        (config.broker.get, DYNAMIC_BROKER_CONFIG),
        (config.cluster.get, DYNAMIC_DEFAULT_BROKER_CONFIG),
        (config.static_text, STATIC_BROKER_CONFIG),
        (broker_default, DEFAULT_CONFIG),
    )
    found = [
        _synonym(synonym, None if hidden else text, source)
        for text_of, source in texts_of
        for synonym in synonyms_of(name)
        if (text := text_of(synonym)) is not None
    ]
    first = next((number for number, synonym in enumerate(found) if synonym.name == name), len(found))
    return found[first:]


def _broker_id(text: str) -> int:
    number = java_integer(text)
    if number is None:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {text}")
    return number
