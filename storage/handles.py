"""A bounded set of open files, and leases that keep one open while its bytes are on their way to a socket.

A `Handle` stands for one file for as long as its segment lives; its descriptor comes and goes. When too many are
open, the one that was not used since the last look is closed (second chance), unless a lease is out on it: a
descriptor number closed in mid-transfer is soon another file's.
"""

from __future__ import annotations

import errno
import os
from collections import OrderedDict
from typing import Final

from .files import Files
from .log_dir_health import FileClosedError, LogDirHealth
from .time_search import TimeAnswers
from .warmth import ColdRange, ColdRead, Warmed

#: Never fewer, however low the process's limit: a roll has a log, two indexes and a snapshot open.
MIN_OPEN_FILES: Final = 16


def default_open_files() -> int:
    """Half of the process's soft limit on descriptors (the other half is for sockets), at most 4096."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 4096 if soft == resource.RLIM_INFINITY else max(MIN_OPEN_FILES, min(4096, soft // 2))


class Handle:
    """One file that opens when it is needed. Belongs to the thread of its cache."""

    __slots__ = ("_cache", "ahead", "doomed", "fd", "leases", "path", "used")

    def __init__(self, cache: HandleCache, path: str) -> None:
        self._cache = cache
        self.path = path
        #: No more than the leases that are out keep it open.
        self.doomed = False
        #: -1 while closed. Use `get()` unless you just did.
        self.fd = -1
        self.leases = 0
        self.used = False
        #: Where the bytes end that were asked of the device ahead of a reader.
        self.ahead = 0

    def pread(self, count: int, position: int) -> bytes:
        """At most `count` bytes; fewer only where the file ends. Raises OSError, and ColdRead for what is not in memory
        while the cache's `no_waiting` is set."""
        cache, fd = self._cache, self.get()
        if cache.no_waiting and not cache.is_warm(self, position, count):
            raise ColdRead([ColdRange(self, position, count)])
        return cache.files.pread(fd, count, position)

    @property
    def health(self) -> LogDirHealth:
        """Of the log dir that the file lies in."""
        return self._cache.health_of(os.path.dirname(self.path))

    def get(self) -> int:
        """The descriptor, good until the next `get` of any handle, or until a lease taken now is released.

        Raises FileNotFoundError and other OSErrors.
        """
        if self.fd < 0:
            self._cache.open(self)
        self.used = True
        return self.fd

    def lease(self) -> int:
        """The descriptor, good until `release`."""
        fd = self.get()
        self.leases += 1
        return fd

    def release(self) -> None:
        self.leases -= 1
        if not self.leases and (self.doomed or len(self._cache) > self._cache.limit):
            self._cache.close(self)

    def discard(self) -> None:
        """Closes it, now or when the last lease is back. The file may be gone already."""
        self.doomed = True
        if not self.leases:
            self._cache.close(self)


class HandleCache:
    """At most `limit` open descriptors, more only while more are leased.

    `health`: of the log.dirs whose files it opens, by their paths; what fails in another folder concerns nobody else.
    """

    def __init__(self, files: Files, limit: int | None = None) -> None:
        self.files = files
        self.health: Final[dict[str, LogDirHealth]] = {}
        self.limit = default_open_files() if limit is None else limit
        self._open: OrderedDict[Handle, None] = OrderedDict()
        #: The loop of a broker reads through it: reads that change nothing raise ColdRead rather than wait.
        self.serves_loop = False
        #: Such a read is under way.
        self.no_waiting = False
        self.warmed: Final = Warmed()
        self.time_answers: Final = TimeAnswers()
        #: Appended through it so far: what was appended lately is in memory.
        self.written_bytes = 0

    def is_warm(self, handle: Handle, position: int, size: int) -> bool:
        """Can this be read without waiting for the device, as far as can be told? Raises OSError."""
        found = self.files.in_memory(handle.get(), position, size) if size > 0 else True
        return self.warmed.holds(handle, position, size) if found is None else found

    def health_of(self, folder: str) -> LogDirHealth:
        """Of the log dir that a partition's folder lies in."""
        return self.health.get(os.path.dirname(folder)) or LogDirHealth(folder)

    def __len__(self) -> int:
        return len(self._open)

    def opened(self) -> list[Handle]:
        """Those that are open now."""
        return list(self._open)

    def handle(self, path: str) -> Handle:
        """A handle on `path`, closed as yet; the file need not exist before `get`."""
        return Handle(self, path)

    def create(self, handle: Handle) -> None:
        """Makes the file if it is not there, and opens it."""
        if handle.fd < 0:
            self.open(handle, create=True)

    def open(self, handle: Handle, create: bool = False) -> None:
        if handle.doomed:
            raise FileClosedError(errno.ENOENT, "the file was closed for good", handle.path)
        while len(self._open) >= self.limit and self._close_one():
            pass
        while True:
            try:
                handle.fd = self.files.open(handle.path, create=create)
                break
            except OSError as error:
                # Others have taken the descriptors that we counted on: give ours back one by one.
                if error.errno not in (errno.EMFILE, errno.ENFILE) or not self._close_one():
                    raise
        self._open[handle] = None

    def close(self, handle: Handle) -> None:
        if handle.fd >= 0:
            fd, handle.fd = handle.fd, -1
            del self._open[handle]
            self.files.close(fd)

    def _close_one(self) -> bool:
        """Closes the least lately used handle that has no lease; False if there is none."""
        for _ in range(2 * len(self._open)):
            handle = next(iter(self._open))
            if handle.leases or handle.used:
                handle.used = False
                self._open.move_to_end(handle)
            else:
                self.close(handle)
                return True
        return False
