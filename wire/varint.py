"""Zigzag varints as they stand inside records (varint: int32, varlong: int64).

The protocol's own varints (compact lengths, tags) are unsigned and belong to the codecs; those in here are signed:
`0, -1, 1, -2, ...` become `0, 1, 2, 3, ...`, seven bits a byte, lowest first.
Source: org.apache.kafka.common.utils.ByteUtils (readVarint, readVarlong).
"""

from __future__ import annotations

from typing import Final

#: A zigzagged int64 needs at most ten groups of seven bits.
MAX_VARLONG_BYTES: Final = 10

_ONE_BYTE: Final = tuple(bytes([n]) for n in range(128))


def encode_varint(value: int) -> bytes:
    """`value` (an int64 or smaller) as zigzag varint bytes."""
    raw = (value << 1) ^ (value >> 63)
    if raw < 128:
        return _ONE_BYTE[raw]
    out = bytearray()
    while raw > 127:
        out.append(raw & 127 | 128)
        raw >>= 7
    out.append(raw)
    return bytes(out)


def decode_varint(data: bytes, position: int) -> tuple[int, int]:
    """The varint or varlong at `position`, and the position after it.

    Raises IndexError when `data` ends inside it and ValueError when it is longer than an int64 can be.
    """
    byte = data[position]
    position += 1
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), position
    raw = byte & 127
    shift = 7
    while True:
        byte = data[position]
        position += 1
        raw |= (byte & 127) << shift
        if byte < 128:
            break
        shift += 7
        if shift >= 7 * MAX_VARLONG_BYTES:
            raise ValueError("varint of more than 10 bytes")
    return (raw >> 1) ^ -(raw & 1), position
