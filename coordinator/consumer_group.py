"""What a consumer group (KIP-848) knows: its members, its epochs, and who is to have which partitions.

All of it is in the log; `replay` is how a record becomes the group, live and after a restart alike.
Source: org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroup, GroupMetadataManager.replay.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import ClassVar, Final, NamedTuple

from ..wire.declare import Message
from ..wire.log_records.consumer_group import (
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupMemberMetadataValue,
    ConsumerGroupMetadataKey,
    ConsumerGroupMetadataValue,
    ConsumerGroupPartitionMetadataKey,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupRegularExpressionValue,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupTargetAssignmentMemberValue,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMetadataValue,
)
from . import consumer_records
from .consumer_assignors import Target
from .consumer_member import ConsumerMember, Partitions
from .java_order import string_map_order
from .records import CoordinatorRecord

#: Of a group that nothing is written of yet; so the first epoch that a member sees is 2.
FIRST_EPOCH: Final = 1
#: The assignment epoch of a group that is being deleted.
NO_ASSIGNMENT: Final = -1

_NO_TARGET: Final[Target] = {}

#: The record keys of a consumer group.
KEYS: Final = (
    ConsumerGroupMetadataKey,
    ConsumerGroupMemberMetadataKey,
    ConsumerGroupTargetAssignmentMetadataKey,
    ConsumerGroupTargetAssignmentMemberKey,
    ConsumerGroupCurrentMemberAssignmentKey,
    ConsumerGroupRegularExpressionKey,
    ConsumerGroupPartitionMetadataKey,
)


class ConsumerGroupState(Enum):
    """The value is Kafka's name of the state, as it stands in descriptions."""

    EMPTY = "Empty"
    ASSIGNING = "Assigning"
    RECONCILING = "Reconciling"
    STABLE = "Stable"


class ResolvedRegex(NamedTuple):
    """What a regular expression stood for: `version`: of the metadata log; `timestamp_ms`: when."""

    topics: frozenset[str]
    version: int
    timestamp_ms: int


class ConsumerGroup:
    """`epoch` goes up with every change of members or topics, `assignment_epoch` follows when the target is computed,
    each member's epoch when it has what the target gives it.

    `owners`: (topic id, partition) -> epoch of the member that has it, or has not given it up yet; `refreshed_at`,
    `refreshed_epoch`: the version of the metadata log for which the topics were looked at, and the epoch that came of
    it (not in the log: a new coordinator looks again).
    """

    kind: ClassVar[str] = "consumer"
    protocol_type: ClassVar[str] = "consumer"

    __slots__ = (
        "assignment_epoch",
        "assignment_timestamp_ms",
        "epoch",
        "group_id",
        "has_partition_metadata",
        "members",
        "metadata_hash",
        "owners",
        "patterns",
        "refreshed_at",
        "refreshed_epoch",
        "regexes",
        "static_members",
        "target",
    )

    def __init__(self, group_id: str) -> None:
        self.group_id = group_id
        self.epoch = FIRST_EPOCH
        self.metadata_hash = 0
        self.assignment_epoch = FIRST_EPOCH
        self.assignment_timestamp_ms = 0
        self.members: dict[str, ConsumerMember] = {}
        self.static_members: dict[str, str] = {}  # instance id -> member id
        self.target: dict[str, Target] = {}  # member id -> its partitions
        self.owners: dict[tuple[bytes, int], int] = {}
        self.patterns: Counter[str] = Counter()  # regular expression -> how many members subscribe with it
        self.regexes: dict[str, ResolvedRegex] = {}
        self.has_partition_metadata = False
        self.refreshed_at = -1
        self.refreshed_epoch = 0

    # --- what it looks like -----------------------------------------------------------------------------------------

    @property
    def state(self) -> ConsumerGroupState:
        if not self.members:
            return ConsumerGroupState.EMPTY
        if self.epoch > self.assignment_epoch:
            return ConsumerGroupState.ASSIGNING
        if all(member.is_reconciled_to(self.assignment_epoch) for member in self.members.values()):
            return ConsumerGroupState.STABLE
        return ConsumerGroupState.RECONCILING

    def static_member(self, instance_id: str | None) -> ConsumerMember | None:
        member_id = self.static_members.get(instance_id) if instance_id is not None else None
        return None if member_id is None else self.members[member_id]

    def target_of(self, member_id: str, instance_id: str | None = None) -> Target:
        """What a member is to have; a static one that comes back has what it had under its old id."""
        if instance_id is not None:
            member_id = self.static_members.get(instance_id, "")
        return self.target.get(member_id, _NO_TARGET)

    def is_subscribed_to(self, topic: str) -> bool:
        return any(topic in member.topic_names for member in self.members.values()) or any(
            topic in resolved.topics for resolved in self.regexes.values()
        )

    def preferred_assignor(self, members: Iterable[ConsumerMember], default: str) -> str:
        """The one that most members ask for."""
        votes = Counter(member.assignor for member in members if member.assignor is not None)
        return max(string_map_order(votes), key=votes.__getitem__, default=default)

    def supports(self, protocol_type: str, protocol_names: Iterable[str]) -> bool:
        """Whether a classic member that speaks these can be in the group."""
        classic = [member.classic for member in self.members.values() if member.classic is not None]
        spoken = Counter(protocol.name for metadata in classic for protocol in metadata.supported_protocols)
        return protocol_type == self.protocol_type and any(spoken[name] == len(classic) for name in protocol_names)

    def is_only_classic_without(self, members: Iterable[ConsumerMember]) -> bool:
        """Whether, without these, all members speak the classic protocol."""
        without = {member.member_id for member in members}
        return all(member.classic is not None for member in self.members.values() if member.member_id not in without)

    def awaits_release(self, member: ConsumerMember) -> bool:
        """Whether somebody still has what the member is to get."""
        return any(
            partition not in member.assigned.get(topic_id, {}) and (topic_id, partition) in self.owners
            for topic_id, partitions in self.target_of(member.member_id).items()
            for partition in partitions
        )

    def tombstones(self) -> list[CoordinatorRecord]:
        """The records with which the group ends."""
        return consumer_records.all_gone(self.group_id, self.members, self.regexes)

    # --- the log ----------------------------------------------------------------------------------------------------

    def replay(self, key: Message, value: Message | None) -> None:
        """Take over one record. The one place where the group changes. The end of the group is the shard's."""
        if isinstance(key, ConsumerGroupCurrentMemberAssignmentKey):
            if isinstance(value, ConsumerGroupCurrentMemberAssignmentValue):
                member = self.members.get(key.member_id) or ConsumerMember(key.member_id)
                self._put(member.with_assignment(value))
            elif key.member_id in self.members:
                self._put(self.members[key.member_id].without_assignment())
        elif isinstance(key, ConsumerGroupMemberMetadataKey):
            if isinstance(value, ConsumerGroupMemberMetadataValue):
                member = self.members.get(key.member_id) or ConsumerMember(key.member_id)
                self._put(member.with_metadata(value))
            else:
                self._remove(key.member_id)
        elif isinstance(key, ConsumerGroupTargetAssignmentMemberKey):
            if isinstance(value, ConsumerGroupTargetAssignmentMemberValue):
                rows = value.topic_partitions
                self.target[key.member_id] = {row.topic_id: frozenset(row.partitions) for row in rows}
            else:
                self.target.pop(key.member_id, None)
        elif isinstance(key, ConsumerGroupTargetAssignmentMetadataKey):
            if isinstance(value, ConsumerGroupTargetAssignmentMetadataValue):
                self.assignment_epoch = value.assignment_epoch
                self.assignment_timestamp_ms = value.assignment_timestamp
            else:
                self.assignment_epoch, self.assignment_timestamp_ms = NO_ASSIGNMENT, 0
        elif isinstance(key, ConsumerGroupRegularExpressionKey):
            if isinstance(value, ConsumerGroupRegularExpressionValue):
                resolved = ResolvedRegex(frozenset(value.topics), value.version, value.timestamp)
                self.regexes[key.regular_expression] = resolved
            else:
                self.regexes.pop(key.regular_expression, None)
        elif isinstance(key, ConsumerGroupPartitionMetadataKey):
            self.has_partition_metadata = value is not None
        elif isinstance(value, ConsumerGroupMetadataValue):
            self.epoch, self.metadata_hash = value.epoch, value.metadata_hash

    def _put(self, member: ConsumerMember) -> None:
        before = self.members.get(member.member_id)
        self.members[member.member_id] = member
        if before is not None:
            self._release(before)
            self._count_pattern(before, -1)
        self._count_pattern(member, 1)
        for partitions in (member.assigned, member.revoking):
            for place in _places(partitions):
                self.owners[place] = member.member_epoch
        if member.instance_id is not None:
            self.static_members[member.instance_id] = member.member_id

    def _remove(self, member_id: str) -> None:
        member = self.members.pop(member_id, None)
        if member is None:
            return
        self._release(member)
        self._count_pattern(member, -1)
        if member.instance_id is not None:
            self.static_members.pop(member.instance_id, None)

    def _count_pattern(self, member: ConsumerMember, more: int) -> None:
        if member.topic_regex:
            self.patterns[member.topic_regex] += more
            if not self.patterns[member.topic_regex]:
                del self.patterns[member.topic_regex]

    def _release(self, member: ConsumerMember) -> None:
        """A partition that another has taken over since is that one's."""
        for partitions in (member.assigned, member.revoking):
            for place in _places(partitions):
                if self.owners.get(place) == member.member_epoch:
                    del self.owners[place]


def _places(partitions: Partitions) -> Iterable[tuple[bytes, int]]:
    return ((topic_id, partition) for topic_id, epochs in partitions.items() for partition in epochs)


def subscribed_topics(member: ConsumerMember, regexes: Mapping[str, ResolvedRegex]) -> frozenset[str]:
    """The names of a member's topics: those it names, and those its regular expression stands for."""
    resolved = regexes.get(member.topic_regex) if member.topic_regex else None
    return member.topic_names if resolved is None else member.topic_names | resolved.topics
