"""What AlterConfigs and IncrementalAlterConfigs have in common: checks, and the records of what is not refused.

A resource is changed whole or not at all; all that is changed of a request is one batch of the metadata log. Checked in
Kafka's order: the resource named twice, a config named twice, values that are missing, the type, what only the broker
itself knows (its id, what may change at run time), lists, then all configs that the resource would have, and last
whether it exists. Source: kafka.server.ConfigAdminManager, org.apache.kafka.controller.ConfigurationControlManager,
kafka.server.ControllerConfigurationValidator.

Left out: alter.config.policy.class.name, authorization.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from ..coordinator.java_order import string_map_order
from ..wire.declare import Message
from ..wire.errors import ErrorCode, KafkaError
from ..wire.log_records.metadata_topics import ConfigRecord
from .commit_or_refuse import commit
from .config.definitions import BROKER, TOPIC
from .config.dynamic import believed, broker_configs_error, changed_list
from .config.groups import check_client_metrics_configs, check_group_configs
from .config.kinds import Key, Type, java_integer
from .context import RequestContext
from .loggers import APPEND, DELETE, SET, SUBTRACT
from .metadata.image import BROKER_RESOURCE, CLIENT_METRICS_RESOURCE, GROUP_RESOURCE, TOPIC_RESOURCE
from .metadata.topic_names import topic_name_error

_OPERATIONS: Final = {SET: "SET", DELETE: "DELETE", APPEND: "APPEND", SUBTRACT: "SUBTRACT"}
#: Short.MAX_VALUE, which appending could exceed.
_MAX_VALUE_LENGTH: Final = 32767


class Operation(NamedTuple):
    """What to do with one config. `value`: text, None only to DELETE."""

    name: str
    operation: int
    value: str | None


class Resource(NamedTuple):
    """What a request asks of one resource. `kind`: ConfigResource.Type."""

    kind: int
    name: str
    operations: Sequence[Operation]


class Outcome(NamedTuple):
    """The answer for one resource."""

    code: ErrorCode = ErrorCode.NONE
    message: str | None = None


class _StumbleError(Exception):
    """An operation that nobody knows: Kafka's controller stumbles over it, and answers nothing else of the request."""


def alter_configs(
    resources: Sequence[Resource],
    context: RequestContext,
    *,
    validate_only: bool,
    replace: bool,
    special: Callable[[int], bool] = lambda number: False,
) -> list[Outcome]:
    """Change configs; one outcome a resource.

    `replace`: a resource keeps nothing that it is not told (AlterConfigs). `special(number)`: does itself what is asked
    of the resource of that number, if it is one that has no configs in the metadata log; it may raise KafkaError.
    """
    times = Counter((resource.kind, resource.name) for resource in resources)
    outcomes: dict[int, Outcome] = {}
    forwarded = {}
    for number, resource in enumerate(resources):
        try:
            if times[resource.kind, resource.name] > 1:
                raise _invalid_request("Each resource must appear at most once.")
            _check_form(resource)
            if special(number):
                outcomes[number] = Outcome()
                continue
            _check_before_controller(resource, context, replace)
            forwarded[number] = resource
        except KafkaError as error:
            outcomes[number] = Outcome(error.code, error.message)
    answers, records = _controlled(list(forwarded.values()), context, replace)
    outcomes.update(zip(forwarded, answers, strict=True))
    if not validate_only:
        try:
            commit(records, context)
        except KafkaError as error:
            outcomes = {
                number: Outcome(error.code, error.message) if row == Outcome() else row
                for number, row in outcomes.items()
            }
    return [outcomes[number] for number in range(len(resources))]


def _controlled(
    resources: Sequence[Resource], context: RequestContext, replace: bool
) -> tuple[list[Outcome], list[Message]]:
    """What the controller answers, one outcome a resource, and the records of what it does not refuse."""
    outcomes = []
    records: list[Message] = []
    for resource in resources:
        try:
            records += _records(resource, context, replace)
            outcomes.append(Outcome())
        except KafkaError as error:
            outcomes.append(Outcome(error.code, error.message))
        except _StumbleError:
            return [Outcome(ErrorCode.UNKNOWN_SERVER_ERROR)] * len(resources), []
    return outcomes, records


def _check_form(resource: Resource) -> None:
    if len({operation.name for operation in resource.operations}) < len(resource.operations):
        raise _invalid_request("Error due to duplicate config keys")
    missing = [name for name, operation, value in resource.operations if operation != DELETE and value is None]
    if missing:
        raise _invalid_request("Null value not supported for : " + ", ".join(missing))


def _records(resource: Resource, context: RequestContext, replace: bool) -> list[Message]:
    kind, name, operations = resource
    before = context.broker.catalogue.configs(kind, name)
    asked = {operation.name: operation for operation in operations}
    # Of several that are refused the answer names the one that Java's HashMap comes to first.
    changes: dict[str, str | None] = {
        key: _changed(kind, asked[key], before.get(key)) for key in string_map_order(asked)
    }
    if replace:
        changes.update((old, None) for old in before if old not in changes)
    for value in changes.values():
        if value is not None and len(value) > _MAX_VALUE_LENGTH:
            raise KafkaError(
                ErrorCode.INVALID_CONFIG,
                "The configuration value cannot be added because it exceeds the maximum value size of "
                f"{_MAX_VALUE_LENGTH} bytes.",
            )
    after = {key: value for key, value in {**before, **changes}.items() if value is not None}
    _CHECKS[kind](name, after, context)
    return [
        ConfigRecord(resource_type=kind, resource_name=name, name=key, value=value)
        for key, value in changes.items()
        # Brokers read again what a config names, such as a file, even when its text is the same (KAFKA-14136).
        if value != before.get(key) or (kind == BROKER_RESOURCE and (value is not None or key in before))
    ]


def _changed(kind: int, operation: Operation, before: str | None) -> str | None:
    """The new text of a config, None to remove it."""
    name, what, value = operation
    if what == SET:
        return value
    if what == DELETE:
        return None
    if what not in _OPERATIONS:
        raise _StumbleError
    key = _LISTS.get(kind, {}).get(name)
    if key is None or key.type is not Type.LIST:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG, f"Can't {_OPERATIONS[what]} to key {name} because its type is not LIST."
        )
    return changed_list(key, before, value or "", append=what == APPEND)


# --- what the broker itself checks before its controller does ---------------------------------------------------------


def _check_before_controller(resource: Resource, context: RequestContext, replace: bool) -> None:
    if resource.kind not in _CHECKS:
        raise _invalid_request(f"Unknown resource type {resource.kind}")
    if resource.kind == BROKER_RESOURCE:
        _check_broker(resource, context.broker.catalogue.configs(resource.kind, resource.name), context, replace)


def _check_broker(resource: Resource, before: Mapping[str, str], context: RequestContext, replace: bool) -> None:
    broker = context.broker
    name = resource.name
    if name:
        number = java_integer(name)
        if number is None:
            raise _invalid_request(f"Node id must be an integer, but it is: {name}")
        if number != broker.node_id:
            raise _invalid_request(f"Unexpected broker id, expected {broker.node_id}, but received {name}")
    for operation in resource.operations:
        if operation.operation not in _OPERATIONS:
            raise _invalid_request(f"Unknown operations type {operation.operation}")
    after = {} if replace else believed(before, per_broker=bool(name))
    for operation in resource.operations:
        _apply(operation, after)
    problem = broker_configs_error(after, broker.config, per_broker=bool(name))
    if problem is not None:
        raise _invalid_request(problem)


def _apply(operation: Operation, configs: dict[str, str]) -> None:
    """Do to a broker's configs what is asked."""
    name, what, value = operation
    if what == DELETE:
        configs.pop(name, None)
    elif what == SET:
        configs[name] = value or ""
    else:
        key = BROKER.get(name)
        if key is None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown config name: {name}")
        if key.type is not Type.LIST:
            label = _OPERATIONS[what].lower()
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Config value {label} is not allowed for config key: {name}")
        configs[name] = changed_list(key, configs.get(name), value or "", append=what == APPEND)


# --- one function a resource type: (name, all configs it would have, context); KafkaError for what is refused ---------


def _check_topic(name: str, configs: Mapping[str, str], context: RequestContext) -> None:
    if not name:
        raise _invalid_request("Default topic resources are not allowed.")
    problem = topic_name_error(name)
    if problem is not None:
        raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, problem)
    problem = context.broker.config.topic_configs_error(configs)
    if problem is not None:
        raise KafkaError(ErrorCode.INVALID_CONFIG, problem)
    if context.broker.catalogue.topic(name) is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")


def _check_nothing(_name: str, _configs: Mapping[str, str], _context: RequestContext) -> None:
    """Brokers: all has been checked."""


def _check_group(name: str, configs: Mapping[str, str], context: RequestContext) -> None:
    if not name:
        raise _invalid_request("Default group resources are not allowed.")
    check_group_configs(configs, context.broker.config)


def _check_client_metrics(name: str, configs: Mapping[str, str], _context: RequestContext) -> None:
    if not name:
        raise _invalid_request("Subscription name can't be empty")
    check_client_metrics_configs(configs)


_CHECKS: Final[Mapping[int, Callable[[str, Mapping[str, str], RequestContext], None]]] = {
    TOPIC_RESOURCE: _check_topic,
    BROKER_RESOURCE: _check_nothing,
    CLIENT_METRICS_RESOURCE: _check_client_metrics,
    GROUP_RESOURCE: _check_group,
}
#: Where Kafka knows lists that can be appended to; not those of groups and client metrics.
_LISTS: Final[Mapping[int, Mapping[str, Key]]] = {TOPIC_RESOURCE: TOPIC, BROKER_RESOURCE: BROKER}


def _invalid_request(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_REQUEST, message)
