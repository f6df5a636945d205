"""DescribeLogDirs (API key 35): versions 1-5; 0 up to 3.9; flexible 2+.

A broker's log folders and how much each partition takes in them (KIP-113).

- v1: answered before throttled (KIP-219)
- v2: flexible
- v3: an error for the whole answer
- v4: size and free space of the volume (KIP-827)
- v5: whether a folder is cordoned
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, int16, int32, int64, string


class DescribableLogDirTopic(Struct):
    topic: str = string("0+", map_key=True)
    partitions: list[int] = array("int32", "0+")


class DescribeLogDirsRequest(Message, kind="request", api_key=35, versions="1-5", legacy="0", flexible="2+"):
    topics: list[DescribableLogDirTopic] | None = array(DescribableLogDirTopic, "0+", nullable="0+")


class DescribeLogDirsPartition(Struct):
    partition_index: int = int32("0+")
    partition_size: int = int64("0+")
    offset_lag: int = int64("0+")
    is_future_key: bool = boolean("0+")


class DescribeLogDirsTopic(Struct):
    name: str = string("0+")
    partitions: list[DescribeLogDirsPartition] = array(DescribeLogDirsPartition, "0+")


class DescribeLogDirsResult(Struct):
    error_code: int = int16("0+")
    log_dir: str = string("0+")
    topics: list[DescribeLogDirsTopic] = array(DescribeLogDirsTopic, "0+")
    total_bytes: int = int64("4+", default=-1, ignorable=True)
    usable_bytes: int = int64("4+", default=-1, ignorable=True)
    is_cordoned: bool = boolean("5+", default=False, ignorable=True)


class DescribeLogDirsResponse(Message, kind="response", api_key=35, versions="1-5", legacy="0", flexible="2+"):
    throttle_time_ms: int = int32("0+")
    error_code: int = int16("3+", ignorable=True)
    results: list[DescribeLogDirsResult] = array(DescribeLogDirsResult, "0+")
