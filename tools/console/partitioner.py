"""Which partition a record goes to, as Kafka's producer decides: murmur2 of the key, or one batch after another."""

from __future__ import annotations

_M = 0x5BD1E995


def murmur2(data: bytes) -> int:
    """The 32 bits of org.apache.kafka.common.utils.Utils.murmur2, unsigned."""
    length = len(data)
    h = (0x9747B28C ^ length) & 0xFFFFFFFF
    whole = length - length % 4
    for position in range(0, whole, 4):
        k = int.from_bytes(data[position : position + 4], "little") * _M & 0xFFFFFFFF
        k = (k ^ k >> 24) * _M & 0xFFFFFFFF
        h = (h * _M & 0xFFFFFFFF) ^ k
    if whole < length:
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & 0xFFFFFFFF
    h = (h ^ h >> 13) * _M & 0xFFFFFFFF
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key among that many."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
