"""Compaction of logs that nobody has opened: is one dirty enough, by what its folder and the checkpoint tell?

Names and sizes of segments and cleaner-offset-checkpoint say what share of a log is dirty; only one with enough of it
is opened. What they do not know (an open transaction, min.compaction.lag.ms) the open log's `Cleanable` decides.
Source: LogCleanerManager.grabFilthiestCompactedLog, for which Kafka has all logs open.
"""

from __future__ import annotations

from itertools import pairwise

from .config import LogConfig
from .files import Files
from .segment import LOG_SUFFIX


def may_be_dirty(
    files: Files,
    folder: str,
    config: LogConfig,
    *,
    now_ms: int,
    log_start_offset: int,
    first_dirty_offset: int | None,
) -> bool:
    """Whether `Cleanable.is_due` may be true of the log in a partition's folder, of which the checkpoints say where it
    begins and how far it was compacted (None: never). Raises OSError.

    Under max.compaction.lag.ms a segment waits since its file was last written; its first record may be older.
    """
    found = files.sizes_and_times(folder, LOG_SUFFIX)
    names = sorted(name for name in found if len(name) == 20 + len(LOG_SUFFIX))
    if not config.is_compacted or len(names) < 2:
        return False
    bases = [int(name.removesuffix(LOG_SUFFIX)) for name in names]
    start = max(log_start_offset, first_dirty_offset or 0)
    clean_bytes = sum(found[name][0] for name, base in zip(names[:-1], bases, strict=False) if base < start)
    dirty = [name for name, (_, after) in zip(names, pairwise(bases), strict=False) if after > start]
    dirty_bytes = sum(found[name][0] for name in dirty)
    if not dirty_bytes:
        return False
    if dirty_bytes / (clean_bytes + dirty_bytes) > config.min_cleanable_dirty_ratio:
        return True
    return min(found[name][1] for name in dirty) < now_ms - config.max_compaction_lag_ms
