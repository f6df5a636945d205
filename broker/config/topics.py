"""What a topic's configs are: set for the topic, or following the broker's, or Kafka's default; and which are refused.

Source: org.apache.kafka.metadata.KafkaConfigSchema, org.apache.kafka.storage.internals.log.LogConfig.validate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from .definitions import TOPIC
from .kinds import InvalidValue, Value, format_value, parse
from .topic import SYNONYMS

if TYPE_CHECKING:
    from ...wire.messages.create_topics import CreatableTopicConfigs
    from .config import Config

#: Where a value comes from, as DescribeConfigs and CreateTopics number it (ConfigEntry.ConfigSource).
TOPIC_CONFIG: Final = 1
DYNAMIC_BROKER_CONFIG: Final = 2
DYNAMIC_DEFAULT_BROKER_CONFIG: Final = 3
STATIC_BROKER_CONFIG: Final = 4
DEFAULT_CONFIG: Final = 5
DYNAMIC_BROKER_LOGGER_CONFIG: Final = 6
CLIENT_METRICS_CONFIG: Final = 7
GROUP_CONFIG: Final = 8

#: Stands in for segment.bytes below its minimum; Kafka keeps it for tests and hides it.
_SEGMENT_BYTES: Final = "internal.segment.bytes"


class Effective(NamedTuple):
    """The text that counts, and the number of its source."""

    value: str
    source: int


def effective_topic_configs(overrides: Mapping[str, str], config: Config) -> dict[str, Effective]:
    """Every topic config by name, for a topic with these configs of its own; internal ones if they are among them."""
    found = {}
    for name, key in TOPIC.items():
        if name in overrides:
            found[name] = Effective(overrides[name], TOPIC_CONFIG)
        elif not key.internal:
            found[name] = _from_broker(name, config) or Effective(key.default or "", DEFAULT_CONFIG)
    return found


def _from_broker(name: str, config: Config) -> Effective | None:
    """What the broker says of a topic config under one of its own names; None if nothing. What was set at run time, for
    the broker and then for the cluster, comes before server.properties."""
    for given, source in (
        (config.broker, DYNAMIC_BROKER_CONFIG),
        (config.cluster, DYNAMIC_DEFAULT_BROKER_CONFIG),
        (config.static, STATIC_BROKER_CONFIG),
    ):
        for broker_name, factor in SYNONYMS.get(name, ()):
            # A static one whose synonym was set at run time counts no more.
            if broker_name in given and broker_name in config.given:
                return Effective(_in_topic_units(name, config.get(broker_name), factor), source)
    return None


def _in_topic_units(name: str, value: Value, factor: int) -> str:
    if isinstance(value, int) and value < 0 and (factor != 1 or name == "retention.ms"):
        return "-1"
    return (format_value(value) or "") if factor == 1 or not isinstance(value, int) else str(value * factor)


def log_configs(overrides: Mapping[str, str], config: Config) -> dict[str, str]:
    """All that a topic's log is told: every topic config as text, and klamm's own that concern logs."""
    found = {name: effective.value for name, effective in effective_topic_configs(overrides, config).items()}
    if _SEGMENT_BYTES in found:
        found["segment.bytes"] = found.pop(_SEGMENT_BYTES)
    found["klamm.validate.records"] = config.text("klamm.validate.records") or "false"
    return found


def validate_topic_config(name: str, value: str) -> str | None:
    """Kafka's message if this topic config is refused, None if it is fine."""
    key = TOPIC.get(name)
    if key is None:
        return f"Unknown topic config name: {name}"
    try:
        parse(key, value)
    except InvalidValue as error:
        return str(error)
    return None


#: The order of LogConfig's definitions, in which Kafka parses: of several bad values it names the first.
_DEFINED: Final = (
    *("segment.bytes", "segment.ms", "segment.jitter.ms", "segment.index.bytes", "flush.messages", "flush.ms"),
    *("retention.bytes", "retention.ms", "max.message.bytes", "index.interval.bytes", "delete.retention.ms"),
    *("min.compaction.lag.ms", "max.compaction.lag.ms", "file.delete.delay.ms", "min.cleanable.dirty.ratio"),
    *("cleanup.policy", "unclean.leader.election.enable", "min.insync.replicas", "compression.type"),
    *("compression.gzip.level", "compression.lz4.level", "compression.zstd.level", "preallocate"),
    *("message.timestamp.type", "message.timestamp.before.max.ms", "message.timestamp.after.max.ms"),
    *("leader.replication.throttled.replicas", "follower.replication.throttled.replicas", "remote.storage.enable"),
    *("local.retention.ms", "local.retention.bytes", "remote.log.copy.disable", "remote.log.delete.on.disable"),
    "internal.segment.bytes",
)


def _defined(row: tuple[str, str]) -> int:
    return _DEFINED.index(row[0])


def topic_configs_error(configs: Mapping[str, str], config: Config) -> str | None:
    """Kafka's message for the first of a topic's configs that is refused, or None: names, then values, then what does
    not go together."""
    for name in configs:
        if name not in TOPIC:
            return f"Unknown topic config name: {name}"
    for name, value in sorted(configs.items(), key=_defined):
        problem = validate_topic_config(name, value)
        if problem is not None:
            return problem

    def value_of(name: str) -> object:
        key = TOPIC[name]
        following = _from_broker(name, config)
        return parse(key, configs.get(name, following.value if following else key.default))

    low, high = value_of("min.compaction.lag.ms"), value_of("max.compaction.lag.ms")
    assert isinstance(low, int)
    assert isinstance(high, int)
    if low > high:
        return f"conflict topic config setting min.compaction.lag.ms ({low}) > max.compaction.lag.ms ({high})"
    if value_of("remote.storage.enable"):
        return (
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage."
        )
    return None


def created_topic_configs(overrides: Mapping[str, str], config: Config) -> list[CreatableTopicConfigs]:
    """The configs as CreateTopics (KIP-525) lists them; a value set for the topic stands as it was written."""
    from ...wire.messages.create_topics import CreatableTopicConfigs

    return [
        CreatableTopicConfigs(
            name=name, value=effective.value, read_only=False, config_source=effective.source, is_sensitive=False
        )
        for name, effective in sorted(effective_topic_configs(overrides, config).items())
    ]
