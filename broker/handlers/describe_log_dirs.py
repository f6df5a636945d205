"""DescribeLogDirs v1-5 (KIP-113, KIP-827, KIP-1066); the handler answers 3.9's v0 too: the data folder and its logs.

Null topics ask for all partitions of this broker; what it does not have is left out. Sizes are those of the logs'
batches. v3 adds an error for the whole, v4 the size of the file system, v5 whether the folder takes no new partitions.
Source: kafka.server.ReplicaManager.describeLogDirs.

Left out: several folders (klamm uses the first of log.dirs), cordoned.log.dirs, future logs.
"""

from __future__ import annotations

import os

from ...wire.errors import ErrorCode
from ...wire.messages.describe_log_dirs import (
    DescribeLogDirsPartition,
    DescribeLogDirsRequest,
    DescribeLogDirsResponse,
    DescribeLogDirsResult,
    DescribeLogDirsTopic,
)
from ..context import RequestContext


def handle(request: DescribeLogDirsRequest, context: RequestContext) -> DescribeLogDirsResponse:
    broker = context.broker
    path = broker.folder.path
    asked: dict[str, set[int]] = {}
    if request.topics is None:
        asked = {topic.name: set(topic.partitions) for topic in broker.catalogue.topics.values()}
    else:
        for row in request.topics:
            asked.setdefault(row.topic, set()).update(row.partitions)
    on_disk = set(broker.folder.partitions())
    topics = [
        DescribeLogDirsTopic(name=name, partitions=_partitions(name, indexes, on_disk, context))
        for name, indexes in asked.items()
    ]
    space = os.statvfs(path)
    return DescribeLogDirsResponse(
        throttle_time_ms=0,
        error_code=ErrorCode.NONE,
        results=[
            DescribeLogDirsResult(
                error_code=ErrorCode.NONE,
                log_dir=path,
                topics=[topic for topic in topics if topic.partitions],
                total_bytes=space.f_blocks * space.f_frsize,
                usable_bytes=space.f_bavail * space.f_frsize,
            )
        ],
    )


def _partitions(
    topic: str, indexes: set[int], on_disk: set[tuple[str, int]], context: RequestContext
) -> list[DescribeLogDirsPartition]:
    image = context.broker.catalogue.topic(topic)
    if image is None:
        return []
    return [
        DescribeLogDirsPartition(
            partition_index=index,
            # A partition that nobody has touched has no files yet.
            partition_size=_size_bytes(topic, index, context) if (topic, index) in on_disk else 0,
            offset_lag=0,
            is_future_key=False,
        )
        for index in sorted(indexes)
        if index in image.partitions
    ]


def _size_bytes(topic: str, index: int, context: RequestContext) -> int:
    partition = context.broker.partitions.get(topic, index)
    return partition.log.size_bytes if partition is not None else 0
