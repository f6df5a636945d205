"""Listeners: which addresses to bind and what to tell clients of them.

Only PLAINTEXT is served. A controller's listener in a file written for Kafka is accepted and not opened.
Source: kafka.server.KafkaConfig, org.apache.kafka.network.SocketServerConfigs.

Left out: early.start.listeners, per-listener configs (listener.name.X.key).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from .config import Config

#: Security protocols by Kafka's ids (org.apache.kafka.common.security.auth.SecurityProtocol).
PROTOCOLS: Final[dict[str, int]] = {"PLAINTEXT": 0, "SSL": 1, "SASL_PLAINTEXT": 2, "SASL_SSL": 3}
_SERVED: Final = frozenset({"PLAINTEXT"})
_ENDPOINT: Final = r"(.*)://\[?([0-9a-zA-Z\-%._:]*)\]?:(-?[0-9]+)"


class ListenerConfig(NamedTuple):
    """`name`: in capitals; `host`: empty for every interface; `port`: 0 for any free one; `protocol`: Kafka's id."""

    name: str
    host: str
    port: int
    protocol: int


class Endpoints(NamedTuple):
    """`listeners`: to bind, in their order; `advertised`: listener -> what clients are told, where that is set."""

    listeners: list[ListenerConfig]
    advertised: dict[str, tuple[str, int]]


def endpoints(config: Config) -> Endpoints:
    """The broker's listeners. Raises ConfigError."""
    controllers = {name.upper() for name in config.get("controller.listener.names")}
    protocols = _protocol_map(config)
    listeners: list[ListenerConfig] = []
    for name, host, port in _parse(config, "listeners"):
        if name in controllers:
            continue
        if name not in protocols:
            raise config.check("listeners", f"listener.security.protocol.map has no protocol for {name}")
        if protocols[name] not in _SERVED:
            problem = f"listener {name} is {protocols[name]}, and klamm serves PLAINTEXT only, so far"
            raise config.check("listeners", problem)
        listeners.append(ListenerConfig(name, host, port, PROTOCOLS[protocols[name]]))
    names = [listener.name for listener in listeners]
    if not listeners:
        raise config.check("listeners", "none of them is for clients")
    if len(set(names)) < len(names):
        raise config.check("listeners", "Each listener must have a different name")
    addresses = [(listener.host, listener.port) for listener in listeners if listener.port]
    if len(set(addresses)) < len(addresses):
        raise config.check("listeners", "Each listener must have a different port")
    inter_broker = config.get("inter.broker.listener.name")
    if inter_broker is not None and inter_broker.upper() not in names:
        raise config.check("inter.broker.listener.name", f"it must be one of the listeners: {', '.join(names)}")
    return Endpoints(listeners, _advertised(config, names, controllers))


def controller_endpoint(config: Config) -> tuple[str, str, int]:
    """(listener, host, port) at which a Kafka on this configuration has its controller; klamm opens no port there.

    Without one it is what klamm itself is reached at.
    """
    name = (config.get("controller.listener.names") or ["CONTROLLER"])[0].upper()
    for key in ("advertised.listeners", "listeners"):
        for found, host, port in _parse(config, key):
            if found == name and port > 0:
                return name, host or "localhost", port
    _, host, port = next(iter(_parse(config, "listeners")))
    return name, host or "localhost", max(port, 0)


def _advertised(config: Config, names: list[str], controllers: set[str]) -> dict[str, tuple[str, int]]:
    found = {}
    for name, host, port in _parse(config, "advertised.listeners"):
        if name in controllers:
            continue
        if name not in names:
            raise config.check(
                "advertised.listeners",
                "listener names must be equal to or a subset of the ones defined in listeners. "
                f"Found {name}. The valid options based on the current configuration are {','.join(names)}",
            )
        if host in ("0.0.0.0", "::"):
            raise config.check(
                "advertised.listeners", f"cannot use the nonroutable meta-address {host}. Use a routable IP address."
            )
        # Without a host Kafka looks up its own name; klamm answers with the address that the client reached.
        if host:
            found[name] = (host, port)
    return found


def _parse(config: Config, key: str) -> list[tuple[str, str, int]]:
    """(name in capitals, host, port) of each entry."""
    found = []
    for entry in config.get(key) or ():
        match = re.fullmatch(_ENDPOINT, entry)
        if match is None or not 0 <= int(match[3]) <= 65535:
            raise config.check(key, f"Unable to parse {entry} to a broker endpoint; write NAME://HOST:PORT")
        found.append((match[1].upper(), match[2], int(match[3])))
    return found


def _protocol_map(config: Config) -> dict[str, str]:
    """Listener -> security protocol, both in capitals."""
    key = "listener.security.protocol.map"
    found = {}
    for entry in filter(None, re.split(r"\s*,\s*", config.get(key).strip())):
        name, _, protocol = entry.rpartition(":")
        if not name or protocol.upper() not in PROTOCOLS:
            raise config.check(key, f"{entry} is not NAME:PROTOCOL with one of {', '.join(PROTOCOLS)}")
        found[name.strip().upper()] = protocol.upper()
    return found
