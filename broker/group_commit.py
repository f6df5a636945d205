"""Acknowledgements that wait for the device, many of them for one fsync (flush.messages=1).

A partition asks after an append and leaves its high watermark where it is. While one group of logs is being flushed by
worker threads, the next one gathers; when a log's flush is done its high watermark moves to what was in the log when
the flush began, and that wakes whoever waits: Produce, parked fetches, replies of coordinators. So nobody has read, or
been told of, what a loss of power can take. The metadata log goes with a group that finds it unflushed: records are
worth no more than their topic. flush.messages=N asks for every N records, and its acknowledgements do not wait.

In Kafka each append that completes flush.messages calls fsync itself, under the log's lock (UnifiedLog.append).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from itertools import islice
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
#: Below that another thread costs more than it brings.
LOGS_A_THREAD: Final = 4
#: Each log of a group has a file that stays open until the group is done.
MAX_LOGS: Final = 256


class Flush(NamedTuple):
    """`partition`: None for the metadata log."""

    partition: Partition | None
    job: FlushJob


class GroupCommit:
    """`max_logs`: in one group. Belongs to the loop."""

    def __init__(self, reactor: Reactor, metadata_log: Log, max_logs: int = MAX_LOGS) -> None:
        self._reactor = reactor
        self._metadata_log = metadata_log
        self._max_logs = max_logs
        self._asked: dict[Partition, None] = {}
        self._threads = 0
        #: Somebody waits.
        self.busy = False

    def ask(self, partition: Partition) -> None:
        """Have the partition's log flushed soon, as it is then, and tell the partition (`flushed`, `failed`)."""
        self._asked[partition] = None
        if not self.busy:
            self.busy = True
            # At the end of this round of the loop: all that came with it make one group.
            self._reactor.soon(self._begin)

    def _begin(self) -> None:
        """Flush those who have asked, as many as fit; the rest are the next group."""
        partitions = list(islice(self._asked, self._max_logs))
        for partition in partitions:
            del self._asked[partition]
        flushes = self._flushes(partitions)
        if not flushes:
            self.busy = bool(self._asked)
            if self.busy:
                self._reactor.soon(self._begin)
            return
        self._threads = max(1, min(MAX_THREADS, len(flushes) // LOGS_A_THREAD))
        done = partial(self._reactor.call_from_thread, partial(self._one_thread_done, flushes))
        for number in range(self._threads):
            jobs = [flush.job for flush in flushes[number :: self._threads]]
            start_thread_soon(partial(run_all, jobs), lambda _: done())

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
        try:
            job = self._metadata_log.begin_data_flush() if found else None
        except KafkaError as error:
            for flush in found:
                flush.job.finish()
                flush.partition.failed(error)  # type: ignore[union-attr]  # the metadata log is not among them
            return []
        return found if job is None else [*found, Flush(None, job)]

    def _one_thread_done(self, flushes: list[Flush]) -> None:
        self._threads -= 1
        if self._threads:
            return
        for flush in flushes:
            flush.job.finish(flush.job.error)
        if self._asked:
            self._begin()  # first, so that the device works while answers are made
        else:
            self.busy = False
        # The metadata log is the last of them: without it the records of a group are not safe.
        failure = flushes[-1].job.error if flushes[-1].partition is None else None
        for partition, job in flushes:
            error = job.error or failure
            if job.error is not None:
                log.error("fsync in %s: %s", job.log.folder, job.error)
            if partition is None:
                continue
            if error is None:
                partition.flushed(job.offset)
            else:
                partition.failed(KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"fsync: {error}"))


def most_logs(open_files: int) -> int:
    """How many logs a group may have where so many files may be open."""
    return max(1, min(MAX_LOGS, open_files // 2))


AskFlush = Callable[["Partition"], None]
