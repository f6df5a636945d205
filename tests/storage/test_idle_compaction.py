"""Logs that are not open: which of them may be dirty enough, by names, sizes, times and a checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.idle_compaction import may_be_dirty

from .shorthand import MakeBatch, OpenFolder, append

NOW_MS = 1_000_000_000_000
CONFIG = LogConfig(cleanup_policy=("compact",), segment_bytes=250)
SEGMENTS = [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    ("first_dirty", "start", "config", "due"),
    [
        (None, 0, {}, True),
        (None, 0, {"cleanup_policy": ("delete",)}, False),
        (None, 0, {"min_cleanable_dirty_ratio": 1.0}, False),
        (2, 0, {}, True),
        (4, 0, {}, False),
        (4, 0, {"min_cleanable_dirty_ratio": 0.4}, True),
        (6, 0, {}, False),
        (8, 0, {"min_cleanable_dirty_ratio": 0.0}, False),
        (4, 6, {}, False),
        (6, 0, {"max_compaction_lag_ms": 1000}, True),
        (8, 0, {"max_compaction_lag_ms": 1000}, False),
    ],
)
def test_what_the_folder_says_is_what_the_open_log_says(
    open_folder: OpenFolder,
    batch: MakeBatch,
    first_dirty: int | None,
    start: int,
    config: dict[str, object],
    due: bool,
) -> None:
    changed = replace(CONFIG, **config)  # type: ignore[arg-type]
    folder = open_folder()
    log = folder.create("t", 0, bytes(range(16)), CONFIG, NOW_MS)
    for number in range(10):
        append(log, batch(b"v" * 40, keys=[b"%d" % number]))
    assert log.segment_offsets == SEGMENTS
    log.first_dirty_offset = first_dirty
    if start:
        log.log_start_offset = start  # as DeleteRecords would move it, but the segments stay
    folder.close_log("t", 0)
    assert folder.saved_first_dirty("t", 0) == first_dirty
    assert (
        may_be_dirty(
            folder.files,
            folder.partition_folder("t", 0),
            changed,
            now_ms=2 * NOW_MS,
            log_start_offset=folder.saved_start("t", 0),
            first_dirty_offset=folder.saved_first_dirty("t", 0),
        )
        is due
    )
    assert len(folder.cache) == 0
    log = folder.open("t", 0, changed, NOW_MS)
    log.high_watermark = log.log_end_offset
    part = log.cleanable(2 * NOW_MS)
    assert (part is not None and part.is_due(changed)) is due
