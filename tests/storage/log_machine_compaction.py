"""Compactions of the log and of the list that is its model, step by step among all else, and kills in their swaps."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace

import hypothesis.strategies as st
from hypothesis.stateful import precondition, rule

from klamm.storage.compaction import Source
from klamm.wire.errors import KafkaError
from klamm.wire.records import Record, batch_records

from .compaction_model import Kept, compacted
from .log_machine import LogMachine, ModelBatch, records_strategy, transactions
from .shorthand import read_batches


class CompactingMachine(LogMachine):
    #: By base offset, what the compaction that is under way leaves of each batch.
    cleaned: dict[int, Kept]

    @precondition(lambda self: self.config.is_compacted and self.job is None)
    @rule(later_ms=st.sampled_from([0, 0, 1500]))
    def begin_compaction(self, later_ms: int) -> None:
        self.now_ms += later_ms
        part = self.log.cleanable(self.now_ms)
        assert part is not None
        stored = self.stored()
        self.job = self.log.begin_compaction(self.now_ms)
        assert (self.job is None) == (part.dirty_bytes == 0)
        if self.job is None:
            return
        assert part.end_offset <= min(self.log.last_stable_offset, self.log.segment_offsets[-1])
        left = compacted(
            stored,
            first_dirty_offset=part.first_dirty_offset,
            end_offset=part.end_offset,
            last_records={
                producer: (entry.batches[-1].last_offset if entry.batches else -1, entry.epoch)
                for producer, entry in self.log.producers.entries.items()
            },
            now_ms=self.now_ms,
            delete_retention_ms=self.config.delete_retention_ms,
        )
        self.cleaned = {batch.header.base_offset: batch for batch in left}
        self.job.run()

    def stored(self) -> list[bytes]:
        """All batches, also those before the log's start."""
        return [
            bytes(segment.read(position, header.size_bytes))
            for segment in self.log._segments.items
            for position, header in segment.headers()
        ]

    @precondition(lambda self: self.config.is_compacted)
    @rule(later_ms=st.sampled_from([0, 0, 1500]), save=st.booleans())
    def compact(self, later_ms: int, save: bool) -> None:
        """All of it, with nothing in between."""
        if self.job is None:
            self.begin_compaction(later_ms)
        while self.job is not None:
            self.go_on_with_compaction(save)

    @precondition(lambda self: self.job is not None)
    @rule(save=st.booleans())
    def go_on_with_compaction(self, save: bool) -> None:
        """One group of segments is replaced, unless something came in between, and the next one made ready."""
        assert self.job is not None
        job, group, known = self.job, self.job._ready, self.log.producers.entries
        before = dict(known)
        more = job.finish()
        if more:
            self.batches = self.without_what_goes(group)
            self.read_everything()
            job.run()
            return
        self.job = None
        if not job.pace.aborted:
            assert self.log.first_dirty_offset == job.stats.end_offset == job.plan.end_offset
        assert known == before
        if save:
            self.save()

    def without_what_goes(self, group: Sequence[Source] | None) -> list[ModelBatch]:
        """The list after a compaction of these segments."""
        if not group:
            return self.batches
        left: list[ModelBatch] = []
        for batch in self.batches:
            if not group[0].base_offset <= batch.base_offset < group[-1].end_offset:
                left.append(batch)
            elif kept := self.cleaned.get(batch.base_offset):
                assert all(record in batch.records for record in kept.records)
                left.append(replace(batch, records=kept.records))
        assert self.committed(left) == self.committed(self.batches)
        return left

    def committed(self, batches: Sequence[ModelBatch]) -> dict[bytes, bytes]:
        """By key, the latest values for those who read committed records from the beginning; not what is deleted."""
        open_ones, aborted = transactions(self.written)
        values: dict[bytes, bytes] = {}
        for batch in batches:
            producer, offset = batch.producer_id, batch.base_offset
            is_aborted = any(row[0] == producer and row[1] <= offset < row[2] for row in aborted)
            is_open = producer in open_ones and offset >= open_ones[producer]
            if batch.commits is None and not is_aborted and not is_open and offset >= self.log.segment_offsets[0]:
                for record in batch.records:
                    if record.key is not None and record.value is None:
                        values.pop(record.key, None)
                    elif record.key is not None and record.value is not None:
                        values[record.key] = record.value
        return values

    @precondition(lambda self: self.config.is_compacted)
    @rule(
        groups=st.sampled_from([0, 0, 1, 2]),
        step=st.integers(1, 16),
        save=st.booleans(),
        batches=st.lists(records_strategy, min_size=4, max_size=8),
    )
    def crash_in_the_swap(self, groups: int, step: int, save: bool, batches: list[list[Record]]) -> None:
        """All or nothing of a group of segments is replaced after the restart. Groups have several segments where these
        were compacted before."""
        if self.job is None:
            self.compact(0, save)
            self.append_many(batches, -1)
            self.begin_compaction(0)
        while self.job is not None and groups:
            self.go_on_with_compaction(save)
            groups -= 1
        if self.job is None:
            return
        before, group = self.batches, [] if self.job.pace.aborted else self.job._ready or []
        after = self.without_what_goes(group)
        self.files.fail_at = self.files.steps + step
        with contextlib.suppress(OSError, KafkaError):
            self.job.finish()
        self.files.fail_at = None
        self.log.discard()
        self.reopen(clean=False)
        if not self.has(before):
            # The new segment's last batch says how far it reaches: as in Kafka, old segments of which nothing is left
            # may come back behind it.
            back = [source for source in group[1:] if source.base_offset in self.log.segment_offsets]
            for source in back:
                inside = range(source.base_offset, source.end_offset)
                assert not any(batch.base_offset in inside for batch in after)
                after = after + [batch for batch in before if batch.base_offset in inside]
            self.batches = sorted(after, key=lambda batch: batch.base_offset)
            assert self.has(self.batches)

    def has(self, batches: Sequence[ModelBatch]) -> bool:
        expected = [(batch.base_offset, batch.records) for batch in batches if batch.last_offset >= self.start]
        return expected == [(header.base_offset, list(batch_records(data))) for header, data in read_batches(self.log)]
