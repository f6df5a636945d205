"""AlterReplicaLogDirs v1-2 (KIP-113); the handler answers 3.9's v0 too: moves logs to another folder of this broker.

klamm has one folder, so that a log is where it should be or cannot go there: LOG_DIR_NOT_FOUND, as in Kafka for a
folder that is not of its own. A partition that does not exist is UNKNOWN_TOPIC_OR_PARTITION.
Source: kafka.server.ReplicaManager.alterReplicaLogDirs.

Left out: several log.dirs, and with them every movement.
"""

from __future__ import annotations

from ...wire.errors import ErrorCode
from ...wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDirPartitionResult,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopicResult,
)
from ..context import RequestContext


def handle(request: AlterReplicaLogDirsRequest, context: RequestContext) -> AlterReplicaLogDirsResponse:
    asked: dict[str, dict[int, str]] = {}
    for folder in request.dirs:
        for topic in folder.topics:
            asked.setdefault(topic.name, {}).update(dict.fromkeys(topic.partitions, folder.path))
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
    if path not in context.broker.logs.paths:
        return ErrorCode.LOG_DIR_NOT_FOUND
    image = context.broker.catalogue.topic(topic)
    known = image is not None and index in image.partitions
    return ErrorCode.NONE if known else ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
