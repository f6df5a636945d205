"""Retention for logs that nobody has opened: is anything due, by what the folder itself tells?

Names, sizes and times of files, and the last entry of a time index, say what an open log would know; one that is due
is opened for as long as it takes. After a crash they may say that a segment is due whose last records are younger: the
open log decides.
"""

from __future__ import annotations

import os
import struct
from typing import Final

from .config import LogConfig
from .files import Files
from .folder import DataFolder
from .segment import LOG_SUFFIX, TIME_INDEX_SUFFIX, file_name

_TIME_ENTRY: Final = struct.Struct(">qi")  # timestamp, offset


def retain_unopened(folder: DataFolder, topic: str, partition: int, config: LogConfig, now_ms: int) -> int:
    """Retention of a log that is not open, and is not afterwards: how many segments went. Raises KafkaError."""
    if folder.get(topic, partition) is not None or folder.is_opening(topic, partition):
        return 0
    path, start = folder.partition_folder(topic, partition), folder.saved_start(topic, partition)
    try:
        if not is_due(folder.files, path, config, now_ms=now_ms, log_start_offset=start):
            return 0
    except OSError as error:
        raise folder.health.error(error, path) from error
    log = folder.open(topic, partition, config, now_ms)
    log.high_watermark = log.log_end_offset  # the only replica has all there is
    count = log.apply_retention(now_ms)
    folder.close_log(topic, partition)
    return count


def is_due(files: Files, folder: str, config: LogConfig, *, now_ms: int, log_start_offset: int) -> bool:
    """Whether `apply_retention` may find a segment to remove in a partition's folder. Raises OSError."""
    found = files.sizes_and_times(folder, LOG_SUFFIX)
    segments = sorted(name for name in found if len(name) == 20 + len(LOG_SUFFIX))
    if not segments:
        return False
    oldest_size, modified_ms = found[segments[0]]
    if len(segments) > 1 and int(segments[1].removesuffix(LOG_SUFFIX)) <= log_start_offset:
        return True
    if not config.is_deleted or (len(segments) == 1 and not oldest_size):
        return False
    total = sum(found[name][0] for name in segments)
    if config.retention_bytes >= 0 and total - config.retention_bytes >= oldest_size:
        return True
    if config.retention_ms < 0:
        return False
    base_offset = int(segments[0].removesuffix(LOG_SUFFIX))
    timestamp_ms = _last_timestamp_ms(files, os.path.join(folder, file_name(base_offset, TIME_INDEX_SUFFIX)))
    return (modified_ms if timestamp_ms < 0 else timestamp_ms) < now_ms - config.retention_ms


def _last_timestamp_ms(files: Files, path: str) -> int:
    """Of a time index, -1 if it has no entry or is not there."""
    try:
        fd = files.open(path)
    except FileNotFoundError:
        return -1
    try:
        end = files.size(fd) // _TIME_ENTRY.size * _TIME_ENTRY.size
        data = files.pread(fd, _TIME_ENTRY.size, end - _TIME_ENTRY.size) if end else b""
    finally:
        files.close(fd)
    return int(_TIME_ENTRY.unpack(data)[0]) if len(data) == _TIME_ENTRY.size else -1
