"""Looking up by time and by leader epoch, and what is stored for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from klamm.storage.interface import NOT_FOUND, TimestampOffset
from klamm.wire.compression import Codec
from klamm.wire.errors import KafkaError
from klamm.wire.records import Record, encode_batch, iter_records

from .shorthand import MakeBatch, OpenLog, append, read_bytes


@pytest.mark.behaviour("24")
def test_lookups_by_time_find_records_inside_compressed_batches(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=700, index_interval_bytes=100)
    for number in range(20):
        append(
            log,
            batch(*[b"v"] * 5, timestamp_ms=1000 + number * 100, step_ms=10, codec=Codec.GZIP),
            leader_epoch=number // 10,
        )
    assert len(log.segment_offsets) > 2
    for reopen in (False, True):
        again = open_log(clean=True) if reopen else log
        assert again.offset_for_timestamp(0) == TimestampOffset(1000, 0, 0)
        assert again.offset_for_timestamp(1011) == TimestampOffset(1020, 2, 0)
        assert again.offset_for_timestamp(1041) == TimestampOffset(1100, 5, 0)
        assert again.offset_for_timestamp(2935) == TimestampOffset(2940, 99, 1)
        assert again.offset_for_timestamp(2941) == NOT_FOUND
        assert again.max_timestamp_offset() == TimestampOffset(2940, 99, 1)
    append(again, batch(b"a", b"b", timestamp_ms=500), leader_epoch=1)
    assert again.max_timestamp_offset().offset == 99


def test_lookups_pass_over_what_was_deleted(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    for timestamp in (900, 300, 500, 400):
        append(log, batch(b"x", b"y", timestamp_ms=timestamp, step_ms=1))
    assert log.max_timestamp_offset() == TimestampOffset(901, 1, 0)
    log.delete_before(3)
    assert log.offset_for_timestamp(0) == TimestampOffset(301, 3, 0)
    assert log.max_timestamp_offset() == TimestampOffset(501, 5, 0)
    assert log.earliest() == TimestampOffset(-1, 3, 0)
    log.delete_before(8)
    assert log.max_timestamp_offset() == NOT_FOUND
    assert log.offset_for_timestamp(0) == NOT_FOUND


def test_a_header_that_claims_a_later_timestamp_than_its_records(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    append(log, batch(b"x", timestamp_ms=100, max_timestamp_ms=1500))
    append(log, batch(b"y", timestamp_ms=200))
    assert log.offset_for_timestamp(150) == TimestampOffset(200, 1, 0)
    assert log.max_timestamp_offset() == TimestampOffset(100, 0, 0)


def test_append_time(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(message_timestamp_type="LogAppendTime")
    info = log.append_as_leader(batch(b"a", b"b", timestamp_ms=77), leader_epoch=0, now_ms=4000)
    assert info.log_append_time_ms == 4000
    records = list(iter_records(read_bytes(log, 0)))
    assert [record.timestamp_ms for record in records] == [4000, 4000]
    assert log.max_timestamp_offset() == TimestampOffset(4000, 0, 0)


@pytest.mark.behaviour("25")
def test_leader_epochs(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    log.assign_leader_epoch(2)
    assert log.earliest() == TimestampOffset(-1, 0, 2)
    assert log.end_offset_for_epoch(2) == (2, 0)
    assert log.end_offset_for_epoch(3) == (-1, -1)
    append(log, batch(b"a"), leader_epoch=2)
    append(log, batch(b"b"), leader_epoch=5)
    log.assign_leader_epoch(7)
    log.assign_leader_epoch(8)
    append(log, batch(b"c"), leader_epoch=8)
    for clean in (None, False, True):
        again = log if clean is None else open_log(clean=clean)
        assert again.leader_epochs.rows == [(2, 0), (5, 1), (8, 2)]
        assert again.end_offset_for_epoch(0) == (0, 0)
        assert again.end_offset_for_epoch(4) == (2, 1)
        assert again.end_offset_for_epoch(7) == (5, 2)
        assert again.end_offset_for_epoch(8) == (8, 3)
        assert again.end_offset_for_epoch(9) == (-1, -1)


def test_an_epoch_that_wrote_nothing_is_forgotten_at_the_start(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    append(log, batch(b"a"), leader_epoch=2)
    log.assign_leader_epoch(4)
    assert open_log().leader_epochs.rows == [(2, 0)]


def test_an_epoch_that_could_not_be_written_is_written_with_the_next_append(
    open_log: OpenLog, batch: MakeBatch, failing_files: Any
) -> None:
    log = open_log(files=failing_files)
    append(log, batch(b"a"), leader_epoch=1)
    failing_files.fail_at, failing_files.stays_down = failing_files.steps + 1, False
    with pytest.raises(KafkaError):
        append(log, batch(b"b"), leader_epoch=2)
    assert log.leader_epochs.rows == [(1, 0)]
    append(log, batch(b"b"), leader_epoch=2)
    assert open_log(clean=True).leader_epochs.rows == [(1, 0), (2, 1)]


@pytest.mark.parametrize("damage", [None, b"", b"0\n2\n0 0\n", b"junk"])
def test_lost_leader_epochs_are_read_from_the_batches(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path, damage: bytes | None
) -> None:
    log = open_log(segment_bytes=100)
    append(log, batch(b"a"), leader_epoch=2)
    append(log, batch(b"b"), leader_epoch=5)
    path = tmp_path / "t-0" / "leader-epoch-checkpoint"
    path.unlink() if damage is None else path.write_bytes(damage)
    assert open_log(clean=True).leader_epochs.rows == [(2, 0), (5, 1)]
    assert path.read_bytes() == b"0\n2\n2 0\n5 1\n"


def test_the_largest_time_is_not_that_of_a_batch_that_compaction_has_emptied(open_log: OpenLog) -> None:
    log = open_log()
    empty = encode_batch([], last_offset=3, max_timestamp_ms=5)
    records = encode_batch([Record(value=b"v", timestamp_ms=time) for time in (4, 5, 5)], base_offset=4)
    for data in (empty, records):
        log.append_as_follower(data, now_ms=1000)
    log.high_watermark = log.log_end_offset
    assert log.max_timestamp_offset() == TimestampOffset(5, 5, -1)
    assert log.offset_for_timestamp(5) == TimestampOffset(5, 5, -1)
