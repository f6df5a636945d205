"""What a broker says when clients can connect: lines in the log, one on stdout, and a file for programs."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..broker.server import Address

log = logging.getLogger("klamm.serve")


class Announcement:
    """`addresses`: where the broker listens, the first one for bootstrap; `file`: for the JSON, or None; `control`:
    host and port of the control port, if there is one."""

    def __init__(
        self,
        node_id: int,
        addresses: Sequence[Address],
        file: str | None = None,
        control: tuple[str, int] | None = None,
    ) -> None:
        self.node_id = node_id
        self.addresses = addresses
        self.file = file
        self.control = None if control is None else f"http://{_host_port(*control)}"

    @property
    def bootstrap_servers(self) -> str:
        """host:port of the first listener, as a client on this machine reaches it."""
        return _host_port(self.addresses[0].host, self.addresses[0].port)

    def as_json(self) -> dict[str, object]:
        """What stands in the address file."""
        first = self.addresses[0]
        listeners = {
            address.listener: {"host": reachable(address.host), "port": address.port} for address in self.addresses
        }
        broker = {"id": self.node_id, "host": reachable(first.host), "port": first.port, "listeners": listeners}
        control = {} if self.control is None else {"control": self.control}
        return {"bootstrap_servers": self.bootstrap_servers, "brokers": [broker], "pid": os.getpid(), **control}

    def withdraw(self) -> None:
        """The broker no longer answers: the file goes."""
        if self.file is not None:
            try:
                os.unlink(self.file)
            except FileNotFoundError:
                pass


def announce(announcement: Announcement) -> None:
    """Says that the broker answers. Raises OSError if the file cannot be written."""
    if announcement.file is not None:
        _write(announcement.file, announcement.as_json())
    # Test containers wait for these lines of Kafka's.
    node_id = announcement.node_id
    log.info(
        "[BrokerLifecycleManager id=%d] The broker has been unfenced. Transitioning from RECOVERY to RUNNING.", node_id
    )
    log.info("[KafkaServer id=%d] started", node_id)
    log.info("[KafkaRaftServer nodeId=%d] Kafka Server started", node_id)
    if announcement.control is not None:
        log.info("the control port is %s", announcement.control)
    print(f"klamm listens on {announcement.bootstrap_servers}", flush=True)


def _write(path: str, content: dict[str, object]) -> None:
    """All of the file appears at once."""
    import json

    temporary = f"{path}.{os.getpid()}.tmp"
    with open(temporary, "w", encoding="utf-8") as file:
        json.dump(content, file)
        file.write("\n")
    os.replace(temporary, path)


def _host_port(host: str, port: int) -> str:
    host = reachable(host)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reachable(host: str) -> str:
    """The address at which a client on this machine reaches a listener bound to `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(host, host)
