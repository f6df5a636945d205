"""What befalls a log and the list that is its model: appends, transactions, truncations, removals, restarts, crashes.

(Compactions: log_machine_compaction.py. What must hold all the time: test_log_model.py.)
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from klamm.storage.checks import Origin
from klamm.storage.compaction import CompactionJob
from klamm.storage.config import LogConfig
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.batches import RecordError, iter_batches
from klamm.wire.compression import Codec
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker, iter_records

from .conftest import FailingFiles
from .shorthand import read_records

NOW_MS = 5000
RETENTION_BYTES = 1500
PRODUCERS = (70, 71)
TRANSACTIONAL_PRODUCERS = (80, 81, 82)


@dataclass
class ModelBatch:
    records: list[Record]  # with their offsets; those that compaction has left
    base_offset: int
    last_offset: int
    epoch: int
    producer_id: int
    last_sequence: int
    producer_epoch: int = 0
    #: An end marker: does it commit? None for records.
    commits: bool | None = None


def transactions(batches: Iterable[ModelBatch]) -> tuple[dict[int, int], list[tuple[int, int, int]]]:
    """First offsets of the open ones by producer; (producer, first offset, marker) of the aborted ones."""
    open_ones: dict[int, int] = {}
    aborted = []
    for batch in batches:
        if batch.commits is not None:
            first = open_ones.pop(batch.producer_id, -1)
            if first >= 0 and not batch.commits:
                aborted.append((batch.producer_id, first, batch.last_offset))
        elif batch.producer_id in TRANSACTIONAL_PRODUCERS:
            open_ones.setdefault(batch.producer_id, batch.base_offset)
    return open_ones, aborted


def next_sequences(batches: Iterable[ModelBatch]) -> dict[int, int]:
    """By producer, of those that have written with their latest epoch."""
    found: dict[int, int] = {}
    epochs: dict[int, int] = {}
    for batch in batches:
        if not batch.records and batch.commits is not None:
            continue  # who reads the log again learns nothing from a marker that was emptied, as in Kafka
        if batch.producer_epoch != epochs.get(batch.producer_id, batch.producer_epoch):
            found.pop(batch.producer_id, None)
        epochs[batch.producer_id] = batch.producer_epoch
        if batch.producer_id >= 0 and batch.commits is None:
            found[batch.producer_id] = batch.last_sequence + 1
    return found


records_strategy = st.lists(
    st.builds(
        Record,
        key=st.sampled_from([b"a", b"b", b"c", b"", None]),
        value=st.one_of(st.none(), st.binary(max_size=60), st.binary(max_size=60)),
        headers=st.just(()),
        timestamp_ms=st.integers(1, 50),  # to `klamm log verify` an index of 0, 0 is unused room
        offset=st.just(-1),
    ),
    min_size=1,
    max_size=4,
)


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="klamm-model-"))
        #: What there is.
        self.batches: list[ModelBatch] = []
        #: What there would be without compaction: what the log knows of producers and transactions lies between.
        self.written: list[ModelBatch] = []
        self.now_ms = NOW_MS
        self.job: CompactionJob | None = None
        self.start = 0
        self.end = 0
        self.epoch = 0
        self.saved: tuple[int, int, int | None] = (0, 0, None)  # recovery point, log start, first dirty offset on disk

    @initialize(
        segment_bytes=st.integers(200, 900),
        interval=st.integers(0, 300),
        handles=st.integers(3, 8),
        plain=st.booleans(),
        preallocate=st.booleans(),
        is_compacted=st.booleans(),
    )
    def begin(
        self, segment_bytes: int, interval: int, handles: int, plain: bool, preallocate: bool, is_compacted: bool
    ) -> None:
        self.config = LogConfig(
            cleanup_policy=("compact", "delete") if is_compacted else ("delete",),
            segment_bytes=segment_bytes,
            index_interval_bytes=interval,
            preallocate=preallocate,
            retention_bytes=RETENTION_BYTES,
            delete_retention_ms=1000,
        )
        self.handles = handles
        self.files = FailingFiles(plain=plain)
        self.open(clean=True)

    def open(self, clean: bool) -> None:
        self.log = Log(
            HandleCache(self.files, self.handles),
            str(self.folder / "t-0"),
            self.config,
            self.now_ms,
            recovery_point=self.saved[0],
            log_start_offset=self.saved[1],
            high_watermark=1 << 40,
            clean=clean,
            first_dirty_offset=self.saved[2],
            checkpoint=self.save,
        )

    def save(self) -> None:
        self.saved = (self.log.recovery_point, self.log.log_start_offset, self.log.first_dirty_offset)

    # --- changes ------------------------------------------------------------------------------------------------

    @rule(
        records=records_strategy,
        codec=st.sampled_from([Codec.NONE, Codec.NONE, Codec.GZIP]),
        producer=st.sampled_from([-1, *PRODUCERS]),
        new_epoch=st.booleans(),
    )
    def append(self, records: list[Record], codec: Codec, producer: int, new_epoch: bool) -> None:
        self.epoch += new_epoch
        records, sequence = self.allowed(records), self.next_sequence(producer)
        data = encode_batch(
            records, codec=codec, producer_id=producer, producer_epoch=min(producer, 0), base_sequence=sequence
        )
        info = self.log.append_as_leader(data, leader_epoch=self.epoch, now_ms=self.now_ms)
        assert (info.base_offset, info.last_offset) == (self.end, self.end + len(records) - 1)
        assert not info.duplicate
        self.remember(records, self.end, self.epoch, producer, sequence)
        if producer >= 0:
            again = self.log.append_as_leader(data, leader_epoch=self.epoch, now_ms=self.now_ms)
            assert again.duplicate
            assert (again.base_offset, again.last_offset) == (info.base_offset, info.last_offset)

    @rule(batches=st.lists(records_strategy, min_size=3, max_size=8), producer=st.sampled_from([-1, *PRODUCERS]))
    def append_many(self, batches: list[list[Record]], producer: int) -> None:
        for records in batches:
            self.append(records, Codec.NONE, producer, new_epoch=False)

    @rule(records=records_strategy, producer=st.sampled_from(TRANSACTIONAL_PRODUCERS))
    def append_in_transaction(self, records: list[Record], producer: int) -> None:
        records = self.allowed(records)
        epoch, sequence = self.producer_epoch(producer), self.next_sequence(producer)
        data = encode_batch(
            records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence, transactional=True
        )
        self.log.append_as_leader(data, leader_epoch=self.epoch, now_ms=self.now_ms)
        self.remember(records, self.end, self.epoch, producer, sequence, producer_epoch=epoch)

    @rule(producer=st.sampled_from(TRANSACTIONAL_PRODUCERS), commit=st.booleans(), bump=st.booleans())
    def end_transaction(self, producer: int, commit: bool, bump: bool) -> None:
        epoch = self.producer_epoch(producer) + bump
        marker = encode_end_txn_marker(
            commit=commit, producer_id=producer, producer_epoch=epoch, coordinator_epoch=3, timestamp_ms=40
        )
        self.log.append_as_leader(marker, leader_epoch=self.epoch, now_ms=self.now_ms, origin=Origin.COORDINATOR)
        (record,) = iter_records(marker)
        self.remember([record], self.end, self.epoch, producer, -1, producer_epoch=epoch, commits=commit)

    def allowed(self, records: list[Record]) -> list[Record]:
        """A compacted log takes no records without keys from clients. (It may have some from before, or a leader.)"""
        return [record._replace(key=record.key or b"") for record in records] if self.config.is_compacted else records

    def next_sequence(self, producer: int) -> int:
        """Which of those that the model allows (`producers`) the log expects."""
        entry = self.log.producers.entries.get(producer)
        return -1 if producer < 0 else entry.last_sequence + 1 if entry is not None and entry.batches else 0

    def producer_epoch(self, producer: int) -> int:
        entry = self.log.producers.entries.get(producer)
        return 0 if entry is None else entry.epoch

    @rule(sets=st.lists(st.tuples(records_strategy, st.integers(0, 5)), min_size=1, max_size=3), cut=st.integers(0, 90))
    def append_as_follower(self, sets: list[tuple[list[Record], int]], cut: int) -> None:
        data = b""
        offset = self.end
        for records, gap in sets:
            data += encode_batch(records, base_offset=offset + gap, partition_leader_epoch=self.epoch)
            offset += gap + len(records)
        part = encode_batch([Record(value=b"x" * 100)], base_offset=offset)[:cut]
        self.log.append_as_follower(data + part, now_ms=self.now_ms)
        for records, gap in sets:
            self.remember(records, self.end + gap, self.epoch, -1, -1)

    def remember(
        self,
        records: list[Record],
        base: int,
        epoch: int,
        producer: int,
        sequence: int,
        *,
        producer_epoch: int = 0,
        commits: bool | None = None,
    ) -> None:
        placed = [record._replace(offset=base + number) for number, record in enumerate(records)]
        last_sequence = sequence + len(records) - 1 if sequence >= 0 else -1
        end = base + len(records)
        batch = ModelBatch(placed, base, end - 1, epoch, producer, last_sequence, producer_epoch, commits)
        self.batches.append(batch)
        self.written.append(batch)
        self.end = end
        self.log.high_watermark = end

    @rule(share=st.floats(0, 1.1))
    def truncate(self, share: float) -> None:
        offset = int(self.end * share)
        first = self.log.segment_offsets[0]
        if self.batches != self.written and offset < self.end:
            # Where a batch ends: an end in a gap that compaction has made, and what producers did there, would be
            # forgotten by a crash.
            offset = max([first, *(batch.last_offset + 1 for batch in self.batches if batch.last_offset < offset)])
            if offset <= self.start:
                return  # so would this one, as all that is left is before the start
        self.log.truncate_to(offset, self.now_ms)
        if offset >= self.end:
            return
        if offset < self.start or offset < first:
            self.forget()
            self.start = self.end = offset
        else:
            cut = [batch for batch in self.batches if batch.last_offset >= offset]
            self.batches = self.batches[: len(self.batches) - len(cut)]
            self.end = min(offset, cut[0].base_offset) if cut else offset
            self.written = [batch for batch in self.written if batch.last_offset < self.end]
            self.start = min(self.start, self.end)
        self.epoch += 1

    def forget(self) -> None:
        self.batches.clear()
        self.written.clear()

    @rule(share=st.floats(0, 1))
    def delete_before(self, share: float) -> None:
        offset = self.start + int((self.end - self.start) * share)
        moves = offset > self.start
        assert self.log.delete_before(offset) == offset
        self.start = offset
        assert self.saved[1] == offset or offset == 0 or self.log.log_start_offset == offset
        # Segments that lie before the start whole are gone. (One that became such by a roll waits for the next time.)
        assert not moves or all(base > offset for base in self.log.segment_offsets[1:2])

    @rule()
    def retain(self) -> None:
        self.log.apply_retention(self.now_ms)
        assert self.start <= self.log.log_start_offset <= self.end
        self.start = self.log.log_start_offset
        if len(self.log.segment_offsets) > 1:
            assert self.log.size_bytes < RETENTION_BYTES + self.config.segment_bytes

    @rule()
    def flush(self) -> None:
        self.log.flush()
        assert self.log.recovery_point == self.end
        self.save()

    @rule(sync=st.booleans())
    def close_and_open(self, sync: bool) -> None:
        self.close(sync=sync)
        self.save()
        self.reopen(clean=True)

    def close(self, *, sync: bool) -> None:
        if self.job is not None:
            self.job.abort()
            assert not self.job.finish()
        self.log.close(sync=sync)

    @rule(
        garbage=st.binary(max_size=100),
        lost_bytes=st.integers(0, 400),
        lost_indexes=st.booleans(),
    )
    def crash(self, garbage: bytes, lost_bytes: int, lost_indexes: bool) -> None:
        """The end of what was not flushed is lost or torn, and so are indexes; then it starts again."""
        base = self.log.segment_offsets[-1]
        flushed = 0
        if self.log.recovery_point > base:
            found = self.log._segments.items[-1].find(self.log.recovery_point)
            flushed = self.log._segments.items[-1].size if found is None else found[0]
        self.log.discard()
        path = self.folder / "t-0" / f"{base:020d}.log"
        written = path.read_bytes()
        kept = max(flushed, len(written) - lost_bytes)
        while garbage and kept < len(written) and garbage[0] == written[kept]:
            kept, garbage = kept + 1, garbage[1:]  # it is just what was lost
        data = written[:kept]
        # (What may be a message of an old format is left alone.)
        path.write_bytes(data + garbage if data else garbage[:16])
        if lost_indexes:
            path.with_suffix(".index").unlink()
            path.with_suffix(".timeindex").write_bytes(garbage)
            if path.with_suffix(".txnindex").exists():
                path.with_suffix(".txnindex").write_bytes(garbage)
        whole = set()
        with contextlib.suppress(RecordError):  # room that a preallocated file has left
            for position, header in iter_batches(data):
                if position + header.size_bytes <= kept:
                    whole.add(header.last_offset)
        self.batches = [batch for batch in self.batches if batch.base_offset < base or batch.last_offset in whole]
        self.reopen(clean=False)
        if path.exists():  # else the log's start was beyond what is left, and it begins anew there
            assert path.read_bytes() == data[: path.stat().st_size]

    def reopen(self, clean: bool) -> None:
        self.job = None
        active = self.log.segment_offsets[-1]
        self.open(clean)
        self.end = max(self.batches[-1].last_offset + 1 if self.batches else 0, active, self.saved[1])
        self.start = max(self.saved[1], self.log.segment_offsets[0])
        if self.start > (self.batches[-1].last_offset + 1 if self.batches else active):
            self.forget()
        self.written = [batch for batch in self.written if batch.last_offset < self.end]
        self.log.high_watermark = self.end

    def live(self) -> list[Record]:
        return [record for batch in self.batches for record in batch.records if record.offset >= self.start]

    @rule()
    def read_everything(self) -> None:
        assert read_records(self.log) == self.live()
