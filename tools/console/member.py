"""One member of a consumer group by the classic protocol, as a console consumer is: it joins, assigns, commits, leaves.

The protocol of KIP-848 is in consumer_member.py. Left out: cooperative rebalancing (KIP-429), a thread that sends
heartbeats (the caller does, between two fetches).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from ...wire.codec import decode, encode
from ...wire.declare import Message
from ...wire.errors import ErrorCode
from ...wire.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
)
from ...wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ...wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from ...wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberIdentity
from ...wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from ...wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic, OffsetFetchResponse
from ...wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment, SyncGroupResponse
from ..client import Client, ClientError, ServerError
from ..client.errors import check

Key = tuple[str, int]
R = TypeVar("R", bound=Message)

#: The last versions that name topics and one group: OffsetFetch 8 has several groups, OffsetCommit 10 topic ids.
OFFSET_FETCH_VERSION: Final = 7
OFFSET_COMMIT_VERSION: Final = 9

_MOVED: Final = (
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_COORDINATOR,
)

#: After these a member joins again; after the second line's as a new one.
_REJOIN: Final = (ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID)
_ANEW: Final = (ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID)


class Offset(NamedTuple):
    """A committed offset. `leader_epoch`: -1 where none was stored."""

    offset: int
    leader_epoch: int = -1
    metadata: str = ""


def at_coordinator(
    client: Client,
    group: str,
    request: Message | Callable[[int], Message],
    response: type[R],
    error_of: Callable[[R], int],
    *,
    deadline_s: float | None = None,
    highest: int | None = None,
) -> R:
    """Asks the group's coordinator in a version of at most `highest`, again while `error_of` says that it moves."""

    def ask() -> R:
        node_id = client.coordinator(group)
        answer = client.node(node_id, request, response, deadline_s=deadline_s, highest=highest)
        if error_of(answer) in _MOVED:
            client.forget_coordinator(group)
            raise ServerError(error_of(answer))
        return answer

    return client.until(ask, _MOVED, deadline_s)


def committed_offsets(client: Client, group: str, partitions: Iterable[Key] | None = None) -> dict[Key, Offset]:
    """What the group has committed in these partitions (None: in all). Raises ServerError."""
    topics: list[OffsetFetchRequestTopic] | None = None
    if partitions is not None:
        topics = [OffsetFetchRequestTopic(name=name, partition_indexes=rows) for name, rows in _by_topic(partitions)]
    answer = at_coordinator(
        client,
        group,
        OffsetFetchRequest(group_id=group, topics=topics),
        OffsetFetchResponse,
        lambda found: found.error_code,
        highest=OFFSET_FETCH_VERSION,
    )
    check(answer.error_code)
    found: dict[Key, Offset] = {}
    for topic in answer.topics:
        for row in topic.partitions:
            check(row.error_code)
            if row.committed_offset >= 0:
                key = (topic.name, row.partition_index)
                found[key] = Offset(row.committed_offset, row.committed_leader_epoch, row.metadata or "")
    return found


def commit_offsets(
    client: Client,
    group: str,
    offsets: Mapping[Key, int],
    *,
    epochs: Mapping[Key, int] | None = None,
    generation: int = -1,
    member_id: str = "",
    instance_id: str | None = None,
    deadline_s: float | None = None,
) -> None:
    """Commits as a member, or by hand (generation -1) for a group without members. Raises ServerError.

    `epochs`: leader epochs of the records before these offsets, where known.
    """
    topics = [
        OffsetCommitRequestTopic(
            name=name,
            partitions=[
                OffsetCommitRequestPartition(
                    partition_index=row,
                    committed_offset=offsets[name, row],
                    committed_leader_epoch=(epochs or {}).get((name, row), -1),
                    committed_metadata="",
                )
                for row in rows
            ],
        )
        for name, rows in _by_topic(offsets)
    ]
    request = OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        group_instance_id=instance_id,
        topics=topics,
    )

    def first_error(answer: OffsetCommitResponse) -> int:
        return next((row.error_code for topic in answer.topics for row in topic.partitions if row.error_code), 0)

    answer = at_coordinator(
        client,
        group,
        request,
        OffsetCommitResponse,
        first_error,
        deadline_s=deadline_s,
        highest=OFFSET_COMMIT_VERSION,
    )
    check(first_error(answer))


def _by_topic(partitions: Iterable[Key]) -> list[tuple[str, list[int]]]:
    found: dict[str, list[int]] = {}
    for topic, partition in sorted(partitions):
        found.setdefault(topic, []).append(partition)
    return list(found.items())


# --- the range assignor -------------------------------------------------------------------------------------------


def assign_range(subscriptions: Mapping[str, Iterable[str]], counts: Mapping[str, int]) -> dict[str, list[Key]]:
    """org.apache.kafka.clients.consumer.RangeAssignor: of each topic, members in order get a run of partitions.

    `subscriptions`: member id -> topics, in the members' order; `counts`: topic -> number of partitions.
    """
    assigned: dict[str, list[Key]] = {member: [] for member in subscriptions}
    for topic in sorted({topic for topics in subscriptions.values() for topic in topics}):
        members = [member for member, topics in subscriptions.items() if topic in topics]
        each, more = divmod(counts.get(topic, 0), len(members))
        begin = 0
        for index, member in enumerate(members):
            end = begin + each + (index < more)
            assigned[member] += [(topic, partition) for partition in range(begin, end)]
            begin = end
    return assigned


# --- the member ---------------------------------------------------------------------------------------------------


class Member:
    """`count_partitions(topics)`: topic -> number of partitions, asked when this member is the leader."""

    def __init__(
        self,
        client: Client,
        group: str,
        count_partitions: Callable[[Iterable[str]], Mapping[str, int]],
        *,
        session_timeout_ms: int = 45_000,
        rebalance_timeout_ms: int = 300_000,
        heartbeat_interval_ms: int = 3_000,
        instance_id: str | None = None,
    ) -> None:
        self._client = client
        self._group = group
        self._count_partitions = count_partitions
        self._session_timeout_ms = session_timeout_ms
        self._rebalance_timeout_ms = rebalance_timeout_ms
        self._heartbeat_s = heartbeat_interval_ms / 1000
        self._instance_id = instance_id
        self._member_id = ""
        self._generation = -1
        self._heartbeat_due_s = 0.0

    def join(self, topics: Iterable[str], deadline_s: float) -> list[Key]:
        """Joins, or joins again, and returns what is assigned. Raises ServerError, UnreachableError behind the time."""
        wanted = sorted(topics)
        while True:
            try:
                assigned = self._join_once(wanted, deadline_s)
            except ServerError as error:
                if error.code in _ANEW:
                    self._member_id = ""
                if error.code not in _REJOIN or time.monotonic() >= deadline_s:
                    raise
                continue
            self._heartbeat_due_s = time.monotonic() + self._heartbeat_s
            return assigned

    def _join_once(self, topics: list[str], deadline_s: float) -> list[Key]:
        subscription = encode(ConsumerProtocolSubscription(topics=topics), 0)
        request = JoinGroupRequest(
            group_id=self._group,
            session_timeout_ms=self._session_timeout_ms,
            rebalance_timeout_ms=self._rebalance_timeout_ms,
            member_id=self._member_id,
            group_instance_id=self._instance_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"\0\0" + subscription)],
        )
        joined = self._ask(request, JoinGroupResponse, deadline_s)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self._member_id = request.member_id = joined.member_id
            joined = self._ask(request, JoinGroupResponse, deadline_s)
        check(joined.error_code)
        self._member_id, self._generation = joined.member_id, joined.generation_id
        sync = SyncGroupRequest(
            group_id=self._group,
            generation_id=self._generation,
            member_id=self._member_id,
            group_instance_id=self._instance_id,
            protocol_type="consumer",
            protocol_name=joined.protocol_name,
            assignments=self._assignments(joined) if joined.leader == self._member_id else [],
        )
        synced = self._ask(sync, SyncGroupResponse, deadline_s)
        check(synced.error_code)
        if not synced.assignment:
            return []
        assignment = decode(ConsumerProtocolAssignment, 0, synced.assignment[2:])
        return [(row.topic, partition) for row in assignment.assigned_partitions for partition in row.partitions]

    def _assignments(self, joined: JoinGroupResponse) -> list[SyncGroupRequestAssignment]:
        # Kafka's order: members with an instance id first, by it, then the others by their ids.
        members = sorted(
            joined.members,
            key=lambda row: (row.group_instance_id is None, row.group_instance_id or row.member_id),
        )
        subscriptions = {}
        for row in members:
            version = min(int.from_bytes(row.metadata[:2], "big"), ConsumerProtocolSubscription.VERSIONS[-1])
            subscriptions[row.member_id] = decode(ConsumerProtocolSubscription, version, row.metadata[2:]).topics
        counts = self._count_partitions({topic for topics in subscriptions.values() for topic in topics})
        return [
            SyncGroupRequestAssignment(member_id=member_id, assignment=b"\0\0" + encode(_assignment(keys), 0))
            for member_id, keys in assign_range(subscriptions, counts).items()
        ]

    def stays(self) -> bool:
        """Sends a heartbeat if one is due. False: the group rebalances, or has lost this member; `join` again."""
        if time.monotonic() < self._heartbeat_due_s:
            return True
        self._heartbeat_due_s = time.monotonic() + self._heartbeat_s
        request = HeartbeatRequest(
            group_id=self._group,
            generation_id=self._generation,
            member_id=self._member_id,
            group_instance_id=self._instance_id,
        )
        answer = self._ask(request, HeartbeatResponse, self._client.deadline(self._session_timeout_ms))
        if answer.error_code in _ANEW:
            self._member_id = ""
        if answer.error_code in _REJOIN:
            return False
        check(answer.error_code)
        return True

    def commit(self, offsets: Mapping[Key, int], epochs: Mapping[Key, int]) -> bool:
        """Commits. False: the group has moved on meanwhile, which `stays` sees to. Raises ServerError for the rest."""
        if not offsets:
            return True
        try:
            commit_offsets(
                self._client,
                self._group,
                offsets,
                epochs=epochs,
                generation=self._generation,
                member_id=self._member_id,
                instance_id=self._instance_id,
            )
        except ServerError as error:
            if error.code not in _REJOIN:
                raise
            self._heartbeat_due_s = 0.0
            return False
        return True

    def leave(self) -> None:
        """Tells the group at once that this member is gone; a static one stays until its session ends (KIP-345)."""
        if not self._member_id or self._instance_id is not None:
            return

        def request(version: int) -> LeaveGroupRequest:
            if version < 3:
                return LeaveGroupRequest(group_id=self._group, member_id=self._member_id)
            identity = MemberIdentity(member_id=self._member_id, reason="the consumer is being closed")
            return LeaveGroupRequest(group_id=self._group, members=[identity])

        try:
            node_id = self._client.coordinator(self._group)
            self._client.node(node_id, request, LeaveGroupResponse, deadline_s=self._client.deadline(1000))
        except ClientError:
            pass  # the session's timeout says the same, later

    def _ask(self, request: Message, response: type[R], deadline_s: float) -> R:
        return at_coordinator(self._client, self._group, request, response, _error_of, deadline_s=deadline_s)


def _error_of(answer: Message) -> int:
    code: int = getattr(answer, "error_code")  # noqa: B009 - every answer that a member gets has one
    return code


def _assignment(keys: Iterable[Key]) -> ConsumerProtocolAssignment:
    rows = [
        ConsumerProtocolAssignmentTopicPartition(topic=topic, partitions=partitions)
        for topic, partitions in _by_topic(keys)
    ]
    return ConsumerProtocolAssignment(assigned_partitions=rows)
