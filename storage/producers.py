"""What a partition remembers of each producer id: epoch, the last five batches, an open transaction's first offset.

Pure state: the log asks `check` before it writes a client's batch and tells `record` after. Errors and their order
are those of org.apache.kafka.storage.internals.log.ProducerStateManager, ProducerStateEntry and ProducerAppendInfo;
the snapshot is Kafka's ProducerSnapshot v1 (docs/formats.md).

Left out: last stable offset and the aborted-transaction index, which come with transactions.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, NamedTuple

from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import NO_PRODUCER_EPOCH, NO_SEQUENCE, add_sequence, checksum

#: max.in.flight.requests.per.connection of an idempotent producer is at most this.
BATCHES_KEPT: Final = 5

#: producer.id.expiration.ms
DEFAULT_EXPIRATION_MS: Final = 86_400_000

SNAPSHOT_VERSION: Final = 1
_SNAPSHOT_HEAD: Final = struct.Struct(">hIi")  # version, crc of what follows it, number of entries
_SNAPSHOT_CRC_FROM: Final = 6
_SNAPSHOT_ENTRY: Final = struct.Struct(">qhiqiqiq")


class SnapshotError(ValueError):
    """A producer snapshot is damaged or of another version."""


class BatchMetadata(NamedTuple):
    """One appended batch of a producer; `timestamp_ms` is its largest."""

    last_sequence: int
    last_offset: int
    offset_delta: int
    timestamp_ms: int

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta

    @property
    def first_sequence(self) -> int:
        # Sequences wrap at 2**31, so the way back is a step of 2**31 - delta forward.
        return (self.last_sequence - self.offset_delta) & 0x7FFFFFFF


class ProducerEntry:
    """State of one producer id. -1 stands for "none" in each field."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "first_transaction_offset", "last_timestamp_ms")

    def __init__(self) -> None:
        self.epoch = NO_PRODUCER_EPOCH
        self.batches: deque[BatchMetadata] = deque(maxlen=BATCHES_KEPT)
        self.last_timestamp_ms = -1
        self.coordinator_epoch = -1
        self.first_transaction_offset = -1

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else NO_SEQUENCE

    def set_epoch(self, epoch: int) -> None:
        """A new epoch starts with no batches: its sequences begin at 0 again."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.batches.clear()


class ProducerState:
    """All producers of one partition."""

    __slots__ = ("entries",)

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}

    def check(self, producer_id: int, epoch: int, first_sequence: int, last_sequence: int) -> BatchMetadata | None:
        """May a client append this batch? The metadata of the earlier one if it is a duplicate, None if it is new.

        Raises KafkaError: INVALID_PRODUCER_EPOCH for an epoch below the known one, OUT_OF_ORDER_SEQUENCE_NUMBER for
        a gap, for a batch older than the window, and for a new epoch that does not begin at 0.
        """
        entry = self.entries.get(producer_id)
        if entry is None:
            return None  # its records are gone (retention, DeleteRecords) or it is new: any sequence will do
        if epoch == entry.epoch:
            batches = entry.batches
            if batches:
                expected = batches[-1][0] + 1
                if first_sequence == expected or (first_sequence == 0 and expected > 0x7FFFFFFF):
                    return None
                for batch in batches:
                    if batch.last_sequence == last_sequence and batch.first_sequence == first_sequence:
                        return batch
            elif first_sequence == 0:
                return None
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Out of order sequence number for producer {producer_id}: {first_sequence} (incoming seq. number), "
                f"{entry.last_sequence} (current end sequence number)",
            )
        if epoch < entry.epoch:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {producer_id} is {epoch}, which is smaller than the last seen epoch {entry.epoch}",
            )
        if first_sequence != 0 and entry.epoch != NO_PRODUCER_EPOCH:
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Invalid sequence number for new epoch of producer {producer_id}: {epoch} (request epoch), "
                f"{first_sequence} (seq. number), {entry.epoch} (current producer epoch)",
            )
        return None

    def record(
        self,
        producer_id: int,
        epoch: int,
        base_sequence: int,
        base_offset: int,
        last_offset: int,
        timestamp_ms: int,
        transactional: bool = False,
    ) -> None:
        """A data batch of this producer is in the log now, whoever wrote it."""
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry()
        if epoch != entry.epoch:
            entry.set_epoch(epoch)
        delta = last_offset - base_offset
        # A coordinator's transactional records have a producer id but no sequence.
        last_sequence = NO_SEQUENCE if base_sequence < 0 else add_sequence(base_sequence, delta)
        entry.batches.append(BatchMetadata(last_sequence, last_offset, delta, timestamp_ms))
        entry.last_timestamp_ms = timestamp_ms
        if transactional and entry.first_transaction_offset < 0:
            entry.first_transaction_offset = base_offset

    def record_end_marker(self, producer_id: int, epoch: int, coordinator_epoch: int, timestamp_ms: int) -> None:
        """A commit or abort marker of this producer is in the log now."""
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry()
        entry.set_epoch(epoch)
        entry.coordinator_epoch = coordinator_epoch
        entry.last_timestamp_ms = timestamp_ms
        entry.first_transaction_offset = -1

    def expire(self, now_ms: int, expiration_ms: int = DEFAULT_EXPIRATION_MS) -> list[int]:
        """Forgets producers that have been silent so long and have no open transaction; returns their ids."""
        gone = [
            producer_id
            for producer_id, entry in self.entries.items()
            if entry.first_transaction_offset < 0 and now_ms - entry.last_timestamp_ms >= expiration_ms
        ]
        for producer_id in gone:
            del self.entries[producer_id]
        return gone

    def encode_snapshot(self) -> bytes:
        """The bytes of a `.snapshot` file. Only each producer's last batch is in it, as in Kafka."""
        entries = []
        for producer_id, entry in self.entries.items():
            last = entry.batches[-1] if entry.batches else BatchMetadata(NO_SEQUENCE, -1, 0, -1)
            entries.append(
                _SNAPSHOT_ENTRY.pack(
                    producer_id,
                    entry.epoch,
                    last.last_sequence,
                    last.last_offset,
                    last.offset_delta,
                    entry.last_timestamp_ms,
                    entry.coordinator_epoch,
                    entry.first_transaction_offset,
                )
            )
        body = struct.pack(">i", len(entries)) + b"".join(entries)
        return struct.pack(">hI", SNAPSHOT_VERSION, checksum(body)) + body

    @classmethod
    def decode_snapshot(cls, data: bytes) -> ProducerState:
        """Raises SnapshotError."""
        if len(data) < _SNAPSHOT_HEAD.size:
            raise SnapshotError("producer snapshot ends in its header")
        version, crc, count = _SNAPSHOT_HEAD.unpack_from(data)
        if version != SNAPSHOT_VERSION:
            raise SnapshotError(f"producer snapshot of version {version}")
        if checksum(data[_SNAPSHOT_CRC_FROM:]) != crc:
            raise SnapshotError("producer snapshot is corrupt (crc)")
        if len(data) != _SNAPSHOT_HEAD.size + count * _SNAPSHOT_ENTRY.size:
            raise SnapshotError(f"producer snapshot of {count} entries has {len(data)} bytes")
        state = cls()
        for row in _SNAPSHOT_ENTRY.iter_unpack(data[_SNAPSHOT_HEAD.size :]):
            producer_id, epoch, sequence, offset, delta, timestamp, coordinator_epoch, first_transaction_offset = row
            entry = state.entries[producer_id] = ProducerEntry()
            entry.epoch = epoch
            entry.last_timestamp_ms = timestamp
            entry.coordinator_epoch = coordinator_epoch
            entry.first_transaction_offset = first_transaction_offset
            if offset >= 0:
                entry.batches.append(BatchMetadata(sequence, offset, delta, timestamp))
        return state
