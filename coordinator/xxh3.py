"""XXH3, 64 bits, seed 0: the hash that Kafka writes into group records (`metadata_hash.py`).

Plain Python: it hashes a topic once a change, so a C wheel would cost more than it saves.
Source: the XXH3 specification (https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md).
"""

from __future__ import annotations

import struct
from typing import Final

_MASK: Final = 0xFFFFFFFFFFFFFFFF
_P32_1: Final = 0x9E3779B1
_P32_2: Final = 0x85EBCA77
_P32_3: Final = 0xC2B2AE3D
_P64_1: Final = 0x9E3779B185EBCA87
_P64_2: Final = 0xC2B2AE3D27D4EB4F
_P64_3: Final = 0x165667B19E3779F9
_P64_4: Final = 0x85EBCA77C2B2AE63
_P64_5: Final = 0x27D4EB2F165667C5
_MX1: Final = 0x165667919E3779F9
_MX2: Final = 0x9FB21C651E98DF25

_SECRET: Final = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671f"
    "cb79e64eccc0e578825ad07dccff7221b8084674f743248ee03590e6813a264c"
    "3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8"
    "a8fa763fe39c343ff9dcbbc7c70b4f1d8a51e04bcdb45931c89f7ec9d9787364"
    "eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e"
    "2b16be587d47a1fc8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e"
)

_STRIPE: Final = 64
_STRIPES_A_BLOCK: Final = (len(_SECRET) - _STRIPE) // 8
_BLOCK: Final = _STRIPE * _STRIPES_A_BLOCK


def xxh3_64(data: bytes) -> int:
    """The hash as an unsigned number."""
    length = len(data)
    if length > 240:
        return _long(data)
    if length > 128:
        return _up_to_240(data)
    if length > 16:
        return _up_to_128(data)
    return _up_to_16(data)


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _u64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _swap(number: int) -> int:
    return int.from_bytes(number.to_bytes(8, "little"), "big")


def _fold(a: int, b: int) -> int:
    product = a * b
    return (product ^ product >> 64) & _MASK


def _avalanche(number: int) -> int:
    number ^= number >> 37
    number = number * _MX1 & _MASK
    return number ^ number >> 32


def _avalanche_xxh64(number: int) -> int:
    number ^= number >> 33
    number = number * _P64_2 & _MASK
    number ^= number >> 29
    number = number * _P64_3 & _MASK
    return number ^ number >> 32


def _up_to_16(data: bytes) -> int:
    length = len(data)
    if length > 8:
        low = _u64(data, 0) ^ _u64(_SECRET, 24) ^ _u64(_SECRET, 32)
        high = _u64(data, length - 8) ^ _u64(_SECRET, 40) ^ _u64(_SECRET, 48)
        return _avalanche((length + _swap(low) + high + _fold(low, high)) & _MASK)
    if length >= 4:
        both = _u32(data, length - 4) + (_u32(data, 0) << 32)
        number = both ^ _u64(_SECRET, 8) ^ _u64(_SECRET, 16)
        number ^= ((number << 49 | number >> 15) ^ (number << 24 | number >> 40)) & _MASK
        number = number * _MX2 & _MASK
        number ^= (number >> 35) + length
        number = number * _MX2 & _MASK
        return number ^ number >> 28
    if length:
        number = data[0] << 16 | data[length >> 1] << 24 | data[-1] | length << 8
        return _avalanche_xxh64(number ^ _u32(_SECRET, 0) ^ _u32(_SECRET, 4))
    return _avalanche_xxh64(_u64(_SECRET, 56) ^ _u64(_SECRET, 64))


def _mix16(data: bytes, at: int, secret: int) -> int:
    return _fold(_u64(data, at) ^ _u64(_SECRET, secret), _u64(data, at + 8) ^ _u64(_SECRET, secret + 8))


def _up_to_128(data: bytes) -> int:
    length = len(data)
    total = length * _P64_1
    for number in range((length - 1) // 32 + 1):
        total += _mix16(data, 16 * number, 32 * number)
        total += _mix16(data, length - 16 * (number + 1), 32 * number + 16)
    return _avalanche(total & _MASK)


def _up_to_240(data: bytes) -> int:
    length = len(data)
    total = length * _P64_1
    for number in range(8):
        total += _mix16(data, 16 * number, 16 * number)
    total = _avalanche(total & _MASK)
    for number in range(8, length // 16):
        total += _mix16(data, 16 * number, 16 * (number - 8) + 3)
    total += _mix16(data, length - 16, 136 - 17)
    return _avalanche(total & _MASK)


def _accumulate(lanes: list[int], data: bytes, at: int, secret: int) -> None:
    values = struct.unpack_from("<8Q", data, at)
    keys = struct.unpack_from("<8Q", _SECRET, secret)
    for lane in range(8):
        keyed = values[lane] ^ keys[lane]
        lanes[lane ^ 1] = lanes[lane ^ 1] + values[lane] & _MASK
        lanes[lane] = lanes[lane] + (keyed & 0xFFFFFFFF) * (keyed >> 32) & _MASK


def _scramble(lanes: list[int]) -> None:
    keys = struct.unpack_from("<8Q", _SECRET, len(_SECRET) - _STRIPE)
    for lane in range(8):
        number = lanes[lane]
        lanes[lane] = (number ^ number >> 47 ^ keys[lane]) * _P32_1 & _MASK


def _long(data: bytes) -> int:
    length = len(data)
    lanes = [_P32_3, _P64_1, _P64_2, _P64_3, _P64_4, _P32_2, _P64_5, _P32_1]
    blocks = (length - 1) // _BLOCK
    for block in range(blocks):
        for stripe in range(_STRIPES_A_BLOCK):
            _accumulate(lanes, data, block * _BLOCK + stripe * _STRIPE, stripe * 8)
        _scramble(lanes)
    start = blocks * _BLOCK
    for stripe in range((length - 1 - start) // _STRIPE):
        _accumulate(lanes, data, start + stripe * _STRIPE, stripe * 8)
    _accumulate(lanes, data, length - _STRIPE, len(_SECRET) - _STRIPE - 7)
    total = length * _P64_1
    for pair in range(4):
        at = 11 + 16 * pair
        total += _fold(lanes[2 * pair] ^ _u64(_SECRET, at), lanes[2 * pair + 1] ^ _u64(_SECRET, at + 8))
    return _avalanche(total & _MASK)
