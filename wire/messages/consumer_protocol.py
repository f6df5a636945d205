"""What the clients of a classic group say to each other through the broker: subscription and assignment.

Stored by the broker unread. On the wire an int16 version stands before the body.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, bytes_, int32, string


class ConsumerProtocolSubscriptionTopicPartition(Struct):
    topic: str = string("1+", map_key=True)
    partitions: list[int] = array("int32", "1+")


class ConsumerProtocolSubscription(Message, kind="data", versions="0-3"):
    topics: list[str] = array("string", "0+")
    user_data: bytes | None = bytes_("0+", nullable="0+", default=None)
    owned_partitions: list[ConsumerProtocolSubscriptionTopicPartition] = array(
        ConsumerProtocolSubscriptionTopicPartition, "1+", ignorable=True
    )
    generation_id: int = int32("2+", default=-1, ignorable=True)
    rack_id: str | None = string("3+", nullable="3+", default=None, ignorable=True)


class ConsumerProtocolAssignmentTopicPartition(Struct):
    topic: str = string("0+", map_key=True)
    partitions: list[int] = array("int32", "0+")


class ConsumerProtocolAssignment(Message, kind="data", versions="0-3"):
    assigned_partitions: list[ConsumerProtocolAssignmentTopicPartition] = array(
        ConsumerProtocolAssignmentTopicPartition, "0+"
    )
    user_data: bytes | None = bytes_("0+", nullable="0+", default=None)
