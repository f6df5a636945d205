"""What the members of `group_load.py` say: how they join, and the heartbeat of one that simply stays.

A member is a number, its group the number divided by the members of a group; the correlation id of whatever a member
asks is its number.
"""

from __future__ import annotations

import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

from klamm.wire.codec import encode
from klamm.wire.declare import Message
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from klamm.wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from tests.broker.raw_client import api_of, decode_response, request_bytes

JOIN, SYNC, HEARTBEAT, CONSUMER_HEARTBEAT = 3, 3, 4, 1  # versions; JoinGroup v4 would ask twice
DESCRIBE = {DescribeGroupsRequest: 5, ConsumerGroupDescribeRequest: 0}
DESCRIBED_AT_ONCE = 100
SESSION_TIMEOUT_MS = 45_000
REBALANCE_TIMEOUT_MS = 300_000
#: The coordinator is not there yet: it makes its topic at the first request.
AGAIN = {
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
}
AGAIN_S = 0.05
#: A member that has been sent so many heartbeats and is not where it should be never will be.
MOST_STEPS = 100

Sending = tuple[int, bytes]  # connection, frame


class Members(ABC):
    """`groups_at_once`: how many may be joined at a time."""

    groups_at_once: int

    def __init__(self, groups: int, members: int, connections: int, topic: str, interval_s: float) -> None:
        self._groups, self._members, self._connections = groups, members, connections
        self._topic, self._interval_s = topic, interval_s
        self._names = [f"bench-{number:05}" for number in range(groups)]

    def _group(self, number: int) -> str:
        return self._names[number // self._members]

    def _of_group(self, number: int) -> range:
        first = number - number % self._members
        return range(first, first + self._members)

    @abstractmethod
    def begin(self, groups: range) -> list[Sending]:
        """What the members of these groups say first."""

    @abstractmethod
    def on_answer(self, frame: bytes) -> list[Sending]:
        """What is to be said after this answer. Raises RuntimeError for one that ends a member."""

    @abstractmethod
    def ready(self, groups: range) -> bool:
        """Whether all members of these groups have come to rest."""

    @abstractmethod
    def heartbeat(self, number: int) -> bytes:
        """The frame of a member that stays."""

    @abstractmethod
    def expected(self, number: int) -> bytes:
        """The answer to it, from the throttle time on."""

    @abstractmethod
    def _describe(self, names: list[str]) -> Message: ...

    def describe(self) -> Iterator[tuple[bytes, Message]]:
        """Requests that ask for all groups, as frames and as they are."""
        for first in range(0, self._groups, DESCRIBED_AT_ONCE):
            request = self._describe(self._names[first : first + DESCRIBED_AT_ONCE])
            yield request_bytes(request, DESCRIBE[type(request)]), request


def members_of(request: Message, frame: bytes) -> int:
    """How many members the groups of the answer have, as far as they are stable."""
    described: Any = decode_response(api_of(request), DESCRIBE[type(request)], frame[4:])
    states = [getattr(group, "group_state", "") for group in described.groups]
    return sum(
        len(group.members) for group, state in zip(described.groups, states, strict=True) if state.lower() == "stable"
    )


def _refused(number: int, error_code: int) -> RuntimeError:
    return RuntimeError(f"member {number} was answered with {ErrorCode(error_code).name}")


class ClassicMembers(Members):
    """JoinGroup and SyncGroup wait for the other members of the group, and a connection for its answer: each member
    joins on a connection of its own."""

    def __init__(self, groups: int, members: int, connections: int, topic: str, interval_s: float) -> None:
        super().__init__(groups, members, connections, topic, interval_s)
        self.groups_at_once = max(1, connections // members)
        count = groups * members
        self._ids = [""] * count
        self._generations = [0] * groups
        self._joined = [0] * groups
        self._rest = [False] * count
        name = topic.encode()
        #: A subscription of ConsumerProtocol v0.
        subscription = struct.pack(f">hih{len(name)}si", 0, 1, len(name), name, -1)
        self._protocol = JoinGroupRequestProtocol(name="range", metadata=subscription)

    def _connection(self, number: int) -> int:
        return number % (self.groups_at_once * self._members) % self._connections

    def _join(self, number: int) -> Sending:
        request = JoinGroupRequest(
            group_id=self._group(number),
            session_timeout_ms=SESSION_TIMEOUT_MS,
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            member_id="",
            protocol_type="consumer",
            protocols=[self._protocol],
        )
        return self._connection(number), request_bytes(request, JOIN, number)

    def begin(self, groups: range) -> list[Sending]:
        return [self._join(number) for number in range(groups.start * self._members, groups.stop * self._members)]

    def on_answer(self, frame: bytes) -> list[Sending]:
        number = int.from_bytes(frame[4:8])
        return self._on_sync(number, frame) if self._ids[number] else self._on_join(number, frame)

    def _on_join(self, number: int, frame: bytes) -> list[Sending]:
        answer: JoinGroupResponse = decode_response(api_of(_JOIN), JOIN, frame[4:])  # type: ignore[assignment]
        if answer.error_code in AGAIN:
            time.sleep(AGAIN_S)
            return [self._join(number)]
        if answer.error_code:
            raise _refused(number, answer.error_code)
        group = number // self._members
        self._ids[number] = answer.member_id
        self._generations[group] = answer.generation_id
        self._joined[group] += 1
        if self._joined[group] < self._members:
            return []
        return [self._sync(other, answer.leader) for other in self._of_group(number)]

    def _sync(self, number: int, leader: str) -> Sending:
        assignments = [
            SyncGroupRequestAssignment(member_id=self._ids[other], assignment=b"\0\0\0\0\0\0\xff\xff\xff\xff")
            for other in self._of_group(number)
            if self._ids[number] == leader
        ]
        request = SyncGroupRequest(
            group_id=self._group(number),
            generation_id=self._generations[number // self._members],
            member_id=self._ids[number],
            assignments=assignments,
        )
        return self._connection(number), request_bytes(request, SYNC, number)

    def _on_sync(self, number: int, frame: bytes) -> list[Sending]:
        answer: SyncGroupResponse = decode_response(api_of(_SYNC), SYNC, frame[4:])  # type: ignore[assignment]
        if answer.error_code:
            raise _refused(number, answer.error_code)
        self._rest[number] = True
        return []

    def ready(self, groups: range) -> bool:
        return all(self._rest[groups.start * self._members : groups.stop * self._members])

    def heartbeat(self, number: int) -> bytes:
        request = HeartbeatRequest(
            group_id=self._group(number),
            generation_id=self._generations[number // self._members],
            member_id=self._ids[number],
        )
        return request_bytes(request, HEARTBEAT, number)

    def expected(self, number: int) -> bytes:
        return bytes(7)  # throttle time, error code, no tags

    def _describe(self, names: list[str]) -> Message:
        return DescribeGroupsRequest(groups=names)


_JOIN = JoinGroupRequest(group_id="", session_timeout_ms=0, member_id="", protocol_type="", protocols=[])
_SYNC = SyncGroupRequest(group_id="", generation_id=0, member_id="", assignments=[])


class ConsumerMembers(Members):
    """KIP-848: a group's members join one after the other, and take turns until each has what it is to have."""

    groups_at_once = 500

    def __init__(self, groups: int, members: int, connections: int, topic: str, interval_s: float) -> None:
        super().__init__(groups, members, connections, topic, interval_s)
        count = groups * members
        self._ids = [str(uuid4()) for _ in range(count)]
        self._epochs = [0] * count
        self._owned: list[list[TopicPartitions]] = [[] for _ in range(count)]
        self._settled = [False] * count
        self._steps = [0] * groups
        self._answers = [b""] * count

    def _connection(self, number: int) -> int:
        return number // self._members % self._connections

    def _step(self, number: int) -> Sending:
        """A heartbeat that tells all there is to tell."""
        request = ConsumerGroupHeartbeatRequest(
            group_id=self._group(number),
            member_id=self._ids[number],
            member_epoch=self._epochs[number],
            rebalance_timeout_ms=REBALANCE_TIMEOUT_MS,
            subscribed_topic_names=[self._topic],
            topic_partitions=self._owned[number],
        )
        return self._connection(number), request_bytes(request, CONSUMER_HEARTBEAT, number)

    def begin(self, groups: range) -> list[Sending]:
        return [self._step(group * self._members) for group in groups]

    def on_answer(self, frame: bytes) -> list[Sending]:
        number = int.from_bytes(frame[4:8])
        answer: ConsumerGroupHeartbeatResponse = decode_response(  # type: ignore[assignment]
            api_of(_CONSUMER_HEARTBEAT), CONSUMER_HEARTBEAT, frame[4:]
        )
        if answer.error_code in AGAIN:
            time.sleep(AGAIN_S)
            return [self._step(number)]
        if answer.error_code:
            raise _refused(number, answer.error_code)
        owned = self._owned[number] if answer.assignment is None else answer.assignment.topic_partitions
        group = self._of_group(number)
        self._settled[number] = owned == self._owned[number] and answer.member_epoch == self._epochs[number]
        self._owned[number], self._epochs[number] = owned, answer.member_epoch
        self._answers[number] = _stays(answer)
        if all(self._settled[other] for other in group) and len({self._epochs[other] for other in group}) == 1:
            return []
        self._steps[number // self._members] += 1
        if self._steps[number // self._members] > MOST_STEPS:
            raise RuntimeError(f"group {self._group(number)} does not come to rest")
        return [self._step(group.start + (number + 1) % self._members)]

    def ready(self, groups: range) -> bool:
        return all(self._settled[groups.start * self._members : groups.stop * self._members])

    def heartbeat(self, number: int) -> bytes:
        request = ConsumerGroupHeartbeatRequest(
            group_id=self._group(number), member_id=self._ids[number], member_epoch=self._epochs[number]
        )
        return request_bytes(request, CONSUMER_HEARTBEAT, number)

    def expected(self, number: int) -> bytes:
        return self._answers[number]

    def _describe(self, names: list[str]) -> Message:
        return ConsumerGroupDescribeRequest(group_ids=names)


_CONSUMER_HEARTBEAT = ConsumerGroupHeartbeatRequest(group_id="", member_id="", member_epoch=0)


def _stays(answer: ConsumerGroupHeartbeatResponse) -> bytes:
    """What the same member is answered when there is nothing new."""
    answer.assignment = None
    return encode(answer, CONSUMER_HEARTBEAT)
