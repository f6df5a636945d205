"""`__cluster_metadata-0` as its leader writes it: append a change, replay it, tell who listens.

Each start opens a new epoch with a leader-change control batch, as KRaft does (KIP-595). A change is one batch, so it
survives a kill whole or not at all.

Left out: an engine whose append answers later, followers, a high watermark below the log's end, `quorum-state`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from ...wire.batches import iter_batches, verify_batch
from ...wire.declare import Message
from ...wire.log_records.control import KRaftVersionRecord, LeaderChangeMessage, VotersRecord, VotersRecordVoter
from ...wire.records import batch_records
from .image import Catalogue, Delta
from .record_versions import LATEST_LEVEL, as_written
from .records import (
    decode_control,
    decode_record,
    encode_control,
    encode_records,
    leader_change,
    quorum_records,
)

if TYPE_CHECKING:
    from .snapshot_retention import SnapshotId


class MetadataLog:
    """`append`: writes one whole batch, which carries its offsets and epoch already, at the end of the log, and has
    written it when it returns; what it raises goes to the caller of `commit`, and nothing is replayed.

    A listener is called after each commit, in the order of `listeners`, with what the batch changed; it must not
    raise. It is not called for what `load` replays.
    """

    def __init__(self, catalogue: Catalogue, append: Callable[[bytes], object]) -> None:
        self.catalogue = catalogue
        self.listeners: list[Callable[[Delta], None]] = []
        self._append = append

    def load(self, chunks: Iterable[bytes | memoryview]) -> None:
        """Replay the log from its start; a chunk holds whole batches.

        Raises RecordError, DecodeError or KafkaError for a log that cannot be replayed.
        """
        catalogue = self.catalogue
        replay = catalogue.replay
        for chunk in chunks:
            view = memoryview(chunk)
            for position, header in iter_batches(view):
                batch = view[position : position + header.size_bytes]
                verify_batch(batch)
                records = batch_records(batch)
                if header.is_control:
                    self._load_control(decode_control(records))
                else:
                    for record in records:
                        replay(decode_record(record.value or b"\0\0\0"))
                catalogue.metadata_offset = header.last_offset
                catalogue.leader_epoch = header.partition_leader_epoch
        catalogue.take_delta()

    def _load_control(self, records: Iterable[Message]) -> None:
        for record in records:
            if isinstance(record, LeaderChangeMessage):
                self.catalogue.controller_id = record.leader_id
            elif isinstance(record, KRaftVersionRecord | VotersRecord):
                self.catalogue.replay_control(record)

    def restore(self, snapshot: SnapshotId, records: Iterable[Message]) -> None:
        """Begin with what a snapshot holds, before `load` of the log from its offset on. Raises KafkaError."""
        catalogue = self.catalogue
        for record in records:
            if isinstance(record, KRaftVersionRecord | VotersRecord):
                catalogue.replay_control(record)
            else:
                catalogue.replay(record)
        catalogue.metadata_offset = snapshot.offset - 1
        catalogue.leader_epoch = snapshot.epoch

    def open_epoch(self, voter: VotersRecordVoter, now_ms: int) -> None:
        """Become the log's leader: the next epoch begins with its control batch. Once, after `load`.

        `voter`: this node. A log that names its voters, and this one as another, is told so, as by Kafka's leader.
        """
        catalogue = self.catalogue
        told = [] if catalogue.voters in ([], [voter]) else quorum_records([voter])
        catalogue.leader_epoch += 1
        catalogue.controller_id = voter.voter_id
        self._append_control([leader_change(voter.voter_id), *told], now_ms)

    def raise_kraft_version(self, voter: VotersRecordVoter, now_ms: int) -> None:
        """From now on the log names its voters: this node (kraft.version 1, KIP-853)."""
        self._append_control(quorum_records([voter]), now_ms)

    def _append_control(self, records: Sequence[tuple[bytes, Message]], now_ms: int) -> None:
        catalogue = self.catalogue
        self._append(encode_control(records, self.next_offset, catalogue.leader_epoch, now_ms))
        self._load_control(message for _, message in records)
        catalogue.metadata_offset += len(records)

    @property
    def next_offset(self) -> int:
        """Where the next record will stand."""
        return self.catalogue.metadata_offset + 1

    def commit(self, records: Sequence[Message], now_ms: int) -> None:
        """Append the records as one batch, replay them, tell the listeners. Nothing happens when there are none.

        They are written in the versions of the cluster's metadata.version; what those lack does not happen."""
        if not records:
            return
        catalogue = self.catalogue
        level = catalogue.metadata_version
        if level < LATEST_LEVEL:
            records = [as_written(record, level) for record in records]
        self._append(encode_records(records, self.next_offset, catalogue.leader_epoch, now_ms, level))
        for record in records:
            catalogue.replay(record)
        catalogue.metadata_offset += len(records)
        delta = catalogue.take_delta()
        for listener in self.listeners:
            listener(delta)
