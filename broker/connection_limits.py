"""How many connections one address may have: max.connections.per.ip and its overrides.

Source: kafka.network.ConnectionQuotas, KIP-308. Kafka counts over all listeners, and so does klamm.

Left out: max.connection.creation.rate (KIP-612).
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from .config import Config

log = logging.getLogger("klamm.server")

#: The default, and what says that nothing need be counted.
UNLIMITED: Final = 2**31 - 1
#: How an IPv6 socket names a client that came over IPv4.
_MAPPED: Final = "::ffff:"


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """`each`: of an address that has none in `overrides` (address -> connections)."""

    each: int
    overrides: Mapping[str, int]

    def of(self, address: str) -> int:
        return self.overrides.get(address.removeprefix(_MAPPED), self.each)


def address_limits(config: Config) -> AddressLimits:
    """As a broker's configs stand. Names of hosts are looked up now, once; those that nobody knows are passed over."""
    overrides: dict[str, int] = {}
    for row in config.get("max.connections.per.ip.overrides").split(","):
        host, colon, limit = row.strip().rpartition(":")
        if not colon:
            continue
        try:
            found = socket.getaddrinfo(host.strip(), None, type=socket.SOCK_STREAM)
        except OSError as error:
            log.warning("max.connections.per.ip.overrides: %s: %s", host, error)
            continue
        overrides.update((str(address[0]), int(limit)) for *_, address in found)
    return AddressLimits(config.get("max.connections.per.ip"), overrides)
