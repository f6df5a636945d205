"""Retention of logs that are not open."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.storage.idle_retention import is_due, retain_unopened

HOUR_MS = 3_600_000
NOW_MS = 100 * HOUR_MS
CONFIG = LogConfig(segment_bytes=300, index_interval_bytes=60, retention_ms=-1, retention_bytes=-1)
TOPIC_ID = bytes(range(16))


class CountedFolder(DataFolder):
    opened = 0

    def open(self, topic: str, partition: int, config: LogConfig, now_ms: int):  # type: ignore[no-untyped-def]
        if self.get(topic, partition) is None:
            self.opened += 1
        return super().open(topic, partition, config, now_ms)


@pytest.fixture
def folder(tmp_path: Path, batch: Callable[..., bytes]) -> Iterator[CountedFolder]:
    """t-0: eight records, an hour between them, the last one an hour ago; in four segments."""
    folder = DataFolder(str(tmp_path), node_id=1)
    log = folder.create("t", 0, TOPIC_ID, CONFIG, NOW_MS)
    for number in range(8):
        data = batch(b"v" * 60, timestamp_ms=NOW_MS - (8 - number) * HOUR_MS)
        log.append_as_leader(data, leader_epoch=0, now_ms=NOW_MS)
        log.high_watermark = log.log_end_offset
    assert log.segment_offsets == [0, 2, 4, 6]
    folder.close()
    counted = CountedFolder(str(tmp_path), node_id=1)
    yield counted
    counted.abandon()


def segments(folder: DataFolder) -> list[int]:
    return sorted(int(path.name[:20]) for path in Path(folder.partition_folder("t", 0)).glob("*.log"))


@pytest.mark.parametrize(
    ("config", "left"),
    [
        ({}, [0, 2, 4, 6]),
        ({"retention_ms": 8 * HOUR_MS}, [0, 2, 4, 6]),
        ({"retention_ms": 6 * HOUR_MS}, [2, 4, 6]),
        ({"retention_ms": 2 * HOUR_MS}, [6]),
        ({"retention_ms": HOUR_MS // 2}, [8]),
        ({"retention_ms": HOUR_MS // 2, "cleanup_policy": frozenset({"compact"})}, [0, 2, 4, 6]),
        ({"retention_bytes": 10_000}, [0, 2, 4, 6]),
        ({"retention_bytes": 600}, [2, 4, 6]),
    ],
)
def test_what_is_due_goes_and_nothing_else_is_opened(
    folder: CountedFolder, config: dict[str, object], left: list[int]
) -> None:
    changed = replace(CONFIG, **config)  # type: ignore[arg-type]
    due = is_due(folder.files, folder.partition_folder("t", 0), changed, now_ms=NOW_MS, log_start_offset=0)
    assert due == (left != [0, 2, 4, 6])
    assert retain_unopened(folder, "t", 0, changed, NOW_MS) == sum(offset < left[0] for offset in (0, 2, 4, 6))
    assert segments(folder) == left
    assert folder.opened == due
    assert len(folder.cache) == 0
    assert folder.open_logs() == {}
    # It comes to rest, and the log is what it would be had it been open.
    opened = folder.opened
    assert retain_unopened(folder, "t", 0, changed, NOW_MS) == 0
    assert folder.opened == opened
    log = folder.open("t", 0, changed, NOW_MS)
    assert (log.log_start_offset, log.log_end_offset) == (left[0], 8)


def test_one_segment_alone_goes_too_unless_it_is_empty(tmp_path: Path, batch: Callable[..., bytes]) -> None:
    folder = DataFolder(str(tmp_path), node_id=1)
    log = folder.create("t", 0, TOPIC_ID, CONFIG, NOW_MS)
    log.append_as_leader(batch(b"v", timestamp_ms=1), leader_epoch=0, now_ms=NOW_MS)
    folder.close()
    counted = CountedFolder(str(tmp_path), node_id=1)
    aged = replace(CONFIG, retention_ms=1)
    assert retain_unopened(counted, "t", 0, aged, NOW_MS) == 1
    assert segments(counted) == [1]
    # The one that is left is empty, and however old its file is, nobody needs to open it.
    later_ms = 10**15
    assert not is_due(counted.files, counted.partition_folder("t", 0), aged, now_ms=later_ms, log_start_offset=1)
    assert retain_unopened(counted, "t", 0, replace(CONFIG, retention_bytes=0), later_ms) == 0
    assert counted.opened == 1
    counted.abandon()


def test_the_start_that_delete_records_gave_it(folder: CountedFolder) -> None:
    log = folder.open("t", 0, CONFIG, NOW_MS)
    log.high_watermark = log.log_end_offset
    log.delete_before(1)
    folder.close_log("t", 0)
    path = folder.partition_folder("t", 0)
    assert not is_due(folder.files, path, CONFIG, now_ms=NOW_MS, log_start_offset=folder.saved_start("t", 0))
    assert is_due(folder.files, path, CONFIG, now_ms=NOW_MS, log_start_offset=2)


def test_an_open_log_is_left_alone(folder: CountedFolder) -> None:
    folder.open("t", 0, CONFIG, NOW_MS)
    assert retain_unopened(folder, "t", 0, replace(CONFIG, retention_ms=1), NOW_MS) == 0
