"""The hash of the topics that a group is subscribed to: when it changes, the group's epoch goes up (KIP-1101).

Kafka keeps it in ConsumerGroupMetadataValue, so that a coordinator that has read a group from its log sees whether
topics changed meanwhile. Source: org.apache.kafka.coordinator.group.Utils.computeTopicHash and computeGroupHash, which
feed XXH3 through hash4j: numbers are little-endian, a string is its UTF-16 units and then their count.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Final

from .xxh3 import xxh3_64

#: Utils.TOPIC_HASH_MAGIC_BYTE: the version of this recipe.
_MAGIC: Final = b"\0"

_INT32 = struct.Struct("<i")
_INT64 = struct.Struct("<q")
_UINT64 = struct.Struct("<Q")
_UUID_HALVES = struct.Struct(">qq")


def topic_hash(name: str, topic_id: bytes, partition_racks: Sequence[Sequence[str]]) -> int:
    """`topic_id`: 16 bytes; `partition_racks`: for each partition the racks of its replicas. Unsigned."""
    most, least = _UUID_HALVES.unpack(topic_id)
    parts = [_MAGIC, _INT64.pack(most), _INT64.pack(least), _string(name), _INT32.pack(len(partition_racks))]
    for index, racks in enumerate(partition_racks):
        parts.append(_INT32.pack(index))
        for rack in sorted(racks):
            parts += [_INT32.pack(_utf16_length(rack)), _string(rack)]
    return xxh3_64(b"".join(parts))


def group_hash(topic_hashes: Mapping[str, int]) -> int:
    """Of the existing topics that a group is subscribed to, by name; signed, as records have it. 0 for none."""
    if not topic_hashes:
        return 0
    hashed = xxh3_64(b"".join(_UINT64.pack(topic_hashes[name]) for name in sorted(topic_hashes)))
    return hashed - (1 << 64) if hashed >> 63 else hashed


def _utf16_length(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _string(text: str) -> bytes:
    units = text.encode("utf-16-le", "surrogatepass")
    return units + _INT32.pack(len(units) // 2)
