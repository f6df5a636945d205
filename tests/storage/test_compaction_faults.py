"""Every change of the disk in a compaction fails once, or is the last one before a kill; then the log is opened again.

The latest value of each key is there, all of the part that was not compacted is there, what an earlier compaction
removed stays away, and no file is left over.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.deleted_files import DeletedFiles, unlink
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.errors import KafkaError
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker

from .shorthand import read_records

CONFIG = LogConfig(
    cleanup_policy=("compact",), segment_bytes=400, index_interval_bytes=100, delete_retention_ms=0, flush_messages=1
)
#: Of the steps that can fail, each so many-th; 1 for all of them.
STRIDE = int(os.environ.get("KLAMM_COMPACTION_FAULTS_STRIDE", "2"))
KEYS = [b"a", b"b", b"c", b"d"]


def open_log(folder: Path, files: Files, saved: list[Any]) -> Log:
    """`saved`: recovery point and first dirty offset, as the checkpoints have them."""
    return Log(
        HandleCache(files, 16),
        str(folder),
        CONFIG,
        1000,
        recovery_point=saved[0],
        first_dirty_offset=saved[1],
        high_watermark=1 << 40,
        deleted=DeletedFiles(),
    )


def append(log: Log, key: bytes, value: bytes | None, number: int) -> None:
    data = encode_batch(
        [Record(key, value, timestamp_ms=1000 + number)], producer_id=5, producer_epoch=0, base_sequence=number
    )
    log.append_as_leader(data, leader_epoch=0, now_ms=1000)
    log.high_watermark = log.log_end_offset


def abort_a_transaction(log: Log, number: int) -> None:
    data = encode_batch(
        [Record(b"t", b"aborted")], producer_id=9, producer_epoch=0, base_sequence=number, transactional=True
    )
    log.append_as_leader(data, leader_epoch=0, now_ms=1000)
    marker = encode_end_txn_marker(
        commit=False, producer_id=9, producer_epoch=0, coordinator_epoch=0, timestamp_ms=1000
    )
    log.append_as_leader(marker, leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR)
    log.high_watermark = log.log_end_offset


def fill(log: Log) -> None:
    """Keys written again and again, one removed for good, and two aborted transactions of one producer."""
    for number in range(20):
        append(log, KEYS[number % 4], None if number == 7 else b"%d" % number, number)
        if number in (5, 9):
            abort_a_transaction(log, number // 9)


def compact(log: Log, now_ms: int) -> bool:
    """Did it come to its end?"""
    job = log.begin_compaction(now_ms)
    if job is None:
        return False
    while True:
        failure: Exception | None = None
        try:
            job.run()
        except OSError as error:
            failure = error
        if not job.finish(failure):
            return failure is None


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A log of which a part was compacted, dirty again behind it."""
    folder = tmp_path / "template"
    saved: list[Any] = [0, None]
    log = open_log(folder, Files(), saved)
    fill(log)
    assert compact(log, 2000)
    assert compact(log, 3000) is False  # nothing is dirty
    removed = {(record.key, record.value) for record in read_records(log)}
    assert (b"a", b"0") not in removed
    for number in range(20, 34):
        append(log, KEYS[number % 3], b"%d" % number, number)
    assert log.first_dirty_offset is not None
    unlink(log.files, log._deleted.take_all() if log._deleted else [], "-delete")
    log.flush()
    (folder / "saved").write_text(f"{log.recovery_point} {log.first_dirty_offset}")
    log.discard()
    return folder


def start(template: Path, folder: Path, files: Files) -> tuple[Log, list[Any]]:
    shutil.copytree(template, folder)
    saved: list[Any] = [int(text) for text in (folder / "saved").read_text().split()]
    (folder / "saved").unlink()
    return open_log(folder, files, saved), saved


def check(folder: Path, saved: list[Any], before: list[Record], dirty_from: int, last_sequence: int) -> None:
    log = open_log(folder, Files(), saved)
    after = read_records(log)
    offsets = {record.offset for record in before}
    assert {record.offset for record in after} <= offsets  # nothing comes back
    assert [record for record in after if record.offset >= log.segment_offsets[-1]] == [
        record for record in before if record.offset >= log.segment_offsets[-1]
    ]
    assert latest(after) == latest(before)
    assert log.producers.entries[5].last_sequence == last_sequence
    assert not [path.name for path in folder.iterdir() if path.suffix in (".cleaned", ".swap", ".deleted", ".tmp")]
    for segment in log._segments.items:
        segment.load()
        assert all(header.base_offset >= segment.base_offset for _, header in segment.headers())
    # It can be compacted to its end, and comes to the same as if nothing had happened.
    compact(log, 5000)
    assert latest(read_records(log)) == latest(before)
    assert (
        len(read_records(log)) <= 4 + len([record for record in before if record.offset >= log.segment_offsets[-1]]) + 2
    )
    log.discard()


def latest(records: list[Record]) -> dict[bytes | None, bytes | None]:
    """A key whose tombstone has gone is as good as one with a tombstone."""
    values = {record.key: record.value for record in records if record.key in KEYS}
    return {key: value for key, value in values.items() if value is not None}


def test_the_script_is_worth_it(template: Path, tmp_path: Path, failing_files: Any) -> None:
    log, _ = start(template, tmp_path / "run", failing_files)
    assert len(log.segment_offsets) > 5
    assert failing_files.steps == 0
    segments = len(log.segment_offsets)
    assert compact(log, 4000)
    assert failing_files.steps > 40
    assert len(log.segment_offsets) < segments
    log.discard()


@pytest.mark.parametrize("stays_down", [True, False], ids=["the disk is gone", "it fails once"])
def test_every_step_fails(
    template: Path, tmp_path: Path, failing_files: Any, stays_down: bool, make_failing: Callable[[], Any]
) -> None:
    log, _ = start(template, tmp_path / "recording", failing_files)
    begin = failing_files.steps
    before, dirty_from = read_records(log), log.first_dirty_offset
    last_sequence = log.producers.entries[5].last_sequence
    assert compact(log, 4000)
    steps, written = failing_files.steps, failing_files.written
    log.discard()
    cases = [(number, 0) for number in range(begin + 1, steps + 1)]
    cases += [(number, size // 2) for number, size in written if number > begin]
    for number, tear in cases[int(stays_down) :: STRIDE]:
        folder = tmp_path / f"{number}-{tear}"
        files = make_failing()
        files.stays_down = stays_down
        log, saved = start(template, folder, files)
        files.fail_at, files.tear = number, tear
        try:
            assert compact(log, 4000) is False or not stays_down
        except (OSError, KafkaError):
            assert log.failed is not None or stays_down or read_records(log)
        if log.failed is None and not stays_down:
            # It was given up and the log serves on.
            assert latest(read_records(log)) == latest(before)
            append(log, b"d", b"more", last_sequence + 1)
            log.truncate_to(log.log_end_offset - 1, 1000)
        log.discard()
        assert dirty_from is not None
        check(folder, saved, before, dirty_from, last_sequence)
        shutil.rmtree(folder)


def test_a_recovery_that_is_interrupted_at_every_step(
    template: Path, tmp_path: Path, failing_files: Any, make_failing: Callable[[], Any]
) -> None:
    """A kill in the middle of a swap, and another one in the middle of what the start makes of it."""
    log, _ = start(template, tmp_path / "recording", failing_files)
    begin = failing_files.steps
    before, dirty_from = read_records(log), log.first_dirty_offset
    last_sequence = log.producers.entries[5].last_sequence
    assert dirty_from is not None
    assert compact(log, 4000)
    log.discard()
    for number in range(begin + 1, failing_files.steps + 1, 2 * STRIDE):
        killed = tmp_path / f"{number}"
        files = make_failing()
        log, saved = start(template, killed, files)
        files.fail_at = number
        try:
            compact(log, 4000)
        except (OSError, KafkaError):
            pass
        log.discard()
        for step in range(1, 12):
            folder = tmp_path / f"{number}-{step}"
            shutil.copytree(killed, folder)
            files = make_failing()
            files.fail_at = step
            try:
                open_log(folder, files, saved).discard()
            except KafkaError:
                pass
            check(folder, saved, before, dirty_from, last_sequence)
            shutil.rmtree(folder)
            if files.steps < step:
                break
        shutil.rmtree(killed)
