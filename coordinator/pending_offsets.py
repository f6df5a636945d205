"""Offsets that were committed in a transaction (TxnOffsetCommit): pending until its end marker is in the log.

A pending offset is not seen by OffsetFetch; with RequireStable it makes the answer UNSTABLE_OFFSET_COMMIT, so that a
consumer that takes over waits for the producer before it (KIP-447). A commit makes it the group's offset unless a
later one is there already, an abort forgets it.
Source: org.apache.kafka.coordinator.group.OffsetMetadataManager.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .offsets import CommittedOffset

#: (group id, topic, partition)
OffsetKey = tuple[str, str, int]


class PendingOffsets:
    """`by_producer`: producer id -> key -> offset. Only replay changes it."""

    __slots__ = ("_by_group", "_producers", "by_producer")

    def __init__(self) -> None:
        self.by_producer: dict[int, dict[OffsetKey, CommittedOffset]] = {}
        self._producers: dict[OffsetKey, set[int]] = {}
        #: Group id -> how many keys of it are in `_producers`.
        self._by_group: Counter[str] = Counter()

    def __contains__(self, key: OffsetKey) -> bool:
        """Does an open transaction hold an offset for it?"""
        return key in self._producers

    def has_group(self, group_id: str) -> bool:
        """Does an open transaction hold an offset of the group?"""
        return group_id in self._by_group

    def of_group(self, group_id: str) -> Iterator[tuple[str, int]]:
        """(topic, partition) of all that is pending for a group."""
        return ((topic, index) for group, topic, index in self._producers if group == group_id)

    def of_topic(self, topic: str) -> Iterator[tuple[str, int]]:
        """(group id, partition) of all that is pending for a topic."""
        return ((group, index) for group, name, index in self._producers if name == topic)

    def put(self, producer_id: int, key: OffsetKey, offset: CommittedOffset) -> None:
        self.by_producer.setdefault(producer_id, {})[key] = offset
        producers = self._producers.get(key)
        if producers is None:
            producers = self._producers[key] = set()
            self._by_group[key[0]] += 1
        producers.add(producer_id)

    def remove(self, key: OffsetKey) -> None:
        """A tombstone: what is pending for it is gone too."""
        for producer_id in self._no_producers(key):
            offsets = self.by_producer[producer_id]
            del offsets[key]
            if not offsets:
                del self.by_producer[producer_id]

    def take(self, producer_id: int) -> dict[OffsetKey, CommittedOffset]:
        """The producer's transaction has ended: its offsets, which are not pending any more."""
        offsets = self.by_producer.pop(producer_id, {})
        for key in offsets:
            producers = self._producers[key]
            producers.discard(producer_id)
            if not producers:
                self._no_producers(key)
        return offsets

    def _no_producers(self, key: OffsetKey) -> set[int]:
        """Nothing is pending for the key any more; who held something."""
        producers = self._producers.pop(key, None)
        if producers is None:
            return set()
        self._by_group[key[0]] -= 1
        if not self._by_group[key[0]]:
            del self._by_group[key[0]]
        return producers
