"""A log opened again, after a clean end or a crash, with files lost or damaged."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from klamm.storage.checks import Origin
from klamm.storage.interface import TimestampOffset
from klamm.storage.producers import ProducerState
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import encode_end_txn_marker, iter_records

from .shorthand import MakeBatch, OpenLog, append, everything, read_bytes


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


@pytest.mark.parametrize("snapshot", [True, False], ids=["with its snapshot", "that is lost"])
@pytest.mark.parametrize("recovery_point", [0, 5, 9, 13])
def test_each_batch_of_a_producer_is_known_once(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path, recovery_point: int, snapshot: bool
) -> None:
    """Those behind the recovery point are walked for their checksums and for their producers: one walk, not two."""
    log = open_log(segment_bytes=400, index_interval_bytes=50)
    for number in range(14):
        append(log, batch(b"x", producer_id=3, producer_epoch=0, base_sequence=number))
        if number == recovery_point - 1:
            log.flush()
    before = list(log.producers.entries[3].batches)
    if not snapshot:
        (tmp_path / "t-0" / f"{recovery_point:020d}.snapshot").unlink(missing_ok=True)
    again = open_log(segment_bytes=400, index_interval_bytes=50, recovery_point=recovery_point)
    kept = list(again.producers.entries[3].batches)
    assert len(set(kept)) == len(kept)
    assert kept == before[-len(kept) :]
    assert len(kept) >= min(5, 14 - recovery_point)


def test_epochs_of_batches_that_are_lost_are_forgotten_on_disk_too(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path
) -> None:
    log = open_log()
    append(log, batch(b"x"), leader_epoch=1)
    append(log, batch(b"lost"), leader_epoch=2)
    log.discard()
    path = tmp_path / "t-0" / "leader-epoch-checkpoint"
    assert path.read_text() == "0\n2\n1 0\n2 1\n"
    data = tmp_path / "t-0" / f"{0:020d}.log"
    data.write_bytes(data.read_bytes()[:-1])
    assert open_log().leader_epochs.rows == [(1, 0)]
    assert path.read_text() == "0\n1\n1 0\n"


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
