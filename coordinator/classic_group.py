"""What a classic group knows: its members, its generation, and who of them is waiting.

Of this the log keeps what a GroupMetadataValue holds (generation, protocol, leader, members with their assignments);
`adopt` is how a replayed record becomes the group, live and after a restart alike. The rest lives as long as the
process: waiting requests, ids handed out to members that have not come back with them, a rebalance in progress.
Source: org.apache.kafka.coordinator.group.classic.ClassicGroup and ClassicGroupMember.
"""

from __future__ import annotations

from collections import Counter
from enum import Enum
from typing import ClassVar, Final, NamedTuple

from ..wire.errors import ErrorCode
from ..wire.log_records.classic_group import GroupMetadataValue, MemberMetadata
from .partitioning import java_string_hash
from .turn import Request

#: (name, metadata) in the member's order of preference.
Protocols = tuple[tuple[str, bytes], ...]

UNKNOWN_MEMBER_ID: Final = ""


class State(Enum):
    """The value is Kafka's name of the state, as it stands in descriptions.

    Kafka's fifth state, Dead, is a group that is not there: what a description of an unknown group says.
    """

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"


class Member:
    """`waiting_join`, `waiting_sync`: the request that waits for its answer. `is_new`: has not been answered a
    JoinGroup yet and so may be expired even while it waits."""

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "waiting_join",
        "waiting_sync",
    )

    def __init__(
        self,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: Protocols,
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.waiting_join: Request | None = None
        self.waiting_sync: Request | None = None
        self.is_new = False

    @property
    def protocol_names(self) -> set[str]:
        return {name for name, _ in self.protocols}

    def metadata(self, protocol_name: str | None) -> bytes:
        """What the member said under that protocol; empty if it does not speak it."""
        return next((metadata for name, metadata in self.protocols if name == protocol_name), b"")

    def vote(self, candidates: set[str]) -> str:
        return next(name for name, _ in self.protocols if name in candidates)


class Replacement(NamedTuple):
    """How a static member was before it came back with a new id, until that is written."""

    member: Member
    member_id: str
    protocols: Protocols
    rebalance_timeout_ms: int
    session_timeout_ms: int


class ClassicGroup:
    """`state_timestamp_ms`: when it came into its state; `initial_rebalance`: the rebalance in progress began in an
    empty group; `member_added`: a member has come since the last look at the initial rebalance's delay;
    `initial_delay_ms`, `initial_remaining_ms`: that delay, and how much more it may grow."""

    kind: ClassVar[str] = "classic"

    __slots__ = (
        "generation",
        "group_id",
        "initial_delay_ms",
        "initial_rebalance",
        "initial_remaining_ms",
        "leader",
        "member_added",
        "members",
        "pending_join",
        "pending_sync",
        "protocol_name",
        "protocol_type",
        "state",
        "state_timestamp_ms",
        "static_members",
        "supported",
        "unwritten",
        "waiting_joins",
    )

    def __init__(self, group_id: str, now_ms: int) -> None:
        self.group_id = group_id
        self.state = State.EMPTY
        self.state_timestamp_ms = now_ms
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.static_members: dict[str, str] = {}  # instance id -> member id
        self.pending_join: set[str] = set()  # ids handed out with MEMBER_ID_REQUIRED
        self.pending_sync: set[str] = set()  # members of this generation that have not sent SyncGroup
        self.supported: Counter[str] = Counter()  # protocol name -> how many members speak it
        self.waiting_joins = 0  # how many members have a waiting_join
        self.unwritten: Replacement | None = None
        self.initial_rebalance = False
        self.member_added = False
        self.initial_delay_ms = 0
        self.initial_remaining_ms = 0

    # --- members --------------------------------------------------------------------------------------------------

    def add(self, member: Member) -> None:
        self.members[member.member_id] = member
        if member.group_instance_id is not None:
            self.static_members[member.group_instance_id] = member.member_id
        self._count(member, 1)
        if self.leader is None:
            self.leader = member.member_id
        self.pending_join.discard(member.member_id)

    def remove(self, member_id: str) -> Member | None:
        """Take a member or a pending id out; the leader's place goes to the member that has been there longest."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._count(member, -1)
            if member.waiting_join is not None:
                self.waiting_joins -= 1
            if member.group_instance_id is not None:
                del self.static_members[member.group_instance_id]
            if self.leader == member_id:
                self.leader = next(iter(self.members), None)
        self.pending_join.discard(member_id)
        self.pending_sync.discard(member_id)
        return member

    def rename(self, member: Member, new_member_id: str) -> None:
        """A static member has come back: its place goes over to a new id (KIP-345)."""
        old_member_id = member.member_id
        del self.members[old_member_id]
        member.member_id = new_member_id
        self.members[new_member_id] = member
        if member.group_instance_id is not None:
            self.static_members[member.group_instance_id] = new_member_id
        if self.leader == old_member_id:
            self.leader = new_member_id
        # The new id has a session of its own; it is not thrown out for a SyncGroup that the old one owed.
        self.pending_sync.discard(old_member_id)

    def set_protocols(self, member: Member, protocols: Protocols) -> None:
        self._count(member, -1)
        member.protocols = protocols
        self._count(member, 1)

    def _count(self, member: Member, by: int) -> None:
        for name in member.protocol_names:
            speakers = self.supported[name] + by
            if speakers:
                self.supported[name] = speakers
            else:
                del self.supported[name]

    def wait_for_join(self, member: Member, request: Request) -> Request | None:
        """Let `request` wait; gives back the one that it displaces."""
        displaced, member.waiting_join = member.waiting_join, request
        if displaced is None:
            self.waiting_joins += 1
        return displaced

    def take_waiting_join(self, member: Member) -> Request | None:
        request, member.waiting_join = member.waiting_join, None
        if request is not None:
            self.waiting_joins -= 1
        return request

    def all_have_joined(self) -> bool:
        return self.waiting_joins == len(self.members) and not self.pending_join

    def rebalance_timeout_ms(self) -> int:
        """The longest of the members'."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def check_member(self, member_id: str, group_instance_id: str | None) -> ErrorCode:
        """UNKNOWN_MEMBER_ID, FENCED_INSTANCE_ID (another member has that instance id now) or NONE."""
        if group_instance_id is not None:
            owner = self.static_members.get(group_instance_id)
            if owner is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            if owner != member_id:
                return ErrorCode.FENCED_INSTANCE_ID
        return ErrorCode.NONE if member_id in self.members else ErrorCode.UNKNOWN_MEMBER_ID

    def elect_joined_leader(self) -> bool:
        """Make sure that the leader is one who has joined; False if nobody has."""
        leader = self.members.get(self.leader or "")
        if leader is None:
            return False
        if leader.waiting_join is None:
            joined = next((member for member in self.members.values() if member.waiting_join is not None), None)
            if joined is None:
                return False
            self.leader = joined.member_id
        return True

    # --- protocols ------------------------------------------------------------------------------------------------

    def supports(self, protocol_type: str, protocols: Protocols) -> bool:
        """Whether a member that speaks these can be in the group."""
        if self.state is State.EMPTY:
            return bool(protocol_type and protocols)
        count = len(self.members)
        return self.protocol_type == protocol_type and any(self.supported[name] == count for name, _ in protocols)

    def select_protocol(self) -> str:
        """The protocol that all members speak with the most first choices.

        Among equals the first in the order of a java.util.HashMap, which is what Kafka counts in.
        """
        count = len(self.members)
        candidates = {name for name, members in self.supported.items() if members == count}
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return min(votes, key=lambda name: (-votes[name], _hash_map_bucket(name)))

    def next_generation(self, now_ms: int) -> None:
        """All who are still members have joined: CompletingRebalance, or Empty if there are none."""
        self.generation += 1
        self.pending_sync.clear()
        self.protocol_name = self.select_protocol() if self.members else None
        self.become(State.COMPLETING_REBALANCE if self.members else State.EMPTY, now_ms)

    def become(self, state: State, now_ms: int) -> None:
        self.state = state
        self.state_timestamp_ms = now_ms

    # --- the log --------------------------------------------------------------------------------------------------

    def to_value(self, assignments: dict[str, bytes] | None = None) -> GroupMetadataValue:
        """The group as the log keeps it; `assignments` (by member id) in place of those that the members have."""
        return GroupMetadataValue(
            protocol_type=self.protocol_type or "",
            generation=self.generation,
            protocol=self.protocol_name,
            leader=self.leader,
            current_state_timestamp=self.state_timestamp_ms,
            members=[
                MemberMetadata(
                    member_id=member.member_id,
                    group_instance_id=member.group_instance_id,
                    client_id=member.client_id,
                    client_host=member.client_host,
                    rebalance_timeout=member.rebalance_timeout_ms,
                    session_timeout=member.session_timeout_ms,
                    subscription=member.metadata(self.protocol_name),
                    assignment=member.assignment if assignments is None else assignments.get(member.member_id, b""),
                )
                for member in self.members.values()
            ],
        )

    def adopt(self, value: GroupMetadataValue) -> None:
        """Become what a record says. The one place where a group's durable state changes.

        A live member keeps its waiting requests and its full list of protocols, of which a record has only the
        chosen one. Members whose JoinGroup waits belong to a generation to come and not to this record: the first
        record of a new group, without members, meets them.
        """
        self.unwritten = None
        recorded = {member.member_id for member in value.members}
        gone = [member for member in self.members.values() if member.member_id not in recorded]
        if any(member.waiting_join is not None for member in gone):
            return
        for member in gone:
            self.remove(member.member_id)
        for row in value.members:
            self._adopt_member(row, value.protocol)
        self.protocol_type = value.protocol_type or None
        self.protocol_name = value.protocol
        self.generation = value.generation
        self.leader = value.leader if value.leader is not None else next(iter(self.members), None)
        self.state = State.STABLE if self.members else State.EMPTY
        self.state_timestamp_ms = value.current_state_timestamp

    def _adopt_member(self, row: MemberMetadata, protocol: str | None) -> None:
        chosen = (protocol or "", row.subscription)
        member = self.members.get(row.member_id)
        if member is None:
            member = Member(row.member_id, row.group_instance_id, row.client_id, row.client_host, 0, 0, (chosen,))
            self.add(member)
        elif chosen not in member.protocols:
            self.set_protocols(member, (chosen,))
        # Version 0 of the record has no rebalance timeout.
        member.rebalance_timeout_ms = row.session_timeout if row.rebalance_timeout == -1 else row.rebalance_timeout
        member.session_timeout_ms = row.session_timeout
        member.assignment = row.assignment


def _hash_map_bucket(name: str) -> int:
    """The place of a key in a java.util.HashMap of up to 12 entries."""
    hashed = java_string_hash(name) & 0xFFFFFFFF
    return (hashed ^ hashed >> 16) & 15
