"""What a read hands out: a run of bytes in a file, under a lease."""

from __future__ import annotations

from .handles import Handle, HandleCache
from .warmth import ColdRange, ColdRead, WarmJob


class FileRange:
    """A run of bytes in one segment's file. See `interface.ReadResult`."""

    __slots__ = ("_cache", "_handle", "_recent_until", "fd", "length", "position")

    def __init__(
        self, cache: HandleCache, handle: Handle | None, position: int, length: int, recent_until: int = -1
    ) -> None:
        """Takes the lease. `recent_until`: all of it was appended so lately that it counts as warm until the cache's
        `written_bytes` is above that. Raises OSError when the file cannot be opened."""
        self._cache = cache
        self._handle = handle
        self._recent_until = recent_until
        self.fd = -1 if handle is None else handle.lease()
        self.position = position
        self.length = length

    def is_warm(self, position: int, size: int) -> bool:
        """Can `size` bytes at `position` of the file be read without waiting for the device?"""
        cache, handle = self._cache, self._handle
        return cache.written_bytes <= self._recent_until or handle is None or cache.is_warm(handle, position, size)

    def warm_job(self, position: int, size: int, ahead_bytes: int) -> WarmJob:
        """What brings a part of it into memory, and has the device begin with what lies behind. Raises OSError."""
        assert self._handle is not None
        job = WarmJob(self._cache, self._handle, position, size, ahead_bytes)
        self._handle.ahead = position + size + ahead_bytes
        return job

    def ahead_job(self, position: int, ahead_bytes: int) -> WarmJob | None:
        """What has the device go on before a reader at `position` has used up what it was asked for; None if that is
        far ahead, or nothing was asked for because all is warm."""
        handle = self._handle
        if handle is None or not handle.ahead - ahead_bytes // 2 <= position < handle.ahead:
            return None
        return self.warm_job(handle.ahead, 0, ahead_bytes)

    def read(self) -> bytes:
        """The bytes. Raises KafkaError(KAFKA_STORAGE_ERROR); ColdRead on a loop that must not wait for them."""
        if self._handle is None:
            return b""
        if self._cache.serves_loop and not self.is_warm(self.position, self.length):
            raise ColdRead([ColdRange(self._handle, self.position, self.length)])
        try:
            return self._cache.files.pread(self.fd, self.length, self.position)
        except OSError as error:
            raise self._handle.health.error(error, "read") from error

    def send(self, socket_fd: int, position: int, size: int) -> int:
        """Sends at most `size` bytes at `position` of the file to a socket: how many it took. Raises OSError,
        BlockingIOError if it took none."""
        return self._cache.files.send(socket_fd, self.fd, position, size)

    def release(self) -> None:
        """Gives the lease back; once is enough."""
        if self._handle is not None:
            self._handle.release()
            self._handle = None
            self.fd = -1
