"""The latest offset of each key in the dirty part of a log, in bounded memory.

A dictionary by key; beside it a mark for each offset that says whether its record is its key's latest, so that the
second walk need not look at the dirty part's keys again, nor decompress batches that stay or go whole.
Source: org.apache.kafka.storage.internals.log.SkimpyOffsetMap, Cleaner.buildOffsetMapForSegment.

Unlike Kafka's map, which holds the keys' MD5, it holds the keys: a dictionary of them is faster than a hash a record,
and two keys are never taken for one.
"""

from __future__ import annotations

from typing import Final

from ..wire.varint import decode_varint
from .pace import RECORDS_AT_ONCE, Pace

#: What an entry takes besides its key: its share of the dictionary, the headers of key and offset (CPython, 64 bits).
ENTRY_BYTES: Final = 192
#: The dictionary is cut in so many: one of a million keys would stand still for milliseconds whenever it grows.
_PARTS: Final = 256
#: Offsets whose marks lie in one array: 1 << 16.
_MARK_BITS: Final = 16
_MARK_MASK: Final = (1 << _MARK_BITS) - 1
#: The marks of a batch of more offsets than this (which is nearly empty) are not worth an array.
MAX_MARKED_OFFSETS: Final = 1 << 20

#: Marks. DROP: superseded, without a key, or no record; KEEP: its key's latest; TOMBSTONE: that, with a null value.
DROP: Final = 0
KEEP: Final = 1
TOMBSTONE: Final = 2


class OffsetMap:
    """Keys of the offsets from `first_offset` to `latest_offset`, which is below `first_offset` for an empty one."""

    __slots__ = ("_limit_bytes", "_marks", "_parts", "_used_bytes", "first_offset", "latest_offset")

    def __init__(self, first_offset: int, limit_bytes: int) -> None:
        self.first_offset = first_offset
        self.latest_offset = first_offset - 1
        self._limit_bytes = limit_bytes
        self._used_bytes = 0
        self._parts: list[dict[bytes, int]] = [{} for _ in range(_PARTS)]
        self._marks: dict[int, bytearray] = {}

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    def get(self, key: bytes) -> int:
        """Its latest offset, -1 if it is not in the map."""
        return self._parts[hash(key) & 255].get(key, -1)

    def marks(self, base_offset: int, last_offset: int) -> bytes | None:
        """A mark an offset; None if they cannot be told, because not all of them are offsets of the map."""
        if (
            base_offset < self.first_offset
            or last_offset > self.latest_offset
            or last_offset - base_offset >= MAX_MARKED_OFFSETS
        ):
            return None
        number, last_number = base_offset >> _MARK_BITS, last_offset >> _MARK_BITS
        start, end = base_offset & _MARK_MASK, (last_offset & _MARK_MASK) + 1
        if number == last_number:
            part = self._marks.get(number)
            return bytes(end - start) if part is None else bytes(part[start:end])
        nothing = bytes(_MARK_MASK + 1)
        parts = b"".join([self._marks.get(each, nothing) for each in range(number, last_number + 1)])
        return parts[start : (last_number - number << _MARK_BITS) + end]

    def index_records(self, payload: bytes, count: int, base_offset: int, pace: Pace) -> bool:
        """Takes in a batch's (decompressed) records; False if the map is full, `latest_offset` being the last that fit.

        One that is empty takes one record whatever its limit. Raises ValueError, IndexError for what are no records.
        """
        parts, first_offset = self._parts, self.first_offset
        marks_number, marks = -1, bytearray()
        position = done = 0
        while done < count:
            # The lock is given up every few dozen records, also in the middle of a large batch.
            stop = min(count, done + RECORDS_AT_ONCE)
            for _ in range(stop - done):
                # Varints of one and two bytes, which nearly all are, without a call.
                byte = payload[position]
                if byte < 128:
                    end = position = position + 1
                    end += byte >> 1
                elif payload[position + 1] < 128:
                    end = position + 2 + ((byte & 127 | payload[position + 1] << 7) >> 1)
                    position += 2
                else:
                    length, position = decode_varint(payload, position)
                    end = position + length
                position += 1  # attributes
                while payload[position] > 127:  # timestamp
                    position += 1
                position += 1
                byte = payload[position]
                if byte < 128:
                    offset = base_offset + (byte >> 1)
                    position += 1
                elif payload[position + 1] < 128:
                    offset = base_offset + ((byte & 127 | payload[position + 1] << 7) >> 1)
                    position += 2
                else:
                    offset, position = decode_varint(payload, position)
                    offset += base_offset
                byte = payload[position]
                if byte < 128:
                    size = (byte >> 1) ^ -(byte & 1)
                    position += 1
                else:
                    size, position = decode_varint(payload, position)
                if size >= 0 and offset >= first_offset:
                    key = payload[position : position + size]
                    position += size
                    if position >= end:
                        raise ValueError("key that ends outside its record")
                    number = offset >> _MARK_BITS
                    if number != marks_number:
                        found = self._marks.get(number)
                        if found is None:
                            found = self._marks[number] = bytearray(_MARK_MASK + 1)
                            self._used_bytes += _MARK_MASK + 1
                        marks_number, marks = number, found
                    part = parts[hash(key) & 255]
                    before = part.get(key)
                    if before is None:
                        if self._used_bytes >= self._limit_bytes and self.latest_offset >= first_offset:
                            return False
                        self._used_bytes += ENTRY_BYTES + size
                    elif before >> _MARK_BITS == number:
                        marks[before & _MARK_MASK] = DROP
                    else:
                        self._marks[before >> _MARK_BITS][before & _MARK_MASK] = DROP
                    part[key] = self.latest_offset = offset
                    marks[offset & _MARK_MASK] = TOMBSTONE if payload[position] == 1 else KEEP
                position = end
            done = stop
            pace.rest()
        if position != len(payload):
            raise ValueError(f"records end at byte {position} of {len(payload)}")
        return True

    def passed(self, last_offset: int) -> None:
        """All up to `last_offset` has been taken in."""
        self.latest_offset = max(self.latest_offset, last_offset)
