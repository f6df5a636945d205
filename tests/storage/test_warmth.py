"""Reads on a broker's loop that must not wait: what they ask for, and that nothing is half done when they give up."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from compat_tests.bench.slow_files import PAGE_BYTES, SlowFiles
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.storage.segment import INDEX_SUFFIX, TIME_INDEX_SUFFIX
from klamm.storage.segments import LOADED_TOGETHER
from klamm.storage.warmth import BLOCK_BYTES, WARMED_BLOCKS, ColdRead, Warmed
from klamm.wire.records import iter_records

BATCHES = 60
VALUE_BYTES = 20_000


@pytest.fixture(params=[True, False], ids=["the system tells", "the system does not tell"])
def device(request: pytest.FixtureRequest) -> SlowFiles:
    return SlowFiles(nowait=request.param)


@pytest.fixture
def cold_log(open_log: Callable[..., Log], batch: Callable[..., bytes], device: SlowFiles) -> Iterator[Log]:
    """Segments of about ten batches, written by an earlier process; only the end of the last one is in memory."""
    log = open_log(files=device, segment_bytes=210_000, retention_ms=-1)
    for number in range(BATCHES):
        one = batch(b"%d" % number + bytes(VALUE_BYTES), timestamp_ms=1_000 + number)
        log.append_as_leader(one, leader_epoch=0, now_ms=1_000)
    log.close()
    log = open_log(files=device, segment_bytes=210_000, retention_ms=-1, clean=True, recovery_point=BATCHES)
    log.high_watermark = BATCHES
    device.drop()
    log._cache.serves_loop = True
    yield log
    log._cache.serves_loop = False


def warm(cache: HandleCache, cold: ColdRead) -> None:
    for missing in cold.ranges:
        job = missing.job(cache)
        job.run()
        job.finish()


def tried_again(cache: HandleCache, attempt: Callable[[], Any]) -> tuple[Any, int]:
    """What it returns in the end, and how often it gave up."""
    for times in range(50):
        try:
            return attempt(), times
        except ColdRead as cold:
            assert not cache.no_waiting
            warm(cache, cold)
    raise AssertionError("it never has all that it needs")


def test_look_ups_give_up_and_find_the_same(cold_log: Log) -> None:
    cache = cold_log._cache
    for offset in (0, 17, 44):
        found, _ = tried_again(cache, partial(cold_log.read, offset, 1_000, max_offset=BATCHES))
        data, _ = tried_again(cache, found.read)
        assert next(iter_records(data)).offset == offset
        found.release()
    found, times = tried_again(cache, lambda: cold_log.offset_for_timestamp(1_033))
    assert found.offset == 33
    assert times
    found, _ = tried_again(cache, cold_log.max_timestamp_offset)
    assert found.offset == BATCHES - 1
    assert all(handle.leases == 0 for handle in cache.opened())


def test_segments_are_loaded_several_at_a_time(cold_log: Log) -> None:
    count = len(cold_log.segment_offsets)
    assert LOADED_TOGETHER > count > 3
    with pytest.raises(ColdRead) as raised:
        cold_log.offset_for_timestamp(1_000 + BATCHES)
    assert len({missing.handle.path.rsplit(".", 1)[0] for missing in raised.value.ranges}) == count - 1


def test_indexes_that_are_lost_are_made_again(cold_log: Log) -> None:
    cache = cold_log._cache
    for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX):
        (Path(cold_log.folder) / f"{0:020d}{suffix}").unlink()
    found, times = tried_again(cache, lambda: cold_log.offset_for_timestamp(1_007))
    assert (found.offset, times > 0) == (7, True)


def test_retention_changes_nothing_before_it_has_read_all_it_needs(cold_log: Log) -> None:
    cold_log.configure(replace(cold_log.config, retention_ms=500))
    before = cold_log.segment_offsets
    with pytest.raises(ColdRead):
        cold_log.apply_retention(1_525)
    assert cold_log.segment_offsets == before
    removed, _ = tried_again(cold_log._cache, lambda: cold_log.apply_retention(1_525))
    assert removed
    assert cold_log.segment_offsets == before[removed:]


def test_what_is_cut_off_while_it_is_read_is_no_failure(cold_log: Log) -> None:
    with pytest.raises(ColdRead) as raised:
        cold_log.read(55, 1_000, max_offset=BATCHES).read()
    jobs = [missing.job(cold_log._cache) for missing in raised.value.ranges]
    cold_log.truncate_to(5, 1_000)
    for job in jobs:
        job.run()
        job.finish()
    assert cold_log.log_end_offset == 5
    assert all(handle.leases == 0 for handle in cold_log._cache.opened())


def test_what_was_just_appended_is_not_asked_about(
    open_log: Callable[..., Log], batch: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = open_log()
    log._cache.serves_loop = True
    monkeypatch.setattr(log._cache.files, "in_memory", lambda *_: pytest.fail("asked"))
    log.append_as_leader(batch(b"new"), leader_epoch=0, now_ms=1_000)
    log.high_watermark = 1
    found = log.read(0, 1_000, max_offset=1)
    assert [record.value for record in iter_records(found.read())] == [b"new"]
    found.release()


def test_the_memory_of_what_was_warmed_is_bounded(tmp_path: Path, device: SlowFiles) -> None:
    cache = HandleCache(device, 4)
    handle = cache.handle(str(tmp_path / "f"))
    warmed = Warmed()
    warmed.note(handle, 0, BLOCK_BYTES)
    assert warmed.holds(handle, 10, BLOCK_BYTES - 10)
    assert not warmed.holds(handle, 10, BLOCK_BYTES)
    warmed.note(handle, BLOCK_BYTES, WARMED_BLOCKS * BLOCK_BYTES)
    assert not warmed.holds(handle, 0, 1)
    assert warmed.holds(handle, BLOCK_BYTES, WARMED_BLOCKS * BLOCK_BYTES)
    assert PAGE_BYTES == BLOCK_BYTES  # the device of these tests and what is warmed at once go together


def test_what_is_discarded_is_read_as_far_as_the_file_goes(tmp_path: Path, files: Files) -> None:
    path = tmp_path / "a"
    path.write_bytes(bytes(100_000))
    fd = files.open(str(path))
    try:
        assert [files.discard(fd, 65_536, position) for position in (0, 65_536, 100_000)] == [65_536, 34_464, 0]
        files.warm(fd, 0, 1_000_000)
    finally:
        files.close(fd)
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.warm(fd, 0, 1)
