"""Files opened for nothing but reading: what looks into a data folder that a broker may be using.

Every call that would change something raises, so a checker cannot do harm by mistake.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

from .files import Buffer, Files

#: struct flock of fcntl(2): type, whence, start, length and pid, in the order of the system.
_FLOCK: Final = struct.Struct("@qqihh4x" if sys.platform == "darwin" else "@hhqqi4x")


class ReadingFiles(Files):
    """Primitive file operations that change nothing. Raises OSError(EROFS) from those that would."""

    def open(self, path: str, *, create: bool = False) -> int:
        """A descriptor for reading. Raises FileNotFoundError."""
        if create:
            _refuse(path)
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        _refuse()

    def truncate(self, fd: int, size: int) -> None:
        _refuse()

    def rename(self, source: str, target: str) -> None:
        _refuse(source)

    def remove(self, path: str) -> None:
        _refuse(path)

    def make_folder(self, path: str) -> None:
        _refuse(path)

    def remove_folder(self, path: str) -> None:
        _refuse(path)

    def is_folder(self, path: str) -> bool:
        return os.path.isdir(path)

    def is_locked(self, path: str) -> bool:
        """Does another process hold a POSIX lock on the file, as klamm and Kafka do on `.lock`?

        Asks (F_GETLK) without taking it, so that a broker that starts meanwhile is not refused. Not for the process
        that holds the lock itself: closing any descriptor of the file gives its lock back.
        """
        try:
            fd = self.open(path)
        except FileNotFoundError:
            return False
        try:
            if sys.platform == "darwin":
                asked = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(0, 0, 0, fcntl.F_WRLCK, 0))
                return bool(_FLOCK.unpack(asked)[3] != fcntl.F_UNLCK)
            asked = fcntl.fcntl(fd, fcntl.F_GETLK, _FLOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0))
            return bool(_FLOCK.unpack(asked)[0] != fcntl.F_UNLCK)
        finally:
            self.close(fd)


def _refuse(path: str = "") -> NoReturn:
    raise OSError(errno.EROFS, "opened for reading only", path)
