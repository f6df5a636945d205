"""What a command takes of a client's properties, and where the brokers are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ..cli import FailedError, UsageError

DEFAULT_PORT: Final = 9092


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
    """The settings in a client's properties. Raises UsageError for a value that is no number, or security not here."""
    protocol = properties.get("security.protocol", "PLAINTEXT")
    if protocol.upper() != "PLAINTEXT":
        raise UsageError(f"security.protocol={protocol}: klamm's commands speak PLAINTEXT only")

    def number(key: str, default: int) -> int:
        text = properties.get(key, str(default))
        if not text.strip().isdigit():
            raise UsageError(f"{key}={text}: a number of milliseconds is needed")
        return int(text)

    return Settings(
        properties.get("client.id", client_id),
        number("request.timeout.ms", Settings._field_defaults["request_timeout_ms"]),
        number("default.api.timeout.ms", Settings._field_defaults["api_timeout_ms"]),
        number("retry.backoff.ms", Settings._field_defaults["retry_backoff_ms"]),
    )


def parse_bootstrap(text: str) -> list[tuple[str, int]]:
    """`host:port,host:port,...` as (host, port), IPv6 addresses in brackets.

    A scheme such as PLAINTEXT:// is passed over. Raises UsageError, with Kafka's sentence.
    """
    found: list[tuple[str, int]] = []
    for part in (part.strip() for part in text.replace(" ", ",").split(",")):
        if not part:
            continue
        address = part.partition("://")[2] or part
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 <= int(port) <= 65535:
            raise UsageError(f"Invalid url in bootstrap.servers: {part}")
        found.append((host.strip("[]"), int(port)))
    if not found:
        raise UsageError("No resolvable bootstrap urls given in bootstrap.servers")
    return found
