"""When the records of a v2 batch are from, without making records of them: what a look-up by time walks along.

Two searches, `first_at_or_after` and `largest`. They are generators that stop after each piece of at most some tens of
microseconds, so that whoever runs one on a loop or in a thread can let others run; the answer is the value they return.

A batch of many small records is mostly made of runs that are equally long. In a run all length bytes lie one stride
apart, and so do the first bytes of all timestamp deltas, the second ones, and so on: slices take each such column out
at once. That no record in a run is skipped or made up follows from each one's length: it says where the next begins.
Deltas that are non-negative and as long as each other compare like little-endian numbers made of their bytes.

`records.batch_records` is the plain form of the same, and a property test holds this one to it. Damage that lies
outside lengths, timestamps and offsets is not noticed here. Offsets ascend in a batch.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from .batches import BatchHeader, RecordError
from .errors import ErrorCode
from .varint import decode_varint

T = TypeVar("T")

#: Records of one piece of a search: those of a run, and those that are taken one by one.
RUN_RECORDS: Final = 1024
SINGLE_RECORDS: Final = 64
#: A run that is shorter is not worth its slices.
_SHORTEST_RUN: Final = 32

#: Below what any delta is.
_ANY_TIME: Final = -1 << 65
_ODD: Final = bytes(range(1, 256, 2))
#: Makes bytes with the continuation bit ASCII, and those without it not.
_CONTINUED_IS_ASCII: Final = bytes(byte ^ 128 for byte in range(256))
#: How many bytes, and which of struct's numbers, hold deltas of so many bytes.
_LANES: Final = {2: (2, "H"), 3: (4, "I"), 4: (4, "I"), 5: (8, "Q"), 6: (8, "Q"), 7: (8, "Q"), 8: (8, "Q")}


class TimedRecord(NamedTuple):
    """What a search finds."""

    timestamp_ms: int
    offset: int


Search = Generator[None, None, TimedRecord | None]


class _Piece(NamedTuple):
    """Some records one after the other: where each begins, and its timestamp delta; with `width` > 0 in its stead the
    delta's bytes as a number, see the module's head."""

    starts: Sequence[int]
    values: Sequence[int]
    width: int


def finish(search: Generator[None, None, T], rest: Callable[[], object] = lambda: None) -> T:
    """What a search returns; `rest` is called between its pieces."""
    while True:
        try:
            next(search)
        except StopIteration as stop:
            answer: T = stop.value
            return answer
        rest()


def first_at_or_after(header: BatchHeader, records: bytes, start: int, timestamp_ms: int, offset: int) -> Search:
    """The first record with this timestamp or a later one, and this offset or a later one.

    `records`: decompressed, from `start` on. Raises RecordError(INVALID_RECORD).
    """
    wanted = timestamp_ms - header.base_timestamp_ms
    if header.is_log_append_time:
        if header.max_timestamp_ms < timestamp_ms:
            return None
        wanted = _ANY_TIME
    for starts, values, width in _pieces(header, records, start, offset):
        if values:
            bound = _word(wanted, width) if width else wanted
            if bound is not None and max(values) >= bound:
                number = next(number for number, value in enumerate(values) if value >= bound)
                return _timed(header, records, starts[number])
        yield
    return None


def largest(header: BatchHeader, records: bytes, start: int, offset: int) -> Search:
    """The first record that has the largest timestamp of those with this offset or a later one; else as above."""
    if header.is_log_append_time:
        return (yield from first_at_or_after(header, records, start, header.max_timestamp_ms, offset))
    best: TimedRecord | None = None
    for starts, values, _ in _pieces(header, records, start, offset):
        if values:
            found = _timed(header, records, starts[values.index(max(values))])
            if best is None or found.timestamp_ms > best.timestamp_ms:
                best = found
        yield
    return best


def _timed(header: BatchHeader, data: bytes, start: int) -> TimedRecord:
    _, position = decode_varint(data, start)
    try:
        delta, position = decode_varint(data, position + 1)
        offset_delta, _ = decode_varint(data, position)
    except (ValueError, IndexError) as error:
        raise _invalid(str(error)) from None
    timestamp = header.max_timestamp_ms if header.is_log_append_time else header.base_timestamp_ms + delta
    return TimedRecord(timestamp, header.base_offset + offset_delta)


def _word(delta: int, width: int) -> int | None:
    """The smallest number that `width` bytes of a delta give which is not below `delta`; None if none is so large."""
    raw = max(0, delta) << 1
    if raw >> 7 * width:
        return None
    word = 0
    for number in range(width):
        word |= (raw >> 7 * number & 127 | (128 if number + 1 < width else 0)) << 8 * number
    return word


def _pieces(header: BatchHeader, data: bytes, position: int, offset: int) -> Iterator[_Piece]:
    """All records at `offset` or later, in their order; empty pieces for those before it."""
    floor = offset - header.base_offset
    left = header.records_count
    try:
        longest = _SHORTEST_RUN
        while left > 0:
            piece, end = _run(data, position, min(left, longest))
            if piece is None:
                longest = _SHORTEST_RUN
                piece, end = _singles(data, position, min(left, SINGLE_RECORDS))
            else:
                longest = min(4 * longest, RUN_RECORDS)
            left -= len(piece.starts)
            position = end
            if floor > 0:
                skipped = bisect_left(piece.starts, offset, key=lambda at: _timed(header, data, at).offset)
                piece = _Piece(piece.starts[skipped:], piece.values[skipped:], piece.width)
            yield piece
    except (ValueError, IndexError) as error:
        raise _invalid(str(error)) from None
    if position != len(data):
        raise _invalid(f"{len(data) - position} bytes behind the last record")


def _run(data: bytes, position: int, most: int) -> tuple[_Piece | None, int]:
    """The records from `position` on that are as long as the first one, and where they end; None if they are few, or
    their deltas are not alike. Raises IndexError."""
    byte = data[position]
    prefix = 1
    if byte > 127:
        byte, prefix = byte & 127 | data[position + 1] << 7, 2
    if byte & 1 or byte >> 14:
        return None, position  # of a negative length, or so long that there cannot be many
    stride = prefix + (byte >> 1)
    count = min(most, (len(data) - position) // stride)
    for at in range(position, position + prefix):
        column = data[at : at + count * stride : stride]
        count -= len(column.lstrip(column[:1]))
    if count < _SHORTEST_RUN:
        return None, position
    first, span = position + prefix + 1, (count - 1) * stride + 1
    columns = []
    for at in range(first, min(first + 8, position + stride)):
        column = data[at : at + span : stride]
        columns.append(column)
        if column.isascii():
            break
        if not column.translate(_CONTINUED_IS_ASCII).isascii():
            return None, position
    else:
        return None, position
    if len(columns[0].translate(None, _ODD)) < count:
        return None, position  # some are negative
    end = position + count * stride
    starts = range(position, end, stride)
    if len(columns) == 1:
        return _Piece(starts, columns[0], 1), end
    size, form = _LANES[len(columns)]
    lanes = bytearray(size * count)
    for number, column in enumerate(columns):
        lanes[number::size] = column
    return _Piece(starts, struct.unpack(f"<{count}{form}", lanes), len(columns)), end


def _singles(data: bytes, position: int, count: int) -> tuple[_Piece, int]:
    """`count` records one by one, and where they end. Raises ValueError, IndexError."""
    starts, deltas = [], []
    size = len(data)
    for _ in range(count):
        starts.append(position)
        byte = data[position]
        if byte < 128 and not byte & 1:
            at = position + 1
            position = at + (byte >> 1)
        else:
            length, at = decode_varint(data, position)
            if length < 0:
                raise ValueError(f"record of {length} bytes")
            position = at + length
        if position > size:
            raise ValueError(f"record ends at byte {position} of {size}")
        byte = data[at + 1]
        if byte < 128:
            deltas.append((byte >> 1) ^ -(byte & 1))
        else:
            second = data[at + 2]
            if second < 128:
                byte = byte & 127 | second << 7
                deltas.append((byte >> 1) ^ -(byte & 1))
            else:
                deltas.append(decode_varint(data, at + 1)[0])
    return _Piece(starts, deltas, 0), position


def _invalid(problem: str) -> RecordError:
    return RecordError(ErrorCode.INVALID_RECORD, f"Found invalid record in batch: {problem}")
