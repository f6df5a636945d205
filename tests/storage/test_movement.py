"""A log moves to another folder; the process is killed at each of its steps."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.log import Log
from klamm.storage.log_manager import LogManager, open_log_dirs
from klamm.storage.movement import Movement
from klamm.wire.errors import KafkaError

from .shorthand import everything
from .test_log_manager import SickFiles

NOW_MS = 1000
CONFIG = LogConfig(segment_bytes=300, index_interval_bytes=60)
TOPIC_ID = bytes(range(16))
VALUES = [b"%d" % number * 20 for number in range(14)]
#: What DeleteRecords has taken away: the log begins in the middle of a batch.
START = 5
Catalogue = dict[tuple[str, int], bytes]


def open_dirs(root: Path, files: Files | None = None) -> LogManager:
    return open_log_dirs([str(root / "a"), str(root / "b")], node_id=1, files=files or SickFiles(root / "nowhere"))


def fill(logs: LogManager, batch: Callable[..., bytes]) -> None:
    """t-0, in a, has batches of two records in several segments, epochs, a producer, and a start of its own."""
    log = logs.create("t", 0, TOPIC_ID, CONFIG, NOW_MS)
    for number in range(0, len(VALUES), 2):
        data = batch(*VALUES[number : number + 2], producer_id=7, producer_epoch=0, base_sequence=number)
        log.append_as_leader(data, leader_epoch=number // 6, now_ms=NOW_MS)
        log.high_watermark = log.log_end_offset
    log.delete_before(START)
    assert len(log.segment_offsets) > 2


EXPECTED = list(enumerate(VALUES))[START:]


def move(logs: LogManager, catalogue: Catalogue) -> Log:
    source = logs.folder_of("t", 0)
    assert source is not None
    (target,) = (folder for folder in logs.online if folder is not source)
    movement = Movement("t", 0, logs.open("t", 0, CONFIG, NOW_MS), source, target)
    assert movement.offset_lag == len(VALUES) - START
    while not movement.step(200, NOW_MS):
        assert movement.offset_lag > 0
    assert movement.offset_lag == 0
    job = movement.begin_flush()
    assert job is not None
    job.run()
    job.finish()
    catalogue["t", 0] = target.directory_id
    log = movement.swap(NOW_MS)
    logs.moved("t", 0, target)
    return log


def is_whole(logs: LogManager, root: Path) -> str:
    """The folder that the log lies in, and nothing of it in the other one."""
    log = logs.open("t", 0, CONFIG, NOW_MS)
    assert log.log_start_offset == START
    assert everything(log) == EXPECTED
    assert log.leader_epochs.rows == [(epoch, max(START, 6 * epoch)) for epoch in range(3)]
    assert log.producers.check(7, 0, 12, 13, False) is not None  # a duplicate of the last batch
    found = {path.name for path in (*(root / "a").glob("t-*"), *(root / "b").glob("t-*"))}
    assert {name for name in found if not name.endswith("-delete")} == {"t-0"}
    return Path(log.folder).parent.name


def test_a_log_moves_and_moves_back(tmp_path: Path, batch: Callable[..., bytes]) -> None:
    catalogue: Catalogue = {}
    logs = open_dirs(tmp_path)
    fill(logs, batch)
    for expected in ("b", "a"):
        moved = move(logs, catalogue)
        assert moved is logs.open("t", 0, CONFIG, NOW_MS)
        assert is_whole(logs, tmp_path) == expected
    logs.close()
    logs = open_dirs(tmp_path)
    assert is_whole(logs, tmp_path) == "a"
    logs.abandon()


@pytest.mark.parametrize("named", [True, False], ids=["the catalogue names the folder", "it names none"])
def test_a_kill_at_any_step_leaves_one_whole_log(tmp_path: Path, batch: Callable[..., bytes], named: bool) -> None:
    ends: set[str] = set()
    interrupted = 0
    for fail_at in range(1, 1000):
        root = tmp_path / str(fail_at)
        files = SickFiles(root)
        catalogue: Catalogue = {}
        logs = open_dirs(root, files)
        fill(logs, batch)
        logs.checkpoint()
        folder = logs.folder_of("t", 0)
        assert folder is not None
        catalogue["t", 0] = folder.directory_id
        files.fail_at = files.steps + fail_at
        try:
            move(logs, catalogue)
            done = True
        except (KafkaError, OSError):
            done = False
        logs.abandon()

        logs = open_dirs(root)
        interrupted += bool(logs.futures())
        if not named:
            catalogue["t", 0] = bytes(15) + b"\1"  # as below metadata.version 17
        logs.settle(lambda topic, index, catalogue=catalogue: catalogue[topic, index])  # type: ignore[misc]
        ends.add(is_whole(logs, root))
        log = logs.open("t", 0, CONFIG, NOW_MS)
        log.append_as_leader(batch(b"more"), leader_epoch=9, now_ms=NOW_MS)
        logs.close()
        logs = open_dirs(root)
        assert logs.open("t", 0, CONFIG, NOW_MS).log_end_offset == len(VALUES) + 1
        logs.abandon()
        shutil.rmtree(root)
        if done:
            break
    assert done
    assert fail_at > 30
    assert ends == {"a", "b"}
    assert interrupted > 10


def test_what_retention_takes_meanwhile_is_not_moved(tmp_path: Path, batch: Callable[..., bytes]) -> None:
    logs = open_dirs(tmp_path)
    fill(logs, batch)
    log = logs.open("t", 0, CONFIG, NOW_MS)
    a, b = logs.online
    movement = Movement("t", 0, log, a, b)
    movement.step(150, NOW_MS)
    log.delete_before(12)
    while not movement.step(200, NOW_MS):
        pass
    log = movement.swap(NOW_MS)
    assert (log.log_start_offset, everything(log)) == (12, list(enumerate(VALUES))[12:])
    logs.abandon()


def test_an_abandoned_movement_leaves_nothing(tmp_path: Path, batch: Callable[..., bytes]) -> None:
    logs = open_dirs(tmp_path)
    fill(logs, batch)
    movement = Movement("t", 0, logs.open("t", 0, CONFIG, NOW_MS), *logs.online)
    movement.step(200, NOW_MS)
    assert len(list((tmp_path / "b").glob("t-0.*-future"))) == 1
    movement.abandon()
    assert list((tmp_path / "b").glob("t-*")) == []
    assert is_whole(logs, tmp_path) == "a"
    logs.abandon()


@pytest.mark.parametrize("offset", [0, 3])
def test_an_empty_log_moves(tmp_path: Path, batch: Callable[..., bytes], offset: int) -> None:
    logs = open_dirs(tmp_path)
    log = logs.create("t", 0, TOPIC_ID, CONFIG, NOW_MS)
    if offset:
        log.append_as_leader(batch(*[b"v"] * offset), leader_epoch=0, now_ms=NOW_MS)
        log.high_watermark = log.log_end_offset
        log.delete_before(offset)
    movement = Movement("t", 0, log, *logs.online)
    assert movement.step(200, NOW_MS)
    log = movement.swap(NOW_MS)
    assert (log.log_start_offset, log.log_end_offset) == (offset, offset)
    logs.abandon()
