"""Which partition of a coordinator's topic a key belongs to.

Source: org.apache.kafka.coordinator.group.GroupCoordinatorService.partitionFor, Utils.abs, java.lang.String.hashCode.
"""

from __future__ import annotations

from functools import lru_cache

#: Hashes kept at hand: a group's members ask with the same id all the time.
_REMEMBERED_KEYS = 65_536


@lru_cache(_REMEMBERED_KEYS)
def java_string_hash(text: str) -> int:
    """`String.hashCode` as a signed 32-bit number: over UTF-16 code units: two for a character beyond U+FFFF."""
    result = 0
    if text.isascii():
        for byte in text.encode():
            result = (31 * result + byte) & 0xFFFFFFFF
    else:
        units = text.encode("utf-16-be", "surrogatepass")
        for position in range(0, len(units), 2):
            result = (31 * result + (units[position] << 8 | units[position + 1])) & 0xFFFFFFFF
    return result - 0x1_0000_0000 if result & 0x8000_0000 else result


def partition_for(key: str, partitions: int) -> int:
    """The partition of `key` among `partitions`.

    Kafka's `Utils.abs`: the absolute value, and 0 for the one number that has none in Java (Integer.MIN_VALUE).
    """
    hashed = java_string_hash(key)
    return 0 if hashed == -0x8000_0000 else abs(hashed) % partitions
