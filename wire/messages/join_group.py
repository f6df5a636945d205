"""JoinGroup (API key 11): versions 0-9; flexible 6+.

A member of a classic group joins or re-joins; all members' requests are answered together when the group is complete.
The leader learns the members.

- v1: rebalance timeout apart from the session timeout (KIP-62)
- v2: throttle time
- v3: answered before throttled (KIP-219)
- v4: a new member is given its id first (MEMBER_ID_REQUIRED, KIP-394)
- v5: static members (KIP-345)
- v6: flexible
- v7: protocol type in the answer (KIP-559)
- v8: a reason, for logs (KIP-800)
- v9: whether the leader need not assign (KIP-814)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, boolean, bytes_, int16, int32, string


class JoinGroupRequestProtocol(Struct):
    name: str = string("0+", map_key=True)
    metadata: bytes = bytes_("0+")


class JoinGroupRequest(Message, kind="request", api_key=11, versions="0-9", flexible="6+"):
    group_id: str = string("0+")
    session_timeout_ms: int = int32("0+")
    rebalance_timeout_ms: int = int32("1+", default=-1, ignorable=True)
    member_id: str = string("0+")
    group_instance_id: str | None = string("5+", nullable="5+", default=None)
    protocol_type: str = string("0+")
    protocols: list[JoinGroupRequestProtocol] = array(JoinGroupRequestProtocol, "0+")
    reason: str | None = string("8+", nullable="8+", default=None, ignorable=True)


class JoinGroupResponseMember(Struct):
    member_id: str = string("0+")
    group_instance_id: str | None = string("5+", nullable="5+", default=None, ignorable=True)
    metadata: bytes = bytes_("0+")


class JoinGroupResponse(Message, kind="response", api_key=11, versions="0-9", flexible="6+"):
    throttle_time_ms: int = int32("2+", ignorable=True)
    error_code: int = int16("0+")
    generation_id: int = int32("0+", default=-1)
    protocol_type: str | None = string("7+", nullable="7+", default=None, ignorable=True)
    protocol_name: str | None = string("0+", nullable="7+")
    leader: str = string("0+")
    skip_assignment: bool = boolean("9+", default=False)
    member_id: str = string("0+")
    members: list[JoinGroupResponseMember] = array(JoinGroupResponseMember, "0+")
