"""`preallocate=true`: files of full length, cut where their batches end; what a kill leaves is recovered from."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.storage.log_dir_health import NoRoomError
from klamm.storage.segment import Segment
from klamm.storage.verify_partition import Checker, verify_partition
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, encode_batch

SEGMENT_BYTES = 400
BATCH = encode_batch([Record(value=bytes(60), timestamp_ms=1_000)])

OpenLog = Callable[..., Log]


def put(log: Log, count: int = 1) -> None:
    for _ in range(count):
        log.append_as_leader(BATCH, leader_epoch=0, now_ms=1_000)


def sizes(log: Log) -> list[int]:
    """Of the segments' files, in their order."""
    return [path.stat().st_size for path in sorted(Path(log.folder).glob("*.log"))]


def findings(log: Log) -> list[tuple[str, str]]:
    checker = Checker()
    verify_partition(checker, log.folder, "")
    return [(finding.path, finding.check) for finding in checker.findings.finish()]


@pytest.fixture
def log(open_log: OpenLog) -> Log:
    return open_log(segment_bytes=SEGMENT_BYTES, preallocate=True)


def test_a_file_is_cut_when_it_is_rolled_and_when_the_log_closes(log: Log) -> None:
    assert sizes(log) == [SEGMENT_BYTES]
    put(log, 4)
    full = 3 * len(BATCH)
    assert sizes(log) == [full, SEGMENT_BYTES]
    assert log.size_bytes == 4 * len(BATCH)
    log.close()
    assert sizes(log) == [full, len(BATCH)]


def test_a_truncation_gives_back_what_is_behind_it(log: Log) -> None:
    put(log, 2)
    log.truncate_to(1, 1_000)
    assert sizes(log) == [len(BATCH)]
    put(log, 3)
    assert sizes(log) == [3 * len(BATCH), SEGMENT_BYTES]
    log.truncate_to(0, 1_000)
    log.configure(replace(log.config, segment_bytes=2 * SEGMENT_BYTES))
    put(log, 7)
    assert sizes(log)[-1] == 2 * SEGMENT_BYTES


@pytest.mark.parametrize("batches", [0, 1, 3, 4])
def test_zeros_that_a_kill_leaves_are_the_end_of_the_log(log: Log, open_log: OpenLog, batches: int) -> None:
    put(log, batches)
    before = sizes(log)
    log.discard()
    assert before[-1] == SEGMENT_BYTES
    again = open_log(segment_bytes=SEGMENT_BYTES, preallocate=True)
    assert again.log_end_offset == batches
    assert sum(sizes(again)) == batches * len(BATCH)
    put(again, 9)
    assert again.log_end_offset == batches + 9
    assert sizes(again)[-1] == SEGMENT_BYTES
    again.close()
    assert findings(again) == []


def test_verify_says_that_there_are_zeros(log: Log) -> None:
    put(log)
    log._active.flush_indexes()
    log.discard()
    assert findings(log) == [("00000000000000000000.log", "batch-whole")]


@pytest.mark.parametrize(("recovery_point", "undone"), [(0, [0, 3]), (2, [0, 3]), (3, [0, 3]), (4, [3]), (6, [3])])
def test_a_cut_that_a_loss_of_power_has_undone_takes_no_later_segment_away(
    log: Log, open_log: OpenLog, recovery_point: int, undone: list[int]
) -> None:
    """A segment that ends before the recovery point was flushed since."""
    put(log, 8)
    log.discard()
    for base_offset in undone:
        with (Path(log.folder) / f"{base_offset:020d}.log").open("ab") as file:
            file.truncate(SEGMENT_BYTES)
    again = open_log(segment_bytes=SEGMENT_BYTES, recovery_point=recovery_point)
    assert again.log_end_offset == 8
    for offset, count in ((0, 3), (3, 3), (6, 2)):
        found = again.read(offset, 10_000, max_offset=8)
        assert len(found.read()) == count * len(BATCH)
        found.release()
    assert sizes(again) == [3 * len(BATCH), 3 * len(BATCH), 2 * len(BATCH)]


def test_a_flush_covers_the_cut_of_what_was_flushed_before_it(open_log: OpenLog, failing_files: Files) -> None:
    log = open_log(segment_bytes=SEGMENT_BYTES, preallocate=True, files=failing_files)
    put(log, 3)
    log.flush()
    put(log)
    job = log.begin_flush()
    assert job is not None
    assert any(handle.path.endswith("0.log") for handle in job._handles)
    job.run()
    job.finish()


def test_where_batches_are_missing_the_log_ends(log: Log, open_log: OpenLog) -> None:
    put(log, 8)
    log.discard()
    (path,) = Path(log.folder).glob("*03.log")
    with path.open("r+b") as file:
        file.truncate(2 * len(BATCH))
        file.truncate(SEGMENT_BYTES)
    assert open_log(segment_bytes=SEGMENT_BYTES).log_end_offset == 5


class Full(Files):
    """No file can be made longer by its length alone."""

    full = True

    def truncate(self, fd: int, size: int) -> None:
        if self.full and size > self.size(fd):
            raise OSError(errno.ENOSPC, "no room")
        super().truncate(fd, size)


def test_without_room_the_append_is_refused_and_may_be_tried_again(tmp_path: Path) -> None:
    files = Full()
    config = LogConfig(segment_bytes=SEGMENT_BYTES)
    log = Log(HandleCache(files, 8), str(tmp_path / "t-0"), config, 1_000)
    put(log, 3)
    log.configure(replace(config, preallocate=True))
    for _ in range(2):
        with pytest.raises(NoRoomError):
            put(log)
        assert (log.failed, log.log_end_offset, log.segment_offsets) == (None, 3, [0])
        assert sizes(log) == [3 * len(BATCH)]
    files.full = False
    put(log)
    assert sizes(log) == [3 * len(BATCH), SEGMENT_BYTES]
    files.full = True
    with pytest.raises(KafkaError) as refused:
        Log(HandleCache(files, 8), str(tmp_path / "u-0"), log.config, 1_000)
    assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    log.discard()


def test_the_opening_reads_no_more_than_there_is(tmp_path: Path) -> None:
    files = Files()
    segment = Segment(HandleCache(files, 8), str(tmp_path), 0)
    segment.create(0, 1 << 30)
    fd = segment.handle.get()
    files.pwritev(fd, [BATCH], 0)
    assert files.size(fd) == 1 << 30
    assert files.data_size(fd) < 1 << 20 or files.data_size(fd) == 1 << 30  # where holes are not told
    segment.discard()
