"""Compacted logs are cleaned in a worker thread, one at a time, the filthiest first; removed files are unlinked.

Source: org.apache.kafka.storage.internals.log.LogCleaner, LogCleanerManager.grabFilthiestCompactedLog.

Logs that nobody has touched since the start: idle_cleaner.py.

Left out: log.cleaner.threads (there is one: more would only wait for each other, Python computes in one thread).
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Final

import trio

from ..storage.cleaner_config import CleanerConfig
from ..storage.warmth import ColdRead
from ..wire.errors import KafkaError

if TYPE_CHECKING:
    from ..storage.compaction import CompactionJob
    from ..storage.log import Log
    from ..storage.log_manager import LogManager
    from .config import Config
    from .partitions import Partitions

log = logging.getLogger("klamm.cleaner")

#: Between two looks for files whose file.delete.delay.ms has passed.
UNLINK_INTERVAL_S: Final = 1.0


def cleaner_config(config: Config) -> CleanerConfig:
    """As the broker's configs are now: they may change at run time."""
    return CleanerConfig(
        dedupe_buffer_bytes=config.get("log.cleaner.dedupe.buffer.size"),
        io_buffer_load_factor=config.get("log.cleaner.io.buffer.load.factor"),
        io_buffer_bytes=config.get("log.cleaner.io.buffer.size"),
        io_max_bytes_per_second=config.get("log.cleaner.io.max.bytes.per.second"),
    )


async def clean_logs(
    partitions: Partitions,
    config: Config,
    clock: Callable[[], int],
    save: Callable[[], None],
    warm: Callable[[Callable[[], object]], None],
    idle: Callable[[Callable[[Log], Awaitable[bool]]], Awaitable[bool]],
) -> None:
    """Compact what is due, again and again, until cancelled; pauses of log.cleaner.backoff.ms when nothing is.

    `clock`: epoch milliseconds; `save` writes the checkpoint that says how far compactions have come; `warm` brings
    what a call reads into memory (`Warmer.chore`); `idle` has one of the logs that nobody has opened compacted; it
    says False if none is due.
    """
    failed: set[Log] = set()

    async def compact_now(found: Log) -> bool:
        return await compact(found, cleaner_config(config), clock())

    while True:
        found = filthiest(partitions, clock(), warm, failed)
        if found is None:
            failed.clear()  # they get another chance after the pause
            if await idle(compact_now):
                save()
            else:
                await trio.sleep(config.get("log.cleaner.backoff.ms") / 1000)
        elif await compact_now(found):
            save()
        else:
            failed.add(found)


def filthiest(
    partitions: Partitions, now_ms: int, warm: Callable[[Callable[[], object]], None], but: Collection[Log] = ()
) -> Log | None:
    """The log with the largest share of dirt among those that have enough of it, or that have waited too long.

    One whose indexes are not in memory has to wait for the next look.
    """
    best: Log | None = None
    best_ratio = -1.0
    for partition in partitions.opened():
        candidate = partition.log
        if candidate.failed is not None or candidate in but:
            continue
        try:
            part = candidate.cleanable(now_ms)
        except ColdRead:
            warm(partial(candidate.cleanable, now_ms))
            continue
        except KafkaError as error:
            log.error("%s: %s", candidate.folder, error)
            continue
        if part is not None and part.is_due(candidate.config) and part.dirty_ratio > best_ratio:
            best, best_ratio = candidate, part.dirty_ratio
    return best


async def compact(partition_log: Log, cleaner: CleanerConfig, now_ms: int) -> bool:
    """One log's compaction; did it come to its end? A log whose segments could not be replaced has failed (that is a
    few renames, on the loop); any other error leaves it as it was."""
    try:
        job = partition_log.begin_compaction(now_ms, cleaner)
        if job is None:
            return False
        while await _step(job):
            pass
    except Exception as error:  # the broker lives on without compaction, whatever it is
        log.error(
            "compaction of %s: %s",
            partition_log.folder,
            error,
            exc_info=None if isinstance(error, KafkaError | OSError) else error,
        )
        return False
    if job.pace.aborted:
        return False
    stats = job.stats
    log.info(
        "compacted %s up to offset %d: %d of %d bytes stay, %d keys",
        partition_log.folder,
        stats.end_offset,
        stats.written_bytes,
        stats.read_bytes,
        stats.keys,
    )
    return True


async def _step(job: CompactionJob) -> bool:
    """Is there more to do? The worker hears of no cancellation: it is told, and waited for."""
    failure: Exception | None = None
    ended = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_abort_when_cancelled, job, ended)
            try:
                await trio.to_thread.run_sync(job.run)
            except Exception as error:  # whatever it is, `finish` has to hear of it
                failure = error
            ended.set()
    finally:
        more = job.finish(failure)
    if failure is not None and not job.pace.aborted:
        raise failure
    return more


async def _abort_when_cancelled(job: CompactionJob, ended: trio.Event) -> None:
    try:
        await ended.wait()
    except trio.Cancelled:
        job.abort()
        raise


async def unlink_deleted(logs: LogManager, clock: Callable[[], int]) -> None:
    """Unlink, in a worker thread, what was removed file.delete.delay.ms ago, until cancelled."""
    while True:
        await trio.sleep(UNLINK_INTERVAL_S)
        for folder in logs.online:
            due = folder.deleted.take_due(clock())
            if due:
                await trio.to_thread.run_sync(folder.unlink, due)
