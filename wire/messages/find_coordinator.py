"""FindCoordinator (API key 10): versions 0-6; flexible 3+.

Finds the broker that coordinates a group or a transactional id.

- v1: key types (group 0, transaction 1), error message, throttle time
- v2: answered before throttled (KIP-219)
- v3: flexible
- v4: several keys at once (KIP-699)
- v5: may answer TRANSACTION_ABORTABLE (KIP-890)
- v6: key type 2, a share partition as `group:topicId:partition` (KIP-932)
"""

from __future__ import annotations

from ..declare import Message, Struct, array, int8, int16, int32, string


class FindCoordinatorRequest(Message, kind="request", api_key=10, versions="0-6", flexible="3+"):
    key: str = string("0-3")
    key_type: int = int8("1+", default=0)
    coordinator_keys: list[str] = array("string", "4+")


class Coordinator(Struct):
    key: str = string("4+")
    node_id: int = int32("4+")
    host: str = string("4+")
    port: int = int32("4+")
    error_code: int = int16("4+")
    error_message: str | None = string("4+", nullable="4+", ignorable=True)


class FindCoordinatorResponse(Message, kind="response", api_key=10, versions="0-6", flexible="3+"):
    throttle_time_ms: int = int32("1+", ignorable=True)
    error_code: int = int16("0-3")
    error_message: str | None = string("1-3", nullable="1-3", ignorable=True)
    node_id: int = int32("0-3")
    host: str = string("0-3")
    port: int = int32("0-3")
    coordinators: list[Coordinator] = array(Coordinator, "4+")
