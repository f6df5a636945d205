"""Truncation, DeleteRecords and retention, and those who still read what is removed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.log import Log
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import iter_records

from .shorthand import MakeBatch, OpenLog, append, everything


@pytest.mark.parametrize("reopen", [False, True])
def test_truncation(open_log: OpenLog, batch: MakeBatch, reopen: bool) -> None:
    log = open_log(segment_bytes=500, index_interval_bytes=100)
    for number in range(30):
        append(
            log,
            batch(b"%d" % number, b"x", producer_id=9, producer_epoch=0, base_sequence=2 * number),
            leader_epoch=number // 10,
        )
    for offset, end in ((60, 60), (47, 46), (46, 46), (41, 40), (20, 20), (3, 2), (0, 0)):
        log.truncate_to(offset, 1000)
        if reopen:
            log = open_log(segment_bytes=500, index_interval_bytes=100, high_watermark=60)
        assert log.log_end_offset == log.high_watermark == end
        assert [one for one, _ in everything(log)] == list(range(end))
        assert log.leader_epochs.rows == [(epoch, epoch * 20) for epoch in range(3) if epoch * 20 < end]
        entry = log.producers.entries.get(9)
        assert (entry.last_sequence if entry else -1) == end - 1
    append(log, batch(b"new"))
    assert everything(log) == [(0, b"new")]


@pytest.mark.parametrize("reopen", [False, True], ids=["entries in memory", "entries on disk"])
def test_after_a_truncation_the_indexes_are_as_if_nothing_had_been_cut(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path, reopen: bool
) -> None:
    def fill(log: Log, first: int, last: int, later_ms: int) -> Log:
        for number in range(first, last):
            append(log, batch(b"x", timestamp_ms=1000 + number + later_ms))
        return log

    def indexes() -> list[bytes]:
        return [(tmp_path / "t-0" / f"{0:020d}{suffix}").read_bytes() for suffix in (".index", ".timeindex")]

    fill(open_log(index_interval_bytes=150), 0, 40, 0).close()
    expected = indexes()
    assert len(expected[0]) > 8 * 8
    open_log(clean=True).truncate_to(0, 1000)
    log = fill(open_log(index_interval_bytes=150, clean=True), 0, 17, 0)
    fill(log, 17, 35, 500)
    if reopen:
        log.close()
        log = open_log(index_interval_bytes=150, clean=True)
    log.truncate_to(17, 1000)
    fill(log, 17, 40, 0).close()
    assert indexes() == expected


def test_truncation_below_the_start_begins_there(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=200)
    for _ in range(10):
        append(log, batch(b"x"))
    log.delete_before(6)
    log.truncate_to(3, 1000)
    assert (log.log_start_offset, log.log_end_offset, log.high_watermark) == (3, 3, 3)
    assert append(log, batch(b"y")) == 3
    assert everything(open_log()) == [(3, b"y")]


def test_the_recovery_point_is_lowered_before_the_files_are(open_log: OpenLog, batch: MakeBatch) -> None:
    seen: list[tuple[int, int]] = []
    log = open_log(checkpoint=lambda: seen.append((log.recovery_point, log.log_end_offset)))
    for _ in range(5):
        append(log, batch(b"x"))
    log.flush()
    log.truncate_to(3, 1000)
    assert seen == [(3, 5)]
    assert log.recovery_point == 3


@pytest.mark.behaviour("delete-records")
def test_delete_before(open_log: OpenLog, batch: MakeBatch, tmp_path: Path) -> None:
    size = len(batch(b"x"))
    starts: list[int] = []
    log = open_log(segment_bytes=2 * size, checkpoint=lambda: starts.append(log.log_start_offset))
    for number in range(7):
        append(log, batch(b"x"), leader_epoch=number)
    log.high_watermark = 7
    assert log.delete_before(3) == 3
    assert log.segment_offsets == [2, 4, 6]
    assert log.delete_before(1) == 3
    with pytest.raises(KafkaError) as caught:
        log.delete_before(8)
    assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    assert [offset for offset, _ in everything(log)] == [3, 4, 5, 6]
    assert log.leader_epochs.rows == [(3, 3), (4, 4), (5, 5), (6, 6)]
    assert log.delete_before(7) == 7
    assert starts == [3, 7]
    assert log.segment_offsets == [6]
    assert [name for name in os.listdir(tmp_path / "t-0") if name.endswith(".snapshot")] == [f"{6:020d}.snapshot"]
    again = open_log(log_start_offset=7)
    assert (again.log_start_offset, again.log_end_offset) == (7, 7)
    again = open_log(log_start_offset=9)
    assert (again.log_start_offset, again.log_end_offset) == (9, 9)


def test_what_a_crash_left_before_the_start_goes_with_the_next_retention(open_log: OpenLog, batch: MakeBatch) -> None:
    size = len(batch(b"x"))
    log = open_log(segment_bytes=2 * size)
    for _ in range(7):
        append(log, batch(b"x"))
    again = open_log(segment_bytes=2 * size, retention_ms=-1, log_start_offset=4, high_watermark=7)
    assert again.segment_offsets == [0, 2, 4, 6]
    assert again.apply_retention(10**12) == 2
    assert (again.log_start_offset, again.segment_offsets) == (4, [4, 6])


def test_a_log_whose_records_are_all_deleted_keeps_its_last_segment(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(retention_ms=-1)
    append(log, batch(b"x"))
    assert log.delete_before(1) == 1
    assert log.apply_retention(10**12) == 0
    assert log.segment_offsets == [0]
    log.configure(type(log.config)(retention_ms=0))
    assert log.apply_retention(1000) == 0
    assert log.apply_retention(1001) == 1
    assert (log.log_start_offset, log.segment_offsets) == (1, [1])


def test_retention_by_time_by_size_and_not_above_the_high_watermark(open_log: OpenLog, batch: MakeBatch) -> None:
    size = len(batch(b"x"))

    def filled(**options: Any) -> Log:
        log = open_log(clean=True, segment_bytes=2 * size, **options)
        log.truncate_to(0, 1000)
        for number in range(7):
            log.append_as_leader(batch(b"x", timestamp_ms=1000 + number), leader_epoch=0, now_ms=1000)
        return log

    log = filled(retention_ms=100)
    assert log.apply_retention(9999) == 0  # nothing is replicated yet
    log.high_watermark = 5
    assert log.apply_retention(1101) == 0
    assert log.apply_retention(1102) == 1
    assert log.apply_retention(9999) == 1
    assert log.log_start_offset == 4
    log.high_watermark = 7
    assert log.apply_retention(9999) == 2
    assert (log.log_start_offset, log.log_end_offset, log.segment_offsets) == (7, 7, [7])
    assert log.apply_retention(10**15) == 0  # the active segment is empty
    assert append(log, batch(b"x")) == 7

    log = filled(retention_ms=-1, retention_bytes=3 * size)
    log.high_watermark = 7
    assert log.apply_retention(10**12) == 2
    assert log.segment_offsets == [4, 6]

    log = filled(retention_ms=-1)
    log.high_watermark = 7
    assert log.apply_retention(10**12) == 0

    log = filled(retention_ms=1, cleanup_policy=("compact",))
    log.high_watermark = 7
    assert log.apply_retention(10**12) == 0


def test_a_lease_outlives_the_removal_of_its_segment(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=100)
    for number in range(3):
        append(log, batch(b"%d" % number))
    held = log.read(0, 1 << 20, max_offset=3)
    log.delete_before(2)
    assert [record.value for record in iter_records(os.pread(held.fd, held.length, held.position))] == [b"0"]
    fd = held.fd
    held.release()
    held.release()  # twice is once
    with pytest.raises(OSError):  # noqa: PT011  (EBADF: it was closed with the lease)
        os.fstat(fd)
