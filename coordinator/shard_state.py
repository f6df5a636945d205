"""What one shard of the group coordinator knows: its groups and offsets, as its log adds up to them.

`replay` is the one thing that changes what the log keeps, live and when loading alike. A log may be compacted, and then
begins in the middle of a story: the first record that speaks of a group makes it, a tombstone for what is not there
changes nothing. Source: org.apache.kafka.coordinator.group.GroupCoordinatorShard.replay, GroupMetadataManager.replay.

Where groups of further kinds stand: a share or streams group is one more class in `AnyGroup` with a `kind`, its record
keys one more branch of `replay`, its requests rows of `shard.HANDLERS`, its timers a branch of `Shard.tick`.
"""

from __future__ import annotations

from typing import Any

from ..wire.batches import NO_PRODUCER_ID
from ..wire.declare import Message
from ..wire.log_records.classic_group import (
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    OffsetCommitKey,
    OffsetCommitValue,
)
from ..wire.log_records.consumer_group import ConsumerGroupMetadataKey
from . import consumer_group, consumer_timers
from .classic_group import ClassicGroup
from .consumer_group import ConsumerGroup
from .offsets import Offsets
from .records import CoordinatorRecord
from .timers import Deadlines
from .turn import TimerKey

AnyGroup = ClassicGroup | ConsumerGroup


class ShardState:
    """`groups`: by id. `deadlines`: of members and groups; those of a group that goes go with it."""

    __slots__ = ("deadlines", "groups", "offsets")

    def __init__(self) -> None:
        self.groups: dict[str, AnyGroup] = {}
        self.offsets = Offsets()
        self.deadlines: Deadlines[TimerKey] = Deadlines()

    def classic(self, group_id: str) -> ClassicGroup | None:
        """The group of that id if it is a classic one."""
        group = self.groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    def replay(self, record: CoordinatorRecord, offset: int = -1, producer_id: int = NO_PRODUCER_ID) -> None:
        """Take over one record of the log, in the log's order; `producer_id`: in whose transaction it is."""
        key, value = record.key, record.value
        if isinstance(key, (OffsetCommitKey, LegacyOffsetCommitKey)):
            if isinstance(value, OffsetCommitValue):
                if key.group not in self.groups:
                    # A group that only keeps offsets has no record of its own (Kafka: a simple group).
                    self.groups[key.group] = ClassicGroup(key.group, value.commit_timestamp)
                self.offsets.put(key.group, key.topic, key.partition, value, offset, producer_id)
            else:
                self.offsets.remove(key.group, key.topic, key.partition)
        elif isinstance(key, GroupMetadataKey):
            if isinstance(value, GroupMetadataValue):
                group = self.classic(key.group)
                if group is None:
                    group = self.groups[key.group] = ClassicGroup(key.group, value.current_state_timestamp)
                group.adopt(value)
            else:
                self._forget(key.group)
        elif isinstance(key, consumer_group.KEYS):
            self._replay_consumer(key, value)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """An end marker stands in the log here: replayed as records are."""
        self.offsets.end_transaction(producer_id, commit)

    def _forget(self, group_id: str) -> None:
        group = self.classic(group_id)
        if group is not None:
            del self.groups[group_id]
            for member_id in (*group.members, *group.pending_join):
                self.deadlines.cancel(("session", group_id, member_id))
            self.deadlines.cancel(("join", group_id, ""))
            self.deadlines.cancel(("sync", group_id, ""))

    def _replay_consumer(self, key: Any, value: Message | None) -> None:
        """A record of a consumer group. The first one makes it, in the place of a group that only kept offsets; its
        tombstones are of no interest to a group that has become a classic one."""
        group = self.groups.get(key.group_id)
        if isinstance(key, ConsumerGroupMetadataKey) and value is None:
            if isinstance(group, ConsumerGroup):
                del self.groups[key.group_id]
                self.deadlines.cancel((consumer_timers.REGEX, key.group_id, ""))
            return
        if not isinstance(group, ConsumerGroup):
            if value is None:
                return
            group = self.groups[key.group_id] = ConsumerGroup(key.group_id)
        group.replay(key, value)
