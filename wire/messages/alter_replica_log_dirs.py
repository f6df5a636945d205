"""AlterReplicaLogDirs (API key 34): versions 1-2; 0 up to 3.9; flexible 2+.

Moves replicas between a broker's log folders (KIP-113).

- v1: answered before throttled (KIP-219)
- v2: flexible
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, string


class AlterReplicaLogDirTopic(Struct):
    name: str = string("0+", map_key=True)
    partitions: list[int] = array("int32", "0+")


class AlterReplicaLogDir(Struct):
    path: str = string("0+", map_key=True)
    topics: list[AlterReplicaLogDirTopic] = array(AlterReplicaLogDirTopic, "0+")


class AlterReplicaLogDirsRequest(Message, kind="request", api_key=34, versions="1-2", legacy="0", flexible="2+"):
    dirs: list[AlterReplicaLogDir] = array(AlterReplicaLogDir, "0+")


class AlterReplicaLogDirPartitionResult(Struct):
    partition_index: int = int32("0+")
    error_code: int = int16("0+")


class AlterReplicaLogDirTopicResult(Struct):
    topic_name: str = string("0+")
    partitions: list[AlterReplicaLogDirPartitionResult] = array(AlterReplicaLogDirPartitionResult, "0+")


class AlterReplicaLogDirsResponse(Message, kind="response", api_key=34, versions="1-2", legacy="0", flexible="2+"):
    throttle_time_ms: int = int32("0+")
    results: list[AlterReplicaLogDirTopicResult] = array(AlterReplicaLogDirTopicResult, "0+")
