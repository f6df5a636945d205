"""When the metadata log's snapshots are taken: after so many bytes of records, or so long after the last one.

The image is turned into records on the loop, and those into a file by a worker thread. Source:
org.apache.kafka.image.publisher.SnapshotGenerator.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..storage.log import Log
    from .broker import Broker
    from .metadata.snapshots import Content, SnapshotId

log = logging.getLogger("klamm.metadata")


class _Writing:
    """One snapshot on its way to the device."""

    def __init__(self, metadata_log: Log, snapshot: SnapshotId, content: Content, now_ms: int) -> None:
        self._log = metadata_log
        self._snapshot = snapshot
        self._content = content
        self._now_ms = now_ms
        self.error: OSError | None = None

    def run(self) -> None:
        from .metadata.snapshots import encode_snapshot, write_snapshot

        data = encode_snapshot(self._content, self._snapshot.epoch, self._now_ms, self._now_ms)
        try:
            write_snapshot(self._log.files, self._log.folder, self._snapshot, data)
        except OSError as error:
            self.error = error

    def finish(self) -> None:
        name = self._snapshot.file_name
        if self.error is None:
            log.info("the metadata log has the snapshot %s", name)
        else:
            log.warning("%s", self._log.health.error(self.error, f"cannot write {name}"))


class MetadataSnapshots:
    """`appended` is told of every batch of the metadata log; `take_if_changed` is called from time to time."""

    def __init__(self, broker: Broker, metadata_log: Log) -> None:
        self._broker = broker
        self._log = metadata_log
        self._bytes = 0
        self._offset = 0  # of the newest snapshot
        self._asked = False
        self._max_bytes: int = broker.config.get("metadata.log.max.record.bytes.between.snapshots")

    def found(self, offset: int) -> None:
        """The newest snapshot there is."""
        self._offset = offset

    def appended(self, size_bytes: int) -> None:
        self._bytes += size_bytes
        if self._bytes >= self._max_bytes and not self._asked:
            self._asked = True
            self._broker.reactor.soon(self.take_if_changed)

    def take_if_changed(self) -> None:
        """A snapshot of the image as it is, unless one is being written, there is nothing new, or it would lack what
        Kafka keeps and klamm does not: ACLs and tokens."""
        from .metadata.image_records import image_records
        from .metadata.record_versions import as_written
        from .metadata.records import quorum_records
        from .metadata.snapshots import Content, SnapshotId

        catalogue = self._broker.catalogue
        offset = catalogue.metadata_offset + 1
        self._asked = False
        if offset <= self._offset or catalogue.in_transaction or not catalogue.is_whole or self._log.failed:
            return
        self._bytes = 0
        self._asked = True  # until it is written
        now_ms = self._broker.now_ms()
        snapshot = SnapshotId(offset, catalogue.leader_epoch)
        level = catalogue.metadata_version
        records = [as_written(record, level) for record in image_records(catalogue)]
        content = Content(records, quorum_records(catalogue.voters), level)
        writing = _Writing(self._log, snapshot, content, now_ms)
        self._broker.warmer.run(writing, partial(self._written, writing, offset))

    def _written(self, writing: _Writing, offset: int) -> None:
        self._asked = False
        if writing.error is None:
            self._offset = offset
