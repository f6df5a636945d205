"""What a command takes of a client's properties, and where the brokers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..cli import FailedError
from .errors import SettingError

#: Whose values are Java's long in Kafka's clients; those of the others are int.
_LONG: Final = frozenset(("buffer.memory", "linger.ms", "max.block.ms", "metadata.max.age.ms", "retry.backoff.ms"))


class Settings(NamedTuple):
    """Kafka's `client.id`, `request.timeout.ms`, `default.api.timeout.ms` and `retry.backoff.ms`, with its defaults."""

    client_id: str = "klamm"
    request_timeout_ms: int = 30_000
    api_timeout_ms: int = 60_000
    retry_backoff_ms: int = 100


def read_properties(path: str) -> dict[str, str]:
    """A .properties file as {key: value}. Raises FailedError when it cannot be read."""
    from ...broker.config.config import ConfigError
    from ...broker.config.sources import read_properties as read

    try:
        return read(path)
    except ConfigError as error:
        raise FailedError(str(error)) from None


def settings_of(properties: Mapping[str, str], client_id: str = "klamm") -> Settings:
    """The settings in a client's properties. Raises SettingError: a value that is no number, or security not here."""
    protocol = properties.get("security.protocol", "PLAINTEXT")
    if protocol.upper() != "PLAINTEXT":
        raise SettingError(f"security.protocol={protocol}: klamm's commands speak PLAINTEXT only")
    return Settings(
        properties.get("client.id", client_id),
        number(properties, "request.timeout.ms", Settings._field_defaults["request_timeout_ms"]),
        number(properties, "default.api.timeout.ms", Settings._field_defaults["api_timeout_ms"]),
        number(properties, "retry.backoff.ms", Settings._field_defaults["retry_backoff_ms"]),
    )


def number(properties: Mapping[str, str], key: str, default: int, least: int = 0) -> int:
    """The whole number under `key`. Raises SettingError with the words of Kafka's ConfigDef."""
    text = properties.get(key, str(default))
    try:
        found = int(text)
    except ValueError:
        kind = "LONG" if key in _LONG else "INT"
        raise SettingError(f"Invalid value {text} for configuration {key}: Not a number of type {kind}") from None
    if found < least:
        raise SettingError(f"Invalid value {text} for configuration {key}: Value must be at least {least}")
    return found


def parse_bootstrap(text: str) -> list[tuple[str, int]]:
    """`host:port,host:port,...` as (host, port), IPv6 addresses in brackets.

    A scheme such as PLAINTEXT:// is passed over. Raises SettingError, with Kafka's sentence.
    """
    found: list[tuple[str, int]] = []
    for part in (part.strip() for part in text.replace(" ", ",").split(",")):
        if not part:
            continue
        address = part.partition("://")[2] or part
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise SettingError(f"Invalid url in bootstrap.servers: {part}")
        found.append((host.strip("[]"), int(port)))
    if not found:
        raise SettingError("No resolvable bootstrap urls given in bootstrap.servers")
    return found
