"""The metadata log's snapshots: when they are taken, what a start makes of them, and when the old ones go.

One is taken after so many bytes of records, or so long after the last one. The image is turned into records on the
loop, and those into a file by a worker thread. Of old ones the log is cut: first it starts at the next snapshot, then
the file goes, so that a crash in between leaves only a file too many.
Source: org.apache.kafka.image.publisher.SnapshotGenerator, org.apache.kafka.raft.internals.KafkaRaftLog.

Left out: a removed snapshot does not wait before it is unlinked, since no follower reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from ..wire.errors import KafkaError
from .log_reader import read_chunks
from .metadata.snapshot_retention import KeptSnapshot, SnapshotId, SnapshotRetention
from .metadata.snapshots import kept_snapshots, newest_snapshot, remove_before

if TYPE_CHECKING:
    from ..storage.log import Log
    from .broker import Broker
    from .metadata.snapshots import Content

log = logging.getLogger("klamm.metadata")

#: Between two looks for what is too old or too much: RaftMetadataLogCleanerManager's.
CLEAN_INTERVAL_MS: Final = 60_000
#: The first look is soon after the start, but not in its way.
FIRST_CLEAN_MS: Final = 1000


class _Writing:
    """One snapshot on its way to the device."""

    def __init__(self, metadata_log: Log, snapshot: SnapshotId, content: Content, now_ms: int) -> None:
        self._log = metadata_log
        self._snapshot = snapshot
        self._content = content
        self._now_ms = now_ms
        self.error: OSError | None = None
        self.size_bytes = 0

    def run(self) -> None:
        from .metadata.snapshots import encode_snapshot, write_snapshot

        data = encode_snapshot(self._content, self._snapshot.epoch, self._now_ms, self._now_ms)
        self.size_bytes = len(data)
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


class _Looking:
    """A look at which snapshots there are. `known`: by id, not read again."""

    def __init__(self, metadata_log: Log, known: dict[SnapshotId, KeptSnapshot]) -> None:
        self._log = metadata_log
        self._known = known
        self.found: list[KeptSnapshot] = []

    def run(self) -> None:
        self.found = kept_snapshots(self._log.files, self._log.folder, self._known)

    def finish(self) -> None:
        """There is nothing to do on the loop."""


class MetadataSnapshots:
    """`appended` is told of every batch of the metadata log; `take_if_changed` and `clean` are called from time to
    time."""

    def __init__(self, broker: Broker, metadata_log: Log) -> None:
        self._broker = broker
        self._log = metadata_log
        self._bytes = 0
        self._offset = 0  # of the newest snapshot that is known to be whole
        self._known: dict[SnapshotId, KeptSnapshot] = {}
        self._asked = False
        get = broker.config.get
        self._max_bytes: int = get("metadata.log.max.record.bytes.between.snapshots")
        self._retention = SnapshotRetention(get("metadata.max.retention.bytes"), get("metadata.max.retention.ms"))

    # --- at the start ---------------------------------------------------------------------------------------------

    def load(self) -> None:
        """Replay the newest snapshot and the log behind it. Raises RecordError, DecodeError, KafkaError, OSError."""
        files, metadata_log = self._log, self._broker.metadata_log
        start = files.log_start_offset
        snapshot = newest_snapshot(files.files, files.folder)
        if snapshot is not None and snapshot[0].offset >= start:
            start = self._offset = snapshot[0].offset
            if start > files.log_end_offset:
                # The snapshot was brought to the device, the log was not: a loss of power took its end.
                log.warning("the metadata log ends at %d and begins again at %d", files.log_end_offset, start)
                files.begin_again_at(start, self._broker.now_ms())
            metadata_log.restore(*snapshot)
        metadata_log.load(self._counted(start))

    def _counted(self, start: int) -> Iterator[memoryview]:
        for chunk in read_chunks(self._log, start, self._log.log_end_offset):
            self.appended(len(chunk.batches))
            yield chunk.batches

    # --- while it runs --------------------------------------------------------------------------------------------

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
        from .metadata.snapshots import Content

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
        self._broker.warmer.run(writing, partial(self._written, writing, snapshot, now_ms))

    def _written(self, writing: _Writing, snapshot: SnapshotId, now_ms: int) -> None:
        self._asked = False
        if writing.error is None:
            self._offset = snapshot.offset
            self._known[snapshot] = KeptSnapshot(snapshot, writing.size_bytes, now_ms)

    def clean(self) -> None:
        """Has snapshots go that are too old or too much, and what stands in the log before the next one."""
        if not self._log.failed:
            looking = _Looking(self._log, self._known)
            self._broker.warmer.run(looking, partial(self._cut, looking))

    def _cut(self, looking: _Looking) -> None:
        metadata_log, kept = self._log, looking.found
        self._known = {snapshot.id: snapshot for snapshot in kept}
        try:
            while start := self._retention.next_start(kept, metadata_log.size_bytes, self._broker.now_ms()):
                if start.offset > self._offset:
                    break  # nobody has read it yet: it may not be whole
                metadata_log.high_watermark = metadata_log.log_end_offset
                metadata_log.delete_before(start.offset)
                log.info("the metadata log starts at %d: the snapshot %s goes", start.offset, kept[0].id.file_name)
                kept = kept[1:]
            if kept:
                start_offset = min(metadata_log.log_start_offset, kept[-1].id.offset)
                remove_before(metadata_log.files, metadata_log.folder, start_offset)
        except KafkaError as error:
            log.warning("the metadata log cannot be cut: %s", error)
        except OSError as error:
            log.warning("%s", metadata_log.health.error(error, f"cannot remove snapshots in {metadata_log.folder}"))
