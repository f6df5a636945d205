"""Segments that have rolled are brought to the device in a worker thread, so that recovery need not walk them.

As in Kafka a roll asks for it and nobody waits: what is acknowledged is in the page cache (flush.messages apart). It
moves the recovery point, from which a start after a crash reads. Source: kafka.log.UnifiedLog.roll (`flush` scheduled).

Left out: flush.ms.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

import trio

from ..wire.errors import KafkaError

if TYPE_CHECKING:
    from ..storage.log import Log
    from .partitions import Partitions

log = logging.getLogger("klamm.flusher")

#: Between two looks for segments that have rolled.
INTERVAL_S: Final = 1.0


async def flush_rolled_segments(partitions: Partitions) -> None:
    """Look for rolled segments again and again, until cancelled."""
    while True:
        await trio.sleep(INTERVAL_S)
        for partition in partitions.opened():
            if partition.log.has_unflushed_segments:
                await flush(partition.log)


async def flush(partition_log: Log) -> None:
    """One log's flush. A device that fails fails the log, which refuses all that comes after (KAFKA_STORAGE_ERROR)."""
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
