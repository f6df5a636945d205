"""Logs are brought to the device in a worker thread while the loop goes on: after a roll, and every flush.ms.

Nobody waits for it: what is acknowledged is in the page cache (flush.messages=1 apart: `group_commit.py`). It moves the
recovery point, from which a start after a crash reads. Source: UnifiedLog.roll (`flush` scheduled),
LogManager.flushDirtyLogs.

Kafka's LogManager looks every log.flush.scheduler.interval.ms, whose default is never, so that flush.ms alone has no
effect there. Here the look after rolls is a look for flush.ms too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import trio

from ..wire.errors import KafkaError

if TYPE_CHECKING:
    from ..storage.log import Log
    from .partitions import Partitions

log = logging.getLogger("klamm.flusher")

#: Between two looks, unless log.flush.scheduler.interval.ms is shorter.
INTERVAL_MS: Final = 1000


async def flush_when_due(
    partitions: Partitions, clock: Callable[[], int], scheduler_interval_ms: int = INTERVAL_MS
) -> None:
    """Look for logs to flush again and again, until cancelled. `clock`: epoch milliseconds."""
    interval_ms = max(1, min(INTERVAL_MS, scheduler_interval_ms))
    while True:
        await trio.sleep(interval_ms / 1000)
        for partition in partitions.opened():
            if partition.log.flush_is_due(clock()):
                await flush(partition.log, clock())


async def flush(partition_log: Log, now_ms: int) -> None:
    """One log's flush. A device that fails fails the log, which refuses all that comes after (KAFKA_STORAGE_ERROR)."""
    partition_log.last_flush_ms = now_ms
    try:
        job = partition_log.begin_flush()
    except KafkaError as error:
        log.error("%s: %s", partition_log.folder, error)
        return
    if job is None:
        return
    failure: OSError | None = None
    try:
        await trio.to_thread.run_sync(job.run)
    except OSError as error:
        log.error("fsync in %s: %s", partition_log.folder, error)
        failure = error
    finally:
        job.finish(failure)
