"""A log's durability: what is brought to the device and when, and how it is closed.

Source: UnifiedLog.flush, UnifiedLog.close.
"""

from __future__ import annotations

from .files import storage_error
from .flush import FlushJob
from .log_state import LogState, storage_errors


class FlushingLog(LogState):
    """Flush and close."""

    @property
    def has_unflushed_segments(self) -> bool:
        """A segment was rolled and may not be on the device: time for `begin_flush`, as Kafka does after a roll.

        The recovery point then follows the active segment, and a start after a crash walks no more than that.
        """
        return self.recovery_point < self._active.base_offset

    @storage_errors
    def begin_flush(self) -> FlushJob | None:
        """What has to be on the device for all that is in the log now; None if it is there already."""
        if self.recovery_point >= self.log_end_offset:
            return None
        self._save_epochs(sync=True)
        segments = self._segments.items[self._segments.number_of(self.recovery_point) :]
        for segment in segments:
            segment.load()
            segment.flush_indexes()
        return FlushJob(self, segments)

    def flush(self) -> None:
        """Everything in the log is on the device afterwards. Raises KafkaError; the log has failed then."""
        job = self.begin_flush()
        if job is None:
            return
        try:
            job.run()
        except OSError as error:
            job.finish(error)
            raise storage_error(error, f"fsync in {self.folder}") from error
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
