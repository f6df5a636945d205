"""Offsets and groups that nobody needs any more: every offsets.retention.check.interval.ms a shard looks for them.

An offset expires when offsets.retention.minutes have passed

    in an Empty classic group     since it became empty
    elsewhere                     since the commit: with nobody in the group (a simple group), in a Stable group of
                                  consumers or in one of KIP-848 if no member reads the topic
    given an expire timestamp     (OffsetCommit v2-4 with a retention time) at that time, under the same conditions

and no open transaction has one pending for the same partition. A group of another protocol with members keeps all, and
so does one that is rebalancing: what its members read is not settled. An empty group without offsets goes too.
Source: OffsetMetadataManager.cleanupExpiredOffsets, OffsetExpirationConditionImpl, the groups'
offsetExpirationCondition, GroupCoordinatorShard.cleanupGroupMetadata.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from . import records
from .classic_group import ClassicGroup, State
from .embedded_protocol import CONSUMER
from .group_deletion import group_gone, is_empty, is_subscribed_to
from .offsets import CommittedOffset
from .pending_offsets import OffsetKey
from .records import NO_EXPIRY, CoordinatorRecord, in_batches
from .shard_state import AnyGroup, ShardState

#: The timer of a shard's next look.
EXPIRY: Final = ("expiry", "", "")

#: How many groups are looked at in one go: about a millisecond of the loop.
GROUPS_A_STEP: Final = 500


class Sweep:
    """One look at all groups that a shard had when it began, a step at a time."""

    __slots__ = ("_group_ids",)

    def __init__(self, group_ids: Iterable[str]) -> None:
        self._group_ids = list(group_ids)

    @property
    def is_over(self) -> bool:
        return not self._group_ids

    def step(self, state: ShardState, retention_ms: int, now_ms: int) -> Iterator[list[CoordinatorRecord]]:
        """Tombstones of the next groups, in batches, each to be written for itself."""
        found: list[CoordinatorRecord] = []
        for group_id in self._group_ids[-GROUPS_A_STEP:]:
            group = state.groups.get(group_id)
            if group is not None:
                found += expired(group, state, retention_ms, now_ms)
        del self._group_ids[-GROUPS_A_STEP:]
        return in_batches(found)


def expired(group: AnyGroup, state: ShardState, retention_ms: int, now_ms: int) -> Iterator[CoordinatorRecord]:
    """The tombstones of a group's offsets that have expired, and its own if it goes."""
    group_id = group.group_id
    topics = state.offsets.groups.get(group_id)
    stays = state.offsets.pending.has_group(group_id)
    if topics:
        since = _runs_since(group)
        if since is None:
            return
        for topic, partitions in topics.items():
            if is_subscribed_to(group, topic):
                stays = True
                continue
            for index, offset in partitions.items():
                key: OffsetKey = (group_id, topic, index)
                if key not in state.offsets.pending and _is_expired(offset, since, retention_ms, now_ms):
                    yield records.offset_tombstone(*key)
                else:
                    stays = True
    if not stays and is_empty(group):
        yield from group_gone(group)


def _is_expired(
    offset: CommittedOffset, since: Callable[[CommittedOffset], int], retention_ms: int, now_ms: int
) -> bool:
    if offset.expire_timestamp_ms != NO_EXPIRY:
        return now_ms >= offset.expire_timestamp_ms
    return now_ms - since(offset) >= retention_ms


def _committed_at(offset: CommittedOffset) -> int:
    return offset.commit_timestamp_ms


def _runs_since(group: AnyGroup) -> Callable[[CommittedOffset], int] | None:
    """From when an offset's retention counts, epoch ms; None if offsets of such a group do not expire."""
    if not isinstance(group, ClassicGroup) or group.protocol_type is None:
        return _committed_at
    if group.state is State.EMPTY:
        became_empty_ms = group.state_timestamp_ms
        # Records before v2 do not say when.
        return _committed_at if became_empty_ms < 0 else lambda _: became_empty_ms
    if group.protocol_type == CONSUMER and group.state is State.STABLE:
        return _committed_at
    return None
