"""Records of `__cluster_metadata` for topics, partitions, configs and producer ids (KIP-500).

A value is an unsigned varint 1 (the frame version), the record type and its version as unsigned varints,
and the body; there is no key.
"""

from __future__ import annotations

from ..declare import Message, array, int8, int32, int64, string, uuid


class ClearElrRecord(Message, kind="metadata", api_key=28, versions="0", flexible="0+"):
    topic_name: str = string("0+")


class ConfigRecord(Message, kind="metadata", api_key=4, versions="0", flexible="0+"):
    resource_type: int = int8("0+")
    resource_name: str = string("0+")
    name: str = string("0+")
    value: str | None = string("0+", nullable="0+")


class PartitionChangeRecord(Message, kind="metadata", api_key=5, versions="0-2", flexible="0+"):
    partition_id: int = int32("0+", default=-1)
    topic_id: bytes = uuid("0+")
    isr: list[int] | None = array("int32", "0+", nullable="0+", tag=0, default=None)
    leader: int = int32("0+", tag=1, default=-2)
    replicas: list[int] | None = array("int32", "0+", nullable="0+", tag=2, default=None)
    removing_replicas: list[int] | None = array("int32", "0+", nullable="0+", tag=3, default=None)
    adding_replicas: list[int] | None = array("int32", "0+", nullable="0+", tag=4, default=None)
    leader_recovery_state: int = int8("0+", tag=5, default=-1)
    directories: list[bytes] | None = array("uuid", "1+", nullable="1+", tag=8, default=None)
    eligible_leader_replicas: list[int] | None = array("int32", "2+", nullable="2+", tag=6, default=None)
    last_known_elr: list[int] | None = array("int32", "2+", nullable="2+", tag=7, default=None)


class PartitionRecord(Message, kind="metadata", api_key=3, versions="0-2", flexible="0+"):
    partition_id: int = int32("0+", default=-1)
    topic_id: bytes = uuid("0+")
    replicas: list[int] = array("int32", "0+")
    isr: list[int] = array("int32", "0+")
    removing_replicas: list[int] = array("int32", "0+")
    adding_replicas: list[int] = array("int32", "0+")
    leader: int = int32("0+", default=-1)
    leader_recovery_state: int = int8("0+", tag=0, default=0)
    leader_epoch: int = int32("0+", default=-1)
    partition_epoch: int = int32("0+", default=-1)
    directories: list[bytes] = array("uuid", "1+")
    eligible_leader_replicas: list[int] | None = array("int32", "2+", nullable="2+", tag=1, default=None)
    last_known_elr: list[int] | None = array("int32", "2+", nullable="2+", tag=2, default=None)


class ProducerIdsRecord(Message, kind="metadata", api_key=15, versions="0", flexible="0+"):
    broker_id: int = int32("0+")
    broker_epoch: int = int64("0+", default=-1)
    next_producer_id: int = int64("0+")


class RemoveTopicRecord(Message, kind="metadata", api_key=9, versions="0", flexible="0+"):
    topic_id: bytes = uuid("0+")


class TopicRecord(Message, kind="metadata", api_key=2, versions="0", flexible="0+"):
    name: str = string("0+")
    topic_id: bytes = uuid("0+")
