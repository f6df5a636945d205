"""Whether one of log.dirs can be relied on, and what is made of an error of its disk.

Source: org.apache.kafka.storage.internals.log.LogDirFailureChannel. As there an I/O error takes the whole folder
offline: what a device did not write or read once it cannot be trusted with. Other than there, a disk without room (and
a process without descriptors) breaks nothing: the operation is refused, and may be tried again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import Final

from ..wire.errors import ErrorCode, KafkaError

#: The disk, the quota or the largest size of a file is reached.
OUT_OF_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: What the process or the machine lacks: the disk is well.
_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})


class NoRoomError(KafkaError):
    """KAFKA_STORAGE_ERROR for the lack of room: nothing has changed, and the same may be tried later."""


class FileClosedError(FileNotFoundError):
    """A file was asked for that its log has given up: the disk is well."""


class LogDirHealth:
    """`path`: of the folder. `offline`: why nothing may be done in it until it is opened anew; None while it is well.

    `on_failure` is called once, where the failure is noticed: in the middle of some operation of a log. All calls come
    from one thread, the loop.
    """

    __slots__ = ("offline", "on_failure", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self.offline: str | None = None
        self.on_failure: Callable[[], None] = lambda: None

    def error(self, error: OSError, what: str) -> KafkaError:
        """The error that a client gets; takes the folder offline unless there is only no room."""
        if error.errno in OUT_OF_SPACE:
            return NoRoomError(ErrorCode.KAFKA_STORAGE_ERROR, f"{what}: {error}")
        if error.errno not in _OUT_OF_RESOURCES and not isinstance(error, FileClosedError):
            self.fail(f"{what}: {error}")
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{what}: {error}")

    def fail(self, reason: str) -> None:
        """The folder is not to be trusted any more."""
        if self.offline is None:
            self.offline = reason
            self.on_failure()
