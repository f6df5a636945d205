"""Broker configs that change at run time (KIP-226): which may, and what of them a broker believes.

They are kept in the metadata log, for one broker or as a default of the cluster, and come before server.properties.
Source: kafka.server.DynamicBrokerConfig, org.apache.kafka.server.config.DynamicBrokerConfig,
kafka.server.KafkaConfig.validateValues.

Left out: listeners and cordoned.log.dirs, which klamm takes at its start only, are refused; configs of one listener
(`listener.name.X.key`) are kept like any name that Kafka does not know; config.providers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from ...coordinator.java_order import string_map_order
from .definitions import BROKER, QUOTA
from .kinds import PER_BROKER, READ_ONLY, InvalidValue, Key, Value, format_value, parse

if TYPE_CHECKING:
    from .config import Config

#: Names of one setting in several units: the first that is set counts, and setting one takes the others away.
_UNITS: Final = (
    ("log.roll.ms", "log.roll.hours"),
    ("log.roll.jitter.ms", "log.roll.jitter.hours"),
    ("log.retention.ms", "log.retention.minutes", "log.retention.hours"),
)
_FLUSH: Final = ("log.flush.interval.ms", "log.flush.scheduler.interval.ms")

#: Kafka changes them for single listeners only (SslConfigs.RECONFIGURABLE_CONFIGS).
_SECURITY: Final = frozenset(
    f"ssl.{name}"
    for name in (
        *("keystore.type", "keystore.location", "keystore.password", "keystore.key", "keystore.certificate.chain"),
        *("key.password", "truststore.type", "truststore.location", "truststore.password", "truststore.certificates"),
    )
)
#: Kafka opens and closes listeners at run time, and closes folders to new partitions. klamm does not.
_AT_START_ONLY: Final = ("listeners", "listener.security.protocol.map", "cordoned.log.dirs")
#: org.apache.kafka.server.config.DynamicThreadPool: at most doubled or halved in one step.
_THREAD_POOLS: Final = (
    *("num.io.threads", "num.network.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir"),
    *("background.threads", "remote.log.manager.copier.thread.pool.size"),
    *("remote.log.manager.expiration.thread.pool.size", "remote.log.reader.threads"),
)
#: What is refused by KafkaConfig.validateValues, and how it says so. Any negative retention means without end.
_REQUIREMENTS: Final[tuple[tuple[str, Callable[[int], bool], str], ...]] = (
    ("log.roll.ms", lambda value: value < 1, "log.roll.ms must be greater than or equal to 1"),
    ("log.roll.jitter.ms", lambda value: value < 0, "log.roll.jitter.ms must be greater than or equal to 0"),
    (
        "log.retention.ms",
        lambda value: value == 0,
        "log.retention.ms must be unlimited (-1) or, greater than or equal to 1",
    ),
)


def synonyms_of(name: str) -> tuple[str, ...]:
    """All names of what a broker config sets, itself among them, in the order in which they count."""
    if name == _FLUSH[0]:
        return _FLUSH
    return next((names for names in _UNITS if name in names), (name,))


def dynamic_key(name: str) -> Key | None:
    """The definition of a config that may stand in the metadata log for a broker, None for a name nobody knows."""
    return BROKER.get(name) or QUOTA.get(name)


def dynamic_value(name: str, text: str) -> Value:
    """The typed value of such a config; the text itself where Kafka knows no type. Raises InvalidValue."""
    key = dynamic_key(name)
    return text if key is None else parse(key, text)


def believed(configs: Mapping[str, str], *, per_broker: bool) -> dict[str, str]:
    """What counts of the configs in the metadata log: those that may be changed at run time and have a good value."""
    found = {}
    for name, text in configs.items():
        key = BROKER.get(name)
        if name in _SECURITY or (key is not None and key.update == READ_ONLY):
            continue
        if key is not None and key.update == PER_BROKER and not per_broker:
            continue
        try:
            dynamic_value(name, text)
        except InvalidValue:
            continue
        found[name] = text
    return found


def broker_configs_error(configs: Mapping[str, str], config: Config, *, per_broker: bool) -> str | None:
    """Kafka's message if these configs, all of a broker or of the cluster, may not be set; None if they may."""
    fixed = [name for name in string_map_order(configs) if name in BROKER and BROKER[name].update == READ_ONLY]
    if fixed:
        return f"Cannot update these configs dynamically: [{', '.join(fixed)}]"
    secret = [name for name in configs if name in _SECURITY]
    if secret:
        return (
            "These security configs can be dynamically updated only per-listener using the listener prefix: "
            f"[{', '.join(secret)}]"
        )
    try:
        values = {name: dynamic_value(name, text) for name, text in configs.items()}
    except InvalidValue as error:
        return str(error)
    if not per_broker:
        single = [name for name in configs if name in BROKER and BROKER[name].update == PER_BROKER]
        if single:
            names = ", ".join(single)
            return f"Cannot update these configs at default cluster level, broker id must be specified: [{names}]"
    changed = [name for name in _AT_START_ONLY if name in configs]
    if changed:
        return f"klamm takes these configs at its start only: [{', '.join(changed)}]"
    return _values_error(values, config)


def _values_error(values: Mapping[str, Value], config: Config) -> str | None:
    """What Kafka says of values that are well formed and do not fit."""
    for name, is_wrong, message in _REQUIREMENTS:
        value = values.get(name)
        if isinstance(value, int) and is_wrong(value):
            return f"requirement failed: {message}"
    if values.get("log.cleaner.threads") == 0:
        return "/ by zero"  # the cleaner's memory is divided among them
    for name in _THREAD_POOLS:
        new, old = values.get(name), config.get(name)
        if not isinstance(new, int) or old is None or new == old:
            continue
        limit = None
        if new < old // 2:
            limit = f"value should be at least half the current value {old}"
        elif new > old * 2:
            limit = f"value should not be greater than double the current value {old}"
        if limit:
            return (
                "Invalid value org.apache.kafka.common.config.ConfigException: Dynamic thread count update validation "
                f"failed for {name}={new}, {limit} for configuration Invalid dynamic configuration"
            )
    return None


def changed_list(key: Key, before: str | None, operand: str, *, append: bool) -> str:
    """The text of a list config with entries added or taken away.

    `before`: the text that was set for the resource, None for Kafka's default; `operand`: entries between commas.
    """
    if before is None:
        before = format_value(parse(key, key.default))
    entries = [entry for entry in (before or "").split(",") if entry]
    for entry in operand.split(","):
        if append and entry not in entries:
            entries.append(entry)
        elif not append and entry in entries:
            entries.remove(entry)
    return ",".join(entries)
