"""What a consumer group waits for: sessions, members that give up partitions, classic members that come back.

Source: GroupMetadataManager.scheduleConsumerGroupSessionTimeout and its neighbours, onLoaded.
"""

from __future__ import annotations

from typing import Final

from .consumer_group import ConsumerGroup
from .consumer_member import ConsumerMember, MemberState
from .turn import Turn

#: Timer keys; each means that the member is thrown out.
SESSION: Final = "consumer-session"  # it has not been heard of
REVOCATION: Final = "consumer-revocation"  # it has not given up its partitions within its rebalance timeout
JOIN: Final = "consumer-join"  # a classic member was told to join again and has not
SYNC: Final = "consumer-sync"  # a classic member has joined and not asked for its assignment
#: And one that resolves the group's regular expressions.
REGEX: Final = "consumer-regex"

#: How long after a failed append a timer is tried again (CoordinatorRuntime's retry backoff of timers).
RETRY_MS: Final = 500

_OF_MEMBERS: Final = (SESSION, REVOCATION, JOIN, SYNC)


def restart_session(group: ConsumerGroup, member: ConsumerMember, turn: Turn) -> None:
    """The member has been heard of. A classic one has brought its own timeout."""
    if member.classic is not None:
        timeout_ms = member.classic.session_timeout_ms
    else:
        configured = turn.cluster.group_config(group.group_id, "consumer.session.timeout.ms")
        timeout_ms = turn.settings.consumer_session_timeout_ms if configured is None else configured
    turn.deadlines.set((SESSION, group.group_id, member.member_id), turn.now_ms + timeout_ms)


def watch_revocation(group: ConsumerGroup, member: ConsumerMember, turn: Turn) -> None:
    """A member of its own protocol that has to give up partitions has its rebalance timeout for it. Classic members
    are watched by JOIN."""
    key = (REVOCATION, group.group_id, member.member_id)
    if member.state is MemberState.UNREVOKED_PARTITIONS and member.classic is None:
        turn.deadlines.set(key, turn.now_ms + member.rebalance_timeout_ms)
    elif member.classic is None:
        turn.deadlines.cancel(key)


def await_join(group: ConsumerGroup, member: ConsumerMember, turn: Turn) -> None:
    """A classic member has been told that it must join again; the time runs from the first time."""
    key = (JOIN, group.group_id, member.member_id)
    if key not in turn.deadlines:
        turn.deadlines.set(key, turn.now_ms + member.rebalance_timeout_ms)


def cancel_member(group_id: str, member_id: str, turn: Turn) -> None:
    for kind in _OF_MEMBERS:
        turn.deadlines.cancel((kind, group_id, member_id))


def start_after_loading(group: ConsumerGroup, turn: Turn) -> None:
    """The whole log has been replayed: everybody's time begins anew."""
    for member in group.members.values():
        restart_session(group, member, turn)
        if member.state is MemberState.UNREVOKED_PARTITIONS:
            watch_revocation(group, member, turn)


def restore(group: ConsumerGroup, turn: Turn) -> None:
    """Records of the group were not taken, and timers had been taken out for them: who was to go is tried again soon,
    who was to give up partitions has its time once more."""
    for member_id, member in group.members.items():
        if (SESSION, group.group_id, member_id) not in turn.deadlines:
            turn.deadlines.set((SESSION, group.group_id, member_id), turn.now_ms + RETRY_MS)
        if (
            member.state is MemberState.UNREVOKED_PARTITIONS
            and (REVOCATION, group.group_id, member_id) not in turn.deadlines
        ):
            watch_revocation(group, member, turn)


def heartbeat_interval_ms(group_id: str, turn: Turn) -> int:
    configured = turn.cluster.group_config(group_id, "consumer.heartbeat.interval.ms")
    return turn.settings.consumer_heartbeat_interval_ms if configured is None else configured
