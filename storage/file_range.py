"""What a read hands out: a run of bytes in a file, under a lease."""

from __future__ import annotations

from collections.abc import Callable

from .files import storage_error
from .handles import Handle


class FileRange:
    """A run of bytes in one segment's file. See `interface.ReadResult`."""

    __slots__ = ("_handle", "_pread", "fd", "length", "position")

    def __init__(
        self, handle: Handle | None, position: int, length: int, pread: Callable[[int, int, int], bytes]
    ) -> None:
        """Takes the lease. Raises OSError when the file cannot be opened."""
        self._handle = handle
        self._pread = pread
        self.fd = -1 if handle is None else handle.lease()
        self.position = position
        self.length = length

    def read(self) -> bytes:
        """The bytes. Raises KafkaError(KAFKA_STORAGE_ERROR)."""
        if self._handle is None:
            return b""
        try:
            return self._pread(self.fd, self.length, self.position)
        except OSError as error:
            raise storage_error(error, "read") from error

    def release(self) -> None:
        """Gives the lease back; once is enough."""
        if self._handle is not None:
            self._handle.release()
            self._handle = None
            self.fd = -1
