"""Every look-up in random logs, against a plain list: by offset, by time, the largest time, by epoch.

The logs are of all codecs, of CreateTime and LogAppendTime, in any order of times, with gaps and empty batches as
compaction leaves them, cut at either end, of several segments. On a broker's loop they give the same answers.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.interface import NOT_FOUND, TimestampOffset
from klamm.storage.log import Log
from klamm.storage.time_search import ANSWERS, LOOP_PIECES, LOOP_RECORDS, TimeAnswers, TimeQuestion
from klamm.storage.warmth import ColdRead
from klamm.wire.batches import BATCH_OVERHEAD, HEADER, RecordError, parse_header
from klamm.wire.compression import Codec
from klamm.wire.record_times import SINGLE_RECORDS
from klamm.wire.records import Record, encode_batch, iter_records

#: More than the loop walks along itself, since no two neighbours are equally long.
MANY = (LOOP_PIECES + 1) * SINGLE_RECORDS


@dataclass
class Model:
    """What is in the log: (epoch, first offset of its batch, record) of each record, and where epochs begin."""

    rows: list[tuple[int, int, Record]]
    epochs: dict[int, int]
    start: int = 0
    end: int = 0

    @property
    def live(self) -> list[tuple[int, int, Record]]:
        return [row for row in self.rows if row[2].offset >= self.start]

    def first_at_or_after(self, timestamp_ms: int) -> TimestampOffset:
        for epoch, _, record in self.live:
            if record.timestamp_ms >= timestamp_ms:
                return TimestampOffset(record.timestamp_ms, record.offset, epoch)
        return NOT_FOUND

    def largest(self) -> TimestampOffset:
        best = NOT_FOUND
        for epoch, _, record in self.live:
            if record.timestamp_ms > best.timestamp_ms:
                best = TimestampOffset(record.timestamp_ms, record.offset, epoch)
        return best

    def end_of_epoch(self, epoch: int) -> tuple[int, int]:
        if not 0 <= epoch <= max(self.epochs, default=-1):
            return -1, -1
        known = max((one for one in self.epochs if one <= epoch), default=epoch)
        later = [offset for one, offset in self.epochs.items() if one > epoch]
        return known, min(later) if later else self.end


BATCH = st.fixed_dictionaries(
    {
        "times": st.one_of(
            st.lists(st.integers(0, 60), max_size=6),
            st.builds(lambda first, step: [first + step * n for n in range(70)], st.integers(0, 50), st.integers(0, 3)),
        ),
        "step": st.sampled_from([1, 1, 1, 2, 5]),
        "gap": st.sampled_from([0, 0, 0, 3]),
        "codec": st.sampled_from(Codec),
        "append_time": st.one_of(st.none(), st.none(), st.integers(0, 60)),
        "new_epoch": st.booleans(),
    }
)


def append(log: Log, model: Model, epoch: int, batch: dict[str, Any]) -> None:
    """As a follower does, which takes what compaction has left elsewhere."""
    base_offset = model.end + batch["gap"]
    times = batch["times"]
    records = [
        Record(b"k", bytes(number % 2), (), timestamp_ms, base_offset + number * batch["step"])
        for number, timestamp_ms in enumerate(times)
    ]
    last_offset = base_offset + len(times) * batch["step"]
    data = encode_batch(
        records,
        base_offset=base_offset,
        last_offset=last_offset,
        codec=batch["codec"],
        partition_leader_epoch=epoch,
        log_append_time_ms=batch["append_time"],
    )
    log.append_as_follower(data, now_ms=100)
    model.rows += [(epoch, base_offset, record) for record in iter_records(data)]
    if epoch not in model.epochs:
        model.epochs[epoch] = base_offset
    model.end = last_offset + 1


def cut(log: Log, model: Model, truncate: float, delete: float) -> None:
    """Takes away a share of the log at its end, and at its beginning."""
    offset = int(model.end * truncate)
    if offset < model.end:
        log.truncate_to(offset, 100)
        # The batch that lies across goes as a whole: nothing says what is in the middle of it.
        model.rows = [row for row in model.rows if row[1] < log.log_end_offset]
        model.end = log.log_end_offset
        model.epochs = {epoch: first for epoch, first in model.epochs.items() if first < model.end}
    log.high_watermark = model.end
    model.start = log.delete_before(int(model.end * delete))
    begun = [epoch for epoch, first in model.epochs.items() if first <= model.start]
    model.epochs = {
        epoch: max(first, model.start)
        for epoch, first in model.epochs.items()
        if first > model.start or epoch in begun[-1:]
    }


def on_the_loop(log: Log, attempt: Callable[[], Any]) -> Any:
    cache = log._cache
    cache.serves_loop = True
    try:
        while True:
            try:
                return attempt()
            except ColdRead as cold:
                for missing in cold.ranges:
                    job = missing.job(cache)
                    job.run()
                    job.finish()
    finally:
        cache.serves_loop = False


def check(log: Log, model: Model, ask: Callable[[Callable[[], Any]], Any]) -> None:
    assert (log.log_start_offset, log.log_end_offset) == (model.start, model.end)
    for timestamp_ms in range(-1, 62, 3):
        assert ask(lambda at=timestamp_ms: log.offset_for_timestamp(at)) == model.first_at_or_after(timestamp_ms)
    assert ask(log.max_timestamp_offset) == model.largest()
    live = model.live
    for offset in sorted({model.start, *(row[2].offset for row in live[:: max(1, len(live) // 8)])}):
        found = ask(lambda at=offset: log.read(at, 1, max_offset=model.end))
        data = ask(found.read)
        found.release()
        got = [record for record in iter_records(data) if record.offset >= offset]
        assert got == [row[2] for row in live if row[2].offset >= offset][: len(got)]
        assert bool(data) == (offset < model.end) or not live
    for epoch in range(-1, max(model.epochs, default=0) + 2):
        assert tuple(log.end_offset_for_epoch(epoch)) == model.end_of_epoch(epoch)


@given(
    batches=st.lists(BATCH, max_size=12),
    segment_bytes=st.sampled_from([200, 700, 100_000]),
    truncate=st.one_of(st.just(1.0), st.floats(0, 1)),
    delete=st.one_of(st.just(0.0), st.floats(0, 1)),
    loop_pieces=st.sampled_from([0, LOOP_PIECES]),
)
@settings(max_examples=60, deadline=None)
def test_look_ups_are_those_of_a_list(
    batches: list[dict[str, Any]], segment_bytes: int, truncate: float, delete: float, loop_pieces: int
) -> None:
    folder = tempfile.mkdtemp(prefix="klamm-look-ups-")
    config = LogConfig(segment_bytes=segment_bytes, index_interval_bytes=64)
    log = Log(HandleCache(Files(), 8), str(Path(folder) / "t-0"), config, 100)
    try:
        model = Model([], {})
        epoch = 0
        for batch in batches:
            epoch += batch["new_epoch"]
            append(log, model, epoch, batch)
        cut(log, model, truncate, delete)
        check(log, model, lambda attempt: attempt())
        with patch("klamm.storage.time_search.LOOP_PIECES", loop_pieces):
            check(log, model, lambda attempt: on_the_loop(log, attempt))
    finally:
        log.discard()
        shutil.rmtree(folder)


# --- what the loop does itself ----------------------------------------------------------------------------------------


@pytest.fixture
def served(open_log: Callable[..., Log], monkeypatch: pytest.MonkeyPatch) -> Log:
    """All is in memory, whether the system tells or not."""
    log = open_log()
    monkeypatch.setattr(log._cache.files, "in_memory", lambda *_: True)
    log._cache.serves_loop = True
    return log


def questions(attempt: Callable[[], Any]) -> list[TimeQuestion]:
    with pytest.raises(ColdRead) as raised:
        attempt()
    found = [missing for missing in raised.value.ranges if isinstance(missing, TimeQuestion)]
    assert len(found) == len(raised.value.ranges)
    return found


def appended(log: Log, records: list[Record], **options: Any) -> bytes:
    data = encode_batch(records, base_offset=log.log_end_offset, partition_leader_epoch=0, **options)
    log.append_as_follower(data, now_ms=100)
    return data


def test_eight_thousand_small_records_are_found_at_once(served: Log) -> None:
    appended(served, [Record(value=bytes(10), timestamp_ms=number) for number in range(8_000)])
    assert served.offset_for_timestamp(7_999).offset == 7_999
    assert served.max_timestamp_offset().offset == 7_999


def test_a_long_walk_is_for_a_thread(served: Log) -> None:
    appended(served, [Record(value=bytes(number % 2), timestamp_ms=number) for number in range(MANY)])
    (question,) = questions(lambda: served.offset_for_timestamp(MANY - 1))
    assert on_the_loop(served, lambda: served.offset_for_timestamp(MANY - 1)).offset == MANY - 1
    assert question in served._cache.time_answers
    assert all(handle.leases == 0 for handle in served._cache.opened())


def test_a_batch_of_very_many_records_is_for_a_thread(served: Log) -> None:
    appended(served, [Record(timestamp_ms=number) for number in range(LOOP_RECORDS + 1)])
    assert questions(lambda: served.offset_for_timestamp(0))
    assert on_the_loop(served, lambda: served.offset_for_timestamp(LOOP_RECORDS)).offset == LOOP_RECORDS


@pytest.mark.parametrize("codec", [codec for codec in Codec if codec])
def test_what_decompresses_into_much_is_for_a_thread(served: Log, codec: Codec) -> None:
    appended(served, [Record(value=bytes(1_000_000), timestamp_ms=7)], codec=codec)
    assert questions(lambda: served.offset_for_timestamp(7))
    assert on_the_loop(served, lambda: served.offset_for_timestamp(7)).offset == 0


@pytest.mark.parametrize("codec", Codec)
def test_the_time_of_an_append_is_found_unread(served: Log, codec: Codec, monkeypatch: pytest.MonkeyPatch) -> None:
    data = appended(served, [Record(value=bytes(9_000))] * 9, codec=codec, log_append_time_ms=50)
    read = served._cache.files.pread
    looked_at: list[int] = []

    def pread(fd: int, count: int, position: int) -> bytes:
        looked_at.append(min(count, len(data)))
        return read(fd, count, position)

    monkeypatch.setattr(served._cache.files, "pread", pread)
    monkeypatch.setattr("klamm.storage.time_search.decompress", lambda *_: pytest.fail("decompressed"))
    assert served.offset_for_timestamp(50).offset == 0
    assert served.max_timestamp_offset().offset == 0
    served.high_watermark = 9
    served.delete_before(4)
    assert served.offset_for_timestamp(10).offset == 4
    assert looked_at


def test_the_time_of_an_append_in_a_batch_that_compaction_has_thinned_out(served: Log) -> None:
    records = [Record(value=b"v", offset=offset) for offset in (3, 7)]
    data = encode_batch(records, last_offset=9, partition_leader_epoch=0, log_append_time_ms=50)
    served.append_as_follower(data, now_ms=100)
    served.high_watermark = 10
    for start, expected in ((0, 3), (3, 3), (4, 7), (8, -1)):
        served.delete_before(start)
        assert served.offset_for_timestamp(50).offset == expected
        assert served.max_timestamp_offset().offset == expected
    assert served.offset_for_timestamp(51) == NOT_FOUND


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP, Codec.ZSTD])
def test_damage_is_told_to_each_who_asks(served: Log, codec: Codec) -> None:
    data = bytearray(encode_batch([Record(value=bytes(20), timestamp_ms=7)], codec=codec, partition_leader_epoch=0))
    data[BATCH_OVERHEAD:] = b"\xff" * (len(data) - BATCH_OVERHEAD)
    fd = served._active.handle.get()
    served._cache.files.pwritev(fd, [data], 0)
    served._active.size = len(data)
    served._active.max_timestamp_ms, served._active.max_timestamp_offset = 7, 0
    for _ in range(2):
        with pytest.raises(RecordError):
            on_the_loop(served, lambda: served.offset_for_timestamp(7))
        with pytest.raises(RecordError):
            on_the_loop(served, served.max_timestamp_offset)


def test_the_memory_of_answers_is_bounded(served: Log) -> None:
    answers = TimeAnswers()
    header = parse_header(bytes(HEADER.size))
    asked = [TimeQuestion(served._active.handle, 0, header, number, 0) for number in range(ANSWERS + 1)]
    for question in asked:
        answers.note(question, None)
    assert asked[0] not in answers
    assert asked[1] in answers
    assert answers.take(asked[-1]) is None
