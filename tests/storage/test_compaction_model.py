"""One compaction against a model that decodes everything (compaction_model.py), in all codecs and to the byte, whatever
befell the log before it.

Appends, gaps, transactions, truncation, DeleteRecords, retention, kills, restarts and compactions come in any order,
and some compactions are cut short by one of the others. (Step by step among all else: test_log_model.py.)
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import given, settings

from klamm.storage.checks import Origin
from klamm.storage.cleanable import Cleanable
from klamm.storage.cleaner_config import CleanerConfig
from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.storage.verify_partition import Checker, verify_partition
from klamm.wire.batches import BATCH_OVERHEAD, iter_batches, verify_batch
from klamm.wire.compression import Codec
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker

from .compaction_model import Kept, compacted
from .shorthand import read_batches

RETENTION_BYTES = 2500

PLAIN = (-1, 10, 11)
TRANSACTIONAL = (20, 21)

records = st.lists(
    st.builds(
        Record,
        key=st.one_of(st.none(), st.sampled_from([b"", b"a", b"b", b"c", b"d" * 70, b"e" * 200])),
        value=st.one_of(st.none(), st.binary(max_size=20), st.just(b"v" * 150)),
        headers=st.sampled_from([(), (("h", b"x"), ("h", None))]),
        timestamp_ms=st.integers(1, 300),
        offset=st.just(-1),
    ),
    min_size=1,
    max_size=8,
)
appends = st.tuples(
    st.just("append"),
    records,
    st.sampled_from([*PLAIN, *TRANSACTIONAL]),
    st.sampled_from([Codec.NONE, Codec.NONE, Codec.GZIP, Codec.LZ4, Codec.ZSTD, Codec.SNAPPY]),
)
ends = st.tuples(st.just("end"), st.sampled_from(TRANSACTIONAL), st.booleans(), st.just(0))
gaps = st.tuples(st.just("gap"), records, st.integers(1, 200), st.just(0))
CUTS = ("truncate", "delete", "retain", "crash", "restart")
cuts = st.tuples(st.sampled_from(CUTS), st.floats(0, 1), st.just(0), st.just(0))
interrupted = st.tuples(st.just("interrupted"), st.sampled_from(CUTS), st.floats(0, 1), st.integers(0, 3))
compactions = st.tuples(st.just("compact"), st.integers(0, 2000), st.just(0), st.just(0))


class Bench:
    """A log and what goes on in it."""

    def __init__(self, folder: Path, segment_bytes: int, append_time: bool) -> None:
        self.folder = folder
        self.config = LogConfig(
            cleanup_policy=("compact", "delete"),
            retention_bytes=RETENTION_BYTES,
            segment_bytes=segment_bytes,
            index_interval_bytes=100,
            delete_retention_ms=1000,
            message_timestamp_type="LogAppendTime" if append_time else "CreateTime",
        )
        self.now_ms = 1000
        self.sequences: dict[int, int] = {}
        self.log = self.open(clean=True)

    def open(self, clean: bool, first_dirty_offset: int | None = None, log_start_offset: int = 0) -> Log:
        return Log(
            HandleCache(Files(), 16),
            str(self.folder),
            self.config,
            self.now_ms,
            clean=clean,
            high_watermark=1 << 40,
            log_start_offset=log_start_offset,
            first_dirty_offset=first_dirty_offset,
        )

    def append(self, batch: list[Record], producer: int, codec: Codec) -> None:
        # A compacted log refuses records without keys from clients; older ones and followers' logs may have them.
        origin = Origin.COORDINATOR if any(record.key is None for record in batch) else Origin.CLIENT
        sequence = self.sequences.get(producer, 0) if producer >= 0 else -1
        data = encode_batch(
            batch,
            codec=codec,
            producer_id=producer,
            producer_epoch=min(producer, 0),
            base_sequence=sequence,
            transactional=producer in TRANSACTIONAL,
        )
        self.log.append_as_leader(data, leader_epoch=0, now_ms=self.now_ms, origin=origin)
        if producer >= 0:
            self.sequences[producer] = sequence + len(batch)
        self.log.high_watermark = self.log.log_end_offset

    def end(self, producer: int, commit: bool) -> None:
        marker = encode_end_txn_marker(
            commit=commit, producer_id=producer, producer_epoch=0, coordinator_epoch=0, timestamp_ms=self.now_ms
        )
        self.log.append_as_leader(marker, leader_epoch=0, now_ms=self.now_ms, origin=Origin.COORDINATOR)
        self.log.high_watermark = self.log.log_end_offset

    def gap(self, batch: list[Record], size: int) -> None:
        data = encode_batch(
            [record._replace(key=record.key or b"k") for record in batch],
            base_offset=self.log.log_end_offset + size,
            partition_leader_epoch=0,
        )
        self.log.append_as_follower(data, now_ms=self.now_ms)
        self.log.high_watermark = self.log.log_end_offset

    def cut(self, how: str, share: float) -> None:
        """The log loses its end or its beginning, or the process ends, by itself or killed."""
        before = [(Kept.of(batch).header, batch) for batch in self.batches()]
        start, end = self.log.log_start_offset, self.log.log_end_offset
        offset = start + int((end - start) * share)
        if how == "truncate":
            # Where a batch ends: an end in a gap would be forgotten by a crash.
            offset = max([start, *(header.last_offset + 1 for header, _ in before if header.last_offset < offset)])
            if offset == start and start != self.log.segment_offsets[0]:
                return  # so would this one, and the producers with it, as all that is left is before the start
            self.log.truncate_to(offset, self.now_ms)
            assert self.batches() == [batch for header, batch in before if header.last_offset < offset]
        elif how == "delete":
            self.log.delete_before(offset)
            assert self.batches() == [batch for header, batch in before if header.last_offset >= offset]
        elif how == "retain":
            self.log.apply_retention(self.now_ms)
            assert start <= self.log.log_start_offset <= end
            assert (
                len(self.log.segment_offsets) == 1 or self.log.size_bytes < RETENTION_BYTES + self.config.segment_bytes
            )
            assert self.batches() == [
                batch for header, batch in before if header.last_offset >= self.log.log_start_offset
            ]
        else:
            if how == "restart":
                self.log.close()
            else:
                self.log.discard()
            self.log = self.open(how == "restart", self.log.first_dirty_offset, start)
            assert self.batches() == [batch for _, batch in before]
            assert (self.log.log_start_offset, self.log.log_end_offset) == (start, end)
        self.sequences = {
            producer: sequence + 1 for producer, sequence in last_sequences(self.log).items() if sequence >= 0
        }

    def batches(self) -> list[bytes]:
        return [batch for _, batch in read_batches(self.log)]

    def expected(self, before: list[bytes], part: Cleanable) -> list[Kept]:
        """What a compaction that begins now makes of the batches below `part.end_offset`."""
        start, first = self.log.log_start_offset, self.log.segment_offsets[0]
        data = (self.folder / f"{first:020d}.log").read_bytes()
        # What nobody reads any more still counts for the markers behind it.
        unread = [
            data[position : position + header.size_bytes]
            for position, header in iter_batches(data)
            if header.last_offset < start
        ]
        made = compacted(
            unread + before,
            first_dirty_offset=part.first_dirty_offset,
            end_offset=part.end_offset,
            last_records={
                producer: (entry.batches[-1].last_offset if entry.batches else -1, entry.epoch)
                for producer, entry in self.log.producers.entries.items()
            },
            now_ms=self.now_ms,
            delete_retention_ms=self.config.delete_retention_ms,
        )
        return [batch for batch in made if batch.header.last_offset >= start]

    def compact(self, cleaner: CleanerConfig | None = None) -> None:
        part = self.log.cleanable(self.now_ms)
        assert part is not None
        before = self.batches()
        expected = self.expected(before, part)
        end = self.log.log_end_offset
        job = self.log.begin_compaction(self.now_ms, cleaner or CleanerConfig())
        assert (job is None) == (part.dirty_bytes == 0)
        if job is None:
            return
        job.run()
        while job.finish():
            job.run()
        after = self.batches()
        assert self.log.log_end_offset == end
        assert self.log.first_dirty_offset == job.stats.end_offset > part.first_dirty_offset
        for batch in after:
            verify_batch(batch)
        changed = [Kept.of(batch) for batch in after]
        untouched = [batch for batch in before if Kept.of(batch).header.base_offset >= part.end_offset]
        assert after[len(after) - len(untouched) :] == untouched
        if job.stats.end_offset < part.end_offset:
            return  # the map was full: what is left is for the passes after this
        got = changed[: len(after) - len(untouched)]
        assert [summary(batch) for batch in got] == [summary(batch) for batch in expected]
        # A batch of which all stays has not one byte changed.
        originals = set(before)
        for batch, model in zip(after, expected, strict=False):
            whole = next(Kept.of(one) for one in before if Kept.of(one).header.base_offset == model.header.base_offset)
            if whole.header.records_count == model.header.records_count and whole.horizon_ms == model.horizon_ms:
                assert batch in originals

    def compact_interrupted(self, how: str, share: float, groups: int) -> None:
        """After `groups` groups of segments were replaced, and one more is ready to be, a cut comes in between."""
        part = self.log.cleanable(self.now_ms)
        assert part is not None
        before = self.batches()
        expected = self.expected(before, part)
        job = self.log.begin_compaction(self.now_ms, CleanerConfig())
        if job is None:
            return
        job.run()
        while groups and job.finish():
            job.run()
            groups -= 1
        self.cut(how, share)
        if how not in ("crash", "restart"):
            while job.finish():  # a cut that takes no segment away does not abort it
                job.run()
            assert self.log.cleanable(self.now_ms) is not None  # the next one may begin
        # Each batch is as it was, or as the whole compaction would have left it; nothing else is gone.
        originals = {summary(batch)[0]: summary(batch) for batch in map(Kept.of, before)}
        cleaned = {summary(batch)[0]: summary(batch) for batch in expected}
        start, end = self.log.log_start_offset, self.log.log_end_offset
        got = {summary(batch)[0]: summary(batch) for batch in map(Kept.of, self.batches())}
        assert list(got) == sorted(got)
        for offset, batch in got.items():
            assert batch in (originals[offset], cleaned.get(offset))
        stays = [batch for batch in map(Kept.of, before) if start <= batch.header.last_offset < end]
        for header in (batch.header for batch in stays):
            assert header.base_offset in got or (
                header.base_offset < part.end_offset and header.base_offset not in cleaned
            )


def summary(batch: Kept) -> tuple[object, ...]:
    """All of a batch that a reader or a recovery sees."""
    header = batch.header
    return (
        header.base_offset,
        header.last_offset,
        header.attributes,
        batch.horizon_ms,
        header.max_timestamp_ms,
        header.producer_id,
        header.producer_epoch,
        header.base_sequence,
        header.partition_leader_epoch,
        header.records_count,
        batch.records,
    )


@settings(max_examples=int(os.environ.get("KLAMM_COMPACTION_EXAMPLES", "60")), deadline=None)
@given(
    steps=st.lists(
        st.one_of(appends, appends, appends, ends, gaps, compactions, cuts, interrupted), min_size=5, max_size=40
    ),
    segment_bytes=st.integers(300, 1500),
    append_time=st.booleans(),
)
def test_random_logs(steps: list[tuple[str, object, object, object]], segment_bytes: int, append_time: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="klamm-compaction-"))
    bench = Bench(folder, segment_bytes, append_time)
    try:
        for name, first, second, third in [*steps, ("compact", 0, 0, 0), ("compact", 1500, 0, 0)]:
            if name == "append":
                data = encode_batch(first)  # type: ignore[arg-type]
                if len(data) + BATCH_OVERHEAD < segment_bytes:
                    bench.append(first, second, third)  # type: ignore[arg-type]
            elif name == "end":
                bench.end(first, second)  # type: ignore[arg-type]
            elif name == "interrupted":
                bench.compact_interrupted(first, second, third)  # type: ignore[arg-type]
            elif name in CUTS:
                bench.cut(name, first)  # type: ignore[arg-type]
            elif name == "gap":
                bench.gap(first, second)  # type: ignore[arg-type]
            else:
                bench.now_ms += first  # type: ignore[operator]
                bench.compact()
        check_times(bench)
        check_reopened(bench)
        check_times(bench)
        check_files(bench)
    finally:
        bench.log.discard()
        shutil.rmtree(folder)


def check_times(bench: Bench) -> None:
    """The first record at or after a time is found, in whichever segment it is now."""
    log = bench.log
    live = [
        record
        for batch in map(Kept.of, bench.batches())
        for record in batch.records
        if record.offset >= log.log_start_offset
    ]
    for timestamp_ms in {0, *(record.timestamp_ms + more for record in live for more in (0, 1))}:
        expected = next((record for record in live if record.timestamp_ms >= timestamp_ms), None)
        found = log.offset_for_timestamp(timestamp_ms)
        assert found[:2] == ((expected.timestamp_ms, expected.offset) if expected else (-1, -1))


def check_reopened(bench: Bench) -> None:
    """A crash, then a clean end: the same log, and producers that go on where they were."""
    before, end, dirty = bench.batches(), bench.log.log_end_offset, bench.log.first_dirty_offset
    start = bench.log.log_start_offset
    headers = [Kept.of(batch).header for batch in before]
    # A truncation goes back to a producer snapshot, which knows batches that compaction took; a recovery does not.
    ends = {(header.producer_id, header.last_offset) for header in headers}
    sequences = {
        producer: entry.last_sequence
        for producer, entry in bench.log.producers.entries.items()
        if entry.batches and (producer, entry.batches[-1].last_offset) in ends
    }
    # Those of which no batch is left need not be known: a recovery makes the index from what there is.
    needed = {
        (one.producer_id, one.last_offset)
        for one in bench.log.aborted_transactions(0, end)
        for header in headers
        if header.producer_id == one.producer_id
        and not header.is_control
        and one.first_offset <= header.base_offset < one.last_offset
    }
    for clean in (False, True):
        if clean:
            bench.log.close()
        else:
            bench.log.discard()
        bench.log = bench.open(clean, dirty, start)
        assert bench.batches() == before
        assert bench.log.log_end_offset == end
        assert sequences.items() <= last_sequences(bench.log).items()
        known = {(one.producer_id, one.last_offset) for one in bench.log.aborted_transactions(0, end)}
        assert needed <= known


def check_files(bench: Bench) -> None:
    """`klamm log verify` finds nothing wrong."""
    bench.log.close()
    checker = Checker(deep=True)
    verify_partition(checker, str(bench.folder), "", bench.log.log_start_offset)
    # A log that never had a batch has no epochs either.
    assert [found for found in checker.findings.finish() if found.check != "epoch-missing"] == []


def last_sequences(log: Log) -> dict[int, int]:
    """Of producers that have a batch. (Of one that has not, an emptied marker may be all that is left.)"""
    return {producer: entry.last_sequence for producer, entry in log.producers.entries.items() if entry.batches}


@settings(max_examples=20, deadline=None)
@given(
    batches=st.lists(records, min_size=5, max_size=30),
    dedupe_bytes=st.integers(0, 70_000),
)
def test_a_map_that_is_too_small_takes_several_passes(batches: list[list[Record]], dedupe_bytes: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="klamm-compaction-"))
    bench = Bench(folder, 600, append_time=False)
    try:
        for batch in batches:
            for record in batch:
                bench.append([record._replace(key=record.key or b"k")], -1, Codec.NONE)
        latest = {record.key: record for batch in batches for record in batch}
        passes = 0
        while (part := bench.log.cleanable(bench.now_ms)) is not None and part.dirty_bytes and passes < 500:
            bench.compact(CleanerConfig(dedupe_buffer_bytes=dedupe_bytes))
            passes += 1
        assert bench.log.first_dirty_offset in (None, bench.log.segment_offsets[-1])
        values = {record.key: record.value for batch in bench.batches() for record in Kept.of(batch).records}
        for key, record in latest.items():
            assert values[key or b"k"] == [r.value for b in batches for r in b if (r.key or b"k") == (key or b"k")][-1]
            assert record is not None
    finally:
        bench.log.discard()
        shutil.rmtree(folder)
