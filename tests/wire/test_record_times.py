"""Searches by time along the bytes of a batch, held to the plain way over its records."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.wire.batches import BATCH_OVERHEAD, BatchHeader, RecordError, parse_header
from klamm.wire.record_times import (
    RUN_RECORDS,
    SINGLE_RECORDS,
    Search,
    TimedRecord,
    finish,
    first_at_or_after,
    largest,
)
from klamm.wire.records import Record, batch_records, encode_batch
from klamm.wire.varint import encode_varint

BASE_MS = 1_700_000_000_000


def plain_first(batch: bytes, timestamp_ms: int, offset: int) -> TimedRecord | None:
    for record in batch_records(batch, skip_values=True):
        if record.timestamp_ms >= timestamp_ms and record.offset >= offset:
            return TimedRecord(record.timestamp_ms, record.offset)
    return None


def plain_largest(batch: bytes, offset: int) -> TimedRecord | None:
    found = [record for record in batch_records(batch, skip_values=True) if record.offset >= offset]
    best = max(found, key=lambda record: (record.timestamp_ms, -record.offset), default=None)
    return None if best is None else TimedRecord(best.timestamp_ms, best.offset)


#: Runs of records that are alike: how many, bytes of the value, ms and offsets from one to the next.
RUNS = st.lists(
    st.tuples(
        st.one_of(st.integers(1, 4), st.integers(30, 70), st.sampled_from([200, 500])),
        st.sampled_from([None, 0, 10, 51, 52, 53, 54, 55, 120, 9_000]),
        st.sampled_from([0, 1, 7, 1_000, 86_400_000, -1, -50, 1 << 40]),
        st.sampled_from([1, 1, 1, 3]),
    ),
    max_size=6,
)


@st.composite
def batches(draw: st.DrawFn) -> bytes:
    records: list[Record] = []
    timestamp_ms, offset = BASE_MS, draw(st.sampled_from([0, 5, 1 << 40]))
    base_offset = offset
    size = 0
    for count, value_bytes, step_ms, step in draw(RUNS):
        key = draw(st.sampled_from([None, b"", b"key"]))
        value = None if value_bytes is None else bytes(value_bytes)
        for _ in range(count):
            size += value_bytes or 0
            if size > 300_000:
                break
            records.append(Record(key, value, (), timestamp_ms, offset))
            timestamp_ms += step_ms
            offset += step
    if draw(st.booleans()) and records:
        # One record out of line.
        number = draw(st.integers(0, len(records) - 1))
        records[number] = records[number]._replace(timestamp_ms=BASE_MS + draw(st.integers(-(10**6), 10**6)))
    return encode_batch(
        records,
        base_offset=base_offset,
        last_offset=max(offset - 1, base_offset),
        log_append_time_ms=draw(st.sampled_from([None, None, BASE_MS + 9])),
    )


@settings(deadline=None, max_examples=50)
@given(batch=batches(), data=st.data())
def test_the_same_as_over_the_records(batch: bytes, data: st.DataObject) -> None:
    header = parse_header(batch)
    records = list(batch_records(batch, skip_values=True))
    near_ms = {BASE_MS, *(record.timestamp_ms for record in records[:: max(1, len(records) // 20)])}
    near = {header.base_offset, *(record.offset for record in records[:: max(1, len(records) // 20)])}
    for _ in range(4):
        timestamp_ms = data.draw(st.sampled_from(sorted(near_ms))) + data.draw(st.integers(-1, 1))
        offset = data.draw(st.sampled_from(sorted(near))) + data.draw(st.integers(-1, 1))
        check(batch, timestamp_ms, offset)


@pytest.mark.parametrize(("timestamp_ms", "offset"), [(8_999, 0), (4_000, 4_500), (9_000, 0)])
def test_a_long_run(timestamp_ms: int, offset: int) -> None:
    records = [Record(value=b"x", timestamp_ms=BASE_MS + number) for number in range(9_000)]
    check(encode_batch(records), BASE_MS + timestamp_ms, offset)


def run_of(deltas_ms: list[int]) -> bytes:
    """Records that are all as long as each other: a shorter timestamp has a longer value."""
    records = []
    for number, delta_ms in enumerate(deltas_ms):
        numbers_bytes = len(encode_varint(delta_ms)) + len(encode_varint(number))
        records.append(Record(value=bytes(20 - numbers_bytes), timestamp_ms=BASE_MS + delta_ms))
    return encode_batch(records)


@pytest.mark.parametrize(
    "deltas_ms",
    [
        [-number for number in range(60)],
        [0] + [-1000 - number for number in range(200)],
        [(-1) ** number * number for number in range(60)],
        [0] + [(-1) ** number * (1000 + number) for number in range(200)],
        [number % 2 * 1000 for number in range(60)],
        [1000 * number for number in range(60)],
        [1 << number for number in range(40)],
        [0] + [(1 << 62) + number for number in range(60)],
        [number * number % 61 for number in range(200)],
    ],
    ids=lambda deltas_ms: f"{deltas_ms[1]} to {deltas_ms[-1]}",
)
def test_runs_of_any_deltas(deltas_ms: list[int]) -> None:
    batch = run_of(deltas_ms)
    for delta_ms in {edge + more for edge in (*deltas_ms[::7], max(deltas_ms), min(deltas_ms)) for more in (-1, 0, 1)}:
        for offset in (0, 1, len(deltas_ms) // 2, len(deltas_ms)):
            check(batch, BASE_MS + delta_ms, offset)


def check(batch: bytes, timestamp_ms: int, offset: int) -> None:
    header = parse_header(batch)
    found = finish(first_at_or_after(header, batch, BATCH_OVERHEAD, timestamp_ms, offset))
    assert found == plain_first(batch, timestamp_ms, offset)
    assert finish(largest(header, batch, BATCH_OVERHEAD, offset)) == plain_largest(batch, offset)


@settings(deadline=None)
@given(
    records=st.one_of(st.binary(max_size=600), st.builds(lambda some: some * 60, st.binary(min_size=1, max_size=30))),
    count=st.integers(-1, 3_000),
    timestamp_ms=st.integers(-(1 << 63), (1 << 63) - 1),
)
def test_garbage_is_refused_and_nothing_worse(records: bytes, count: int, timestamp_ms: int) -> None:
    header = parse_header(encode_batch([Record(timestamp_ms=0)]))._replace(records_count=count)
    for search in (first_at_or_after(header, records, 0, timestamp_ms, 0), largest(header, records, 0, 0)):
        try:
            finish(search)
        except RecordError:
            pass


def pieces(search: Search) -> int:
    count = 0

    def rest() -> None:
        nonlocal count
        count += 1

    finish(search, rest)
    return count


def whole(records: list[Record]) -> tuple[BatchHeader, bytes]:
    batch = encode_batch(records)
    return parse_header(batch), batch


def test_a_search_stops_often() -> None:
    alike = whole([Record(value=bytes(10), timestamp_ms=BASE_MS + number) for number in range(20_000)])
    count = pieces(first_at_or_after(*alike, BATCH_OVERHEAD, BASE_MS + 20_000, 0))
    assert 20_000 / RUN_RECORDS <= count < 2 * 20_000 / RUN_RECORDS
    mixed = whole([Record(value=bytes(number % 7), timestamp_ms=BASE_MS + number) for number in range(5_000)])
    assert pieces(largest(*mixed, BATCH_OVERHEAD, 0)) >= 5_000 / SINGLE_RECORDS


def test_a_hit_ends_the_search() -> None:
    alike = whole([Record(value=bytes(10), timestamp_ms=BASE_MS + number) for number in range(20_000)])
    assert pieces(first_at_or_after(*alike, BATCH_OVERHEAD, BASE_MS + 10, 0)) == 0
