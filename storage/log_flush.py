"""A log's durability: what is brought to the device and when, and how it is closed.

Two marks say how far that is. `recovery_point`: batches, indexes and leader epochs are there, and a start after a
crash reads from it on. `flushed_offset`, never below it: the batches are there, which is all that an acknowledgement
needs, for the rest is made again from them. Source: UnifiedLog.flush, UnifiedLog.close.
"""

from __future__ import annotations

from .flush import FlushJob
from .handles import Handle
from .log_state import LogState, storage_errors


class FlushingLog(LogState):
    """Flush and close."""

    @property
    def has_unflushed_segments(self) -> bool:
        """A segment was rolled and may not be on the device: time for `begin_flush`, as Kafka does after a roll.

        The recovery point then follows the active segment, and a start after a crash walks no more than that.
        """
        return self.recovery_point < self._active.base_offset

    def flush_is_due(self, now_ms: int) -> bool:
        """A segment was rolled, or what is in the log has waited for flush.ms."""
        return self.has_unflushed_segments or now_ms - self.last_flush_ms >= self.config.flush_ms

    @storage_errors
    def begin_flush(self) -> FlushJob | None:
        """What has to be on the device for all that is in the log now; None if it is there already."""
        if self.recovery_point >= self.log_end_offset:
            return None
        self._save_epochs()
        # So that a start after a crash need not walk the batches before the recovery point for their producers.
        self._snapshots.take(self.log_end_offset, self.producers)
        self._snapshots.remove_strays(set(self._segments.bases))
        # From the one that ends at the recovery point on: a preallocated file may have been cut since it was flushed.
        segments = self._segments.items[self._segments.number_of(self.recovery_point - 1) :]
        for segment in segments:
            segment.load()
            segment.flush_indexes()
        return self._job([handle for segment in segments for handle in segment.handles], everything=True)

    @storage_errors
    def begin_data_flush(self) -> FlushJob | None:
        """What has to be on the device for the batches that are in the log now; None if they are there already."""
        if self.flushed_offset >= self.log_end_offset:
            return None
        segments = self._segments.items[self._segments.number_of(self.flushed_offset) :]
        return self._job([segment.handle for segment in segments], everything=False)

    def _job(self, handles: list[Handle], *, everything: bool) -> FlushJob:
        job = FlushJob(self, handles, everything=everything, new_names=self._segments.new_names)
        self._segments.new_names = False  # a job that fails fails the log
        return job

    def flush(self) -> None:
        """Everything in the log is on the device afterwards. Raises KafkaError; the log has failed then."""
        self._run_now(self.begin_flush())

    def flush_data(self) -> None:
        """The batches in the log are on the device afterwards. Raises KafkaError; the log has failed then."""
        self._run_now(self.begin_data_flush())

    def _run_now(self, job: FlushJob | None) -> None:
        if job is None:
            return
        try:
            job.run()
        except OSError as error:
            job.finish(error)
            raise self.health.error(error, f"fsync in {self.folder}") from error
        job.finish()

    @storage_errors
    def close(self, *, sync: bool = True) -> None:
        """Writes what is only in memory (indexes, producers) and closes the files. `sync` as in `flush`."""
        self._active.finish()
        self._snapshots.take(self.log_end_offset, self.producers)
        if sync:
            self.flush()
        self.closed_well = True
        self.discard()
