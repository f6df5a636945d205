"""Looking for a record by time inside one batch, without holding up a broker's loop.

What the loop can answer at once it does: a batch whose records all have the time of the append, and one that is short
enough. For another one, and for one that has to be decompressed into much, `ColdRead` sends a worker thread, which
rests often (`pace.py`); its answer waits in the cache for the next attempt. Where nobody is held up all is done here.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..wire.batches import BATCH_OVERHEAD, BatchHeader, RecordError
from ..wire.compression import MAX_DECOMPRESSED_BYTES, Codec, CompressionError, decompress
from ..wire.errors import ErrorCode
from ..wire.record_times import Search, TimedRecord, finish, first_at_or_after, largest
from .pace import Pace
from .warmth import ColdRead

if TYPE_CHECKING:
    from .handles import Handle, HandleCache

#: Pieces of a search (`record_times`) that the loop does itself, about 0.3 ms: 8,000 records of one length, 700 of
#: different ones. With more records in a batch it does not begin.
LOOP_PIECES: Final = 12
LOOP_RECORDS: Final = 10_000
#: What it decompresses itself, and into how much.
LOOP_COMPRESSED_BYTES: Final = 16_384
LOOP_DECOMPRESSED_BYTES: Final = 65_536
#: Answers that are remembered.
ANSWERS: Final = 128


@dataclass(frozen=True, slots=True)
class TimeQuestion:
    """The first record of the batch at `position` with `timestamp_ms` or later, or with the largest timestamp if that
    is None; of those at `offset` or later."""

    handle: Handle
    position: int
    header: BatchHeader
    timestamp_ms: int | None
    offset: int

    def search(self, records: bytes, start: int) -> Search:
        """Of records that stand, decompressed, from `start` on."""
        if self.timestamp_ms is None:
            return largest(self.header, records, start, self.offset)
        return first_at_or_after(self.header, records, start, self.timestamp_ms, self.offset)

    def begin(self, batch: bytes, limit: int) -> Search:
        """Raises CompressionError, also for what becomes more than `limit` bytes."""
        codec = self.header.codec
        if codec == Codec.NONE:
            return self.search(batch, BATCH_OVERHEAD)
        return self.search(decompress(codec, batch[BATCH_OVERHEAD:], limit), 0)

    def job(self, cache: HandleCache) -> TimeSearchJob:
        """The search in a worker thread. Raises OSError."""
        return TimeSearchJob(cache, self)


class TimeAnswers:
    """What worker threads have found lately."""

    def __init__(self) -> None:
        self._found: OrderedDict[TimeQuestion, TimedRecord | Exception | None] = OrderedDict()

    def note(self, question: TimeQuestion, found: TimedRecord | Exception | None) -> None:
        self._found[question] = found
        while len(self._found) > ANSWERS:
            self._found.popitem(last=False)

    def __contains__(self, question: TimeQuestion) -> bool:
        return question in self._found

    def take(self, question: TimeQuestion) -> TimedRecord | None:
        """The answer; an error is raised, once."""
        found = self._found[question]
        if isinstance(found, Exception):
            del self._found[question]
            raise found
        return found


class TimeSearchJob:
    """`run` in a worker thread, then `finish` on the loop, whatever became of it."""

    def __init__(self, cache: HandleCache, question: TimeQuestion) -> None:
        """Leases the file. Raises OSError."""
        self._cache = cache
        self._question = question
        self._fd = question.handle.lease()
        self._found: TimedRecord | Exception | None = None

    def run(self) -> None:
        """Touches nothing but the leased descriptor. Who asks again is told what went wrong."""
        question = self._question
        try:
            batch = self._cache.files.pread(self._fd, question.header.size_bytes, question.position)
            self._found = finish(_begin_whole(question, batch), Pace().rest)
        except Exception as error:
            self._found = error

    def finish(self) -> None:
        self._question.handle.release()
        self._cache.time_answers.note(self._question, self._found)


def search_batch(cache: HandleCache, question: TimeQuestion) -> TimedRecord | None:
    """The answer. Raises OSError, RecordError; ColdRead while the cache's `no_waiting` is set."""
    header = question.header
    if not header.records_count:
        return None  # compaction has left the header alone
    if header.is_log_append_time and header.records_count == header.last_offset_delta + 1:
        # All records have one time, and none is missing.
        if question.timestamp_ms is not None and question.timestamp_ms > header.max_timestamp_ms:
            return None
        offset = max(header.base_offset, question.offset)
        return TimedRecord(header.max_timestamp_ms, offset) if offset <= header.last_offset else None
    if not cache.no_waiting:
        return finish(_begin_whole(question, question.handle.pread(header.size_bytes, question.position)))
    if question in cache.time_answers:
        return cache.time_answers.take(question)
    is_large = header.codec != Codec.NONE and header.size_bytes > LOOP_COMPRESSED_BYTES
    if is_large or header.records_count > LOOP_RECORDS:
        raise ColdRead([question])
    batch = question.handle.pread(header.size_bytes, question.position)
    try:
        search = question.begin(batch, LOOP_DECOMPRESSED_BYTES)
    except CompressionError:  # perhaps it only becomes too large
        raise ColdRead([question]) from None
    for _ in range(LOOP_PIECES):
        try:
            next(search)
        except StopIteration as stop:
            found: TimedRecord | None = stop.value
            return found
    raise ColdRead([question])


def _begin_whole(question: TimeQuestion, batch: bytes) -> Search:
    try:
        return question.begin(batch, MAX_DECOMPRESSED_BYTES)
    except CompressionError as error:
        raise RecordError(ErrorCode.INVALID_RECORD, str(error)) from None
