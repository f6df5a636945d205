"""Sequences, epochs, duplicates, expiry and the snapshot's bytes of idempotent producers."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klamm.storage.producers import ProducerState, SnapshotError
from klamm.wire.batches import checksum
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import CONTROL_COMMIT as COMMIT

MAX = 2**31 - 1


def put(state: ProducerState, sequence: int, offset: int, *, count: int = 1, epoch: int = 0) -> None:
    """What the log does with a batch of `count` records."""
    last = (sequence + count - 1) & MAX
    assert state.check(1, epoch, sequence, last) is None
    state.record(1, epoch, sequence, offset, offset + count - 1, 1000 + offset)


def refused(state: ProducerState, first: int, last: int, *, epoch: int = 0) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        state.check(1, epoch, first, last)
    return caught.value.code


@pytest.mark.behaviour("9")
def test_an_unknown_producer_may_begin_anywhere() -> None:
    state = ProducerState()
    put(state, 77, 0)
    put(state, 78, 1)
    assert refused(state, 80, 80) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


@pytest.mark.behaviour("7")
def test_the_last_five_batches_are_answered_with_their_first_offsets() -> None:
    state = ProducerState()
    for number in range(7):
        put(state, 2 * number, 10 + 2 * number, count=2)
    for number in range(2, 7):
        found = state.check(1, 0, 2 * number, 2 * number + 1)
        assert found is not None
        assert (found.first_offset, found.last_offset) == (10 + 2 * number, 11 + 2 * number)
        assert found.timestamp_ms == 1010 + 2 * number
    older, part, merged = (2, 3), (4, 4), (4, 7)
    for first, last in (older, part, merged):
        assert refused(state, first, last) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    put(state, 14, 24)


def test_without_an_epoch_any_sequence_will_do_and_duplicates_are_known() -> None:
    state = ProducerState()
    for number, sequence in enumerate((7, 3, 3000, 0)):
        put(state, sequence, number, epoch=-1)
    found = state.check(1, -1, 3000, 3000)
    assert found is not None
    assert found.first_offset == 2


@pytest.mark.behaviour("10")
@pytest.mark.behaviour("11")
def test_epochs() -> None:
    state = ProducerState()
    put(state, 0, 0, epoch=3)
    assert refused(state, 1, 1, epoch=2) is ErrorCode.INVALID_PRODUCER_EPOCH
    assert refused(state, 1, 1, epoch=4) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    put(state, 0, 1, epoch=4)
    assert state.check(1, 4, 0, 0) is not None
    assert refused(state, 0, 0, epoch=3) is ErrorCode.INVALID_PRODUCER_EPOCH


def test_after_a_marker_sequences_begin_at_zero() -> None:
    state = ProducerState()
    put(state, 0, 0)
    state.end_transaction(1, 0, 2000, 1, (COMMIT, 5))
    put(state, 1, 2)
    state.end_transaction(1, 1, 2000, 3, (COMMIT, 5))
    assert refused(state, 2, 2, epoch=1) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    put(state, 0, 3, epoch=1)


@given(start=st.integers(MAX - 12, MAX), counts=st.lists(st.integers(1, 4), min_size=6, max_size=12))
def test_sequences_wrap(start: int, counts: list[int]) -> None:
    state = ProducerState()
    sequence, offset = start, 0
    put(state, sequence, offset)
    sequence, offset = (sequence + 1) & MAX, 1
    sent = []
    for count in counts:
        put(state, sequence, offset, count=count)
        sent.append((sequence, (sequence + count - 1) & MAX, offset))
        sequence, offset = (sequence + count) & MAX, offset + count
    for first, last, first_offset in sent[-5:]:
        found = state.check(1, 0, first, last)
        assert found is not None
        assert found.first_offset == first_offset
    assert refused(state, (sequence + 1) & MAX, (sequence + 1) & MAX) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER


def test_silent_producers_are_forgotten_but_not_in_a_transaction() -> None:
    state = ProducerState()
    state.record(1, 0, 0, 0, 0, 1000)
    state.record(2, 0, 0, 1, 1, 1000, transactional=True)
    state.record(3, 0, 0, 2, 2, 1001)
    assert state.expire(1499, 500) == []
    assert state.expire(1500, 500) == [1]
    assert sorted(state.entries) == [2, 3]
    assert state.check(1, 0, 9, 9) is None


def test_the_snapshot_has_kafkas_bytes() -> None:
    state = ProducerState()
    state.record(4000, 3, 17, 5, 7, 1_700_000_000_123, transactional=True)
    state.end_transaction(4001, 1, 1_700_000_000_999, 8, (COMMIT, 9))
    body = struct.pack(">i", 2)
    body += struct.pack(">qhiqiqiq", 4000, 3, 19, 7, 2, 1_700_000_000_123, -1, 5)
    body += struct.pack(">qhiqiqiq", 4001, 1, -1, -1, 0, 1_700_000_000_999, 9, -1)
    assert state.encode_snapshot() == struct.pack(">hI", 1, checksum(body)) + body


@pytest.mark.behaviour("8")
def test_the_next_sequence_outlives_the_window_and_the_process() -> None:
    state = ProducerState()
    for number in range(9):
        put(state, number, number)
    again = ProducerState.decode_snapshot(state.encode_snapshot())
    found = again.check(1, 0, 8, 8)
    assert found is not None
    assert found.first_offset == 8
    assert refused(again, 7, 7) is ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    put(again, 9, 9)
    assert again.encode_snapshot() != state.encode_snapshot()


def test_damaged_snapshots() -> None:
    state = ProducerState()
    state.record(1, 0, 0, 0, 0, 1000)
    good = state.encode_snapshot()
    for bad in [good[:cut] for cut in range(len(good))] + [good + b"\0", b"\0\2" + good[2:]]:
        with pytest.raises(SnapshotError):
            ProducerState.decode_snapshot(bad)
    for position in range(2, len(good)):
        bad = good[:position] + bytes([good[position] ^ 1]) + good[position + 1 :]
        with pytest.raises(SnapshotError):
            ProducerState.decode_snapshot(bad)


def test_a_coordinators_records_have_no_sequence() -> None:
    state = ProducerState()
    state.record(1, 0, -1, 0, 4, 1000, transactional=True)
    assert state.entries[1].last_sequence == -1
    assert state.check(1, 0, 0, 0, True) is None
