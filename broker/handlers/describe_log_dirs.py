"""DescribeLogDirs v1-5 (KIP-113, KIP-827, KIP-1066); the handler answers 3.9's v0 too: log.dirs and what is in them.

Null topics ask for all partitions of this broker; what it does not have is left out. Sizes are those of the logs'
batches. A folder that is offline is KAFKA_STORAGE_ERROR and has nothing. v3 adds an error for the whole, v4 the size of
the file system, v5 whether the folder takes no new partitions.
Source: kafka.server.ReplicaManager.describeLogDirs.

Left out: cordoned.log.dirs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from ...storage.folder import DataFolder
from ...storage.log_manager import size_bytes
from ...wire.errors import ErrorCode, KafkaError
from ...wire.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from ..context import RequestContext
from ..metadata.image import PartitionImage, is_online


def handle(request: DescribeLogDirsRequest, context: RequestContext) -> DescribeLogDirsResponse:
    logs = context.broker.logs
    asked: dict[str, set[int]] = {}
    if request.topics is None:
        asked = {topic.name: set(topic.partitions) for topic in context.broker.catalogue.topics.values()}
    else:
        for row in request.topics:
            asked.setdefault(row.topic, set()).update(row.partitions)
    return DescribeLogDirsResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        results=[_described(path, asked, context) for path in logs.paths],
    )


def _described(path: str, asked: Mapping[str, set[int]], context: RequestContext) -> DescribeLogDirsResult:
    folder = context.broker.logs.by_path(path)
    try:
        if folder is None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
        topics = [
            DescribeLogDirsTopic(name=name, partitions=_partitions(name, indexes, folder, context))
            for name, indexes in asked.items()
        ]
        space = os.statvfs(path)
    except (KafkaError, OSError):
        return DescribeLogDirsResult(error_code=ErrorCode.KAFKA_STORAGE_ERROR, log_dir=path, topics=[])
    return DescribeLogDirsResult(
        error_code=ErrorCode.NONE,
        log_dir=path,
        topics=[topic for topic in topics if topic.partitions],
        total_bytes=space.f_blocks * space.f_frsize,
        usable_bytes=space.f_bavail * space.f_frsize,
    )


def _partitions(
    topic: str, indexes: set[int], folder: DataFolder, context: RequestContext
) -> list[DescribeLogDirsPartition]:
    image = context.broker.catalogue.topic(topic)
    if image is None:
        return []
    return [
        DescribeLogDirsPartition(
            partition_index=index,
            partition_size=size_bytes(folder, topic, index) if folder.has(topic, index) else 0,
            offset_lag=0,
            is_future_key=False,
        )
        for index in sorted(indexes)
        if index in image.partitions and _lies_in(folder, topic, image.partitions[index], context)
    ] + [
        DescribeLogDirsPartition(
            partition_index=movement.partition,
            partition_size=movement.size_bytes,
            offset_lag=movement.offset_lag,
            is_future_key=True,
        )
        for movement in context.broker.log_movements.under_way()
        if movement.target is folder and movement.topic == topic and movement.partition in indexes
    ]


def _lies_in(folder: DataFolder, topic: str, partition: PartitionImage, context: RequestContext) -> bool:
    """A partition that nobody has touched has no files yet: it is shown in the first folder that is well."""
    logs = context.broker.logs
    found = logs.folder_of(topic, partition.index)
    if found is None and is_online(partition, context.broker.node_id, logs.directory_ids):
        found = logs.online[0]
    return found is folder
