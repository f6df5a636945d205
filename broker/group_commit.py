"""Acknowledgements that wait for the device, many of them for one fsync (flush.messages=1).

A partition asks after an append and leaves its high watermark where it is. While a log is being flushed by a worker
thread, what comes next gathers; when the flush is done the log's high watermark moves to what was in it when the flush
began, and that wakes whoever waits: Produce, parked fetches, replies of coordinators. So nobody has read, or been told
of, what a loss of power can take. The metadata log is flushed before the others if it has changed: records are worth
no more than their topic. flush.messages=N asks for every N records, and its acknowledgements do not wait.

In Kafka each append that completes flush.messages calls fsync itself, under the log's lock (UnifiedLog.append).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from trio.lowlevel import start_thread_soon

from ..storage.flush import FlushJob, run_all
from ..wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from ..storage.log import Log
    from .partition import Partition
    from .reactor import Reactor

log = logging.getLogger("klamm.flusher")

#: Several fsyncs at once share commits of the file system's journal; more than a few gain nothing.
MAX_THREADS: Final = 4
#: So many logs at least make another thread worth its while.
LOGS_A_THREAD: Final = 4
#: Each log that is being flushed has a file that stays open until that is done.
MAX_LOGS: Final = 256

#: Have the log of a partition flushed soon, as it is then; `flushed` or `failed` of the partition is called afterwards.
AskFlush = Callable[["Partition"], None]


class Flush(NamedTuple):
    """A partition's flush on its way."""

    partition: Partition
    job: FlushJob


class GroupCommit:
    """`max_logs`: flushed at once. Belongs to the loop."""

    def __init__(self, reactor: Reactor, metadata_log: Log, max_logs: int = MAX_LOGS) -> None:
        self._reactor = reactor
        self._metadata_log = metadata_log
        self._max_logs = max_logs
        self._asked: dict[Partition, None] = {}
        self._in_flight: set[Partition] = set()
        self._threads = 0
        self._begins = False
        self._flushes_metadata = False

    @property
    def busy(self) -> bool:
        """Somebody waits."""
        return bool(self._asked or self._threads)

    def ask(self, partition: Partition) -> None:
        """See `AskFlush`."""
        self._asked[partition] = None
        if not self._begins and self._threads < MAX_THREADS:
            self._begins = True
            # At the end of this round of the loop: all that came with it go together.
            self._reactor.soon(self._begin)

    def _begin(self) -> None:
        """Give idle threads the logs that were asked for, each an equal part; those in flight are asked for later."""
        self._begins = False
        if self._flushes_metadata or self._starts_metadata():
            return
        while self._threads < MAX_THREADS:
            room = self._max_logs - len(self._in_flight)
            waiting = [partition for partition in self._asked if partition not in self._in_flight]
            if self._threads and len(waiting) < LOGS_A_THREAD:
                return
            # A part of them, so that threads which are busy now find the rest.
            group = waiting[: min(room, max(LOGS_A_THREAD, -(-len(waiting) // MAX_THREADS)))]
            if not group:
                return
            for partition in group:
                del self._asked[partition]
            flushes = self._flushes(group)
            if flushes:
                self._in_flight.update(flush.partition for flush in flushes)
                self._start([flush.job for flush in flushes], partial(self._done, flushes))

    def _flushes(self, partitions: list[Partition]) -> list[Flush]:
        found = []
        for partition in partitions:
            try:
                job = partition.log.begin_data_flush()
            except KafkaError as error:
                partition.failed(error)
                continue
            if job is None:  # another flush was faster
                partition.flushed(partition.log.flushed_offset)
            else:
                found.append(Flush(partition, job))
        return found

    def _start(self, jobs: list[FlushJob], done: Callable[[], None]) -> None:
        """Run them in a thread, then `done` on the loop."""
        self._threads += 1
        start_thread_soon(partial(run_all, jobs), lambda _: self._reactor.call_from_thread(done))

    def _done(self, flushes: list[Flush]) -> None:
        self._threads -= 1
        for partition, job in flushes:
            self._in_flight.discard(partition)
            job.finish(job.error)
        self._begin()  # first, so that the device works while answers are made
        for partition, job in flushes:
            if job.error is None:
                partition.flushed(job.offset)
            else:
                log.error("fsync in %s: %s", job.log.folder, job.error)
                partition.failed(KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"fsync: {job.error}"))

    # --- the metadata log -----------------------------------------------------------------------------------------

    def _starts_metadata(self) -> bool:
        """Whether the metadata log has to be flushed first. If that cannot be, all who have asked are sent away."""
        try:
            job = self._metadata_log.begin_data_flush()
        except KafkaError as error:
            self._send_away(error)
            return True
        if job is not None:
            self._flushes_metadata = True
            self._start([job], partial(self._metadata_done, job))
        return job is not None

    def _metadata_done(self, job: FlushJob) -> None:
        self._threads -= 1
        self._flushes_metadata = False
        job.finish(job.error)
        if job.error is not None:
            log.error("fsync in %s: %s", job.log.folder, job.error)
            self._send_away(KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"fsync: {job.error}"))
        self._begin()

    def _send_away(self, error: KafkaError) -> None:
        asked, self._asked = self._asked, {}
        for partition in asked:
            partition.failed(error)


def most_logs(open_files: int) -> int:
    """How many logs may be flushed at once where so many files may be open."""
    return max(1, min(MAX_LOGS, open_files // 2))
