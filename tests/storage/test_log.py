"""The log as a whole: append, roll and read."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from klamm.storage.files import Files
from klamm.storage.interface import NOT_FOUND
from klamm.storage.recent import RECENT_BATCHES
from klamm.wire.batches import RecordError, iter_batches
from klamm.wire.compression import Codec
from klamm.wire.errors import ErrorCode, KafkaError

from .shorthand import MakeBatch, OpenLog, append, everything, read_bytes


def test_offsets_and_epoch_are_the_leaders_and_the_rest_stays_untouched(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    sent = batch(b"a", b"b", codec=Codec.SNAPPY, partition_leader_epoch=99)
    info = log.append_as_leader(sent, leader_epoch=3, now_ms=1000)
    assert info == (0, 1, -1, 0, False)
    info = log.append_as_leader(memoryview(bytearray(sent)), leader_epoch=3, now_ms=1000)
    assert info == (2, 3, -1, 0, False)
    stored = read_bytes(log, 0)
    assert stored == b"".join(struct.pack(">qii", base, len(sent) - 12, 3) + sent[16:] for base in (0, 2))
    assert log.log_end_offset == 4
    assert log.high_watermark == 0


@pytest.mark.parametrize("most", [1, 7, 100])
def test_a_system_that_takes_writes_in_pieces(
    open_log: OpenLog, batch: MakeBatch, short_writes: Callable[[int], Files], most: int
) -> None:
    log = open_log(files=short_writes(most), segment_bytes=300)
    for number in range(9):
        append(log, batch(b"%d" % number))
    assert everything(log) == [(number, b"%d" % number) for number in range(9)]


def test_reads_begin_at_the_batch_that_holds_the_offset_and_end_below_the_maximum(
    open_log: OpenLog, batch: MakeBatch
) -> None:
    log = open_log(segment_bytes=2000, index_interval_bytes=100)
    for number in range(60):
        append(log, batch(b"%d" % number, b"x" * 20))
    assert len(log.segment_offsets) == 3
    for offset in range(121):
        data = read_bytes(log, offset)
        headers = [header for _, header in iter_batches(data)]
        assert (headers[0].base_offset if headers else 120) == offset // 2 * 2
        for max_offset in (offset, offset + 1, offset + 2, offset + 9, 120, 500):
            last = [header.last_offset for _, header in iter_batches(read_bytes(log, offset, max_offset=max_offset))]
            assert all(one < max_offset for one in last)
            if max_offset >= offset + 3 and offset + 3 <= 120:
                assert last  # the rest of this batch and one more, or the first of a segment


@pytest.mark.behaviour("16")
@pytest.mark.parametrize("older", [False, True], ids=["positions in memory", "positions from the index"])
def test_the_byte_limit_cuts_in_the_middle_but_not_in_the_first_batch(
    open_log: OpenLog, batch: MakeBatch, older: bool
) -> None:
    log = open_log()
    size = len(batch(b"x" * 50))
    for _ in range(4):
        append(log, batch(b"x" * 50))
    if older:
        log = open_log(clean=True)
    assert len(read_bytes(log, 1, 2 * size + 5)) == 2 * size + 5
    assert len(read_bytes(log, 1, size)) == size
    assert len(read_bytes(log, 1, size - 1)) == size
    assert len(read_bytes(log, 1, 0)) == size
    assert read_bytes(log, 1, size - 1, min_one=False) == b""
    assert len(read_bytes(log, 1, size, min_one=False)) == size
    assert read_bytes(log, 4) == b""
    assert read_bytes(log, 2, max_offset=2) == b""


def test_offsets_out_of_range(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    for _ in range(5):
        append(log, batch(b"x"))
    log.delete_before(2)
    for offset in (-1, 1, 6):
        with pytest.raises(KafkaError) as caught:
            log.read(offset, 100, max_offset=5)
        assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE


def test_positions_in_memory_are_bounded_and_agree_with_the_index(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    one = batch(b"x")
    for _ in range(2 * RECENT_BATCHES + 10):
        append(log, one)
    assert len(log._recent.positions) <= 2 * RECENT_BATCHES
    for offset in (0, RECENT_BATCHES - 1, RECENT_BATCHES, RECENT_BATCHES + 1, 2 * RECENT_BATCHES + 9):
        found = log.read(offset, 1, max_offset=log.log_end_offset)
        assert (found.position, found.length) == (offset * len(one), len(one))
        found.release()


def test_it_rolls_by_size_and_by_time_and_when_an_index_is_full(open_log: OpenLog, batch: MakeBatch) -> None:
    size = len(batch(b"x"))
    log = open_log(segment_bytes=3 * size)
    for _ in range(7):
        append(log, batch(b"x"))
    assert log.segment_offsets == [0, 3, 6]

    log.truncate_to(0, 1000)
    log.configure(open_log(clean=True).config)
    log = open_log(segment_ms=50, clean=True)
    for timestamp in (1000, 1050, 1051, 1020, 1101, 1102):
        append(log, batch(b"x", timestamp_ms=timestamp))
    assert log.segment_offsets == [0, 2, 5]

    log.truncate_to(0, 1000)
    log = open_log(segment_index_bytes=36, index_interval_bytes=1, clean=True)
    for _ in range(7):
        append(log, batch(b"x"))  # one time: four entries of 8 bytes in the offset index
    assert log.segment_offsets == [0, 5]


def test_it_rolls_when_the_time_index_is_full_but_for_its_last_entry(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path
) -> None:
    log = open_log(segment_index_bytes=36, index_interval_bytes=1)
    for timestamp in range(7):
        append(log, batch(b"x", timestamp_ms=timestamp))
    assert log.segment_offsets == [0, 3, 6]
    log.close()
    assert {path.stat().st_size for path in (tmp_path / "t-0").glob("*.timeindex")} == {24, 12}


def test_without_timestamps_it_rolls_by_the_clock(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_ms=50)
    for now in (1000, 1050, 1051):
        log.append_as_leader(batch(b"x", timestamp_ms=-1), leader_epoch=0, now_ms=now)
    assert log.segment_offsets == [0, 2]
    assert log.max_timestamp_offset() == NOT_FOUND
    log.close()
    assert everything(open_log(clean=True)) == [(0, b"x"), (1, b"x"), (2, b"x")]


def test_index_files_have_kafkas_bytes(open_log: OpenLog, batch: MakeBatch, tmp_path: Path) -> None:
    size = len(batch(b"x"))
    log = open_log(index_interval_bytes=size, segment_bytes=6 * size)
    for timestamp in (5, 9, 7, 9, 20, 1, 2):
        append(log, batch(b"x", timestamp_ms=timestamp))
    folder = tmp_path / "t-0"
    # An entry is due when *more* than the interval has come since the last one: at the third and the fifth batch.
    assert (folder / f"{0:020d}.index").read_bytes() == struct.pack(">iiii", 2, 2 * size, 4, 4 * size)
    assert (folder / f"{0:020d}.timeindex").read_bytes() == struct.pack(">qiqi", 9, 1, 20, 4)
    assert (folder / f"{6:020d}.snapshot").exists()
    assert sorted(os.listdir(folder)) == sorted(
        [f"{base:020d}{suffix}" for base in (0, 6) for suffix in (".log", ".index", ".timeindex")]
        + [f"{6:020d}.snapshot", "leader-epoch-checkpoint"]
    )
    log.close()
    assert (folder / f"{6:020d}.timeindex").read_bytes() == struct.pack(">qi", 2, 0)
    assert (folder / "leader-epoch-checkpoint").read_bytes() == b"0\n1\n0 0\n"


@pytest.mark.behaviour("23")
def test_a_follower_keeps_offsets_and_epochs(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=250)
    fetched = b"".join(
        [
            batch(b"a", b"b", base_offset=10, partition_leader_epoch=1),
            batch(b"c", base_offset=15, partition_leader_epoch=3),
            batch(b"d", base_offset=16, partition_leader_epoch=3, producer_id=5, producer_epoch=0, base_sequence=7),
        ]
    )
    log.truncate_to(0, 1000)
    info = log.append_as_follower(fetched + fetched[:70], now_ms=1000)
    assert (info.last_offset, log.log_end_offset) == (16, 17)
    assert everything(log) == [(10, b"a"), (11, b"b"), (15, b"c"), (16, b"d")]
    assert log.leader_epochs.rows == [(1, 10), (3, 15)]
    assert log.producers.entries[5].last_sequence == 7
    assert read_bytes(log, 12)[:8] == struct.pack(">q", 15)  # a fetch into a gap starts at the next batch
    with pytest.raises(KafkaError) as caught:
        log.append_as_follower(batch(b"z", base_offset=16), now_ms=1000)
    assert caught.value.code is ErrorCode.OFFSET_OUT_OF_RANGE
    damaged = bytearray(batch(b"z", base_offset=17))
    damaged[-1] ^= 1
    with pytest.raises(RecordError):
        log.append_as_follower(damaged, now_ms=1000)
    assert log.log_end_offset == 17


def test_few_handles_are_enough(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=100, handles=4)
    for number in range(40):
        append(log, batch(b"%d" % number))
        assert len(log._cache) <= 4
    assert len(everything(log)) == 40
    assert log.offset_for_timestamp(0).offset == 0
    leases = [log.read(number, 1, max_offset=40) for number in range(40)]
    assert len({lease.fd for lease in leases}) == 40
    for lease in leases:
        lease.release()
    everything(log)
    assert len(log._cache) <= 4


@pytest.mark.parametrize(("jitter_ms", "most", "rolls_at"), [(0, [], 101), (40, [40], 62), (500, [100], 2)])
def test_a_random_jitter_makes_a_segment_roll_earlier(
    open_log: OpenLog, batch: MakeBatch, jitter_ms: int, most: list[int], rolls_at: int
) -> None:
    asked: list[int] = []

    def largest_below(limit: int) -> int:
        asked.append(limit)
        return limit - 1

    log = open_log(segment_ms=100, segment_jitter_ms=jitter_ms, random_below=largest_below)
    append(log, batch(b"x", timestamp_ms=1000))
    append(log, batch(b"x", timestamp_ms=1000 + rolls_at - 1))
    assert log.segment_offsets == [0]
    append(log, batch(b"x", timestamp_ms=1000 + rolls_at))
    assert log.segment_offsets == [0, 2]
    assert asked == 2 * most  # each segment has its own


def test_configs_hold_from_the_next_append_on(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    append(log, batch(b"x"))
    log.configure(type(log.config)(max_message_bytes=80, segment_bytes=100))
    with pytest.raises(KafkaError) as caught:
        append(log, batch(b"x" * 80))
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    append(log, batch(b"x"))
    assert log.segment_offsets == [0, 1]
    log.configure(type(log.config)(segment_bytes=100))
    with pytest.raises(KafkaError) as caught:
        append(log, batch(b"x" * 80))
    assert caught.value.code is ErrorCode.RECORD_LIST_TOO_LARGE
