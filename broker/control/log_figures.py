"""Sizes and offsets of logs for the metrics. No log is opened for them: thousands may lie on the disk unused.

What an open log knows is taken from it. Of one that nobody has used since the start, a worker thread lists the folder:
sizes and names of segments. Its end is in the checkpoints if the broker had been stopped in order; after a crash nobody
knows it before the log is opened, and it is left out. A log in a folder that is offline has no figures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from ...storage.segment import LOG_SUFFIX
from ..metadata.image import PartitionImage, is_online

if TYPE_CHECKING:
    from ...storage.folder import DataFolder
    from ..broker import Broker

Key = tuple[str, int]
_SEGMENT_NAME_LENGTH: Final = 20 + len(LOG_SUFFIX)


class LogFigures(NamedTuple):
    """`end`: the high watermark; it and the offset of the next record, `log_end`, are None where they are not known;
    `size_bytes`: of the batches; `segments`: how many, 0 where there is no log yet."""

    start: int
    end: int | None
    log_end: int | None
    size_bytes: int = 0
    segments: int = 0


_NEVER_WRITTEN: Final = LogFigures(0, 0, 0)


class _Unopened(NamedTuple):
    key: Key
    folder: DataFolder
    start: int
    end: int | None


async def unopened_logs(broker: Broker) -> dict[Key, LogFigures]:
    """Those on disk that are not open, by topic and partition. A folder that cannot be read has none."""
    logs = broker.logs
    some: list[_Unopened] = []
    for key in logs.partitions():
        folder = logs.folder_of(*key)
        if folder is not None and folder.get(*key) is None:
            some.append(_Unopened(key, folder, folder.saved_start(*key), folder.saved_end(*key)))
    return await trio.to_thread.run_sync(_listed, some) if some else {}


def _listed(some: Sequence[_Unopened]) -> dict[Key, LogFigures]:
    """In a thread."""
    found: dict[Key, LogFigures] = {}
    for key, folder, start, end in some:
        try:
            names = folder.files.sizes_and_times(folder.partition_folder(*key), LOG_SUFFIX)
        except OSError:
            continue  # deleted meanwhile, or a disk that fails: whoever uses the log finds out
        sizes = {name: size for name, (size, _) in names.items() if len(name) == _SEGMENT_NAME_LENGTH}
        if sizes:
            first = int(min(sizes).removesuffix(LOG_SUFFIX))
            found[key] = LogFigures(max(first, start), end, end, sum(sizes.values()), len(sizes))
    return found


def figures_of(
    broker: Broker, unopened: Mapping[Key, LogFigures], topic: str, image: PartitionImage
) -> LogFigures | None:
    """Of one partition; None if nothing is known of its log. `unopened`: see `unopened_logs`."""
    partition = broker.partitions.opened_at(topic, image.index)
    if partition is not None:
        log = partition.log
        return LogFigures(
            log.log_start_offset, log.high_watermark, log.log_end_offset, log.size_bytes, len(log.segment_offsets)
        )
    logs = broker.logs
    if logs.folder_of(topic, image.index) is not None:
        return unopened.get((topic, image.index))
    return _NEVER_WRITTEN if is_online(image, broker.node_id, logs.directory_ids) else None
