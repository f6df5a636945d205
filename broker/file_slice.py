"""A range of a log file on its way to a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from ..storage.interface import ReadResult
    from ..storage.warmth import WarmJob

#: Brought into memory before the first byte of it is sent.
WARM_BYTES: Final = 1_048_576
#: Asked of the device beyond that, for the same reader's next requests.
AHEAD_BYTES: Final = 4_194_304


class FileSlice:
    """What stands in a response for records that are still in a file.

    `len()` is the size that the response says; `position` and `remaining` move as bytes are sent. `release` gives the
    file back, once.
    """

    __slots__ = ("_length", "_source", "_warm_until", "position", "remaining")

    def __init__(self, source: ReadResult) -> None:
        self._source: ReadResult | None = source
        self._length = self.remaining = source.length
        self._warm_until = -1
        self.position = source.position

    def __len__(self) -> int:
        return self._length

    def is_warm(self, size: int) -> bool:
        """Can the next `size` bytes be sent without waiting for the device?"""
        source, position = self._source, self.position
        assert source is not None
        return position + size <= self._warm_until or source.is_warm(position, size)

    def warm_job(self) -> WarmJob:
        """What brings the next bytes into memory; they count as warm once it is done, whatever became of it, so that
        sending them says what is wrong. Raises OSError."""
        assert self._source is not None
        size = min(self.remaining, WARM_BYTES)
        self._warm_until = self.position + size
        return self._source.warm_job(self.position, size, AHEAD_BYTES)

    def ahead_job(self) -> WarmJob | None:
        """What asks the device for the bytes that this reader will need next; None while it has enough. Raises
        OSError."""
        assert self._source is not None
        return self._source.ahead_job(self.position, AHEAD_BYTES)

    def send(self, socket_fd: int, size: int) -> int:
        """Sends at most `size` of the next bytes: how many went. Raises BlockingIOError, OSError."""
        assert self._source is not None
        sent = self._source.send(socket_fd, self.position, size)
        self.position += sent
        self.remaining -= sent
        return sent

    def release(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.release()
