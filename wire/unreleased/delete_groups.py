"""DeleteGroups (API key 42) in 4.4-dev: versions 0-3; flexible 2+.

v3 adds an error message for each group.
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, string


class DeleteGroupsRequest(Message, kind="request", api_key=42, versions="0-3", flexible="2+"):
    groups_names: list[str] = array("string", "0+")


class DeletableGroupResult(Struct):
    group_id: str = string("0+", map_key=True)
    error_code: int = int16("0+")
    error_message: str | None = string("3+", nullable="3+", default=None, ignorable=True)


class DeleteGroupsResponse(Message, kind="response", api_key=42, versions="0-3", flexible="2+"):
    throttle_time_ms: int = int32("0+")
    results: list[DeletableGroupResult] = array(DeletableGroupResult, "0+")
