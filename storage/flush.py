"""An fsync in two halves, so that the slow one may run in a worker thread while the log goes on."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .checkpoints import LEADER_EPOCHS, PARTITION_METADATA
from .files import sync_path
from .handles import Handle

if TYPE_CHECKING:
    from .log_state import LogState


class FlushJob:
    """`run` anywhere, then `finish` on the loop, whatever became of it.

    `offset`: all before it is on the device when `run` has returned. `error`: why it is not, set by `run_here`.
    """

    __slots__ = (
        "_folders",
        "_handles",
        "_paths",
        "_ran",
        "_truncations",
        "error",
        "everything",
        "fds",
        "log",
        "offset",
    )

    def __init__(self, log: LogState, handles: Sequence[Handle], *, everything: bool, new_names: bool) -> None:
        """Leases the files. `everything`: not only the batches, but all that a start from this offset on relies on;
        `new_names`: files were made or removed, or nothing is known of that. Raises OSError."""
        self.log = log
        self.everything = everything
        self.offset = log.log_end_offset
        self.error: OSError | None = None
        self._ran = False
        self._truncations = log.truncations
        self._handles: list[Handle] = []
        self.fds: list[int] = []
        self._paths = [os.path.join(log.folder, LEADER_EPOCHS)] if everything else []
        self._folders = [log.folder] if everything or new_names else []
        if new_names:
            # The first time since the log was opened the partition itself may be new to the device.
            self._paths.append(os.path.join(log.folder, PARTITION_METADATA))
            self._folders.append(os.path.dirname(log.folder))
        try:
            for handle in handles:
                self.fds.append(handle.lease())
                self._handles.append(handle)
        except OSError:
            self._give_back()
            raise

    def run(self) -> None:
        """Touches nothing of the log's. Raises OSError."""
        files = self.log.files
        for fd in self.fds:
            files.sync(fd)
        for path in self._paths:
            sync_path(files, path)
        for folder in self._folders:
            files.sync_folder(folder)
        self._ran = True

    def run_here(self) -> None:
        """As `run`, for threads: what goes wrong stands in `error`."""
        try:
            self.run()
        except OSError as error:
            self.error = error

    def finish(self, error: OSError | None = None) -> None:
        """Gives the leases back and moves the log's marks. After an `error` the log and its log dir have failed.

        (What a failed fsync did not write may be dropped from the page cache: it must not be tried again.)
        """
        self._give_back()
        log = self.log
        if error is not None:
            log.failed = log.failed or f"fsync in {log.folder}: {error}"
            log.health.fail(log.failed)
        elif self._ran and self._truncations == log.truncations:
            # Else it was cancelled, or what stands below the offset now may be other batches than were synced.
            log.flushed_offset = max(log.flushed_offset, self.offset)
            if self.everything:
                log.recovery_point = max(log.recovery_point, self.offset)

    def _give_back(self) -> None:
        for handle in self._handles:
            handle.release()
        self._handles.clear()
