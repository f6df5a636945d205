"""Compacted logs are cleaned beside the loop, the filthiest first, and what is removed is unlinked after its delay."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from klamm.broker.cleaner import clean_logs, compact, filthiest, unlink_deleted
from klamm.broker.config.config import Config
from klamm.storage.cleaner_config import CleanerConfig
from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.folder import DataFolder
from klamm.storage.log import Log
from klamm.storage.log_manager import LogManager
from klamm.wire.records import Record, encode_batch, iter_records

NOW_MS = 1_000
COMPACTED = LogConfig(cleanup_policy=("compact",), segment_bytes=500, min_cleanable_dirty_ratio=0.5)


class SlowFiles(Files):
    """Stands still in the first worker that reads, until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = threading.get_ident()
        self.reached = threading.Event()
        self.go_on = threading.Event()
        self.go_on.set()
        self.full = False

    def pread(self, fd: int, count: int, position: int) -> bytes:
        if threading.get_ident() != self.loop:
            self.reached.set()
            assert self.go_on.wait(60)
            if self.full:
                raise OSError(28, "no space left")
        return super().pread(fd, count, position)


class OpenPartitions:
    """`Partitions` as the cleaner sees them."""

    def __init__(self, *logs: Log) -> None:
        self._logs = logs

    def opened(self) -> Iterator[OpenPartitions]:
        for log in self._logs:
            self.log = log
            yield self


def warm(read: Callable[[], object]) -> None:
    raise AssertionError("nothing is cold here")


async def none_idle(compact: object) -> bool:
    return False


async def until(condition: Callable[[], bool]) -> None:
    """Waits for a worker thread, whose time is not the mock clock's."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        await trio.sleep(0.001)


@pytest.fixture
def files() -> SlowFiles:
    return SlowFiles()


@pytest.fixture
def folder(tmp_path: Path, files: SlowFiles) -> Iterator[DataFolder]:
    folder = DataFolder(str(tmp_path / "data"), node_id=1, files=files)
    yield folder
    files.go_on.set()
    folder.abandon()


def fill(log: Log, count: int, keys: int) -> Log:
    for number in range(count):
        batch = encode_batch([Record(b"%d" % (number % keys), bytes(50), timestamp_ms=NOW_MS)])
        log.append_as_leader(batch, leader_epoch=0, now_ms=NOW_MS)
    log.high_watermark = log.log_end_offset
    return log


def make(folder: DataFolder, name: str, count: int, keys: int = 3, config: LogConfig = COMPACTED) -> Log:
    return fill(folder.create(name, 0, name.encode() * 16, config, NOW_MS), count, keys)


def keys_of(log: Log) -> list[bytes | None]:
    found: list[bytes | None] = []
    offset = log.log_start_offset
    while offset < log.log_end_offset:
        read = log.read(offset, 10_000, max_offset=log.log_end_offset)
        records = list(iter_records(read.read()))
        read.release()
        found += [record.key for record in records]
        offset = records[-1].offset + 1
    return found


def test_the_filthiest_log_comes_first(folder: DataFolder) -> None:
    clean, dirty = make(folder, "a", 30), make(folder, "b", 30)
    plain = make(folder, "c", 30, config=LogConfig(segment_bytes=500))
    short = make(folder, "d", 2)
    partitions = OpenPartitions(clean, dirty, plain, short)
    clean.first_dirty_offset = clean.segment_offsets[1]
    assert filthiest(partitions, NOW_MS, warm) is dirty
    assert filthiest(partitions, NOW_MS, warm, {dirty}) is clean
    clean.first_dirty_offset = clean.segment_offsets[-2]
    assert filthiest(partitions, NOW_MS, warm, {dirty}) is None  # too little dirt
    clean.configure(
        LogConfig(
            cleanup_policy=("compact",), segment_bytes=500, min_cleanable_dirty_ratio=1.0, max_compaction_lag_ms=5
        )
    )
    assert filthiest(partitions, NOW_MS + 5, warm, {dirty}) is None
    assert filthiest(partitions, NOW_MS + 6, warm, {dirty}) is clean  # it has waited for too long
    dirty.configure(LogConfig(cleanup_policy=("compact",), segment_bytes=500, min_compaction_lag_ms=100))
    assert filthiest(partitions, NOW_MS, warm, {clean}) is None
    assert filthiest(partitions, NOW_MS + 100, warm, {clean}) is dirty


async def test_logs_are_compacted_again_and_again(
    folder: DataFolder, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    logs = [make(folder, "a", 30), make(folder, "b", 60)]
    config = Config.of(**{"log.cleaner.backoff.ms": "500"})
    save = folder.checkpoint_compaction
    nursery.start_soon(clean_logs, OpenPartitions(*logs), config, lambda: NOW_MS, save, warm, none_idle)
    for log in logs:
        await until(lambda log=log: log.first_dirty_offset == log.segment_offsets[-1])  # type: ignore[misc]
        assert len(keys_of(log)) < 15
    await until((Path(folder.path) / "cleaner-offset-checkpoint").exists)
    await until(lambda: filthiest(OpenPartitions(*logs), NOW_MS, warm) is None)
    await trio.sleep(0.001)
    text = (Path(folder.path) / "cleaner-offset-checkpoint").read_text()
    assert text.startswith("0\n2\n")
    assert f"a 0 {logs[0].first_dirty_offset}\n" in text
    fill(logs[0], 40, 3)
    await until(lambda: logs[0].first_dirty_offset == logs[0].segment_offsets[-1])
    folder.close()
    again = DataFolder(folder.path, node_id=1)
    log = again.open("a", 0, COMPACTED, NOW_MS)
    assert log.first_dirty_offset == log.segment_offsets[-1]
    again.abandon()


async def test_the_log_serves_on_meanwhile(folder: DataFolder, files: SlowFiles, nursery: trio.Nursery) -> None:
    log = make(folder, "a", 30)
    files.reached.clear()
    files.go_on.clear()
    nursery.start_soon(compact, log, CleanerConfig(), NOW_MS)
    with trio.fail_after(60):
        await trio.to_thread.run_sync(files.reached.wait)
    fill(log, 10, 5)
    assert len(keys_of(log)) == 40
    assert log.begin_compaction(NOW_MS, warm) is None  # one at a time
    files.go_on.set()
    await until(lambda: log.first_dirty_offset is not None)
    assert set(keys_of(log)) == {b"0", b"1", b"2", b"3", b"4"}


@pytest.mark.behaviour("23")
async def test_a_read_in_a_gap_begins_at_the_next_batch(folder: DataFolder) -> None:
    log = make(folder, "a", 60)
    assert await compact(log, CleanerConfig(), NOW_MS)
    offsets = []
    for offset in range(log.log_end_offset):
        read = log.read(offset, 1, max_offset=log.log_end_offset)
        offsets.append(next(iter_records(read.read())).offset)
        read.release()
    left = sorted(set(offsets))
    assert len(left) < 15
    assert offsets == [min(other for other in left if other >= offset) for offset in range(log.log_end_offset)]
    assert log.offset_for_timestamp(0).offset == left[0]
    assert log.max_timestamp_offset().offset == left[0]


@pytest.mark.parametrize("what", ["truncate", "delete records", "retention", "policy", "delete the topic", "cancel"])
async def test_what_takes_segments_away_aborts_it(folder: DataFolder, files: SlowFiles, what: str) -> None:
    config = LogConfig(cleanup_policy=("compact", "delete"), segment_bytes=500, retention_ms=10_000)
    log = make(folder, "a", 30, config=config)
    files.reached.clear()
    files.go_on.clear()
    results: list[bool] = []

    async def run() -> None:
        results.append(await compact(log, CleanerConfig(), NOW_MS))

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            await trio.to_thread.run_sync(files.reached.wait)
            if what == "truncate":
                log.truncate_to(log.segment_offsets[1], NOW_MS)
            elif what == "delete records":
                log.delete_before(log.segment_offsets[2])
            elif what == "retention":
                log.apply_retention(NOW_MS + 10_001)
            elif what == "policy":
                log.configure(LogConfig(segment_bytes=500))
            elif what == "delete the topic":
                folder.delete("a", 0)
            else:
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):
                    while log._compaction is not None and not log._compaction.pace.aborted:
                        await trio.sleep(0.001)
            files.go_on.set()
    assert results in ([False], [])
    assert log.first_dirty_offset is None
    if what == "delete the topic":
        assert not (Path(folder.path) / "a-0").exists()
    else:
        assert not list((Path(folder.path) / "a-0").glob("*.cleaned"))
        log.configure(COMPACTED)
        fill(log, 30, 3)
        assert await compact(log, CleanerConfig(), NOW_MS)
        assert len(keys_of(log)) < 15


async def test_a_disk_that_is_full_harms_nothing(folder: DataFolder, files: SlowFiles) -> None:
    log = make(folder, "a", 30)
    files.full = True
    assert not await compact(log, CleanerConfig(), NOW_MS)
    assert log.failed is None
    assert len(keys_of(log)) == 30
    assert not list((Path(folder.path) / "a-0").glob("*.cleaned"))
    files.full = False
    assert await compact(log, CleanerConfig(), NOW_MS)


async def test_a_damaged_batch_stops_the_compaction_of_its_log(folder: DataFolder) -> None:
    log = make(folder, "a", 30)
    path = Path(folder.path) / "a-0" / f"{0:020d}.log"
    data = bytearray(path.read_bytes())
    data[61:70] = b"\xff" * 9
    path.write_bytes(data)
    assert not await compact(log, CleanerConfig(), NOW_MS)
    assert log.failed is None
    assert log.uncleanable is not None
    assert filthiest(OpenPartitions(log), NOW_MS, warm) is None


async def test_removed_files_are_unlinked_after_their_delay(
    folder: DataFolder, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    log = make(folder, "a", 30)
    make(folder, "b", 5)
    assert await compact(log, CleanerConfig(), NOW_MS)
    nursery.start_soon(
        unlink_deleted, LogManager([folder.path], [folder], folder), lambda: int(trio.current_time() * 1000)
    )
    folder.delete("b", 0)
    deleted = list((Path(folder.path) / "a-0").glob("*.deleted"))
    assert len(deleted) > 5
    await trio.sleep(58)
    assert all(path.exists() for path in deleted)
    await until(lambda: not any(path.exists() for path in deleted))
    await until(lambda: not len(folder.deleted))
    await until(lambda: [path.name for path in Path(folder.path).iterdir() if path.is_dir()] == ["a-0"])
