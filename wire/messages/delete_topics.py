"""DeleteTopics (API key 20): versions 1-6; 0 up to 3.9; flexible 4+.

Deletes topics.

- v1: throttle time
- v2: answered before throttled (KIP-219)
- v3: may answer TOPIC_DELETION_DISABLED
- v4: flexible
- v5: error messages; may answer THROTTLING_QUOTA_EXCEEDED (KIP-599)
- v6: by id too (KIP-516)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, string, uuid


class DeleteTopicState(Struct):
    name: str | None = string("6+", nullable="6+", default=None)
    topic_id: bytes = uuid("6+")


class DeleteTopicsRequest(Message, kind="request", api_key=20, versions="1-6", legacy="0", flexible="4+"):
    topics: list[DeleteTopicState] = array(DeleteTopicState, "6+")
    topic_names: list[str] = array("string", "0-5", ignorable=True)
    timeout_ms: int = int32("0+")


class DeletableTopicResult(Struct):
    name: str | None = string("0+", nullable="6+", map_key=True)
    topic_id: bytes = uuid("6+", ignorable=True)
    error_code: int = int16("0+")
    error_message: str | None = string("5+", nullable="5+", default=None, ignorable=True)


class DeleteTopicsResponse(Message, kind="response", api_key=20, versions="1-6", legacy="0", flexible="4+"):
    throttle_time_ms: int = int32("1+", ignorable=True)
    responses: list[DeletableTopicResult] = array(DeletableTopicResult, "0+")
