"""What a broker makes of some bytes, in a form that two brokers' outcomes can be compared in.

An outcome is one of
    {"closed": true}                        the connection was closed, nothing was answered
    {"answer": {...}}                       this answer (masked, see `masked`), and the connection stays
    {"answer": {...}, "closed": true}       this answer, and then the connection was closed
    {"answer": null}                        no answer, but the next request on the connection has one
    {"silent": true}                        neither an answer nor a close: the broker waits, or forgot the request
Behind the bytes goes a request that any broker answers (the probe), so that only the last form takes time to see.
"""

from __future__ import annotations

import json
import re
import struct
from typing import Any, NamedTuple

from klamm.wire.apis import BY_KEY, Api
from klamm.wire.json_form import to_json
from klamm.wire.messages.api_versions import ApiVersionsRequest

from .raw_client import ClosedError, RawClient, SilentError, decode_response, request_bytes

PROBE_CORRELATION_ID = 77_777_777
_PROBE = request_bytes(ApiVersionsRequest(), 0, PROBE_CORRELATION_ID)
_API_VERSIONS = 18

#: What differs from run to run, or is for people to read.
_DROPPED = frozenset({"errorMessage", "batchIndexErrorMessage", "throttleTimeMs", "nodeEndpoints", "apiKeys"})
_MASKED = frozenset(
    {
        "baseOffset",
        "clusterId",
        "configs",
        "controllerId",
        "host",
        "leader",
        "memberId",
        "nodeId",
        "port",
        "producerId",
        "sessionId",
        "topicId",
    }
)
_UNSET = (None, "", -1, "AAAAAAAAAAAAAAAAAAAAAA", [])
_NO_SESSION = ("sessionId", 0)
_FEATURES = re.compile(r"(supported|finalized)Features")


class Case(NamedTuple):
    """`data`: the bytes; `half`: they end within a frame, so that no probe goes behind them."""

    name: str
    data: bytes
    half: bool = False


def masked(value: Any) -> Any:
    """An answer in its JSON form without what differs from broker to broker: texts, addresses, ids that were drawn."""
    if isinstance(value, list):
        # Kafka answers topics, partitions and groups in the order of a hash table. Which internal ones there are is
        # another matter.
        items = [masked(item) for item in value if not (isinstance(item, dict) and item.get("isInternal"))]
        return sorted(items, key=json.dumps) if items and isinstance(items[0], dict) else items
    if not isinstance(value, dict):
        return value
    shown = {}
    for key, item in value.items():
        if key in _DROPPED or _FEATURES.match(key):
            continue
        shown[key] = "*" if key in _MASKED and item not in _UNSET and (key, item) != _NO_SESSION else masked(item)
    return shown


def observe(address: str, case: Case, silence_s: float) -> dict[str, Any]:
    """Sends a case on a connection of its own. silence_s: how long nothing must come to call it silent."""
    with RawClient(address, silence_s) as client:
        client.send_bytes(case.data if case.half else case.data + _PROBE)
        try:
            frame = client.read_frame()
        except ClosedError:
            return {"closed": True}
        except SilentError:
            return {"silent": True}
        if _correlation_id(frame) == PROBE_CORRELATION_ID:
            return {"answer": None}
        outcome: dict[str, Any] = {"answer": masked(_shown(case.data, frame))}
        try:
            assert _correlation_id(client.read_frame()) == PROBE_CORRELATION_ID
        except ClosedError:
            outcome["closed"] = True
        return outcome


def _correlation_id(frame: bytes) -> int:
    found: int = struct.unpack_from(">i", frame)[0]
    return found


def _shown(request: bytes, frame: bytes) -> dict[str, Any]:
    key, version = struct.unpack_from(">hh", request, 4)
    api: Api = BY_KEY[key]
    if key == _API_VERSIONS and version not in api.versions:
        version = 0  # KIP-511: the answer to an unknown version is in the first
    return to_json(decode_response(api, version, frame), version)
