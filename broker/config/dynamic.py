"""Broker configs that change at run time (KIP-226): which may, and what of them a broker believes.

They are kept in the metadata log, for one broker or as a default of the cluster, and come before server.properties.
Source: kafka.server.DynamicBrokerConfig, org.apache.kafka.server.config.DynamicBrokerConfig,
kafka.server.KafkaConfig.validateValues.

Left out: listeners and cordoned.log.dirs, which klamm takes at its start only, are refused; configs of one listener
(`listener.name.X.key`) are kept like any name that Kafka does not know; config.providers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from ...coordinator.java_order import string_map_order
from .definitions import BROKER, QUOTA
from .kinds import PER_BROKER, READ_ONLY, InvalidValue, Key, Value, format_value, java_integer, parse

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
#: log.local.retention.*: as long as log.retention.*.
_AS_RETENTION: Final = -2
#: What each thread of the cleaner must have more of for its keys.
_CLEANER_BYTES: Final = 1024 * 1024
#: org.apache.kafka.server.config.DynamicThreadPool: at most doubled or halved in one step.
_THREAD_POOLS: Final = (
    *("num.io.threads", "num.network.threads", "num.replica.fetchers", "num.recovery.threads.per.data.dir"),
    *("background.threads", "remote.log.manager.copier.thread.pool.size"),
    *("remote.log.manager.expiration.thread.pool.size", "remote.log.manager.follower.thread.pool.size"),
    "remote.log.reader.threads",
)
#: The order in which Kafka defines those that have bad values: of several it names the first.
_DEFINED: Final = (
    *("remote.log.index.file.cache.total.size.bytes", "remote.log.manager.copier.thread.pool.size"),
    *("remote.log.manager.expiration.thread.pool.size", "remote.log.manager.follower.thread.pool.size"),
    *("remote.log.reader.threads", "log.local.retention.ms", "log.local.retention.bytes"),
    *("remote.log.manager.copy.max.bytes.per.second", "remote.log.manager.fetch.max.bytes.per.second"),
    *("remote.fetch.max.wait.ms", "remote.list.offsets.request.timeout.ms", "message.max.bytes", "num.io.threads"),
    *("background.threads", "compression.type", "compression.gzip.level", "compression.lz4.level"),
    *("compression.zstd.level", "max.connections.per.ip", "max.connections.per.ip.overrides", "max.connections"),
    *("max.connection.creation.rate", "num.network.threads", "num.replica.fetchers", "unclean.leader.election.enable"),
    *("follower.fetch.last.tiered.offset.enable", "group.coordinator.cached.buffer.max.bytes"),
    *("group.consumer.assignment.interval.ms", "group.share.assignment.interval.ms"),
    *("group.streams.assignment.interval.ms", "log.cleaner.threads", "log.cleaner.io.max.bytes.per.second"),
    *("log.cleaner.dedupe.buffer.size", "log.cleaner.io.buffer.size", "log.cleaner.io.buffer.load.factor"),
    *("log.cleaner.backoff.ms", "log.cleaner.min.cleanable.ratio", "log.cleaner.delete.retention.ms"),
    *("log.cleaner.min.compaction.lag.ms", "log.cleaner.max.compaction.lag.ms", "log.segment.bytes", "log.roll.ms"),
    *("log.roll.jitter.ms", "log.retention.ms", "log.retention.bytes", "log.cleanup.policy"),
    *("log.index.size.max.bytes", "log.index.interval.bytes", "log.flush.interval.messages"),
    *("log.segment.delete.delay.ms", "log.flush.interval.ms", "log.preallocate", "num.recovery.threads.per.data.dir"),
    *("min.insync.replicas", "log.message.timestamp.type", "log.message.timestamp.before.max.ms"),
    *("log.message.timestamp.after.max.ms", "share.coordinator.cached.buffer.max.bytes"),
    *("transaction.partition.verification.enable", "producer.id.expiration.ms"),
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
        values = {name: dynamic_value(name, text) for name, text in sorted(configs.items(), key=_defined)}
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


def _defined(row: tuple[str, str]) -> int:
    return _DEFINED.index(row[0]) if row[0] in _DEFINED else len(_DEFINED)


def _values_error(values: Mapping[str, Value], config: Config) -> str | None:
    """What Kafka says of values that are well formed and do not fit: first what no broker may have, then what a running
    one does not change to."""
    for name, is_wrong, message in _REQUIREMENTS:
        value = values.get(name)
        if isinstance(value, int) and is_wrong(value):
            return f"requirement failed: {message}"

    def value_of(name: str) -> Any:
        return values[name] if name in values else config.get(name)

    problem = _memory_error(value_of) or _addresses_error(value_of)
    if problem:
        return problem
    refused = _threads_error(values, config) or _connections_error(values) or _local_retention_error(value_of)
    if refused:
        return (
            f"Invalid value org.apache.kafka.common.config.ConfigException: {refused} for configuration "
            "Invalid dynamic configuration"
        )
    return None


def _memory_error(value_of: Callable[[str], Any]) -> str | None:
    threads = value_of("log.cleaner.threads")
    if not threads:
        return "/ by zero"  # the cleaner's memory is divided among them
    if value_of("log.cleaner.dedupe.buffer.size") // threads <= _CLEANER_BYTES:
        return "requirement failed: log.cleaner.dedupe.buffer.size must be at least 1MB per cleaner thread."
    return None


def _addresses_error(value_of: Callable[[str], Any]) -> str | None:
    """max.connections.per.ip.overrides: address:number between commas."""
    name = "max.connections.per.ip.overrides"
    rows = [row for row in re.split(r"\s*,\s*", value_of(name).strip()) if row]
    if not rows and value_of("max.connections.per.ip") == 0:
        return f"requirement failed: max.connections.per.ip can be set to zero only if {name} property is set."
    invalid = []
    for row in rows:
        address, colon, number = row.rpartition(":")
        if not colon:
            return f"Error parsing configuration property '{name}': begin 0, end -1, length {len(row)}"
        if java_integer(number.strip()) is None:
            return f'For input string: "{number.strip()}"'
        if not re.fullmatch(r"[0-9a-zA-Z\-%._:]*", address.strip()):
            invalid.append(address.strip())
    return f"{name} contains invalid addresses : {','.join(invalid)}" if invalid else None


def _threads_error(values: Mapping[str, Value], config: Config) -> str | None:
    threads, now = values.get("log.cleaner.threads"), config.get("log.cleaner.threads")
    if isinstance(threads, int) and threads < now // 2:
        return f"Log cleaner threads cannot be reduced to less than half the current value {now}"
    if isinstance(threads, int) and threads > now * 2:
        return f"Log cleaner threads cannot be increased to more than double the current value {now}"
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
            return f"Dynamic thread count update validation failed for {name}={new}, {limit}"
    return None


def _connections_error(values: Mapping[str, Value]) -> str | None:
    for name in ("max.connections", "max.connection.creation.rate"):
        if values.get(name) == 0:
            return f"Invalid {name} 0"
    return None


def _local_retention_error(value_of: Callable[[str], Any]) -> str | None:
    for unit, whole in (("ms", _retention_ms(value_of)), ("bytes", value_of("log.retention.bytes"))):
        local = value_of(f"log.local.retention.{unit}")
        if whole < 0 or local == _AS_RETENTION:
            continue
        start = f"Invalid value {local} for configuration log.local.retention.{unit}: Value must not be"
        if local == -1:
            return f"{start} -1 as log.retention.{unit} value is set as {whole}."
        if local > whole:
            return f"{start} more than log.retention.{unit} property value: {whole}"
    return None


def _retention_ms(value_of: Callable[[str], Any]) -> int:
    """log.retention.* in ms, -1 for without end."""
    found: int | None = value_of("log.retention.ms")
    if found is None:
        minutes = value_of("log.retention.minutes")
        found = value_of("log.retention.hours") * 3_600_000 if minutes is None else minutes * 60_000
    return max(found, -1)


def changed_list(key: Key, before: str | None, operand: str, *, append: bool) -> str:
    """The text of a list config with entries added or taken away.

    `before`: the text that was set for the resource, None for Kafka's default; `operand`: entries between commas.
    """
    if before is None:
        before = format_value(parse(key, key.default))
    entries = [entry for entry in (before or "").split(",") if entry]
    operands = operand.split(",")
    while operand and operands and not operands[-1]:  # Java's split leaves out what is empty at the end
        operands.pop()
    for entry in operands:
        if append and entry not in entries:
            entries.append(entry)
        elif not append and entry in entries:
            entries.remove(entry)
    return ",".join(entries)
