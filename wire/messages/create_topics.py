"""CreateTopics (API key 19): versions 2-7; 0-1 up to 3.9; flexible 5+.

Creates topics, or only checks that they could be.

- v1: validate_only; error messages
- v2: throttle time
- v3: answered before throttled (KIP-219)
- v4: -1 for the defaults of partitions and replicas (KIP-464)
- v5: flexible; partitions, replicas and configs in the answer (KIP-525)
- v6: may answer THROTTLING_QUOTA_EXCEEDED (KIP-599)
- v7: topic ids in the answer (KIP-516)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, int8, int16, int32, string, uuid


class CreatableReplicaAssignment(Struct):
    partition_index: int = int32("0+", map_key=True)
    broker_ids: list[int] = array("int32", "0+")


class CreatableTopicConfig(Struct):
    name: str = string("0+", map_key=True)
    value: str | None = string("0+", nullable="0+")


class CreatableTopic(Struct):
    name: str = string("0+", map_key=True)
    num_partitions: int = int32("0+")
    replication_factor: int = int16("0+")
    assignments: list[CreatableReplicaAssignment] = array(CreatableReplicaAssignment, "0+")
    configs: list[CreatableTopicConfig] = array(CreatableTopicConfig, "0+")


class CreateTopicsRequest(Message, kind="request", api_key=19, versions="2-7", legacy="0-1", flexible="5+"):
    topics: list[CreatableTopic] = array(CreatableTopic, "0+")
    timeout_ms: int = int32("0+", default=60000)
    validate_only: bool = boolean("1+", default=False)


class CreatableTopicConfigs(Struct):
    name: str = string("5+")
    value: str | None = string("5+", nullable="5+")
    read_only: bool = boolean("5+")
    config_source: int = int8("5+", default=-1, ignorable=True)
    is_sensitive: bool = boolean("5+")


class CreatableTopicResult(Struct):
    name: str = string("0+", map_key=True)
    topic_id: bytes = uuid("7+", ignorable=True)
    error_code: int = int16("0+")
    error_message: str | None = string("1+", nullable="0+", ignorable=True)
    topic_config_error_code: int = int16("5+", tag=0, default=0, ignorable=True)
    num_partitions: int = int32("5+", default=-1, ignorable=True)
    replication_factor: int = int16("5+", default=-1, ignorable=True)
    configs: list[CreatableTopicConfigs] | None = array(CreatableTopicConfigs, "5+", nullable="5+", ignorable=True)


class CreateTopicsResponse(Message, kind="response", api_key=19, versions="2-7", legacy="0-1", flexible="5+"):
    throttle_time_ms: int = int32("2+", ignorable=True)
    topics: list[CreatableTopicResult] = array(CreatableTopicResult, "0+")
