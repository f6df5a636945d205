"""Unsigned varints of the protocol: lengths, counts and tags of flexible versions (KIP-482).

The signed, zigzag ones of records stand in `records.py`: they are another encoding.
"""

from __future__ import annotations

from typing import Final


class VarintError(ValueError):
    """More than 32 bits, or more than five bytes."""


def _encode(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


#: The encoding of 0..127, which is nearly all that occurs.
UVARINTS: Final = tuple(_encode(value) for value in range(128))


def encode_uvarint(value: int) -> bytes:
    """`value`: 0 <= value < 2**32. Raises VarintError outside of that."""
    if 0 <= value < 0x80:
        return UVARINTS[value]
    if not 0 <= value <= 0xFFFFFFFF:
        raise VarintError(f"{value} is not a uint32")
    return _encode(value)


def long_uvarint(buffer: bytes | bytearray, position: int) -> tuple[int, int]:
    """A varint of two bytes or more at `position`: (value, the position of its last byte)."""
    value = buffer[position] & 0x7F
    for shift in (7, 14, 21, 28):
        position += 1
        byte = buffer[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            if value > 0xFFFFFFFF:
                break
            return value, position
    raise VarintError("an unsigned varint of more than 32 bits")


def decode_uvarint(buffer: bytes | bytearray, position: int) -> tuple[int, int]:
    """(value, the position behind it). Raises VarintError, or IndexError where the bytes end."""
    value = buffer[position]
    if value > 127:
        value, position = long_uvarint(buffer, position)
    return value, position + 1
