"""ListGroups (API key 16): versions 0-5; flexible 3+.

The groups that a broker coordinates.

- v1: throttle time
- v2: answered before throttled (KIP-219)
- v3: flexible
- v4: their state, and a filter by it (KIP-518)
- v5: their type, and a filter by it (KIP-848)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int16, int32, string


class ListGroupsRequest(Message, kind="request", api_key=16, versions="0-5", flexible="3+"):
    states_filter: list[str] = array("string", "4+")
    types_filter: list[str] = array("string", "5+")


class ListedGroup(Struct):
    group_id: str = string("0+")
    protocol_type: str = string("0+")
    group_state: str = string("4+", ignorable=True)
    group_type: str = string("5+", ignorable=True)


class ListGroupsResponse(Message, kind="response", api_key=16, versions="0-5", flexible="3+"):
    throttle_time_ms: int = int32("1+", ignorable=True)
    error_code: int = int16("0+")
    groups: list[ListedGroup] = array(ListedGroup, "0+")
