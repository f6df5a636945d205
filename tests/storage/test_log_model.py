"""The log against a list: any order of appends, rolls, truncations, removals, compactions, crashes and lookups."""

from __future__ import annotations

import os
import shutil

import hypothesis.strategies as st
from hypothesis import settings
from hypothesis.stateful import invariant, precondition, rule

from klamm.storage.interface import NOT_FOUND
from klamm.storage.verify_partition import Checker, verify_partition
from klamm.wire.records import iter_records

from .log_machine import PRODUCERS, TRANSACTIONAL_PRODUCERS, next_sequences, transactions
from .log_machine_compaction import CompactingMachine


class LogAgainstAList(CompactingMachine):
    @invariant()
    def offsets_agree(self) -> None:
        if hasattr(self, "log"):
            assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)
            assert self.log.high_watermark == self.end
            assert len(self.log._cache) <= self.handles

    @invariant()
    def the_last_stable_offset_is_where_the_first_open_transaction_begins(self) -> None:
        if hasattr(self, "log"):
            expected = [
                max(self.start, min([self.end, *transactions(batches)[0].values()]))
                for batches in (self.written, self.batches)
            ]
            assert expected[0] <= self.log.last_stable_offset <= expected[1]

    @rule(share=st.floats(0, 1), length=st.integers(1, 30), size_bytes=st.integers(1, 600))
    def aborted_transactions(self, share: float, length: int, size_bytes: int) -> None:
        offset = self.start + int((self.end - self.start) * share)
        allowed = {*transactions(self.written)[1], *transactions(self.batches)[1]}
        found = [row[:3] for row in self.log.aborted_transactions(offset, offset + length)]
        assert found == sorted(found, key=lambda row: row[2])
        assert set(found) <= {row for row in allowed if row[2] >= offset and row[1] < offset + length}
        self.are_told_of_what_is_left(found, offset, offset + length)
        read = self.log.read(offset, size_bytes, max_offset=self.end)
        data = read.read()
        read.release()
        last = max((record.offset for record in iter_records(data)), default=-1)
        told = [row[:3] for row in self.log.aborted_in_read(offset, len(data))]
        assert set(told) <= allowed
        self.are_told_of_what_is_left(told, offset, last + 1)

    def are_told_of_what_is_left(self, told: list[tuple[int, int, int]], offset: int, end: int) -> None:
        """Of each aborted transaction of which records are there, some of them in [offset, end)."""
        for producer, first, marker in transactions(self.written)[1]:
            left = [
                batch.base_offset
                for batch in self.batches
                if batch.producer_id == producer and first <= batch.base_offset < marker
            ]
            if left and marker >= offset and left[0] < end:
                assert any(row[0] == producer and row[1] <= left[0] and row[2] == marker for row in told)

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
        assert data or not expected
        assert len(data) <= max_bytes or len(got) <= 4

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

    @precondition(lambda self: bool(self.written))
    @rule(share=st.floats(0, 1))
    def epochs(self, share: float) -> None:
        epoch = self.written[int((len(self.written) - 1) * share)].epoch
        live = [batch for batch in self.written if batch.last_offset >= self.start]
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
        allowed = next_sequences(self.written), next_sequences(self.batches)
        for producer in (*PRODUCERS, *TRANSACTIONAL_PRODUCERS):
            assert known.get(producer) in [sequences.get(producer) for sequences in allowed]

    def verify(self) -> None:
        """`klamm log verify` finds nothing wrong. (In a log that was cut in a gap no batch says where it ends.)"""
        checker = Checker(deep=True)
        verify_partition(checker, str(self.folder / "t-0"), "", self.log.log_start_offset)
        is_cut_in_gap = not self.batches or self.batches[-1].last_offset + 1 < self.end
        passed = ("epoch-missing", "epoch-offset", "snapshot-offset") if is_cut_in_gap else ("epoch-missing",)
        findings = [found for found in checker.findings.finish() if found.check not in passed]
        assert findings == [], findings

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.read_everything()
            self.close(sync=True)
            self.verify()
        shutil.rmtree(self.folder)


TestLogMachine = LogAgainstAList.TestCase
TestLogMachine.settings = settings(
    max_examples=int(os.environ.get("KLAMM_LOG_EXAMPLES", "80")), stateful_step_count=40, deadline=None
)
