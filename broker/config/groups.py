"""What configs of groups and of client metrics subscriptions may be set.

Source: org.apache.kafka.coordinator.group.GroupConfig.validate, org.apache.kafka.server.metrics.ClientMetricsConfigs.

Left out: Java's syntax of regular expressions in `match`; Python's is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ...wire.errors import ErrorCode, KafkaError
from .definitions import BROKER, CLIENT_METRICS, GROUP
from .kinds import InvalidValue, Value, parse

if TYPE_CHECKING:
    from .config import Config

#: Group config -> the broker configs that it may not fall below and not exceed, in Kafka's order; whether it is looked
#: at only if it is set.
_BOUNDS: Final[tuple[tuple[str, str | None, str, bool], ...]] = (
    *(
        (
            f"{kind}.{name}",
            f"group.{kind}.min.{name}",
            f"group.{kind}.max.{name}",
            name == "assignment.interval.ms",
        )
        for kind, names in {
            "consumer": ("heartbeat.interval.ms", "session.timeout.ms", "assignment.interval.ms"),
            "share": (
                *("heartbeat.interval.ms", "session.timeout.ms", "record.lock.duration.ms", "delivery.count.limit"),
                *("partition.max.record.locks", "assignment.interval.ms"),
            ),
            "streams": ("heartbeat.interval.ms", "session.timeout.ms"),
        }.items()
        for name in names
    ),
    ("streams.num.standby.replicas", None, "group.streams.max.standby.replicas", False),
    (
        "streams.assignment.interval.ms",
        "group.streams.min.assignment.interval.ms",
        "group.streams.max.assignment.interval.ms",
        True,
    ),
)
_MATCHED: Final = frozenset(
    {
        *("client_instance_id", "client_id", "client_software_name", "client_software_version"),
        *("client_source_address", "client_source_port"),
    }
)
_MIN_INTERVAL_MS, _MAX_INTERVAL_MS = 100, 3_600_000


def check_group_configs(configs: Mapping[str, str], config: Config) -> None:
    """Raises KafkaError(INVALID_CONFIG) if a group may not have these configs."""
    for name in configs:
        if name not in GROUP:
            raise _refused(f"Unknown group config name: {name}")
    values = {name: _parsed(name, configs.get(name), config) for name in GROUP}
    for name, low, high, only_if_set in _BOUNDS:
        value = values[name]
        assert isinstance(value, int)
        if only_if_set and name not in configs:
            continue
        if low is not None and value < config.get(low):
            raise _refused(f"{name} must be greater than or equal to {low}")
        if value > config.get(high):
            raise _refused(f"{name} must be less than or equal to {high}")
    for kind in ("consumer", "share", "streams"):
        session, heartbeat = values[f"{kind}.session.timeout.ms"], values[f"{kind}.heartbeat.interval.ms"]
        assert isinstance(session, int)
        assert isinstance(heartbeat, int)
        if session <= heartbeat:
            raise _refused(f"{kind}.session.timeout.ms must be greater than {kind}.heartbeat.interval.ms")


def _parsed(name: str, text: str | None, config: Config) -> Value:
    """What is set for the group, else what the broker has under its own name, else Kafka's default."""
    if text is None and f"group.{name}" in BROKER:
        value: Value = config.get(f"group.{name}")
        return value
    try:
        return parse(GROUP[name], GROUP[name].default if text is None else text)
    except InvalidValue as error:
        raise _refused(str(error)) from None


def check_client_metrics_configs(configs: Mapping[str, str]) -> None:
    """Raises KafkaError: INVALID_REQUEST, INVALID_CONFIG if a subscription may not have these configs."""
    for name in configs:
        if name not in CLIENT_METRICS:
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown client metrics configuration: {name}")
    try:
        values = {name: parse(key, configs[name]) for name, key in CLIENT_METRICS.items() if name in configs}
    except InvalidValue as error:
        raise _refused(str(error)) from None
    interval = values.get("interval.ms")
    if isinstance(interval, int) and not _MIN_INTERVAL_MS <= interval <= _MAX_INTERVAL_MS:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            f"Invalid value {interval} for interval.ms, interval must be between 100 and 3600000 (1 hour)",
        )
    patterns = values.get("match", ())
    assert isinstance(patterns, tuple)
    for pattern in patterns:
        name, *expressions = pattern.split("=")
        if (
            len(expressions) != 1
            or not expressions[0]
            or name.strip() not in _MATCHED
            or not _is_pattern(expressions[0].strip())
        ):
            raise _refused(f"Illegal client matching pattern: {pattern}")


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


def _refused(message: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, message)
