"""The log as a whole: append, roll, read, look up, truncate, remove, and open again."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.checks import Origin
from klamm.storage.files import Files
from klamm.storage.interface import NOT_FOUND, TimestampOffset
from klamm.storage.log import Log
from klamm.storage.producers import ProducerState
from klamm.storage.recent import RECENT_BATCHES
from klamm.wire.batches import RecordError, iter_batches
from klamm.wire.compression import Codec
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import encode_end_txn_marker, iter_records

OpenLog = Callable[..., Log]
MakeBatch = Callable[..., bytes]


def append(log: Log, batch: bytes, **options: Any) -> int:
    """Appends, as a leader of one replica does; returns the base offset."""
    info = log.append_as_leader(batch, leader_epoch=options.pop("leader_epoch", 0), now_ms=1000, **options)
    log.high_watermark = log.log_end_offset
    return info.base_offset


def read_bytes(log: Log, offset: int, max_bytes: int = 1 << 20, **options: Any) -> bytes:
    found = log.read(offset, max_bytes, max_offset=options.pop("max_offset", log.log_end_offset), **options)
    data = found.read()
    assert len(data) == found.length
    found.release()
    return data


def everything(log: Log) -> list[tuple[int, bytes | None]]:
    """(offset, value) of all records, read as a consumer reads."""
    out: list[tuple[int, bytes | None]] = []
    offset = log.log_start_offset
    while data := read_bytes(log, offset):
        records = [record for record in iter_records(data) if record.offset >= offset]
        out += [(record.offset, record.value) for record in records]
        offset = records[-1].offset + 1
    return out


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
    log = open_log(segment_index_bytes=16, index_interval_bytes=1, clean=True)
    for _ in range(7):
        append(log, batch(b"x"))
    assert log.segment_offsets == [0, 3, 6]


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


# --- opening again ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("clean", [True, False])
def test_what_was_appended_is_there_again(open_log: OpenLog, batch: MakeBatch, clean: bool) -> None:
    log = open_log(segment_bytes=400, index_interval_bytes=50)
    for number in range(50):
        append(
            log,
            batch(b"%d" % number, producer_id=1, producer_epoch=2, base_sequence=number, timestamp_ms=1000 + number),
        )
    before = everything(log)
    point = log.recovery_point
    if clean:
        log.close()
        point = log.recovery_point
        assert point == 50
    again = open_log(segment_bytes=400, index_interval_bytes=50, clean=clean, recovery_point=point, high_watermark=48)
    assert everything(again) == before
    assert again.high_watermark == 48
    assert again.producers.entries[1].last_sequence == 49
    assert again.max_timestamp_offset().timestamp_ms == 1049
    info = again.append_as_leader(
        batch(b"49", producer_id=1, producer_epoch=2, base_sequence=49, timestamp_ms=1049), leader_epoch=0, now_ms=1
    )
    assert info.duplicate
    assert info.base_offset == 49
    assert append(again, batch(b"next")) == 50


@pytest.mark.parametrize("recovery_point", [0, 10, 17, 20])
def test_a_torn_tail_is_cut_at_the_last_whole_batch(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path, recovery_point: int
) -> None:
    log = open_log(segment_bytes=1000, index_interval_bytes=50)
    for number in range(20):
        append(log, batch(b"%d" % number))
    log.discard()
    last = tmp_path / "t-0" / f"{log.segment_offsets[-1]:020d}.log"
    whole = last.read_bytes()
    torn = struct.pack(">qii", 20, 100, 0) + batch(b"torn" * 10)[16:]
    for tail in (torn[:1], torn[:-1], torn[:61], bytes(5000), b"\xff" * 40, torn[:-1] + b"!", whole):
        last.write_bytes(whole + tail)
        again = open_log(segment_bytes=1000, index_interval_bytes=50, recovery_point=recovery_point)
        assert [offset for offset, _ in everything(again)] == list(range(20))
        assert last.read_bytes() == whole
        assert again.offset_for_timestamp(0).offset == 0


def test_producers_between_their_snapshot_and_the_recovery_point(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(index_interval_bytes=50)
    append(log, batch(b"x", producer_id=3, producer_epoch=0, base_sequence=0))
    for _ in range(10):
        append(log, batch(b"x"))
    log.flush()
    append(log, batch(b"x", producer_id=4, producer_epoch=0, base_sequence=0))
    again = open_log(index_interval_bytes=50, recovery_point=log.recovery_point)
    assert sorted(again.producers.entries) == [3, 4]


def test_damage_in_an_older_segment_ends_the_log_there(open_log: OpenLog, batch: MakeBatch, tmp_path: Path) -> None:
    log = open_log(segment_bytes=300)
    for number in range(20):
        append(log, batch(b"%d" % number))
    log.discard()
    second = log.segment_offsets[1]
    path = tmp_path / "t-0" / f"{second:020d}.log"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    again = open_log(segment_bytes=300, recovery_point=second)
    assert [offset for offset, _ in everything(again)] == list(range(log.segment_offsets[2] - 1))
    assert again.segment_offsets == [0, second]
    assert append(again, batch(b"x")) == log.segment_offsets[2] - 1


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("damage", ["missing", "empty", "zeros", "short", "beyond"])
def test_damaged_indexes_are_made_again(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path, clean: bool, damage: str
) -> None:
    log = open_log(segment_bytes=40_000, index_interval_bytes=4096)
    for number in range(100):
        append(log, batch(b"%d" % number, b"x" * 1000, timestamp_ms=1000 + number))
    log.close()
    for base in log.segment_offsets:
        for suffix in (".index", ".timeindex"):
            path = tmp_path / "t-0" / f"{base:020d}{suffix}"
            good = path.read_bytes()
            if damage == "missing":
                path.unlink()
            else:
                wrong = struct.pack(">ii", 2**30, 2**30) * 3
                path.write_bytes(
                    {"empty": b"", "zeros": good + bytes(960), "short": good[:-3], "beyond": good + wrong}[damage]
                )
    again = open_log(segment_bytes=40_000, clean=clean)
    for offset in (0, 17, 55, 111, 160, 199):
        assert next(record.offset for record in iter_records(read_bytes(again, offset))) == offset // 2 * 2
    for number in (0, 40, 99):
        assert again.offset_for_timestamp(1000 + number) == TimestampOffset(1000 + number, 2 * number, 0)
    assert again.max_timestamp_offset() == TimestampOffset(1099, 198, 0)


def test_leftovers_of_a_crash_are_removed(open_log: OpenLog, batch: MakeBatch, tmp_path: Path) -> None:
    append(open_log(), batch(b"x"))
    folder = tmp_path / "t-0"
    for name in ("leader-epoch-checkpoint.tmp", f"{9:020d}.index", f"{9:020d}.timeindex", f"{0:020d}.log.deleted"):
        (folder / name).write_bytes(b"?")
    (folder / f"{5:020d}.snapshot").write_bytes(b"not a snapshot")
    assert everything(open_log()) == [(0, b"x")]
    assert sorted(os.listdir(folder)) == [f"{0:020d}{suffix}" for suffix in (".index", ".log", ".timeindex")] + [
        "leader-epoch-checkpoint"
    ]


def test_a_damaged_snapshot_costs_only_the_walk(open_log: OpenLog, batch: MakeBatch, tmp_path: Path) -> None:
    log = open_log(segment_bytes=400)
    for number in range(20):
        append(log, batch(b"x", producer_id=4, producer_epoch=1, base_sequence=number))
    log.close()
    snapshots = sorted((tmp_path / "t-0").glob("*.snapshot"))
    for path in snapshots:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)
    again = open_log(segment_bytes=400, clean=True)
    assert again.producers.entries[4].last_sequence == 19
    made_again = [ProducerState.decode_snapshot(path.read_bytes()) for path in snapshots if path.exists()]
    assert [state.entries[4].last_sequence for state in made_again] == [base - 1 for base in again.segment_offsets[1:]]


def test_control_batches_of_the_coordinator(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log()
    append(log, batch(b"x", producer_id=4, producer_epoch=1, base_sequence=0, transactional=True))
    assert log.producers.entries[4].first_transaction_offset == 0
    marker = encode_end_txn_marker(commit=True, producer_id=4, producer_epoch=2, coordinator_epoch=6, timestamp_ms=7)
    append(log, marker, origin=Origin.COORDINATOR)
    for clean in (None, False, True):
        again = log if clean is None else open_log(clean=clean)
        entry = again.producers.entries[4]
        assert (entry.first_transaction_offset, entry.epoch, entry.coordinator_epoch) == (-1, 2, 6)
        assert not entry.batches
    again.close()
    entry = open_log(clean=True).producers.entries[4]
    assert (entry.first_transaction_offset, entry.epoch, entry.coordinator_epoch) == (-1, 2, 6)


def test_old_message_sets_are_refused_and_left_alone(open_log: OpenLog, tmp_path: Path) -> None:
    log = open_log()
    log.close()
    path = tmp_path / "t-0" / f"{0:020d}.log"
    message = bytes.fromhex("00000000000000000000001724cebb5f0000000000026b310000000776616c75652d31")
    path.write_bytes(message)
    with pytest.raises(KafkaError) as caught:
        open_log()
    assert caught.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert path.read_bytes() == message


# --- durability ---------------------------------------------------------------------------------------------------


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


def test_a_follower_flushes_in_the_append(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(flush_messages=3)
    points = []
    for offset in range(7):
        log.append_as_follower(batch(b"x", base_offset=offset), now_ms=1000)
        points.append(log.flushed_offset)
    assert points == [0, 0, 3, 3, 3, 6, 6]
    assert log.recovery_point == 0


def test_a_flush_of_the_batches_alone_leaves_the_recovery_point(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=100)
    append(log, batch(b"x"))
    append(log, batch(b"y"))
    log.flush_data()
    assert (log.flushed_offset, log.recovery_point) == (2, 0)
    assert log.begin_data_flush() is None
    log.flush()
    assert (log.flushed_offset, log.recovery_point) == (2, 2)
    log.truncate_to(1, 1000)
    assert (log.flushed_offset, log.recovery_point) == (1, 1)


def test_a_flush_in_a_worker_thread(open_log: OpenLog, batch: MakeBatch) -> None:
    log = open_log(segment_bytes=100)
    assert log.begin_flush() is None
    append(log, batch(b"x"))
    assert not log.has_unflushed_segments
    append(log, batch(b"x"))
    assert log.has_unflushed_segments
    append(log, batch(b"x"))
    job = log.begin_flush()
    assert job is not None
    job.run()
    job.finish()
    assert log.recovery_point == 3
    assert not log.has_unflushed_segments
    append(log, batch(b"x"))
    job = log.begin_flush()
    assert job is not None
    log.truncate_to(3, 1000)
    append(log, batch(b"not what was synced"))
    job.run()
    job.finish()
    assert log.recovery_point == 3


def test_a_failed_fsync_ends_the_log_until_it_is_opened_again(
    open_log: OpenLog, batch: MakeBatch, failing_files: Any
) -> None:
    log = open_log(files=failing_files)
    append(log, batch(b"x"))
    job = log.begin_flush()
    assert job is not None
    failing_files.fail_at = failing_files.steps + 1
    with pytest.raises(OSError, match="told to fail"):
        job.run()
    job.finish(OSError("told to fail"))
    failing_files.fail_at = None
    for attempt in (
        lambda: append(log, batch(b"y")),
        log.flush,
        lambda: log.truncate_to(0, 1),
        log.max_timestamp_offset,
    ):
        with pytest.raises(KafkaError) as caught:
            attempt()
        assert caught.value.code is ErrorCode.KAFKA_STORAGE_ERROR
    assert everything(open_log()) == [(0, b"x")]


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
