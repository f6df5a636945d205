"""Which part of a log is compacted, when, in which groups; configs of compaction that change while it is open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from klamm.storage.compaction import Source, group_sources
from klamm.storage.config import LogConfig
from klamm.storage.deleted_files import DeletedFiles
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.batches import MAX_INT32
from klamm.wire.compression import Codec
from klamm.wire.records import Record, encode_batch

from .shorthand import OpenLog, append, read_records

NOW_MS = 1_000_000
LIMITS = LogConfig(segment_bytes=100, segment_index_bytes=50)


@pytest.mark.parametrize(
    ("second", "together"),
    [
        (Source(5, 10, 40, 25, 30), True),
        (Source(5, 10, 41, 25, 30), False),
        (Source(5, 10, 40, 26, 30), False),
        (Source(5, 10, 40, 25, 31), False),
        (Source(5, MAX_INT32 + 1, 40, 25, 30), True),
        (Source(5, MAX_INT32 + 2, 40, 25, 30), False),
    ],
)
def test_neighbours_that_fit_in_one_segment_are_a_group(second: Source, together: bool) -> None:
    first = Source(0, 5, 60, 25, 20)
    assert group_sources([first, second], LIMITS) == ([[first, second]] if together else [[first], [second]])


def fill(log: Log, count: int, timestamp_ms: int = NOW_MS) -> None:
    for number in range(count):
        append(log, encode_batch([Record(b"%d" % (number % 3), b"v" * 20, timestamp_ms=timestamp_ms)]))


def compact(log: Log, now_ms: int) -> bool:
    job = log.begin_compaction(now_ms)
    if job is None:
        return False
    job.run()
    while job.finish():
        job.run()
    return True


COMPACTED = {"cleanup_policy": ("compact",), "segment_bytes": 300}


def test_what_was_compacted_waits_for_nothing(open_log: OpenLog) -> None:
    log = open_log(**COMPACTED, max_compaction_lag_ms=100, min_cleanable_dirty_ratio=1.0)
    fill(log, 9)
    fill(log, 3, NOW_MS + 150)
    found = log.cleanable(NOW_MS + 100)
    assert found is not None
    assert not found.must_clean
    found = log.cleanable(NOW_MS + 101)
    assert found is not None
    assert found.is_due(log.config)
    assert compact(log, NOW_MS + 101)
    # All that waits now is the new segment, and it is young; the clean one ends where the dirt begins.
    fill(log, 6, NOW_MS + 150)
    found = log.cleanable(NOW_MS + 160)
    assert found is not None
    assert found.clean_bytes
    assert found.dirty_bytes
    assert not found.must_clean


def test_records_without_a_time_wait_for_nothing(open_log: OpenLog) -> None:
    log = open_log(**COMPACTED, max_compaction_lag_ms=1)
    for timestamp_ms in (-1, 0):
        fill(log, 6, timestamp_ms)
    fill(log, 3)
    found = log.cleanable(NOW_MS)
    assert found is not None
    assert found.dirty_bytes
    assert not found.must_clean


def is_due(log: Log) -> bool:
    found = log.cleanable(NOW_MS + 1000)
    return found is not None and found.is_due(log.config)


@pytest.mark.parametrize(
    ("others", "name", "before", "after"),
    [
        ({}, "cleanup_policy", ("delete",), ("compact",)),
        ({}, "cleanup_policy", ("delete",), ("compact", "delete")),
        ({"cleanup_policy": ("compact",)}, "min_compaction_lag_ms", 1001, 1000),
        ({"cleanup_policy": ("compact",), "min_cleanable_dirty_ratio": 1.0}, "max_compaction_lag_ms", 1000, 999),
        ({"cleanup_policy": ("compact",)}, "min_cleanable_dirty_ratio", 1.0, 0.9),
    ],
)
def test_when_a_log_is_due_changes_while_it_is_open(
    open_log: OpenLog, others: dict[str, object], name: str, before: object, after: object
) -> None:
    log = open_log(segment_bytes=300, **(others | {name: before}))
    fill(log, 12)
    assert not is_due(log)
    log.configure(replace(log.config, **{name: after}))  # type: ignore[arg-type]
    assert is_due(log)
    log.configure(replace(log.config, **{name: before}))  # type: ignore[arg-type]
    assert not is_due(log)


def test_what_compaction_left_goes_by_retention_when_the_policy_changes(open_log: OpenLog) -> None:
    log = open_log(**COMPACTED, retention_ms=10)
    append(
        log, encode_batch([Record(b"only one", b"v", timestamp_ms=NOW_MS)])
    )  # an empty segment is as old as its file
    fill(log, 11)
    assert log.apply_retention(NOW_MS + 11) == 0
    assert compact(log, NOW_MS)
    assert len(read_records(log)) < 12
    log.configure(replace(log.config, cleanup_policy=("compact", "delete")))
    assert log.apply_retention(NOW_MS + 10) == 0
    assert b"only one" in {record.key for record in read_records(log)}
    assert log.apply_retention(NOW_MS + 11) > 0
    assert b"only one" not in {record.key for record in read_records(log)}


def test_tombstones_stay_as_long_as_the_config_says_when_they_are_first_seen(open_log: OpenLog) -> None:
    """The horizon is written into the batch (KIP-534): what is changed later holds for tombstones of then."""
    log = open_log(**COMPACTED, delete_retention_ms=1000)

    def remove(key: bytes, now_ms: int) -> None:
        append(log, encode_batch([Record(key, None, timestamp_ms=NOW_MS)]))
        fill(log, 8)
        assert compact(log, now_ms)

    def tombstones() -> set[bytes | None]:
        return {record.key for record in read_records(log) if record.value is None}

    remove(b"first", NOW_MS)
    assert tombstones() == {b"first"}
    log.configure(replace(log.config, delete_retention_ms=0))
    remove(b"second", NOW_MS + 500)
    assert tombstones() == {b"first", b"second"}
    remove(b"third", NOW_MS + 501)
    assert tombstones() == {b"first", b"third"}
    remove(b"fourth", NOW_MS + 1001)
    assert tombstones() == {b"fourth"}


def test_removed_files_wait_as_long_as_the_config_says_then(tmp_path: Path) -> None:
    deleted = DeletedFiles()
    log = Log(HandleCache(Files(), 32), str(tmp_path / "t-0"), LogConfig(segment_bytes=300), 0, deleted=deleted)
    fill(log, 12)
    first, second, third = log.segment_offsets[:3]
    log.delete_before(second)
    log.configure(replace(log.config, file_delete_delay_ms=5))
    log.delete_before(third)
    due = {now_ms: {int(Path(path).name[:20]) for path in deleted.take_due(now_ms)} for now_ms in (0, 4, 5, 60_000)}
    assert due == {0: set(), 4: set(), 5: {second}, 60_000: {first}}
    log.discard()


@pytest.mark.parametrize("codec", [Codec.NONE, Codec.GZIP])
@pytest.mark.parametrize("delta_ms", [-64, 63, 8191, -8192])
def test_timestamps_around_a_whole_byte_survive(open_log: OpenLog, codec: Codec, delta_ms: int) -> None:
    log = open_log(**COMPACTED)
    records = [
        Record(b"stays", b"v", timestamp_ms=NOW_MS),
        Record(b"goes later", b"v", timestamp_ms=NOW_MS + delta_ms),
        Record(b"stays too", b"v", timestamp_ms=NOW_MS + delta_ms),
        Record(b"0", b"goes", timestamp_ms=NOW_MS + delta_ms),
    ]
    append(log, encode_batch(records, codec=codec))
    left = {b"stays": NOW_MS, b"goes later": NOW_MS + delta_ms, b"stays too": NOW_MS + delta_ms}
    # The first time it is dirty, the second time it is looked at by its keys.
    for key in (b"1", b"goes later"):
        append(log, encode_batch([Record(key, b"v", timestamp_ms=NOW_MS)]))
        fill(log, 12)
        assert compact(log, NOW_MS + 1)
        if key == b"goes later":
            del left[key]
        assert {record.key: record.timestamp_ms for record in read_records(log) if record.offset < 4} == left
