"""What compaction leaves of a list of batches, said as plainly as possible: the measure of storage/compaction.py.

It decodes every record, holds every key, and encodes every batch of which something stays anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from klamm.wire.batches import COMPRESSION_MASK, DELETE_HORIZON_FLAG, BatchHeader, parse_header
from klamm.wire.records import CONTROL_ABORT, Record, batch_records, decode_end_txn_marker


@dataclass
class Kept:
    """A batch after compaction, decoded."""

    header: BatchHeader
    records: list[Record]

    @classmethod
    def of(cls, batch: bytes) -> Kept:
        return cls(parse_header(batch), list(batch_records(batch)))

    @property
    def horizon_ms(self) -> int | None:
        return self.header.base_timestamp_ms if self.header.attributes & DELETE_HORIZON_FLAG else None


@dataclass
class Transactions:
    """Which batches belong to aborted transactions, and which markers end transactions that have batches left."""

    aborted_batches: set[int] = field(default_factory=set)  # base offsets
    empty_markers: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, batches: Sequence[Kept]) -> Transactions:
        """`batches`: all of the log, also those that are not compacted."""
        found = cls()
        open_ones: dict[int, list[int]] = {}
        for batch in batches:
            header = batch.header
            if header.is_control:
                offsets = open_ones.pop(header.producer_id, [])
                marker = decode_end_txn_marker(batch.records[0]) if batch.records else None
                if not offsets:
                    found.empty_markers.add(header.base_offset)
                if marker is not None and marker[0] == CONTROL_ABORT:
                    found.aborted_batches.update(offsets)
            elif header.is_transactional:
                open_ones.setdefault(header.producer_id, []).append(header.base_offset)
        return found


def compacted(
    batches: Sequence[bytes],
    *,
    first_dirty_offset: int,
    end_offset: int,
    last_records: dict[int, tuple[int, int]],
    now_ms: int,
    delete_retention_ms: int,
) -> list[Kept]:
    """The batches that begin before `end_offset`, as one compaction of them leaves them. All keys fit in memory."""
    everything = [Kept.of(batch) for batch in batches]
    transactions = Transactions.of(everything)
    latest: dict[bytes, int] = {}
    part = [batch for batch in everything if batch.header.base_offset < end_offset]
    for batch in part:
        if not batch.header.is_control and batch.header.base_offset not in transactions.aborted_batches:
            for record in batch.records:
                if record.key is not None and record.offset >= first_dirty_offset:
                    latest[record.key] = record.offset
    out = []
    for batch in part:
        header, horizon_ms = batch.header, batch.horizon_ms
        has_passed = horizon_ms is not None and horizon_ms <= now_ms
        wants_horizon = False
        if header.is_control:
            is_done = header.base_offset in transactions.empty_markers
            kept = [] if is_done and has_passed else batch.records
            wants_horizon = is_done
        elif header.base_offset in transactions.aborted_batches:
            kept = []
        else:
            kept = [
                record
                for record in batch.records
                if record.key is not None
                and record.offset >= latest.get(record.key, -1)
                and not (record.value is None and has_passed)
            ]
            wants_horizon = any(record.value is None for record in kept)
        if kept:
            if wants_horizon and horizon_ms is None:
                header = header._replace(
                    attributes=header.attributes | DELETE_HORIZON_FLAG, base_timestamp_ms=now_ms + delete_retention_ms
                )
            if not header.is_log_append_time:
                header = header._replace(max_timestamp_ms=max(record.timestamp_ms for record in kept))
            out.append(Kept(header._replace(records_count=len(kept)), kept))
        else:
            offset, epoch = last_records.get(header.producer_id, (-2, -2))
            is_last = header.producer_id >= 0 and (
                header.last_offset == offset
                if offset >= 0
                else header.is_control and header.producer_epoch == epoch and offset == -1
            )
            if is_last or header.last_offset + 1 == end_offset:
                flags = header.attributes & ~(DELETE_HORIZON_FLAG | COMPRESSION_MASK)
                out.append(Kept(header._replace(records_count=0, attributes=flags), []))
    return out
