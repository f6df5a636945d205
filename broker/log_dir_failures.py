"""What a broker does when one of log.dirs fails: its partitions go offline, the rest serves on, or the broker stops.

The log that noticed is in the middle of something, so all of this happens in the loop's next round. The controller's
part is done at once, as by the heartbeat that tells Kafka's controller of it (KIP-858); when the metadata log has no
room it is tried again. Source: ReplicaManager.handleLogDirFailure, LogManager.handleLogDirFailure.

Left out: log.dir.failure.timeout.ms, which bounds how long Kafka's broker tries to reach its controller.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from ..storage.checkpoints import encode_uuid
from ..wire.errors import KafkaError

if TYPE_CHECKING:
    from ..storage.folder import DataFolder
    from .broker import Broker

log = logging.getLogger("klamm.log_dirs")

#: Between two tries to write down which folders are left.
RETRY_MS: Final = 1000


class LogDirFailures:
    """Listens to the broker's folders."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        broker.logs.on_failure = self._noticed

    def _noticed(self, folder: DataFolder) -> None:
        self._broker.reactor.soon(lambda: self._handle(folder))

    def _handle(self, folder: DataFolder) -> None:
        broker = self._broker
        log.error("%s", folder.health.offline)
        log.warning(
            "Stopping serving replicas in dir %s with uuid %s because the log directory has failed.",
            folder.path,
            encode_uuid(folder.directory_id),
        )
        broker.partitions.folder_failed(folder)
        folder.abandon()
        if folder is broker.logs.metadata_dir:
            broker.halt(f"Shutdown broker because the metadata log dir {folder.path} has failed")
        elif not broker.logs.online:
            broker.halt(f"Shutdown broker because all log dirs in {', '.join(broker.logs.paths)} have failed")
        else:
            self._tell_controller()

    def _tell_controller(self) -> None:
        broker = self._broker
        try:
            for records in broker.controller.log_dirs_left(broker.node_id, broker.logs.directory_ids):
                broker.commit(records)
        except KafkaError as error:
            log.warning("cannot write down which log dirs are left, trying again: %s", error)
            broker.timers.call_at(broker.now_ms() + RETRY_MS, self._tell_controller)
