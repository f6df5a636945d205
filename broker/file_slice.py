"""A range of a log file on its way to a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..storage.interface import ReadResult


class FileSlice:
    """What stands in a response for records that are still in a file.

    `len()` is the size that the response says; `position` and `remaining` move as bytes are sent. `release` gives the
    file back, once.
    """

    __slots__ = ("_length", "_source", "fd", "position", "remaining")

    def __init__(self, source: ReadResult) -> None:
        self._source: ReadResult | None = source
        self._length = self.remaining = source.length
        self.fd = source.fd
        self.position = source.position

    def __len__(self) -> int:
        return self._length

    def release(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.release()
