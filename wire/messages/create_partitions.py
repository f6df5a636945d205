"""CreatePartitions (API key 37): versions 0-3; flexible 2+.

Adds partitions to topics (KIP-195).

- v1: answered before throttled (KIP-219)
- v2: flexible
- v3: may answer THROTTLING_QUOTA_EXCEEDED (KIP-599)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, int16, int32, string


class CreatePartitionsAssignment(Struct):
    broker_ids: list[int] = array("int32", "0+")


class CreatePartitionsTopic(Struct):
    name: str = string("0+", map_key=True)
    count: int = int32("0+")
    assignments: list[CreatePartitionsAssignment] | None = array(CreatePartitionsAssignment, "0+", nullable="0+")


class CreatePartitionsRequest(Message, kind="request", api_key=37, versions="0-3", flexible="2+"):
    topics: list[CreatePartitionsTopic] = array(CreatePartitionsTopic, "0+")
    timeout_ms: int = int32("0+")
    validate_only: bool = boolean("0+")


class CreatePartitionsTopicResult(Struct):
    name: str = string("0+")
    error_code: int = int16("0+")
    error_message: str | None = string("0+", nullable="0+", default=None)


class CreatePartitionsResponse(Message, kind="response", api_key=37, versions="0-3", flexible="2+"):
    throttle_time_ms: int = int32("0+")
    results: list[CreatePartitionsTopicResult] = array(CreatePartitionsTopicResult, "0+")
