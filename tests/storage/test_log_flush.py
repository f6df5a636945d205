"""When batches of a log come to the device."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.handles import Handle
from klamm.wire.errors import ErrorCode, KafkaError

from .shorthand import MakeBatch, OpenLog, append, everything


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


def test_the_names_of_files_come_to_the_device_with_the_batches(
    open_log: OpenLog, batch: MakeBatch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log(segment_bytes=100)
    synced: list[str] = []
    monkeypatch.setattr(log.files, "sync_folder", synced.append)
    folder = str(tmp_path / "t-0")
    for number in range(2):
        append(log, batch(b"x"))
        log.flush_data()
        assert folder in synced, number  # at first, and after a roll
        synced.clear()
    append(log, batch(b"x", base_offset=0))
    log.truncate_to(1, 1000)
    assert log.begin_data_flush() is None
    append(log, batch(b"y"))
    log.flush_data()
    assert folder in synced  # a segment that was cut off would be there again
    synced.clear()
    log.configure(type(log.config)(segment_bytes=1000))
    append(log, batch(b"y"))
    log.flush_data()
    assert synced == []


def test_of_the_snapshots_of_no_segment_the_newest_stays(open_log: OpenLog, batch: MakeBatch, tmp_path: Path) -> None:
    log = open_log()
    for end in (1, 2, 3):
        append(log, batch(b"x", producer_id=1, producer_epoch=0, base_sequence=end - 1))
        log.flush()
        assert [path.name for path in (tmp_path / "t-0").glob("*.snapshot")] == [f"{end:020d}.snapshot"]


def test_a_flush_that_cannot_begin_holds_no_files(
    open_log: OpenLog, batch: MakeBatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    append(log, batch(b"x"))
    segment, lease = log._segments.items[0], Handle.lease

    def lease_if_there_is_room(handle: Handle) -> int:
        if handle is segment.time_index.handle:
            raise OSError(errno.EMFILE, "too many open files")
        return lease(handle)

    monkeypatch.setattr(Handle, "lease", lease_if_there_is_room)
    with pytest.raises(KafkaError):
        log.begin_flush()
    monkeypatch.undo()
    assert segment.handle.leases == 0


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
