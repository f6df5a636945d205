"""DeleteGroups (API key 42): versions 0-2; flexible 2+.

Deletes empty groups (KIP-229).

- v1: answered before throttled (KIP-219)
- v2: flexible
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, string


class DeleteGroupsRequest(Message, kind="request", api_key=42, versions="0-2", flexible="2+"):
    groups_names: list[str] = array("string", "0+")


class DeletableGroupResult(Struct):
    group_id: str = string("0+", map_key=True)
    error_code: int = int16("0+")


class DeleteGroupsResponse(Message, kind="response", api_key=42, versions="0-2", flexible="2+"):
    throttle_time_ms: int = int32("0+")
    results: list[DeletableGroupResult] = array(DeletableGroupResult, "0+")
