"""Checks of one partition's batches against each other, its leader epochs and its producers. No I/O.

`PartitionCheck` hears of all batches in order. What needs the files themselves is in verify.py.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Mapping
from typing import Final

from ..wire.batches import BATCH_OVERHEAD, LOG_OVERHEAD, MAGIC, BatchHeader, RecordError, batch_checksum
from ..wire.records import batch_records, decode_end_txn_marker
from .leader_epochs import LeaderEpochCache
from .producers import ProducerEntry, ProducerState
from .transactions import AbortedTransaction
from .verify_findings import Findings

_LENGTH: Final = slice(8, 12)


def what_is_wrong(head: bytes, left_bytes: int) -> str:
    """Why no batch stands where `head` (up to 61 bytes) is read and `left_bytes` follow to the end of the file."""
    if left_bytes < BATCH_OVERHEAD:
        return f"{left_bytes} bytes, fewer than a batch's header"
    if not any(head):
        return f"zeros, {left_bytes} bytes to the end of the file, as a kill leaves a preallocated one"
    size = int.from_bytes(head[_LENGTH], "big", signed=True) + LOG_OVERHEAD
    if head[16] != MAGIC:
        return f"magic {head[16]}, {left_bytes} bytes to the end of the file"
    if size < BATCH_OVERHEAD:
        return f"a batch of {size} bytes, fewer than its header"
    return f"a batch of {size} bytes, the file has {left_bytes} more"


class PartitionCheck:
    """All batches of a partition in order, with what the small files say about them.

    `epochs` are the rows of leader-epoch-checkpoint (None: not checked), `snapshots` the producer snapshots by their
    offset, `log_start_offset` where the log begins for its readers; `moving`: a broker appends, so
    offsets behind the end and epochs that were not there yet are no fault. `log_end_offset` is behind the last batch.
    """

    def __init__(
        self,
        findings: Findings,
        *,
        epochs: list[tuple[int, int]] | None,
        epochs_path: str,
        snapshots: Mapping[int, tuple[str, ProducerState]],
        first_offset: int,
        log_start_offset: int,
        deep: bool,
        moving: bool = False,
    ) -> None:
        self._findings = findings
        self._epochs = None if epochs is None else LeaderEpochCache(epochs)
        self._rows = epochs or []
        self._epochs_path = epochs_path
        self._waiting = sorted(snapshots.items())
        self._log_start_offset = max(first_offset, log_start_offset)
        self._deep = deep
        self._moving = moving
        self._last_offset = -1
        #: Where offsets are missing, ascending: compaction removed what was there.
        self._hole_starts = array("q")
        self._hole_ends = array("q")
        self.log_end_offset = first_offset
        #: Producers with records of a transaction that goes on; (producer, marker) of transactions without records.
        self._in_transaction: set[int] = set()
        self._empty: set[tuple[int, int]] = set()
        #: Where the log does not begin at 0 and no snapshot says how the producers were, some are not known.
        self._knows_producers = first_offset == 0
        self._producers = ProducerState()
        if self._waiting and self._waiting[0][0] <= first_offset:
            while len(self._waiting) > 1 and self._waiting[1][0] <= first_offset:
                del self._waiting[0]
            self._producers = self._waiting.pop(0)[1][1]
            self._knows_producers = True
        for before, row in zip(self._rows, self._rows[1:], strict=False):
            if row[0] <= before[0] or row[1] <= before[1]:
                findings.add(
                    epochs_path, "epoch-order", f"epoch {row[0]} from offset {row[1]} follows {before[0]}, {before[1]}"
                )

    def batch(self, path: str, position: int, header: BatchHeader, data: memoryview) -> AbortedTransaction | None:
        """Returns the transaction that this batch, a marker, aborts."""
        where = f"batch at byte {position}, offset {header.base_offset}"
        is_whole = batch_checksum(data) == header.crc
        if not is_whole:
            self._findings.add(path, "batch-crc", f"{where}: its CRC is not the one in its header")
        if header.last_offset_delta < 0 or header.base_offset <= self._last_offset:
            self._findings.add(
                path, "batch-offset", f"{where}, ends at {header.last_offset} and follows offset {self._last_offset}"
            )
        if header.base_offset > self.log_end_offset:
            self._hole_starts.append(self.log_end_offset)
            self._hole_ends.append(header.base_offset)
        self._compare_snapshots(header.base_offset, header.last_offset)
        self._check_epoch(header)
        if is_whole and self._deep:
            self._check_records(path, where, header, data)
        self._last_offset = max(self._last_offset, header.last_offset)
        self.log_end_offset = self._last_offset + 1
        return self._replay(header, data) if is_whole and header.producer_id >= 0 else None

    def is_gone(self, offset: int) -> bool:
        """No batch has this offset, though there are batches before or behind it."""
        number = bisect_right(self._hole_starts, offset) - 1
        return number >= 0 and offset < self._hole_ends[number]

    def may_be_empty(self, transaction: AbortedTransaction) -> bool:
        """Only a snapshot knows of it: what is left of the log has none of its records, retention took them."""
        return (transaction.producer_id, transaction.last_offset) in self._empty

    def end(self) -> None:
        self._compare_snapshots(self.log_end_offset, self.log_end_offset)
        if self._moving:
            return
        for offset, (path, _) in self._waiting:
            self._findings.add(path, "snapshot-offset", f"is of offset {offset}, the log ends at {self.log_end_offset}")
        for epoch, start_offset in self._rows:
            if start_offset > self.log_end_offset:
                self._findings.add(
                    self._epochs_path,
                    "epoch-offset",
                    f"epoch {epoch} begins at offset {start_offset}, the log ends at {self.log_end_offset}",
                )

    def _check_epoch(self, header: BatchHeader) -> None:
        if self._epochs is None or header.last_offset < self._log_start_offset:
            return
        if self._moving and header.partition_leader_epoch > self._epochs.latest:
            return
        expected = self._epochs.epoch_of(max(header.base_offset, self._log_start_offset))
        if expected != header.partition_leader_epoch:
            self._findings.add(
                self._epochs_path,
                "epoch-batch",
                f"says epoch {expected} for offset {header.base_offset}, its batch {header.partition_leader_epoch}",
            )

    def _check_records(self, path: str, where: str, header: BatchHeader, data: memoryview) -> None:
        before = header.base_offset - 1
        try:
            for record in batch_records(data):
                if not before < record.offset <= header.last_offset:
                    self._findings.add(path, "record-offset", f"{where}: record {record.offset} follows {before}")
                before = record.offset
        except RecordError as error:
            self._findings.add(path, "record-format", f"{where}: {error}")

    def _replay(self, header: BatchHeader, data: memoryview) -> AbortedTransaction | None:
        if not header.is_control:
            self._producers.record(
                header.producer_id,
                header.producer_epoch,
                header.base_sequence,
                header.base_offset,
                header.last_offset,
                header.max_timestamp_ms,
                header.is_transactional,
            )
            if header.is_transactional:
                self._in_transaction.add(header.producer_id)
            return None
        try:
            markers = [decode_end_txn_marker(record) for record in batch_records(data)]
        except RecordError:
            return None  # `_check_records` has it
        if header.producer_id not in self._in_transaction:
            self._empty.add((header.producer_id, header.base_offset))
        self._in_transaction.discard(header.producer_id)
        for marker in markers:
            if marker is not None:
                return self._producers.end_transaction(
                    header.producer_id, header.producer_epoch, header.max_timestamp_ms, header.base_offset, marker
                )
        return None

    def _compare_snapshots(self, base_offset: int, last_offset: int) -> None:
        """With the producers as they are now, before the batch at `base_offset`."""
        while self._waiting and self._waiting[0][0] <= last_offset:
            offset, (path, state) = self._waiting.pop(0)
            if offset > base_offset:
                self._findings.add(
                    path,
                    "snapshot-offset",
                    f"is of offset {offset}, within the batch of offsets {base_offset} to {last_offset}",
                )
                continue
            for producer_id, entry in state.entries.items():
                problem = self._difference(entry, self._producers.entries.get(producer_id))
                if problem:
                    self._findings.add(path, "snapshot-producer", f"producer {producer_id}: {problem}")

    def _difference(self, saved: ProducerEntry, seen: ProducerEntry | None) -> str | None:
        """Producers that only the log has may have expired; those that only the snapshot has may be older than it, or
        have had their last batch compacted away."""
        last_offset = _last_offset(saved)
        if self.is_gone(last_offset) if last_offset >= 0 else self._hole_starts:
            return None
        if seen is None:
            return "has no batch in the log" if self._knows_producers else None
        begins = saved.first_transaction_offset
        if self.is_gone(begins):
            begins = seen.first_transaction_offset
        for name, says, has in (
            ("epoch", saved.epoch, seen.epoch),
            ("last sequence", saved.last_sequence, seen.last_sequence),
            ("last offset", _last_offset(saved), _last_offset(seen)),
            ("first offset of its transaction", begins, seen.first_transaction_offset),
        ):
            if says != has and (self._knows_producers or has >= 0):
                return f"{name} {says}, by the log {has}"
        return None


def _last_offset(entry: ProducerEntry) -> int:
    return entry.batches[-1].last_offset if entry.batches else -1
