"""The order in which a java.util.HashMap walks its keys.

Kafka's uniform assignor numbers members and topics in that order, so whoever is to come to the same assignment walks
them so too. Within a bucket keys stand as they were put in; buckets that Java turns into trees (eight keys and more)
are not copied. Source: java.util.HashMap, org.apache.kafka.common.Uuid.hashCode.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from .partitioning import java_string_hash

K = TypeVar("K")

_DEFAULT_CAPACITY: Final = 16


def uuid_hash(uuid: bytes) -> int:
    """`Uuid.hashCode` of 16 bytes, as an unsigned 32-bit number."""
    mixed = int.from_bytes(uuid[:8], "big") ^ int.from_bytes(uuid[8:], "big")
    return (mixed >> 32 ^ mixed) & 0xFFFFFFFF


def integer_hash(number: int) -> int:
    return number


def grown_capacity(size: int) -> int:
    """Of a HashMap made without a size into which so many keys were put."""
    capacity = _DEFAULT_CAPACITY
    while size > capacity * 3 // 4:
        capacity *= 2
    return capacity


def sized_capacity(wanted: int, size: int) -> int:
    """Of a HashMap made for `wanted` keys into which `size` were put."""
    capacity = 1 << max(wanted - 1, 0).bit_length()
    while size > capacity * 3 // 4:
        capacity *= 2
    return capacity


def copied_capacity(size: int) -> int:
    """Of a HashSet made from a collection of that size."""
    wanted = max(int(size / 0.75) + 1, _DEFAULT_CAPACITY)
    return 1 << (wanted - 1).bit_length()


def hash_order(keys: Iterable[K], hash_of: Callable[[K], int], capacity: int) -> list[K]:
    """`keys`: in the order in which they were put in."""

    def bucket(key: K) -> int:
        hashed = hash_of(key) & 0xFFFFFFFF
        return (hashed ^ hashed >> 16) & (capacity - 1)

    return sorted(keys, key=bucket)


def string_set_order(names: Iterable[str]) -> list[str]:
    """The order of a HashSet made from a sorted list of names."""
    found = sorted(names)
    return hash_order(found, java_string_hash, copied_capacity(len(found)))


def string_map_order(keys: Iterable[str]) -> list[str]:
    found = list(keys)
    return hash_order(found, java_string_hash, grown_capacity(len(found)))


def sized_string_map_order(keys: Iterable[str], wanted: int) -> list[str]:
    """The order of a HashMap that was made for `wanted` keys."""
    found = list(keys)
    return hash_order(found, java_string_hash, sized_capacity(wanted, len(found)))
