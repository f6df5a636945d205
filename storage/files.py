"""Every call that storage makes to the operating system's files, in one class that tests replace.

A test overrides a method to fail a write, tear it at a byte, or fill the disk; nothing else in storage imports `os`
to touch a file. `plain=True` hides the calls that not every system has, so that their twins are tested where the
fast ones exist.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import Final

from ..wire.errors import ErrorCode, KafkaError

Buffer = bytes | bytearray | memoryview

#: Where a range is looked at to tell whether it is in memory: its ends, and once in so many bytes.
PROBE_BYTES: Final = 65_536
#: At a time, where a range is read only to have it in memory.
WARM_BYTES: Final = 262_144

_probe = [bytearray(1)]  # what is read into it is of no interest


@cache
def _nowhere() -> int:
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


class Files:
    """Primitive file operations on paths and descriptors. All raise OSError; none retries but for short writes."""

    def __init__(self, *, plain: bool = False) -> None:
        self.has_pwritev: Final = hasattr(os, "pwritev") and not plain
        self.has_nowait: Final = hasattr(os, "RWF_NOWAIT") and not plain
        #: macOS has a sendfile too, but no MSG_MORE to join it to the bytes before it.
        self.has_sendfile: Final = hasattr(os, "sendfile") and sys.platform == "linux" and not plain
        self.has_fadvise: Final = hasattr(os, "posix_fadvise") and not plain

    def open(self, path: str, *, create: bool = False) -> int:
        """A descriptor for reading and writing; FileNotFoundError unless the file is there or `create`."""
        return os.open(path, os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT if create else 0), 0o644)

    def close(self, fd: int) -> None:
        os.close(fd)

    def size(self, fd: int) -> int:
        return os.fstat(fd).st_size

    def data_size(self, fd: int) -> int:
        """Where the first hole begins that the file's system knows of: behind it all may be zeros; else its size."""
        end = self.size(fd)
        if end and hasattr(os, "SEEK_HOLE"):
            with suppress(OSError):
                return os.lseek(fd, 0, os.SEEK_HOLE)
        return end

    def path_size(self, path: str) -> int:
        return os.stat(path).st_size

    def pread(self, fd: int, count: int, position: int) -> bytes:
        """At most `count` bytes; fewer only where the file ends."""
        return os.pread(fd, count, position)

    def in_memory(self, fd: int, position: int, size: int) -> bool | None:
        """Would a read of these bytes return at once? Sampled; None where the system does not tell."""
        if not self.has_nowait:
            return None
        last = position + size - 1
        try:
            for at in range(position, last, PROBE_BYTES):
                os.preadv(fd, _probe, at, os.RWF_NOWAIT)
            os.preadv(fd, _probe, last, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno == errno.EOPNOTSUPP:  # by this file system, such as tmpfs
                return None
            raise
        return True

    def warm(self, fd: int, position: int, size: int) -> None:
        """Reads the bytes, as far as the file has them, to have them in memory. For worker threads."""
        end = position + size
        while position < end:
            count = self.discard(fd, min(WARM_BYTES, end - position), position)
            if not count:
                return
            position += count

    def discard(self, fd: int, count: int, position: int) -> int:
        """Has at most `count` bytes read and given to nobody: how many. Where there is sendfile they are not even
        copied: a copy of a backlog fills caches, and the thread that makes it takes a processor from the loop."""
        if self.has_sendfile:
            return os.sendfile(_nowhere(), fd, position, count)
        return len(self.pread(fd, count, position))

    def read_ahead(self, fd: int, position: int, size: int) -> None:
        """Has the device begin to read the bytes, where there is a call for that. For worker threads."""
        if self.has_fadvise:
            os.posix_fadvise(fd, position, size, os.POSIX_FADV_WILLNEED)

    def send(self, socket_fd: int, fd: int, position: int, size: int) -> int:
        """Sends at most `size` bytes at `position` of a file to a socket, from the page cache where there is sendfile:
        how many it took. BlockingIOError if it took none."""
        if self.has_sendfile:
            return os.sendfile(socket_fd, fd, position, size)
        return os.write(socket_fd, self.pread(fd, min(size, WARM_BYTES), position))

    def pwritev(self, fd: int, buffers: Sequence[Buffer], position: int) -> int:
        """Writes `buffers` one after the other at `position`; returns how many bytes were taken."""
        if self.has_pwritev:
            return os.pwritev(fd, buffers, position)
        return os.pwrite(fd, b"".join(buffers), position)

    def truncate(self, fd: int, size: int) -> None:
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Returns when the file's bytes, and its size, are on the device.

        fdatasync where there is one: it leaves out times, which nothing here relies on. macOS has F_FULLFSYNC for
        that, for its fsync returns when the bytes are in the drive's own cache; not every file system there has it.
        """
        if sys.platform == "darwin":
            with suppress(OSError):
                fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
                return
            os.fsync(fd)
        else:
            os.fdatasync(fd)

    def sync_everything(self) -> bool:
        """Returns when all that was written, by anyone on this machine, is on the device; False where no call waits
        for that. One such call takes less than thousands of single ones."""
        if sys.platform != "linux":
            return False  # POSIX lets sync() return before the writes are done, and macOS does
        os.sync()
        return True

    def sync_folder(self, path: str) -> None:
        """Makes creations, renames and removals in the folder durable."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, source: str, target: str) -> None:
        os.replace(source, target)

    def remove(self, path: str) -> None:
        os.unlink(path)

    def names(self, folder: str) -> list[str]:
        """Names in the folder, in no order."""
        return os.listdir(folder)

    def folders(self, folder: str) -> list[str]:
        """Names of the folders in it, in no order; one system call serves many of them."""
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if entry.is_dir()]

    def make_folder(self, path: str) -> None:
        """Parents too; fine if it is there."""
        os.makedirs(path, exist_ok=True)

    def remove_folder(self, path: str) -> None:
        """The folder must be empty."""
        os.rmdir(path)

    def sizes_and_times(self, folder: str, suffix: str) -> dict[str, tuple[int, int]]:
        """Name -> (bytes, when it was modified in ms) of the files in it whose names end with `suffix`."""
        with os.scandir(folder) as entries:
            found = {entry.name: entry.stat() for entry in entries if entry.name.endswith(suffix)}
        return {name: (stat.st_size, int(stat.st_mtime * 1000)) for name, stat in found.items()}

    def modified_ms(self, path: str) -> int:
        return int(os.stat(path).st_mtime * 1000)

    def set_modified_ms(self, path: str, modified_ms: int) -> None:
        os.utime(path, ns=(modified_ms * 1_000_000, modified_ms * 1_000_000))


def write_all(files: Files, fd: int, data: Buffer, position: int) -> None:
    """Writes all of `data`, in several calls if the system takes it in pieces."""
    view = memoryview(data)
    while len(view):
        written = files.pwritev(fd, (view,), position)
        view = view[written:]
        position += written


def empty(files: Files, fd: int) -> None:
    """Takes the file's bytes away, if there are any: ext4 writes a file that was truncated to 0 out at its close."""
    if files.size(fd):
        files.truncate(fd, 0)


def read_file(files: Files, path: str) -> bytes | None:
    """The file's bytes, None if there is no such file."""
    try:
        fd = files.open(path)
    except FileNotFoundError:
        return None
    try:
        return files.pread(fd, files.size(fd), 0)
    finally:
        files.close(fd)


def replace_file(files: Files, path: str, data: bytes, *, sync: bool) -> None:
    """Puts `data` in place of the file at once: a reader sees the old bytes or the new ones, never a part.

    With `sync` they outlive a loss of power, else only the process.
    """
    temporary = path + ".tmp"
    fd = files.open(temporary, create=True)
    try:
        empty(files, fd)
        write_all(files, fd, data, 0)
        if sync:
            files.sync(fd)
    finally:
        files.close(fd)
    files.rename(temporary, path)
    if sync:
        files.sync_folder(os.path.dirname(path))


def sync_path(files: Files, path: str) -> None:
    """Brings the file of that name to the device, if there is one."""
    try:
        fd = files.open(path)
    except FileNotFoundError:
        return
    try:
        files.sync(fd)
    finally:
        files.close(fd)


def remove_if_there(files: Files, path: str) -> None:
    try:
        files.remove(path)
    except FileNotFoundError:
        pass


def rename_if_there(files: Files, source: str, target: str) -> bool:
    """Was it there?"""
    try:
        files.rename(source, target)
    except FileNotFoundError:
        return False
    return True


def storage_error(error: OSError, what: str) -> KafkaError:
    """The error that a client gets when the disk fails or is full."""
    return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{what}: {error}")
