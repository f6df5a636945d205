"""ListOffsets (API key 2): versions 1-11; 0 up to 3.9; flexible 6+.

Finds offsets by timestamp; the special timestamps -1 (latest), -2 (earliest) and below name ends of the log.

- v0: a list of offsets, one for each segment
- v1: one offset, with its timestamp
- v2: isolation level; throttle time
- v3: answered before throttled (KIP-219)
- v4: leader epochs on both sides (KIP-320)
- v5: may answer OFFSET_NOT_AVAILABLE
- v6: flexible
- v7: -3, the record with the highest timestamp (KIP-734)
- v8: -4, the earliest offset on local disk (KIP-405)
- v9: -5, the last offset in tiered storage (KIP-1005)
- v10: a timeout for lookups in tiered storage (KIP-1075)
- v11: -6, the earliest offset not yet uploaded (KIP-1023)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int8, int16, int32, int64, string


class ListOffsetsPartition(Struct):
    partition_index: int = int32("0+")
    current_leader_epoch: int = int32("4+", default=-1, ignorable=True)
    timestamp: int = int64("0+")
    max_num_offsets: int = int32("0", default=1)


class ListOffsetsTopic(Struct):
    name: str = string("0+")
    partitions: list[ListOffsetsPartition] = array(ListOffsetsPartition, "0+")


class ListOffsetsRequest(Message, kind="request", api_key=2, versions="1-11", legacy="0", flexible="6+"):
    replica_id: int = int32("0+")
    isolation_level: int = int8("2+")
    topics: list[ListOffsetsTopic] = array(ListOffsetsTopic, "0+")
    timeout_ms: int = int32("10+", ignorable=True)


class ListOffsetsPartitionResponse(Struct):
    partition_index: int = int32("0+")
    error_code: int = int16("0+")
    old_style_offsets: list[int] = array("int64", "0")
    timestamp: int = int64("1+", default=-1)
    offset: int = int64("1+", default=-1)
    leader_epoch: int = int32("4+", default=-1)


class ListOffsetsTopicResponse(Struct):
    name: str = string("0+")
    partitions: list[ListOffsetsPartitionResponse] = array(ListOffsetsPartitionResponse, "0+")


class ListOffsetsResponse(Message, kind="response", api_key=2, versions="1-11", legacy="0", flexible="6+"):
    throttle_time_ms: int = int32("2+", ignorable=True)
    topics: list[ListOffsetsTopicResponse] = array(ListOffsetsTopicResponse, "0+")
