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
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from trio.lowlevel import start_thread_soon

from ..wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from ..storage.flush import FlushJob
    from ..storage.log import Log
    from .partition import Partition
    from .reactor import Reactor

log = logging.getLogger("klamm.flusher")

#: Several fsyncs at once share commits of the file system's journal; more than a few gain nothing.
MAX_THREADS: Final = 4
#: So many logs that wait or are being flushed are worth a thread.
LOGS_A_THREAD: Final = 2
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
        #: What threads take, and what they are done with. A deque's append and popleft are safe among threads.
        self._waiting: deque[Flush] = deque()
        self._ran: deque[Flush] = deque()
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
        if not self._begins and partition not in self._in_flight:
            self._begins = True
            # At the end of this round of the loop: all that came with it go together.
            self._reactor.soon(self._begin)

    def _begin(self) -> None:
        """Hand over the logs that were asked for; those in flight have to come back first."""
        self._begins = False
        if self._asked and not self._flushes_metadata and not self._starts_metadata():
            self._hand_over()
        while self._waiting and self._threads < min(MAX_THREADS, -(-len(self._in_flight) // LOGS_A_THREAD)):
            self._start(self._run_waiting, self._on_thread_end)

    def _hand_over(self) -> None:
        room = self._max_logs - len(self._in_flight)
        for partition in [partition for partition in self._asked if partition not in self._in_flight][:room]:
            del self._asked[partition]
            try:
                job = partition.log.begin_data_flush()
            except KafkaError as error:
                partition.failed(error)
                continue
            if job is None:  # another flush was faster
                partition.flushed(partition.log.flushed_offset)
            else:
                self._in_flight.add(partition)
                self._waiting.append(Flush(partition, job))

    def _start(self, run: Callable[[], None], done: Callable[[], None]) -> None:
        """`run` in a thread, then `done` on the loop."""
        self._threads += 1
        start_thread_soon(run, lambda _: self._reactor.call_from_thread(done))

    def _run_waiting(self) -> None:
        """In a thread: one log after the other while any waits, so that the device does not wait for the loop."""
        with suppress(IndexError):  # another thread took the last one
            while self._waiting:
                flush = self._waiting.popleft()
                flush.job.run_here()
                self._ran.append(flush)
                if self._waiting:
                    self._reactor.call_from_thread(self._answer)

    def _on_thread_end(self) -> None:
        self._threads -= 1
        self._answer()

    def _answer(self) -> None:
        """Tell the partitions of all flushes that are done by now."""
        flushes = [self._ran.popleft() for _ in range(len(self._ran))]
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
            self._start(job.run_here, partial(self._metadata_done, job))
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
