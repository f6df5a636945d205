"""AlterReplicaLogDirs v1-2 (KIP-113); the handler answers 3.9's v0 too: moves logs to another folder of this broker.

The path is one of log.dirs as it stands in the config, made absolute: LOG_DIR_NOT_FOUND else, KAFKA_STORAGE_ERROR for
one that is offline, and for a partition that is; INVALID_TOPIC_EXCEPTION for a name that leaves no room for the new
folder's. A partition that does not exist is UNKNOWN_TOPIC_OR_PARTITION. The answer says that the movement has begun
(`log_movements.py`); DescribeLogDirs shows how far it is. To move a log to where it is ends a movement.
Source: kafka.server.ReplicaManager.alterReplicaLogDirs.
"""

from __future__ import annotations

from typing import Final

from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from ..context import RequestContext

#: What a file system takes, and what Kafka writes behind the name of a folder that a log moves to: .UUID-future.
_MAX_FOLDER_NAME: Final = 255
_FUTURE_SUFFIX: Final = 1 + 32 + len("-future")


def handle(request: AlterReplicaLogDirsRequest, context: RequestContext) -> AlterReplicaLogDirsResponse:
    asked: dict[str, dict[int, str]] = {}
    for folder in request.dirs:
        for topic in folder.topics:
            for index in topic.partitions:
                asked.setdefault(topic.name, {})[index] = folder.path
    return AlterReplicaLogDirsResponse(
        throttle_time_ms=0,
        results=[
            AlterReplicaLogDirTopicResult(
                topic_name=name,
                partitions=[
                    AlterReplicaLogDirPartitionResult(
                        partition_index=index, error_code=_error(name, index, path, context)
                    )
                    for index, path in paths.items()
                ],
            )
            for name, paths in asked.items()
        ],
    )


def _error(topic: str, index: int, path: str, context: RequestContext) -> ErrorCode:
    broker = context.broker
    if len(f"{topic}-{index}") > _MAX_FOLDER_NAME - _FUTURE_SUFFIX:
        return ErrorCode.INVALID_TOPIC_EXCEPTION
    if path not in broker.logs.paths:
        return ErrorCode.LOG_DIR_NOT_FOUND
    folder = broker.logs.by_path(path)
    if folder is None:
        return ErrorCode.KAFKA_STORAGE_ERROR
    try:
        broker.log_movements.move(topic, index, folder)
    except KafkaError as error:
        return error.code
    return ErrorCode.NONE
