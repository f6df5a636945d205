"""An fsync in two halves, so that the slow one may run in a worker thread while the log goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .segment import Segment

if TYPE_CHECKING:
    from .log_state import LogState


class FlushJob:
    """`run` anywhere, then `finish` on the loop, whatever became of it."""

    def __init__(self, log: LogState, segments: list[Segment]) -> None:
        """Leases the files of the segments, whose indexes are written. Raises OSError."""
        self._log = log
        self._handles = [handle for segment in segments for handle in segment.handles]
        self._fds = [handle.lease() for handle in self._handles]
        self._offset = log.log_end_offset
        self._truncations = log.truncations

    def run(self) -> None:
        """Touches nothing but the leased descriptors. Raises OSError."""
        for fd in self._fds:
            self._log.files.sync(fd)

    def finish(self, error: OSError | None = None) -> None:
        """Gives the leases back and moves the recovery point. After an `error` the log has failed.

        (What a failed fsync did not write may be dropped from the page cache: it must not be tried again.)
        """
        for handle in self._handles:
            handle.release()
        if error is not None:
            self._log.failed = f"fsync in {self._log.folder}: {error}"
        elif self._truncations == self._log.truncations:
            # Else what stands below the offset now may be other batches than those that were synced.
            self._log.recovery_point = max(self._log.recovery_point, self._offset)
