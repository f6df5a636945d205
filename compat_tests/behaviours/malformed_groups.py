"""Malformed requests to group coordinators."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from klamm.wire.apis import BY_NAME
from klamm.wire.codec import encode
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from klamm.wire.messages.list_groups import ListGroupsRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from klamm.wire.messages.sync_group import SyncGroupRequest
from tests.broker.outcomes import Case
from tests.broker.raw_client import (
    framed,
    header_bytes,
)

from .build import MAX_INT32, TOPIC, UNKNOWN_ID, case_of


def _join(group: str, **more: Any) -> JoinGroupRequest:
    fields: dict[str, Any] = {
        "session_timeout_ms": 10_000,
        "rebalance_timeout_ms": 10_000,
        "member_id": "",
        "protocol_type": "consumer",
        "protocols": [JoinGroupRequestProtocol(name="range", metadata=b"\0\1\0\0\0\0\0\0\0\0")],
        **more,
    }
    return JoinGroupRequest(group_id=group, **fields)


def groups() -> Iterator[Case]:
    joins = {
        "empty group id": _join(""),
        "session timeout below group.min.session.timeout.ms": _join("malformed-1", session_timeout_ms=1),
        "session timeout above group.max.session.timeout.ms": _join("malformed-2", session_timeout_ms=MAX_INT32),
        "session timeout -1": _join("malformed-3", session_timeout_ms=-1),
        "no protocols": _join("malformed-4", protocols=[]),
        "no protocols, a member id": _join("malformed-5", protocols=[], member_id="unknown"),
        "empty protocol type": _join("malformed-6", protocol_type=""),
        "unknown member id": _join("malformed-7", member_id="unknown"),
        "empty member id": _join("malformed-8"),
    }
    for name, request in joins.items():
        yield case_of(name, request, 5)
        yield case_of(name, request, 9)
    yield case_of("unknown static member id", _join("malformed-9", member_id="unknown", group_instance_id="one"), 9)
    yield case_of("empty instance id", _join("malformed-10", group_instance_id="", member_id="unknown"), 9)
    yield case_of("null group id", _join("malformed-11"), 5)._replace(
        data=framed(header_bytes(BY_NAME["JoinGroup"], 5, 1) + struct.pack(">h", -1) + encode(_join(""), 5)[2:]),
        name="JoinGroup v5: null group id",
    )
    for version in (0, 3, 4, 5):
        sync = SyncGroupRequest(group_id="malformed-none", generation_id=1, member_id="unknown")
        yield case_of("unknown group", sync, version)
    yield case_of("empty group id", SyncGroupRequest(group_id="", generation_id=1, member_id="unknown"), 5)
    for version in (0, 4):
        beat = HeartbeatRequest(group_id="malformed-none", generation_id=1, member_id="unknown")
        yield case_of("unknown group", beat, version)
    yield case_of("empty group id", HeartbeatRequest(group_id="", generation_id=1, member_id="unknown"), 4)
    yield case_of("empty member id", HeartbeatRequest(group_id="malformed-none", generation_id=1, member_id=""), 4)
    yield case_of("unknown group", LeaveGroupRequest(group_id="malformed-none", member_id="unknown"), 2)
    members = [MemberIdentity(member_id="unknown"), MemberIdentity(member_id="", group_instance_id="nobody")]
    yield case_of("unknown group", LeaveGroupRequest(group_id="malformed-none", members=members), 5)
    yield case_of("no members", LeaveGroupRequest(group_id="malformed-none"), 5)
    yield case_of("empty group id", LeaveGroupRequest(group_id="", members=members), 5)
    for version in (0, 5, 6):
        yield case_of("unknown and empty group", DescribeGroupsRequest(groups=["malformed-none", ""]), version)
    yield case_of("no groups", DescribeGroupsRequest(), 5)
    yield case_of("unknown state", ListGroupsRequest(states_filter=["Sleeping"]), 5)
    yield case_of("unknown type", ListGroupsRequest(types_filter=["Orchestra"]), 5)
    for version in (1, 3):
        yield case_of("key type 9", FindCoordinatorRequest(key="malformed", key_type=9), version)
        yield case_of("key type -1", FindCoordinatorRequest(key="malformed", key_type=-1), version)
        yield case_of("key type 2", FindCoordinatorRequest(key="malformed", key_type=2), version)
    for version in (4, 6):
        yield case_of("key type 9", FindCoordinatorRequest(coordinator_keys=["malformed"], key_type=9), version)
        yield case_of("key type 2", FindCoordinatorRequest(coordinator_keys=["malformed"], key_type=2), version)
        yield case_of("no keys", FindCoordinatorRequest(coordinator_keys=[]), version)
    yield case_of("empty keys", FindCoordinatorRequest(coordinator_keys=["", ""]), 4)


def _commit(
    group: str, topic: str = TOPIC, partition: int = 0, metadata: str | None = "", **more: Any
) -> OffsetCommitRequest:
    data = OffsetCommitRequestPartition(
        partition_index=partition, committed_offset=more.pop("offset", 1), committed_metadata=metadata
    )
    return OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[data])], **more)


def offsets() -> Iterator[Case]:
    commits = {
        "empty group id": _commit(""),
        "metadata of 4097 letters": _commit("malformed-c1", metadata="m" * 4097),
        "unknown topic": _commit("malformed-c2", topic="malformed-unknown"),
        "empty topic name": _commit("malformed-c3", topic=""),
        "partition 9": _commit("malformed-c4", partition=9),
        "partition -1": _commit("malformed-c5", partition=-1),
        "unknown group with a generation": _commit(
            "malformed-c6", generation_id_or_member_epoch=3, member_id="unknown"
        ),
        "unknown group with a member id": _commit("malformed-c7", member_id="unknown"),
        "offset -1": _commit("malformed-c8", offset=-1),
        "offset -2": _commit("malformed-c9", offset=-2),
        "null metadata": _commit("malformed-c10", metadata=None),
    }
    for name, request in commits.items():
        yield case_of(name, request, 8)
    for version in (2, 9):
        yield case_of("unknown group with a generation", commits["unknown group with a generation"], version)
        yield case_of("empty group id", commits["empty group id"], version)
    by_id = _commit("malformed-c11")
    by_id.topics[0].topic_id = UNKNOWN_ID
    yield case_of("unknown topic id", by_id, 10)
    yield case_of("no topics", OffsetCommitRequest(group_id="malformed-c12"), 8)
    # The group without a name is there now: it may have offsets, and no members.
    for version in (0, 9):
        yield case_of("empty group id that has offsets", _join(""), version)
        yield case_of("empty group id that has offsets, a member id", _join("", member_id="unknown"), version)
    for version in (0, 4):
        beat = HeartbeatRequest(group_id="", generation_id=1, member_id="unknown")
        yield case_of("empty group id that has offsets", beat, version)
    for version in (0, 5):
        sync = SyncGroupRequest(group_id="", generation_id=1, member_id="unknown")
        yield case_of("empty group id that has offsets", sync, version)
    yield case_of("empty group id that has offsets", LeaveGroupRequest(group_id="", member_id="unknown"), 2)
    group = OffsetFetchRequestGroup(
        group_id="malformed-none", topics=[OffsetFetchRequestTopics(name=TOPIC, partition_indexes=[0, 9, -1])]
    )
    for version in (8, 9):
        yield case_of("unknown group", OffsetFetchRequest(groups=[group]), version)
    old = OffsetFetchRequest(
        group_id="malformed-none", topics=[OffsetFetchRequestTopic(name=TOPIC, partition_indexes=[0, 9, -1])]
    )
    for version in (1, 7):
        yield case_of("unknown group", old, version)
    empty = OffsetFetchRequestGroup(group_id="", topics=None)
    yield case_of("empty group id", OffsetFetchRequest(groups=[empty]), 9)
    yield case_of("group twice", OffsetFetchRequest(groups=[group, group]), 9)
    yield case_of("no groups", OffsetFetchRequest(groups=[]), 9)
    stale = OffsetFetchRequestGroup(group_id="malformed-none", topics=None, member_id="unknown", member_epoch=3)
    yield case_of("unknown group with a member epoch", OffsetFetchRequest(groups=[stale]), 9)
    ids = OffsetFetchRequestGroup(
        group_id="malformed-none", topics=[OffsetFetchRequestTopics(topic_id=UNKNOWN_ID, partition_indexes=[0])]
    )
    yield case_of("unknown topic id", OffsetFetchRequest(groups=[ids]), 10)
