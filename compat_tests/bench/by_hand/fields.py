"""Fields of flexible versions, read and written by hand."""

from __future__ import annotations

from struct import Struct
from typing import Any

int32 = Struct(">i")


class BadMessageError(ValueError):
    """Bytes that are no such message."""


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """A varint of more than one byte: (value, position behind it)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 128:
            return value, at
        shift += 7
        if shift > 28:
            raise BadMessageError("varint")


def skip_tags(data: bytes, at: int) -> int:
    count, at = read_varint(data, at)
    for _ in range(count):
        _, at = read_varint(data, at)
        size, at = read_varint(data, at)
        at += size
    return at


def varint_bytes(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


ONE_BYTE = tuple(varint_bytes(value) for value in range(128))


def read_string(data: bytes, at: int, size: int) -> tuple[str | None, int]:
    """A nullable compact string: (text, position behind it)."""
    length = data[at]
    at += 1
    if length > 127:
        length, at = read_varint(data, at - 1)
    if not length:
        return None, at
    end = at + length - 1
    if end > size:
        raise BadMessageError("string")
    return data[at:end].decode(), end


def read_count(data: bytes, at: int, smallest: int) -> tuple[int, int]:
    """A compact array's count: (count, position behind it)."""
    count = data[at]
    at += 1
    if count > 127:
        count, at = read_varint(data, at - 1)
    if not count or (count - 1) * smallest > len(data) - at:
        raise BadMessageError("count")
    return count - 1, at


def put_string(out: list[Any], text: str | None) -> None:
    if text is None:
        out.append(b"\0")
        return
    data = text.encode()
    length = len(data) + 1
    out.append(ONE_BYTE[length] if length < 128 else varint_bytes(length))
    out.append(data)
