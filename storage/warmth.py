"""What of a log's files is in memory, and how the rest gets there without the loop waiting for a device.

On the loop a read that would have to wait raises `ColdRead` instead (`Handle.pread`, while the cache's `no_waiting` is
set). Whoever serves the request has a worker thread carry out a `WarmJob` for each range that is named, which brings it
into the page cache, and tries again; that is why only what changes nothing may raise it.

Linux tells whether a page is there (preadv2's RWF_NOWAIT, `Files.in_memory`). Where nothing tells, as on macOS and on
tmpfs, what was warmed lately counts as warm and all else as cold: `Warmed`. What was just appended is known to be warm
on every system and is not asked about (`file_range.py`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol, runtime_checkable

if TYPE_CHECKING:
    from .handles import Handle, HandleCache

#: What is warmed begins and ends on multiples of this: a search reads several places near each other.
BLOCK_BYTES: Final = 65_536
#: Blocks remembered as warmed where the system does not tell: 64 MiB.
WARMED_BLOCKS: Final = 1024


class Job(Protocol):
    """`run` in a worker thread, then `finish` on the loop, whatever became of it."""

    def run(self) -> None: ...

    def finish(self) -> None: ...


class Slices(Protocol):
    """Work that is done on the loop, a little at a time."""

    def step(self) -> bool:
        """A little of it; whether all is done now. Raises nothing."""


@runtime_checkable
class ThreadWork(Protocol):
    """What a worker thread has to do: a range of a file, a folder nobody has looked into, a search."""

    def job(self, cache: HandleCache) -> Job:
        """What brings it. Raises OSError."""


#: What an attempt lacks.
Missing = ThreadWork | Slices


class ColdRange:
    """Bytes of one file that a reader has to wait for."""

    __slots__ = ("handle", "position", "size")

    def __init__(self, handle: Handle, position: int, size: int) -> None:
        self.handle = handle
        self.position = position
        self.size = size

    def job(self, cache: HandleCache) -> WarmJob:
        """What brings them into memory, with a lease on the file. Raises OSError if it cannot be opened."""
        return WarmJob(cache, self.handle, self.position, self.size)


class ColdRead(Exception):  # noqa: N818  # no failure: a step on the way to the answer
    """The answer is not to be had at once. `ranges`: what has to be done first, as far as it is known; not
    empty."""

    def __init__(self, ranges: Sequence[Missing]) -> None:
        super().__init__(f"{len(ranges)} ranges are not in memory")
        self.ranges = ranges


class WarmJob:
    """`run` in a worker thread, then `finish` on the loop, whatever became of it."""

    __slots__ = ("_cache", "_fd", "_handle", "ahead_bytes", "position", "size")

    def __init__(self, cache: HandleCache, handle: Handle, position: int, size: int, ahead_bytes: int = 0) -> None:
        """Leases the file. `ahead_bytes`: so much behind the range is to be on its way when `run` returns. Raises
        OSError."""
        self._cache = cache
        self._handle = handle
        self._fd = handle.lease()
        start = position // BLOCK_BYTES * BLOCK_BYTES
        self.position = start
        self.size = -(-(position + size - start) // BLOCK_BYTES) * BLOCK_BYTES
        self.ahead_bytes = ahead_bytes

    def run(self) -> None:
        """Touches nothing but the leased descriptor. Raises OSError."""
        files = self._cache.files
        if self.ahead_bytes:
            files.read_ahead(self._fd, self.position, self.size + self.ahead_bytes)
        files.warm(self._fd, self.position, self.size)

    def finish(self) -> None:
        self._handle.release()
        if self.size:
            self._cache.warmed.note(self._handle, self.position, self.size)


class Warmed:
    """The blocks that were warmed last, for systems that do not tell what is in memory."""

    def __init__(self) -> None:
        self._blocks: OrderedDict[tuple[Handle, int], None] = OrderedDict()

    def note(self, handle: Handle, position: int, size: int) -> None:
        blocks = self._blocks
        for number in _blocks(position, size):
            blocks[handle, number] = None
            blocks.move_to_end((handle, number))
        while len(blocks) > WARMED_BLOCKS:
            blocks.popitem(last=False)

    def holds(self, handle: Handle, position: int, size: int) -> bool:
        return all((handle, number) in self._blocks for number in _blocks(position, size))


def _blocks(position: int, size: int) -> Iterable[int]:
    return range(position // BLOCK_BYTES, (position + max(size, 1) - 1) // BLOCK_BYTES + 1)
