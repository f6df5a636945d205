"""What classic consumers say to each other through the coordinator: subscriptions and assignments.

The coordinator of a classic group does not look at them; one that takes such members into a consumer group, or hands
them back, must. An int16 version stands before the body; one above the highest known is read as that.
Source: org.apache.kafka.clients.consumer.internals.ConsumerProtocol.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Final, TypeVar

from ..wire.codec import DecodeError, decode_from, encode
from ..wire.declare import Message
from ..wire.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from .cluster_view import ClusterView

M = TypeVar("M", bound=Message)

#: The protocol type of consumers.
CONSUMER: Final = "consumer"
HIGHEST_VERSION: Final = 3

_VERSION = struct.Struct(">h")


def decode_version(data: bytes) -> int:
    """Raises DecodeError."""
    if len(data) < _VERSION.size:
        raise DecodeError("ConsumerProtocol", 0, "", 0, "shorter than its version")
    version: int = _VERSION.unpack_from(data)[0]
    if version < 0:
        raise DecodeError("ConsumerProtocol", version, "", 0, "a version below 0")
    return min(version, HIGHEST_VERSION)


def _decode(message: type[M], data: bytes) -> M:
    found, _ = decode_from(message, decode_version(data), data, _VERSION.size)
    return found


def decode_subscription(data: bytes) -> ConsumerProtocolSubscription:
    """Raises DecodeError."""
    return _decode(ConsumerProtocolSubscription, data)


def decode_assignment(data: bytes) -> ConsumerProtocolAssignment:
    """Raises DecodeError."""
    return _decode(ConsumerProtocolAssignment, data)


def encode_assignment(partitions: Mapping[bytes, Iterable[int]], version: int, cluster: ClusterView) -> bytes:
    """`partitions` by topic id; a topic that is gone is left out."""
    named = [(cluster.topic_name(topic_id), indexes) for topic_id, indexes in partitions.items()]
    message = ConsumerProtocolAssignment(
        assigned_partitions=[
            ConsumerProtocolAssignmentTopicPartition(topic=name, partitions=sorted(indexes))
            for name, indexes in named
            if name is not None
        ]
    )
    return _VERSION.pack(version) + encode(message, version)
