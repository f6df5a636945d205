"""Transactions in one log: what read_committed may see, which were aborted, and who may end one."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.checks import Origin
from klamm.storage.log import Log
from klamm.storage.producers import ProducerState
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import encode_end_txn_marker

from .shorthand import MakeBatch, OpenLog


class Story:
    """Appends to a log; each producer counts its sequences."""

    def __init__(self, log: Log, batch: MakeBatch) -> None:
        self.log = log
        self.batch = batch
        self.sequences: dict[tuple[int, int], int] = {}

    def put(self, producer: int, epoch: int = 0, *, transactional: bool = True, value: bytes = b"x") -> int:
        sequence = self.sequences.get((producer, epoch), 0)
        data = self.batch(
            value, producer_id=producer, producer_epoch=epoch, base_sequence=sequence, transactional=transactional
        )
        info = self.log.append_as_leader(data, leader_epoch=0, now_ms=1000)
        self.sequences[producer, epoch] = sequence + 1
        self.log.high_watermark = self.log.log_end_offset
        return info.base_offset

    def end(self, producer: int, epoch: int = 0, *, commit: bool, coordinator_epoch: int = 0, version: int = 0) -> int:
        marker = encode_end_txn_marker(
            commit=commit,
            producer_id=producer,
            producer_epoch=epoch,
            coordinator_epoch=coordinator_epoch,
            timestamp_ms=2000,
        )
        info = self.log.append_as_leader(
            marker, leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR, transaction_version=version
        )
        self.log.high_watermark = self.log.log_end_offset
        return info.base_offset

    def refused_end(self, *arguments: Any, **options: Any) -> ErrorCode:
        end = self.log.log_end_offset
        with pytest.raises(KafkaError) as caught:
            self.end(*arguments, **options)
        assert self.log.log_end_offset == end
        return caught.value.code


@pytest.fixture
def story(open_log: OpenLog, batch: MakeBatch) -> Callable[..., Story]:
    return lambda **options: Story(open_log(**options), batch)


def test_the_last_stable_offset_waits_for_the_first_open_transaction(story: Callable[..., Story]) -> None:
    told = story()
    assert told.put(1, transactional=False) == 0
    assert told.log.last_stable_offset == 1
    told.put(7)
    told.put(8)
    told.put(7)
    assert told.log.last_stable_offset == 1
    told.end(8, commit=True)
    assert told.log.last_stable_offset == 1
    told.put(9)
    told.end(7, commit=False)
    assert told.log.last_stable_offset == 5
    told.end(9, commit=True)
    assert told.log.last_stable_offset == told.log.log_end_offset == 8


def test_a_marker_above_the_high_watermark_decides_nothing_yet(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    data = batch(b"x", producer_id=7, producer_epoch=0, base_sequence=0, transactional=True)
    log.append_as_leader(data, leader_epoch=0, now_ms=1000)
    marker = encode_end_txn_marker(commit=True, producer_id=7, producer_epoch=0, coordinator_epoch=0, timestamp_ms=2000)
    log.append_as_leader(marker, leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR)
    log.high_watermark = 1
    assert log.last_stable_offset == 0
    log.high_watermark = 2
    assert log.last_stable_offset == 2


@pytest.mark.behaviour("19")
def test_aborted_transactions_of_a_range(story: Callable[..., Story]) -> None:
    told = story()
    told.put(7)  # 0
    told.put(8)  # 1
    told.put(9)  # 2
    told.end(7, commit=False)  # 3
    told.put(7)  # 4
    told.end(9, commit=True)  # 5
    told.end(8, commit=False)  # 6
    told.end(7, commit=False)  # 7
    first, second, third = (7, 0, 3), (8, 1, 6), (7, 4, 7)

    def aborted(start: int, end: int) -> list[tuple[int, ...]]:
        return [row[:3] for row in told.log.aborted_transactions(start, end)]

    assert aborted(0, 8) == [first, second, third]
    assert aborted(0, 1) == [first]
    # Before the transaction of 8 was decided the one of 7 was not the last word on offsets from 1 on.
    assert aborted(1, 3) == [first, second]
    assert aborted(4, 5) == [second, third]
    assert aborted(5, 8) == [second, third]
    assert aborted(7, 8) == [third]
    assert [row.last_stable_offset for row in told.log.aborted_transactions(0, 8)] == [1, 4, 8]


@pytest.mark.parametrize(("interval", "behind"), [(0, 0), (10**6, 3)])
def test_a_reader_hears_of_what_begins_before_the_end_of_what_it_reads(
    story: Callable[..., Story], interval: int, behind: int
) -> None:
    """To the next entry of the index, or to the end of the segment (LogSegment.fetchUpperBoundOffset)."""
    told = story(index_interval_bytes=interval, segment_bytes=620)
    for _ in range(12):
        told.put(7)
        told.end(7, commit=False)
    assert told.log.segment_offsets[:3] == [0, 8, 16]
    for offset in (0, 8, 16):
        read = told.log.read(offset, 1, max_offset=24)
        found = [row.first_offset for row in told.log.aborted_in_read(offset, read.length)]
        read.release()
        assert found == [offset + 2 * number for number in range(behind + 1)]


def test_the_index_has_kafkas_bytes_and_outlives_the_process(
    story: Callable[..., Story], open_log: OpenLog, tmp_path: Path
) -> None:
    told = story(segment_bytes=700)
    expected = []
    for number in range(12):
        first = told.put(7, value=b"v" * 100)
        expected.append((7, first, told.end(7, commit=bool(number % 3)), number % 3))
    aborted = [row[:3] for row in expected if not row[3]]
    assert len(told.log.segment_offsets) >= 4
    before = told.log.aborted_transactions(0, 100)
    assert [row[:3] for row in before] == aborted
    told.log.close()
    paths = sorted((tmp_path / "t-0").glob("*.txnindex"))
    assert b"".join(path.read_bytes() for path in paths) == b"".join(
        struct.pack(">hqqqq", 0, *row, row[2] + 1) for row in aborted
    )
    for clean in (True, False):
        again = open_log(segment_bytes=700, clean=clean, recovery_point=24 if clean else 0)
        assert again.aborted_transactions(0, 100) == before
    for path in paths:
        path.unlink()
    assert open_log(segment_bytes=700, recovery_point=0).aborted_transactions(0, 100) == before


def test_a_segment_without_aborts_has_no_index(story: Callable[..., Story], tmp_path: Path) -> None:
    told = story()
    told.put(7)
    told.end(7, commit=True)
    told.log.close()
    assert list((tmp_path / "t-0").glob("*.txnindex")) == []


def test_truncation_takes_markers_back(story: Callable[..., Story], open_log: OpenLog) -> None:
    told = story()
    told.put(7)
    told.end(7, commit=False)
    told.put(7)
    told.end(7, commit=False)
    told.log.flush()
    told.log.truncate_to(3, 1000)
    assert [row[:3] for row in told.log.aborted_transactions(0, 9)] == [(7, 0, 1)]
    assert told.log.last_stable_offset == 2
    told.end(7, commit=True)
    assert told.log.last_stable_offset == 4
    assert [row[:3] for row in told.log.aborted_transactions(0, 9)] == [(7, 0, 1)]
    told.log.close()
    assert [row[:3] for row in open_log(clean=True, recovery_point=4).aborted_transactions(0, 9)] == [(7, 0, 1)]


def test_entries_of_a_lost_end_are_not_believed(
    story: Callable[..., Story], open_log: OpenLog, batch: MakeBatch, tmp_path: Path
) -> None:
    told = story()
    told.put(7)
    told.end(7, commit=False)
    told.log.close(sync=False)
    path = tmp_path / "t-0" / f"{0:020d}.log"
    path.write_bytes(path.read_bytes()[:-1])  # the marker is torn
    again = Story(open_log(), batch)
    assert again.log.log_end_offset == 1
    assert again.log.aborted_transactions(0, 9) == []
    assert again.log.producers.open_transactions == {0: 7}
    again.end(7, commit=True)
    assert again.log.aborted_transactions(0, 9) == []


def test_an_open_transaction_outlives_the_process(story: Callable[..., Story], open_log: OpenLog) -> None:
    told = story(segment_bytes=300)
    told.put(7)
    for _ in range(6):
        told.put(1, transactional=False, value=b"v" * 100)
    told.log.close()
    for clean in (True, False):
        again = open_log(segment_bytes=300, clean=clean, recovery_point=7 if clean else 0)
        again.high_watermark = 7
        assert again.last_stable_offset == 0
        assert again.producers.open_transactions == {0: 7}
    # Records of an open transaction that DeleteRecords took do not hold readers below the log's start.
    again.delete_before(4)
    assert again.last_stable_offset == 4


@pytest.mark.behaviour("12")
def test_plain_records_inside_of_an_own_transaction(story: Callable[..., Story]) -> None:
    told = story()
    told.put(7)
    with pytest.raises(KafkaError) as caught:
        told.put(7, transactional=False)
    assert caught.value.code is ErrorCode.INVALID_TXN_STATE
    told.end(7, commit=True)
    told.put(7, transactional=False)


def test_an_older_coordinator_is_fenced(story: Callable[..., Story]) -> None:
    told = story()
    told.put(7)
    told.end(7, commit=True, coordinator_epoch=5)
    told.put(7)
    assert told.refused_end(7, commit=True, coordinator_epoch=4) is ErrorCode.TRANSACTION_COORDINATOR_FENCED
    told.end(7, commit=True, coordinator_epoch=6)


def test_markers_of_both_transaction_versions(story: Callable[..., Story]) -> None:
    told = story()
    told.put(7, 3)
    assert told.refused_end(7, 2, commit=True) is ErrorCode.INVALID_PRODUCER_EPOCH
    # From version 2 on a marker has the next epoch; a late one of the transaction before must not end this one.
    assert told.refused_end(7, 3, commit=True, version=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    told.end(7, 4, commit=True, version=2)
    told.end(7, 4, commit=True, version=2)
    told.put(7, 4)
    assert told.refused_end(7, 4, commit=False, version=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert told.log.last_stable_offset == 3
    told.end(7, 4, commit=True)
    assert told.log.last_stable_offset == 5


def test_records_of_a_coordinator_are_checked_for_their_epoch_only(
    story: Callable[..., Story], batch: MakeBatch
) -> None:
    told = story()
    told.put(7, 3)
    records = {
        epoch: batch(b"x", producer_id=7, producer_epoch=epoch, base_sequence=-1, transactional=True)
        for epoch in (2, 3)
    }
    with pytest.raises(KafkaError) as caught:
        told.log.append_as_leader(records[2], leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR)
    assert caught.value.code is ErrorCode.INVALID_PRODUCER_EPOCH
    for _ in range(2):
        told.log.append_as_leader(records[3], leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR)


def test_a_first_batch_waits_for_the_coordinators_word() -> None:
    state = ProducerState()
    assert state.begin_verification(7, 0, 4, False, 1000)
    assert state.begin_verification(7, 0, 2, False, 1000)
    assert state.is_verifying(7, 0)
    assert not state.is_verifying(7, 1)
    # Two were sent together: the second must not be taken for the first.
    with pytest.raises(KafkaError) as caught:
        state.check(7, 0, 4, 4, True)
    assert caught.value.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert state.check(7, 0, 2, 2, True) is None
    state.record(7, 0, 2, 10, 10, 1000, True)
    assert not state.is_verifying(7, 0)
    assert not state.begin_verification(7, 0, 3, False, 1000)
    # Another epoch's transaction has no records here yet.
    assert state.begin_verification(7, 1, 0, False, 1000)
    state.end_transaction(7, 0, 1000, 11, (1, 0))
    assert not state.is_verifying(7, 1)


@pytest.mark.behaviour("9")
def test_in_transactions_v2_an_unknown_producer_begins_at_zero() -> None:
    state = ProducerState()
    assert state.begin_verification(7, 0, 5, True, 1000)
    with pytest.raises(KafkaError) as caught:
        state.check(7, 0, 5, 5, True)
    assert caught.value.code is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    state.begin_verification(7, 0, 0, True, 1000)
    assert state.check(7, 0, 0, 0, True) is None


def test_verifications_that_nobody_ended_are_forgotten() -> None:
    state = ProducerState()
    state.begin_verification(7, 0, 0, True, 1000)
    state.expire(1499, 500)
    assert state.is_verifying(7, 0)
    state.expire(1500, 500)
    assert not state.is_verifying(7, 0)
