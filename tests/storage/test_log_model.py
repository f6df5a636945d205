"""The log against a list: any order of appends, rolls, truncations, removals, crashes and lookups.

With compactions among them: test_compaction_model.py.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.interface import NOT_FOUND
from klamm.storage.log import Log
from klamm.wire.compression import Codec
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker, iter_records

NOW_MS = 5000
PRODUCERS = (70, 71)
TRANSACTIONAL_PRODUCERS = (80, 81, 82)


@dataclass
class ModelBatch:
    records: list[Record]  # with their offsets
    last_offset: int
    epoch: int
    producer_id: int
    last_sequence: int
    producer_epoch: int = 0
    #: An end marker: does it commit? None for records.
    commits: bool | None = None

    @property
    def base_offset(self) -> int:
        return self.records[0].offset


records_strategy = st.lists(
    st.builds(
        Record,
        key=st.just(b"k"),
        value=st.binary(max_size=60),
        headers=st.just(()),
        timestamp_ms=st.integers(0, 50),
        offset=st.just(-1),
    ),
    min_size=1,
    max_size=4,
)


class LogMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="klamm-model-"))
        self.batches: list[ModelBatch] = []
        self.start = 0
        self.end = 0
        self.epoch = 0
        self.next_sequence: dict[int, int] = {}
        self.saved = (0, 0)  # recovery point and log start on disk

    @initialize(
        segment_bytes=st.integers(200, 900),
        interval=st.integers(0, 300),
        handles=st.integers(3, 8),
        plain=st.booleans(),
        preallocate=st.booleans(),
    )
    def begin(self, segment_bytes: int, interval: int, handles: int, plain: bool, preallocate: bool) -> None:
        self.config = LogConfig(
            segment_bytes=segment_bytes,
            index_interval_bytes=interval,
            preallocate=preallocate,
            retention_bytes=1500,
        )
        self.handles = handles
        self.files = Files(plain=plain)
        self.open(clean=True)

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.read_everything()
            self.log.discard()
        shutil.rmtree(self.folder)

    def open(self, clean: bool) -> None:
        self.log = Log(
            HandleCache(self.files, self.handles),
            str(self.folder / "t-0"),
            self.config,
            NOW_MS,
            recovery_point=self.saved[0],
            log_start_offset=self.saved[1],
            high_watermark=1 << 40,
            clean=clean,
            checkpoint=self.save,
        )

    def save(self) -> None:
        self.saved = (self.log.recovery_point, self.log.log_start_offset)

    # --- changes ------------------------------------------------------------------------------------------------

    @rule(
        records=records_strategy,
        codec=st.sampled_from([Codec.NONE, Codec.NONE, Codec.GZIP]),
        producer=st.sampled_from([-1, *PRODUCERS]),
        new_epoch=st.booleans(),
    )
    def append(self, records: list[Record], codec: Codec, producer: int, new_epoch: bool) -> None:
        self.epoch += new_epoch
        sequence = self.next_sequence.get(producer, 0) if producer >= 0 else -1
        data = encode_batch(
            records, codec=codec, producer_id=producer, producer_epoch=min(producer, 0), base_sequence=sequence
        )
        info = self.log.append_as_leader(data, leader_epoch=self.epoch, now_ms=NOW_MS)
        assert (info.base_offset, info.last_offset) == (self.end, self.end + len(records) - 1)
        assert not info.duplicate
        self.remember(records, self.end, self.epoch, producer, sequence)
        if producer >= 0:
            again = self.log.append_as_leader(data, leader_epoch=self.epoch, now_ms=NOW_MS)
            assert again.duplicate
            assert (again.base_offset, again.last_offset) == (info.base_offset, info.last_offset)

    @rule(records=records_strategy, producer=st.sampled_from(TRANSACTIONAL_PRODUCERS))
    def append_in_transaction(self, records: list[Record], producer: int) -> None:
        epoch, sequence = self.producer_epoch(producer), self.next_sequence.get(producer, 0)
        data = encode_batch(
            records, producer_id=producer, producer_epoch=epoch, base_sequence=sequence, transactional=True
        )
        self.log.append_as_leader(data, leader_epoch=self.epoch, now_ms=NOW_MS)
        self.remember(records, self.end, self.epoch, producer, sequence)
        self.batches[-1].producer_epoch = epoch

    @rule(producer=st.sampled_from(TRANSACTIONAL_PRODUCERS), commit=st.booleans(), bump=st.booleans())
    def end_transaction(self, producer: int, commit: bool, bump: bool) -> None:
        epoch = self.producer_epoch(producer) + bump
        marker = encode_end_txn_marker(
            commit=commit, producer_id=producer, producer_epoch=epoch, coordinator_epoch=3, timestamp_ms=40
        )
        self.log.append_as_leader(marker, leader_epoch=self.epoch, now_ms=NOW_MS, origin=Origin.COORDINATOR)
        (record,) = iter_records(marker)
        self.remember([record], self.end, self.epoch, producer, -1)
        self.batches[-1].producer_epoch = epoch
        self.batches[-1].commits = commit
        self.count_sequences()

    def producer_epoch(self, producer: int) -> int:
        return next((batch.producer_epoch for batch in reversed(self.batches) if batch.producer_id == producer), 0)

    def transactions(self) -> tuple[dict[int, int], list[tuple[int, int, int]]]:
        """First offsets of the open ones by producer; (producer, first offset, marker) of the aborted ones."""
        open_ones: dict[int, int] = {}
        aborted = []
        for batch in self.batches:
            if batch.commits is not None:
                first = open_ones.pop(batch.producer_id, -1)
                if first >= 0 and not batch.commits:
                    aborted.append((batch.producer_id, first, batch.last_offset))
            elif batch.producer_id in TRANSACTIONAL_PRODUCERS:
                open_ones.setdefault(batch.producer_id, batch.base_offset)
        return open_ones, aborted

    @rule(sets=st.lists(st.tuples(records_strategy, st.integers(0, 5)), min_size=1, max_size=3), cut=st.integers(0, 90))
    def append_as_follower(self, sets: list[tuple[list[Record], int]], cut: int) -> None:
        data = b""
        offset = self.end
        for records, gap in sets:
            data += encode_batch(records, base_offset=offset + gap, partition_leader_epoch=self.epoch)
            offset += gap + len(records)
        part = encode_batch([Record(value=b"x" * 100)], base_offset=offset)[:cut]
        self.log.append_as_follower(data + part, now_ms=NOW_MS)
        for records, gap in sets:
            self.remember(records, self.end + gap, self.epoch, -1, -1)

    def remember(self, records: list[Record], base: int, epoch: int, producer: int, sequence: int) -> None:
        placed = [record._replace(offset=base + number) for number, record in enumerate(records)]
        last_sequence = sequence + len(records) - 1 if sequence >= 0 else -1
        self.batches.append(ModelBatch(placed, placed[-1].offset, epoch, producer, last_sequence))
        self.end = placed[-1].offset + 1
        if last_sequence >= 0:
            self.next_sequence[producer] = last_sequence + 1
        self.log.high_watermark = self.end

    @rule(share=st.floats(0, 1.1))
    def truncate(self, share: float) -> None:
        offset = int(self.end * share)
        first = self.log.segment_offsets[0]
        self.log.truncate_to(offset, NOW_MS)
        if offset >= self.end:
            return
        if offset < self.start or offset < first:
            self.batches.clear()
            self.start = self.end = offset
        else:
            cut = [batch for batch in self.batches if batch.last_offset >= offset]
            self.batches = self.batches[: len(self.batches) - len(cut)]
            self.end = min(offset, cut[0].base_offset) if cut else offset
            self.start = min(self.start, self.end)
        self.count_sequences()
        self.epoch += 1

    def count_sequences(self) -> None:
        self.next_sequence = {}
        epochs: dict[int, int] = {}
        for batch in self.batches:
            if batch.producer_epoch != epochs.get(batch.producer_id, batch.producer_epoch):
                self.next_sequence.pop(batch.producer_id, None)
            epochs[batch.producer_id] = batch.producer_epoch
            if batch.producer_id >= 0 and batch.commits is None:
                self.next_sequence[batch.producer_id] = batch.last_sequence + 1

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
        self.log.apply_retention(NOW_MS)
        assert self.start <= self.log.log_start_offset <= self.end
        self.start = self.log.log_start_offset
        if len(self.log.segment_offsets) > 1:
            assert self.log.size_bytes < 1500 + self.config.segment_bytes

    @rule()
    def flush(self) -> None:
        self.log.flush()
        assert self.log.recovery_point == self.end
        self.save()

    @rule(sync=st.booleans())
    def close_and_open(self, sync: bool) -> None:
        self.log.close(sync=sync)
        self.save()
        self.reopen(clean=True)

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
        size = path.stat().st_size
        kept = max(flushed, size - lost_bytes)
        data = path.read_bytes()[:kept]
        path.write_bytes(data + garbage)
        if lost_indexes:
            path.with_suffix(".index").unlink()
            path.with_suffix(".timeindex").write_bytes(garbage)
            if path.with_suffix(".txnindex").exists():
                path.with_suffix(".txnindex").write_bytes(garbage)
        whole = [batch for batch in self.batches if batch.base_offset < base or self.still_there(batch, data)]
        self.batches = whole
        self.count_sequences()
        self.reopen(clean=False)
        if path.exists():  # else the log's start was beyond what is left, and it begins anew there
            assert path.read_bytes() == data[: path.stat().st_size]

    @staticmethod
    def still_there(batch: ModelBatch, data: bytes) -> bool:
        return any(record.offset == batch.last_offset for record in iter_records(data))

    def reopen(self, clean: bool) -> None:
        active = self.log.segment_offsets[-1]
        self.open(clean)
        self.end = max(self.batches[-1].last_offset + 1 if self.batches else 0, active, self.saved[1])
        self.start = max(self.saved[1], self.log.segment_offsets[0])
        if self.start > (self.batches[-1].last_offset + 1 if self.batches else active):
            self.batches.clear()
            self.next_sequence = {}
        self.log.high_watermark = self.end

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def offsets_agree(self) -> None:
        if hasattr(self, "log"):
            assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)
            assert self.log.high_watermark == self.end
            assert len(self.log._cache) <= self.handles

    @invariant()
    def the_last_stable_offset_is_where_the_first_open_transaction_begins(self) -> None:
        if hasattr(self, "log"):
            open_ones, _ = self.transactions()
            assert self.log.last_stable_offset == max(self.start, min([self.end, *open_ones.values()]))

    @rule(share=st.floats(0, 1), length=st.integers(1, 30), size_bytes=st.integers(1, 600))
    def aborted_transactions(self, share: float, length: int, size_bytes: int) -> None:
        offset = self.start + int((self.end - self.start) * share)
        _, aborted = self.transactions()
        expected = [row for row in aborted if row[2] >= offset and row[1] < offset + length]
        found = self.log.aborted_transactions(offset, offset + length)
        assert [row[:3] for row in found] == expected
        read = self.log.read(offset, size_bytes, max_offset=self.end)
        data = read.read()
        read.release()
        last = max((record.offset for record in iter_records(data)), default=-1)
        told = [row[:3] for row in self.log.aborted_in_read(offset, len(data))]
        needed = [row for row in aborted if row[2] >= offset and row[1] <= last]
        assert [row for row in told if row in needed] == needed
        assert set(told) <= set(aborted)

    def live(self) -> list[Record]:
        return [record for batch in self.batches for record in batch.records if record.offset >= self.start]

    @rule(share=st.floats(0, 1), max_bytes=st.integers(0, 600), ahead=st.integers(0, 20))
    def read(self, share: float, max_bytes: int, ahead: int) -> None:
        offset = self.start + int((self.end - self.start) * share)
        found = self.log.read(offset, max_bytes, max_offset=offset + ahead)
        data = found.read()
        found.release()
        got = [record for record in iter_records(data) if record.offset >= offset]
        expected = [
            record
            for batch in self.batches
            if batch.last_offset < offset + ahead
            for record in batch.records
            if record.offset >= offset
        ]
        assert got == expected[: len(got)]
        assert got or not expected
        assert len(data) <= max_bytes or len(got) <= 4

    @rule()
    def read_everything(self) -> None:
        got: list[Record] = []
        offset = self.start
        while True:
            found = self.log.read(offset, 1000, max_offset=self.end)
            data = found.read()
            found.release()
            if not data:
                break
            got += [record for record in iter_records(data) if record.offset >= offset]
            offset = got[-1].offset + 1
        assert got == self.live()

    @rule(timestamp_ms=st.integers(0, 51))
    def look_up_by_time(self, timestamp_ms: int) -> None:
        expected = next((record for record in self.live() if record.timestamp_ms >= timestamp_ms), None)
        got = self.log.offset_for_timestamp(timestamp_ms)
        assert got[:2] == ((expected.timestamp_ms, expected.offset) if expected else (-1, -1))

    @rule()
    def look_up_the_largest_timestamp(self) -> None:
        live = self.live()
        got = self.log.max_timestamp_offset()
        if live:
            expected = max(live, key=lambda record: record.timestamp_ms)
            assert got[:2] == (expected.timestamp_ms, expected.offset)
        else:
            assert got == NOT_FOUND

    @precondition(lambda self: bool(self.batches))
    @rule(share=st.floats(0, 1))
    def epochs(self, share: float) -> None:
        epoch = self.batches[int((len(self.batches) - 1) * share)].epoch
        live = [batch for batch in self.batches if batch.last_offset >= self.start]
        if not any(batch.epoch == epoch for batch in live):
            return
        later = [batch.base_offset for batch in live if batch.epoch > epoch]
        expected = min(later) if later else self.end
        assert self.log.end_offset_for_epoch(epoch) == (epoch, expected)

    @rule()
    def producers(self) -> None:
        known = {
            producer: entry.last_sequence + 1 for producer, entry in self.log.producers.entries.items() if entry.batches
        }
        assert known == self.next_sequence


TestLogMachine = LogMachine.TestCase
TestLogMachine.settings = settings(max_examples=80, stateful_step_count=40, deadline=None)
