"""What a partition remembers of each producer id: epoch, the last five batches, an open transaction's first offset.

Pure state: the log asks `check` before it writes a client's batch (`check_epoch`, `check_marker` for a coordinator's)
and tells `record` or `end_transaction` after. Errors and their order are those of
org.apache.kafka.storage.internals.log.ProducerStateManager, ProducerStateEntry and ProducerAppendInfo; the snapshot is
Kafka's ProducerSnapshot v1 (docs/formats.md).
"""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, NamedTuple

from ..wire.batches import NO_PRODUCER_EPOCH, NO_SEQUENCE, add_sequence, checksum
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import CONTROL_ABORT
from .transactions import AbortedTransaction

#: max.in.flight.requests.per.connection of an idempotent producer is at most this.
BATCHES_KEPT: Final = 5

#: producer.id.expiration.ms
DEFAULT_EXPIRATION_MS: Final = 86_400_000

#: Above every offset: no transaction is undecided.
NOTHING_UNSTABLE: Final = 1 << 63

#: From this transaction.version on each transaction has an epoch of its own, and its marker the next one (KIP-890).
EPOCH_BUMP_FROM: Final = 2

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


class Verification:
    """A transactional batch of the producer waits for the coordinator's word (VerificationStateEntry)."""

    __slots__ = ("epoch", "lowest_sequence", "supports_epoch_bump", "timestamp_ms")

    def __init__(self, epoch: int, sequence: int, supports_epoch_bump: bool, timestamp_ms: int) -> None:
        self.epoch = epoch
        self.lowest_sequence = sequence
        self.supports_epoch_bump = supports_epoch_bump
        self.timestamp_ms = timestamp_ms


class ProducerState:
    """All producers of one partition.

    `first_unstable_offset`: of the earliest transaction that is open, or whose marker is not yet below the high
    watermark. `open_transactions`: producer ids by first offset, ascending. `verifying`: by producer id.
    """

    __slots__ = ("_unreplicated", "entries", "first_unstable_offset", "open_transactions", "verifying")

    def __init__(self) -> None:
        self.entries: dict[int, ProducerEntry] = {}
        self.first_unstable_offset = NOTHING_UNSTABLE
        self.open_transactions: dict[int, int] = {}
        self.verifying: dict[int, Verification] = {}
        #: (offset of the marker, first offset) of ended transactions, ascending by marker.
        self._unreplicated: deque[tuple[int, int]] = deque()

    # --- before a batch is written --------------------------------------------------------------------------------

    def check(
        self, producer_id: int, epoch: int, first_sequence: int, last_sequence: int, transactional: bool = False
    ) -> BatchMetadata | None:
        """May a client append this batch? The metadata of the earlier one if it is a duplicate, None if it is new.

        Raises KafkaError: INVALID_PRODUCER_EPOCH for an epoch below the known one, OUT_OF_ORDER_SEQUENCE_NUMBER for
        a gap, for a batch older than the window, and for a new epoch that does not begin at 0, INVALID_TXN_STATE for
        a plain batch of a producer that has a transaction open here.
        """
        entry = self.entries.get(producer_id)
        if entry is None:
            # Its records are gone (retention, DeleteRecords) or it is new: any sequence will do.
            if self.verifying:
                self._check_verification(producer_id, first_sequence, is_new=True)
            return None
        batches = entry.batches
        if epoch == entry.epoch:
            if batches:
                expected = batches[-1][0] + 1
                if first_sequence != expected and (first_sequence != 0 or expected <= 0x7FFFFFFF):
                    for batch in batches:
                        if batch.last_sequence == last_sequence and batch.first_sequence == first_sequence:
                            return batch
                    if epoch != NO_PRODUCER_EPOCH:  # without one any sequence will do, as in Kafka
                        raise _out_of_order(producer_id, first_sequence, entry)
            elif first_sequence != 0 and epoch != NO_PRODUCER_EPOCH:
                raise _out_of_order(producer_id, first_sequence, entry)
        elif epoch < entry.epoch:
            raise _old_epoch(producer_id, epoch, entry)
        elif first_sequence != 0 and entry.epoch != NO_PRODUCER_EPOCH:
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Invalid sequence number for new epoch of producer {producer_id}: {epoch} (request epoch), "
                f"{first_sequence} (seq. number), {entry.epoch} (current producer epoch)",
            )
        if self.verifying:
            self._check_verification(producer_id, first_sequence, is_new=not batches)
        if entry.first_transaction_offset >= 0 and not transactional:
            raise KafkaError(ErrorCode.INVALID_TXN_STATE, f"Expected transactional write from producer {producer_id}")
        return None

    def check_epoch(self, producer_id: int, epoch: int) -> None:
        """May a coordinator append records of this producer? Raises KafkaError(INVALID_PRODUCER_EPOCH)."""
        entry = self.entries.get(producer_id)
        if entry is not None and epoch < entry.epoch:
            raise _old_epoch(producer_id, epoch, entry)

    def check_marker(self, producer_id: int, epoch: int, coordinator_epoch: int, transaction_version: int) -> None:
        """May a coordinator end this producer's transaction?

        From transaction.version 2 on the marker's epoch is above that of the records, so that a late marker of an
        earlier transaction cannot end a later one; the same marker once more, when nothing is open, is let through
        (KAFKA-19999). Raises KafkaError: INVALID_PRODUCER_EPOCH, TRANSACTION_COORDINATOR_FENCED.
        """
        entry = self.entries.get(producer_id)
        if entry is None:
            return
        again = epoch == entry.epoch and entry.first_transaction_offset < 0
        if epoch < entry.epoch or (transaction_version >= EPOCH_BUMP_FROM and epoch == entry.epoch and not again):
            raise _old_epoch(producer_id, epoch, entry)
        if coordinator_epoch < entry.coordinator_epoch:
            raise KafkaError(
                ErrorCode.TRANSACTION_COORDINATOR_FENCED,
                f"Invalid coordinator epoch for producerId {producer_id}: {coordinator_epoch} (zombie), "
                f"{entry.coordinator_epoch} (current)",
            )

    def begin_verification(
        self, producer_id: int, epoch: int, sequence: int, supports_epoch_bump: bool, now_ms: int
    ) -> bool:
        """A transactional batch came: does its coordinator have to be asked whether the partition is in the
        transaction? Not where the transaction has records here already."""
        entry = self.entries.get(producer_id)
        if entry is not None and entry.first_transaction_offset >= 0 and entry.epoch == epoch:
            return False
        found = self.verifying.get(producer_id)
        if found is None or epoch > found.epoch:
            self.verifying[producer_id] = Verification(epoch, sequence, supports_epoch_bump, now_ms)
        elif epoch == found.epoch:
            found.lowest_sequence = min(found.lowest_sequence, sequence)
            found.supports_epoch_bump = supports_epoch_bump
        return True

    def is_verifying(self, producer_id: int, epoch: int) -> bool:
        """Is the word of the coordinator still good? A marker that came between has ended that."""
        found = self.verifying.get(producer_id)
        return found is not None and found.epoch == epoch

    def _check_verification(self, producer_id: int, first_sequence: int, *, is_new: bool) -> None:
        """Of two batches that were sent together the second must not be taken for the first."""
        found = self.verifying.get(producer_id)
        if found is None:
            return
        if (found.supports_epoch_bump and is_new and first_sequence != 0) or first_sequence > found.lowest_sequence:
            expected = 0 if found.supports_epoch_bump and is_new else found.lowest_sequence
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Out of order sequence number for producer {producer_id}: {first_sequence} (incoming seq. number), "
                f"{expected} was expected",
            )

    # --- after it was written -------------------------------------------------------------------------------------

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
            self.open_transactions[base_offset] = producer_id
            self.verifying.pop(producer_id, None)
            if base_offset < self.first_unstable_offset:
                self.first_unstable_offset = base_offset

    def end_transaction(
        self,
        producer_id: int,
        epoch: int,
        timestamp_ms: int,
        offset: int,
        marker: tuple[int, int],
    ) -> AbortedTransaction | None:
        """A marker, (control type, coordinator epoch), is in the log now at `offset`. If it aborts a transaction that
        has records here: what the transaction index has to hold."""
        control_type, coordinator_epoch = marker
        entry = self.entries.get(producer_id)
        if entry is None:
            entry = self.entries[producer_id] = ProducerEntry()
        entry.set_epoch(epoch)
        entry.coordinator_epoch = coordinator_epoch
        entry.last_timestamp_ms = timestamp_ms
        self.verifying.pop(producer_id, None)
        first_offset, entry.first_transaction_offset = entry.first_transaction_offset, -1
        if first_offset < 0:
            return None
        del self.open_transactions[first_offset]
        self._unreplicated.append((offset, first_offset))
        self._find_first_unstable()
        if control_type != CONTROL_ABORT:
            return None
        last_stable_offset = next(iter(self.open_transactions), offset + 1)
        return AbortedTransaction(producer_id, first_offset, offset, last_stable_offset)

    @property
    def has_unreplicated(self) -> bool:
        """There are markers above the high watermark of which it was last told."""
        return bool(self._unreplicated)

    def replicated(self, high_watermark: int) -> None:
        """Markers below the high watermark decide for good."""
        unreplicated = self._unreplicated
        if unreplicated and unreplicated[0][0] < high_watermark:
            while unreplicated and unreplicated[0][0] < high_watermark:
                unreplicated.popleft()
            self._find_first_unstable()

    def _find_first_unstable(self) -> None:
        first = next(iter(self.open_transactions), NOTHING_UNSTABLE)
        for _, first_offset in self._unreplicated:
            first = min(first, first_offset)
        self.first_unstable_offset = first

    def expire(self, now_ms: int, expiration_ms: int = DEFAULT_EXPIRATION_MS) -> list[int]:
        """Forgets producers that have been silent so long and have no open transaction; returns their ids."""
        gone = [
            producer_id
            for producer_id, entry in self.entries.items()
            if entry.first_transaction_offset < 0 and now_ms - entry.last_timestamp_ms >= expiration_ms
        ]
        for producer_id in gone:
            del self.entries[producer_id]
        for producer_id in [
            producer_id
            for producer_id, waiting in self.verifying.items()
            if now_ms - waiting.timestamp_ms >= expiration_ms
        ]:
            del self.verifying[producer_id]
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
        state.open_transactions = {
            entry.first_transaction_offset: producer_id
            for producer_id, entry in sorted(state.entries.items(), key=lambda item: item[1].first_transaction_offset)
            if entry.first_transaction_offset >= 0
        }
        state._find_first_unstable()
        return state


def _out_of_order(producer_id: int, first_sequence: int, entry: ProducerEntry) -> KafkaError:
    return KafkaError(
        ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
        f"Out of order sequence number for producer {producer_id}: {first_sequence} (incoming seq. number), "
        f"{entry.last_sequence} (current end sequence number)",
    )


def _old_epoch(producer_id: int, epoch: int, entry: ProducerEntry) -> KafkaError:
    return KafkaError(
        ErrorCode.INVALID_PRODUCER_EPOCH,
        f"Epoch of producer {producer_id} is {epoch}, which is smaller than the last seen epoch {entry.epoch}",
    )
