"""A broker's configuration: typed values by Kafka's names, and where each came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .consumer_groups import refuse_consumer_groups
from .definitions import BROKER, DIFFERENT_DEFAULTS, broker_default
from .dynamic import believed, synonyms_of
from .kinds import InvalidValue, Value, format_value, parse
from .listeners import Endpoints, ListenerConfig, endpoints
from .topics import created_topic_configs, log_configs, topic_configs_error

if TYPE_CHECKING:
    from ...wire.messages.create_topics import CreatableTopicConfigs

#: Either may be given, and stands for both (KafkaConfig.populateSynonyms).
_SAME: Final = {"node.id": "broker.id", "broker.id": "node.id"}


class ConfigError(Exception):
    """The configuration cannot be served. str() is one line that says what to change."""


class Setting(NamedTuple):
    """A value that somebody gave. `origin`: where, such as "server.properties" or "--set"."""

    text: str
    origin: str


class Config:
    """Defaults, over them what was given, and over that what was set at run time.

    given: name -> Setting; unknown names are kept, for DescribeConfigs lists them, and are named in `notes`: lines to
    warn with. `given` holds what counts now, `static` what was given at the start; `cluster` and `broker` hold what was
    set at run time, for all brokers and for this one, as text. Raises ConfigError for a value that is not allowed.
    """

    def __init__(self, given: Mapping[str, Setting] | None = None) -> None:
        self.given: dict[str, Setting] = dict(given or {})
        self.cluster: dict[str, str] = {}
        self.broker: dict[str, str] = {}
        self.notes: list[str] = []
        for name, other in _SAME.items():
            if name in self.given and other not in self.given:
                self.given[other] = self.given[name]
        self._values: dict[str, Value] = {}
        for name, setting in self.given.items():
            if name in BROKER:
                self._values[name] = self._parsed(name, setting)
            else:
                self.notes.append(_unknown(name, setting))
        self.static: dict[str, Setting] = self.given
        refuse(self)
        self.endpoints: Endpoints = endpoints(self)

    @classmethod
    def of(cls, **values: str) -> Config:
        """For tests and small programs: names with underscores for dots."""
        return cls({name.replace("_", "."): Setting(text, "given") for name, text in values.items()})

    def get(self, name: str) -> Any:
        """The typed value of a broker config: bool, int, float, str, a tuple of str, or None. Raises KeyError."""
        try:
            return self._values[name]
        except KeyError:
            value = self._values[name] = parse(BROKER[name], broker_default(name))
            return value

    def set_dynamic(self, cluster: Mapping[str, str], broker: Mapping[str, str]) -> None:
        """What the metadata log says of all brokers and of this one takes effect (KIP-226): all of it, as text.

        Listeners stay what they are. What may not be changed at run time or has no good value is passed over.
        """
        self.cluster = believed(cluster, per_broker=False)
        self.broker = believed(broker, per_broker=True)
        given = dict(self.static)
        for texts, origin in ((self.cluster, "cluster default"), (self.broker, "broker config")):
            for name, text in texts.items():
                for other in synonyms_of(name):
                    given.pop(other, None)
                given[name] = Setting(text, origin)
        self.given = given
        self._values = {name: parse(BROKER[name], setting.text) for name, setting in given.items() if name in BROKER}

    def static_text(self, name: str) -> str | None:
        """What was given at the start, as Kafka writes it; None for nothing."""
        setting = self.static.get(name)
        if setting is None:
            return None
        return format_value(parse(BROKER[name], setting.text)) if name in BROKER else setting.text

    def text(self, name: str) -> str | None:
        """The value as Kafka writes it; None for null."""
        return format_value(self.get(name))

    def is_given(self, name: str) -> bool:
        """Whether the value is somebody's, not a default."""
        return name in self.given

    def check(self, name: str, problem: str) -> ConfigError:
        """The error for a value that is well formed and still wrong."""
        setting = self.given.get(name)
        value, origin = (setting.text, setting.origin) if setting else (self.text(name), "default")
        return ConfigError(f"Invalid value {value} for configuration {name}: {problem} ({origin})")

    # --- listeners and topics, as the broker asks for them ----------------------------------------------------------

    @property
    def listeners(self) -> list[ListenerConfig]:
        """What to bind."""
        return self.endpoints.listeners

    @property
    def advertised_listeners(self) -> dict[str, tuple[str, int]]:
        """Listener -> (host, port) that clients are told, where advertised.listeners says so."""
        return self.endpoints.advertised

    @property
    def security_protocols(self) -> dict[str, int]:
        """Listener -> Kafka's id of its security protocol."""
        return {listener.name: listener.protocol for listener in self.endpoints.listeners}

    def log_configs(self, topic_configs: Mapping[str, str]) -> dict[str, str]:
        """All that the log of a topic with these configs is told (`topics.log_configs`)."""
        return log_configs(topic_configs, self)

    def topic_configs_error(self, topic_configs: Mapping[str, str]) -> str | None:
        """Kafka's message if a topic may not have these configs (`topics.topic_configs_error`)."""
        return topic_configs_error(topic_configs, self)

    def created_topic_configs(self, topic_configs: Mapping[str, str]) -> list[CreatableTopicConfigs]:
        """The answer of CreateTopics (`topics.created_topic_configs`)."""
        return created_topic_configs(topic_configs, self)

    @property
    def log_dirs(self) -> list[str]:
        """Where the logs are."""
        return list(self.get("log.dirs") or self.get("log.dir"))

    @property
    def metadata_log_dir(self) -> str:
        """Where the metadata log is."""
        return self.get("metadata.log.dir") or self.log_dirs[0]

    def _parsed(self, name: str, setting: Setting) -> Value:
        key = BROKER[name]
        try:
            return parse(key, setting.text)
        except InvalidValue as error:
            allowed = f"; allowed: {key.valid.text}" if key.valid.text else ""
            raise ConfigError(f"{error} ({setting.origin}{allowed})") from None


#: Configs of Kafka 0.8 to 3.9 that are gone in 4.x, as tutorials and old files have them; zookeeper.* besides.
_GONE: Final = frozenset(
    (
        *("advertised.host.name", "advertised.port", "host.name", "port", "broker.id.generation.enable"),
        *("reserved.broker.max.id", "log.message.format.version", "inter.broker.protocol.version"),
        *("log.message.timestamp.difference.max.ms", "offsets.commit.required.acks", "control.plane.listener.name"),
        *("quota.producer.default", "quota.consumer.default"),
        *("password.encoder.secret", "password.encoder.old.secret"),
    )
)


def _unknown(name: str, setting: Setting) -> str:
    if name in _GONE or name.startswith("zookeeper."):
        return f"config {name} ({setting.origin}) is of an older Kafka and passed over"
    from difflib import get_close_matches  # a third of a ms that only a typing error pays

    near = get_close_matches(name, BROKER, n=1, cutoff=0.75)
    return f"unknown config {name} ({setting.origin})" + (f": did you mean {near[0]}?" if near else "")


def refuse(config: Config) -> None:
    """What klamm cannot do and must not seem to do. Raises ConfigError."""
    roles = config.get("process.roles")
    if "broker" not in roles:
        raise config.check("process.roles", "klamm's controller lives in its broker: add broker")
    if config.get("node.id") < 0:
        raise config.check("node.id", "Value must be at least 0")
    for name, refused, _, problem in REFUSED:
        if config.is_given(name) and refused(config.get(name)):
            raise config.check(name, problem)
    for name in ("log.retention.ms", "log.retention.minutes", "log.retention.hours"):
        value = config.get(name)
        if value is not None and (value == 0 or value < -1):
            raise config.check(name, f"{name} must be unlimited (-1) or, equal or greater than 1")
    refuse_consumer_groups(config)


class Refusal(NamedTuple):
    """`refused`: whether a value is; `words`: which values those are, for people."""

    name: str
    refused: Callable[[Value], bool]
    words: str
    problem: str


ANY_VALUE: Final = "any value"
#: What must not seem to be there: a start with one of these fails.
REFUSED: Final = (
    Refusal("remote.log.storage.system.enable", bool, "true", "klamm has no tiered storage"),
    Refusal(
        "security.inter.broker.protocol",
        lambda value: value != "PLAINTEXT",
        "any but PLAINTEXT",
        "klamm serves PLAINTEXT only, so far",
    ),
    Refusal(
        "authorizer.class.name", bool, ANY_VALUE, "klamm has no authorizer yet; without it every client may do all"
    ),
)


def ignored(config: Config) -> list[tuple[str, str]]:
    """Configs that were given another value than the default and have no effect, with the reason."""
    return [
        (name, BROKER[name].standing)
        for name in config.given
        if name in BROKER and BROKER[name].standing and config.text(name) != broker_default(name)
    ]


def differences() -> list[tuple[str, str | None, str, str]]:
    """Where klamm's default is not Kafka's: (name, Kafka's, klamm's, why)."""
    return [(name, BROKER[name].default, row.default, row.reason) for name, row in DIFFERENT_DEFAULTS.items()]
