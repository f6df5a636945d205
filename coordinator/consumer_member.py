"""A member of a consumer group (KIP-848), and how it stands in the log.

A member is never changed but replaced: a heartbeat makes another one, and the difference decides what is written and
answered. Source: org.apache.kafka.coordinator.group.modern.consumer.ConsumerGroupMember.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any, Final, TypeAlias

from ..wire.log_records.consumer_group import (
    ClassicMemberMetadata,
    ConsumerGroupCurrentMemberAssignmentValue,
    ConsumerGroupMemberMetadataValue,
    TopicPartitions,
)

#: Member epochs with a meaning of their own.
JOINING: Final = 0
LEFT: Final = -1
LEFT_FOR_A_WHILE: Final = -2  # a static member that will be back

#: Topic id -> partition -> the member epoch in which it was given.
Partitions: TypeAlias = Mapping[bytes, Mapping[int, int]]


class MemberState(Enum):
    """Where a member stands with its target. The value is what records have.

    UNREVOKED: it has to give up partitions first; UNRELEASED: others have to; UNKNOWN: written by a newer Kafka.
    """

    STABLE = 0
    UNREVOKED_PARTITIONS = 1
    UNRELEASED_PARTITIONS = 2
    UNKNOWN = 127


@dataclass(frozen=True, slots=True)
class ConsumerMember:
    """`assigned`: what it may have; `revoking`: what it has to give up; `topic_regex`: "" or None for none;
    `classic`: set for a member that speaks the classic protocol."""

    member_id: str
    member_epoch: int = 0
    previous_member_epoch: int = -1
    state: MemberState = MemberState.STABLE
    instance_id: str | None = None
    rack_id: str | None = None
    rebalance_timeout_ms: int = -1
    client_id: str = ""
    client_host: str = ""
    topic_names: frozenset[str] = frozenset()
    topic_regex: str | None = ""
    assignor: str | None = None
    assigned: Partitions = field(default_factory=dict)
    revoking: Partitions = field(default_factory=dict)
    classic: ClassicMemberMetadata | None = None

    def is_reconciled_to(self, assignment_epoch: int) -> bool:
        return self.state is MemberState.STABLE and self.member_epoch == assignment_epoch

    @property
    def has_left_for_a_while(self) -> bool:
        return self.member_epoch == LEFT_FOR_A_WHILE

    def epoch_of(self, topic_id: bytes, partition: int) -> int | None:
        """In which epoch it was given a partition that it has or gives up; None for any other."""
        found = self.assigned.get(topic_id, {}).get(partition)
        return found if found is not None else self.revoking.get(topic_id, {}).get(partition)

    # --- the log --------------------------------------------------------------------------------------------------

    def metadata_value(self) -> ConsumerGroupMemberMetadataValue:
        return ConsumerGroupMemberMetadataValue(
            instance_id=self.instance_id,
            rack_id=self.rack_id,
            client_id=self.client_id,
            client_host=self.client_host,
            subscribed_topic_names=sorted(self.topic_names),
            subscribed_topic_regex=self.topic_regex,
            rebalance_timeout_ms=self.rebalance_timeout_ms,
            server_assignor=self.assignor,
            classic_member_metadata=self.classic,
        )

    def assignment_value(self) -> ConsumerGroupCurrentMemberAssignmentValue:
        return ConsumerGroupCurrentMemberAssignmentValue(
            member_epoch=self.member_epoch,
            previous_member_epoch=self.previous_member_epoch,
            state=self.state.value,
            assigned_partitions=_rows(self.assigned),
            partitions_pending_revocation=_rows(self.revoking),
        )

    def with_metadata(self, value: ConsumerGroupMemberMetadataValue) -> ConsumerMember:
        return replace(
            self,
            instance_id=value.instance_id,
            rack_id=value.rack_id,
            rebalance_timeout_ms=value.rebalance_timeout_ms,
            client_id=value.client_id,
            client_host=value.client_host,
            topic_names=frozenset(value.subscribed_topic_names),
            topic_regex=value.subscribed_topic_regex,
            assignor=value.server_assignor,
            classic=value.classic_member_metadata,
        )

    def with_assignment(self, value: ConsumerGroupCurrentMemberAssignmentValue) -> ConsumerMember:
        try:
            state = MemberState(value.state)
        except ValueError:
            state = MemberState.UNKNOWN
        return replace(
            self,
            member_epoch=value.member_epoch,
            previous_member_epoch=value.previous_member_epoch,
            state=state,
            assigned=_from_rows(value.assigned_partitions, value.member_epoch),
            revoking=_from_rows(value.partitions_pending_revocation, value.member_epoch),
        )

    def without_assignment(self) -> ConsumerMember:
        """What is left of a member whose assignment has been taken back: it is about to be removed."""
        return replace(self, member_epoch=LEFT, previous_member_epoch=LEFT, assigned={}, revoking={})


def _rows(partitions: Partitions) -> list[TopicPartitions]:
    return [
        TopicPartitions(
            topic_id=topic_id, partitions=sorted(epochs), assignment_epochs=[epochs[index] for index in sorted(epochs)]
        )
        for topic_id, epochs in partitions.items()
    ]


def _from_rows(rows: list[TopicPartitions], member_epoch: int) -> Partitions:
    """Records before KIP-1251 have no epochs: the member's own stands for them."""
    found: dict[bytes, dict[int, int]] = {}
    for row in rows:
        epochs = row.assignment_epochs
        if epochs is None or len(epochs) != len(row.partitions):
            epochs = [max(member_epoch, 0)] * len(row.partitions)
        found[row.topic_id] = dict(zip(row.partitions, epochs, strict=True))
    return found


def without_epochs(partitions: Partitions) -> dict[bytes, frozenset[int]]:
    return {topic_id: frozenset(epochs) for topic_id, epochs in partitions.items()}


def in_epoch(partitions: Mapping[bytes, Iterable[int]], epoch: int) -> Partitions:
    """All of them given in one epoch."""
    return {topic_id: dict.fromkeys(indexes, epoch) for topic_id, indexes in partitions.items()}


def is_subset(owned: Iterable[Any] | None, assigned: Partitions) -> bool:
    """Whether a member that says what it owns (rows of a heartbeat) owns nothing but what it is assigned."""
    if owned is None:
        return False
    return all(
        row.topic_id in assigned and all(index in assigned[row.topic_id] for index in row.partitions) for row in owned
    )
