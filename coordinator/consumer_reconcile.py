"""How a member comes to what the target gives it, a step a heartbeat (KIP-848).

    has to give up partitions   -> UNREVOKED: in its epoch until it says that it no longer owns them
    others have what it is to get -> UNRELEASED: in the new epoch with what is free
    has what it is to have      -> STABLE

Source: org.apache.kafka.coordinator.group.modern.consumer.CurrentAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from typing import Any, NamedTuple

from ..wire.errors import ErrorCode, KafkaError
from .consumer_assignors import Target
from .consumer_member import ConsumerMember, MemberState, Partitions


class Aim(NamedTuple):
    """`epoch`, `target`: of the target; `topics`: ids of the topics that the member is subscribed to;
    `owned_by_any`: (topic id, partition) that some member has or has not given up; `owned`: rows of what the member
    says it owns, None if it says nothing; `subscription_changed`: by this heartbeat."""

    epoch: int
    target: Target
    topics: Container[bytes]
    owned_by_any: Container[tuple[bytes, int]]
    owned: list[Any] | None
    subscription_changed: bool


def reconcile(member: ConsumerMember, aim: Aim) -> ConsumerMember:
    """The member's next step; the same object if there is none. Raises KafkaError FENCED_MEMBER_EPOCH."""
    if member.state is MemberState.STABLE:
        if member.member_epoch != aim.epoch:
            return _next(member, member.member_epoch, aim)
        return _revoke_unsubscribed(member, aim) if aim.subscription_changed else member
    if member.state is MemberState.UNREVOKED_PARTITIONS:
        if _owns_any(member.revoking, aim):
            return _revoke_unsubscribed(member, aim) if aim.subscription_changed else member
        return _next(member, member.member_epoch, aim)
    if member.state is MemberState.UNRELEASED_PARTITIONS:
        return _next(member, member.member_epoch, aim)
    if aim.owned is None or aim.owned:
        raise KafkaError(
            ErrorCode.FENCED_MEMBER_EPOCH,
            "The consumer group member is in a unknown state. The member must abandon all its partitions and rejoin.",
        )
    return _next(member, aim.epoch, aim)


def _owns_any(revoking: Partitions, aim: Aim) -> bool:
    """Whether the member owns what it is to give up; who says nothing may own it still."""
    if aim.owned is None:
        return True
    return any(index in revoking.get(row.topic_id, {}) for row in aim.owned for index in row.partitions)


def _at(member: ConsumerMember, epoch: int, **changes: Any) -> ConsumerMember:
    return replace(member, member_epoch=epoch, previous_member_epoch=member.member_epoch, **changes)


def _revoke_unsubscribed(member: ConsumerMember, aim: Aim) -> ConsumerMember:
    """The target is as before; topics that the member has just dropped it must give up at once."""
    dropped = {topic_id: epochs for topic_id, epochs in member.assigned.items() if topic_id not in aim.topics}
    if not dropped:
        return member
    assigned = {topic_id: epochs for topic_id, epochs in member.assigned.items() if topic_id not in dropped}
    revoking = {topic_id: dict(epochs) for topic_id, epochs in member.revoking.items()}
    for topic_id, epochs in dropped.items():
        revoking.setdefault(topic_id, {}).update(epochs)
    if _owns_any(revoking, aim):
        state = MemberState.UNREVOKED_PARTITIONS
        return _at(member, member.member_epoch, state=state, assigned=assigned, revoking=revoking)
    return _at(member, member.member_epoch, assigned=assigned)


def _next(member: ConsumerMember, epoch: int, aim: Aim) -> ConsumerMember:
    """Towards the target: first what is to be given up, then what is free."""
    assigned: dict[bytes, dict[int, int]] = {}
    revoking: dict[bytes, dict[int, int]] = {}
    coming: dict[bytes, list[int]] = {}
    is_waiting = False
    for topic_id in dict.fromkeys((*aim.target, *member.assigned)):
        target = aim.target.get(topic_id, frozenset()) if topic_id in aim.topics else frozenset()
        current = member.assigned.get(topic_id, {})
        giving_up = member.revoking.get(topic_id, {})
        kept = {index: given for index, given in current.items() if index in target}
        lost = {index: given for index, given in current.items() if index not in target}
        missing = sorted(index for index in target if index not in kept)
        free = [index for index in missing if (topic_id, index) not in aim.owned_by_any or index in giving_up]
        is_waiting = is_waiting or len(free) < len(missing)
        if kept:
            assigned[topic_id] = kept
        if lost:
            revoking[topic_id] = lost
        if free:
            coming[topic_id] = free
    if revoking and _owns_any(revoking, aim):
        state = MemberState.UNREVOKED_PARTITIONS
        return _at(member, epoch, state=state, assigned=assigned, revoking=revoking)
    for topic_id, indexes in coming.items():
        assigned.setdefault(topic_id, {}).update(dict.fromkeys(indexes, aim.epoch))
    state = MemberState.UNRELEASED_PARTITIONS if is_waiting else MemberState.STABLE
    return _at(member, aim.epoch, state=state, assigned=assigned, revoking={})
