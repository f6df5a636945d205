"""The uniform assignor for members with different subscriptions.

What a member has and may keep it keeps; free partitions go to the least loaded subscribers of their topic; then topic
by topic partitions move from the most to the least loaded of its subscribers until no move helps.
Source: org.apache.kafka.coordinator.group.assignor.UniformHeterogeneousAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: How often all topics are gone through at most.
_MAX_ROUNDS: Final = 16

_NOBODY: Final = -1


def assign_mixed(
    order: list[str], topics: Mapping[str, Mapping[bytes, int]], old: Mapping[str, Mapping[bytes, frozenset[int]]]
) -> dict[str, dict[bytes, set[int]]]:
    """`order`: the member ids in Kafka's order, by which equals are told apart; `topics`: member id -> topic id ->
    number of partitions; `old`: what they were to have until now."""
    return _Builder(order, topics, old).build()


class _Builder:
    def __init__(
        self,
        order: list[str],
        topics: Mapping[str, Mapping[bytes, int]],
        old: Mapping[str, Mapping[bytes, frozenset[int]]],
    ) -> None:
        self._order = order
        self._subscriptions = topics
        self._old = old
        self._counts: dict[bytes, int] = {}
        self._subscribers: dict[bytes, list[int]] = {}
        for number, member_id in enumerate(order):
            for topic_id, partitions in topics[member_id].items():
                self._counts[topic_id] = partitions
                self._subscribers.setdefault(topic_id, []).append(number)
        self._owners = {topic_id: [_NOBODY] * count for topic_id, count in self._counts.items()}
        self._sizes = [0] * len(order)
        self._targets: list[dict[bytes, set[int]]] = [{} for _ in order]

    def build(self) -> dict[str, dict[bytes, set[int]]]:
        if not self._counts:
            return {}
        self._keep()
        self._assign_free()
        self._balance([topic_id for topic_id in self._counts if len(self._subscribers[topic_id]) > 1])
        return dict(zip(self._order, self._targets, strict=True))

    def _keep(self) -> None:
        for number, member_id in enumerate(self._order):
            for topic_id, partitions in self._old[member_id].items():
                if topic_id in self._subscriptions[member_id]:
                    self._targets[number][topic_id] = set(partitions)
                    self._sizes[number] += len(partitions)
                    for partition in partitions:
                        self._owners[topic_id][partition] = number

    def _assign_free(self) -> None:
        free = {
            topic_id: [index for index, owner in enumerate(owners) if owner == _NOBODY]
            for topic_id, owners in self._owners.items()
        }
        for topic_id in self._sorted([topic_id for topic_id, partitions in free.items() if partitions]):
            balancer = _Balancer(self._subscribers[topic_id], self._sizes)
            for partition in free[topic_id]:
                self._move(topic_id, partition, balancer.next_least_loaded())

    def _balance(self, topic_ids: list[bytes]) -> None:
        order = self._sorted(topic_ids)
        last_changed = -1
        for _ in range(_MAX_ROUNDS):
            for place, topic_id in enumerate(order):
                if place == last_changed:
                    return  # all topics have been gone through since
                if self._balance_topic(topic_id) or last_changed == -1:
                    last_changed = place

    def _balance_topic(self, topic_id: bytes) -> int:
        """How many partitions have moved."""
        balancer = _Balancer(self._subscribers[topic_id], self._sizes)
        if balancer.imbalance <= 1:
            return 0
        owned: dict[int, list[int]] = {}
        for partition, owner in enumerate(self._owners[topic_id]):
            owned.setdefault(owner, []).append(partition)
        moved = 0
        while not balancer.is_balanced():
            giver = balancer.next_most_loaded()
            while giver != _NOBODY and not owned.get(giver):
                balancer.exclude_most_loaded()
                giver = balancer.next_most_loaded()
            if giver == _NOBODY:
                break
            partition = owned[giver].pop()
            taker = balancer.next_least_loaded()
            if balancer.is_balanced():
                break
            self._move(topic_id, partition, taker)
            moved += 1
        return moved

    def _move(self, topic_id: bytes, partition: int, taker: int) -> None:
        giver = self._owners[topic_id][partition]
        if giver != _NOBODY:
            left = self._targets[giver][topic_id]
            left.remove(partition)
            if not left:
                del self._targets[giver][topic_id]
            self._sizes[giver] -= 1
        self._targets[taker].setdefault(topic_id, set()).add(partition)
        self._owners[topic_id][partition] = taker
        self._sizes[taker] += 1

    def _sorted(self, topic_ids: list[bytes]) -> list[bytes]:
        """Most partitions a subscriber first, then fewest subscribers, then by id, which Java compares signed."""

        def key(topic_id: bytes) -> tuple[float, int, int, int]:
            subscribers = len(self._subscribers[topic_id])
            most = int.from_bytes(topic_id[:8], "big", signed=True)
            least = int.from_bytes(topic_id[8:], "big", signed=True)
            return -(self._counts[topic_id] / subscribers), subscribers, most, least

        return sorted(topic_ids, key=key)


class _Balancer:
    """Walks a topic's subscribers from both ends of their order by load.

    The least loaded range grows to the right: when each in it has got one partition its level goes up by one, and
    those who stand at that level join it. The most loaded range grows to the left in the same way. `sizes` is the
    builder's and changes under way.
    """

    def __init__(self, subscribers: list[int], sizes: list[int]) -> None:
        self._sizes = sizes
        self._members = sorted(subscribers, key=lambda number: (sizes[number], number))
        lowest, highest = sizes[self._members[0]], sizes[self._members[-1]]
        self.imbalance = highest - lowest
        self._least_end = 0
        self._least_level = lowest - 1
        self._next_least = 0
        self._most_start = self._most_end = len(self._members)
        self._most_level = highest + 1
        self._next_most = len(self._members) - 1

    def is_balanced(self) -> bool:
        return self._most_level - self._least_level <= 1

    def next_least_loaded(self) -> int:
        members, sizes = self._members, self._sizes
        if self._next_least >= self._least_end:
            self._least_level += 1
            while self._least_end < len(members) and sizes[members[self._least_end]] == self._least_level:
                self._least_end += 1
            self._next_least = 0
        number = members[self._next_least]
        self._next_least += 1
        return number

    def next_most_loaded(self) -> int:
        """_NOBODY when no one is left who has partitions to give."""
        members, sizes = self._members, self._sizes
        if self._next_most < self._most_start:
            if self._most_end <= self._most_start and self._most_start > 0:
                # All of the range have been excluded.
                self._most_level = sizes[members[self._most_start - 1]]
            else:
                self._most_level -= 1
            while self._most_start > 0 and sizes[members[self._most_start - 1]] == self._most_level:
                self._most_start -= 1
            self._next_most = self._most_end - 1
        if self._next_most < 0:
            return _NOBODY
        number = members[self._next_most]
        self._next_most -= 1
        return number

    def exclude_most_loaded(self) -> None:
        """The one that came last has nothing to give: it goes to the end of the range, which shrinks."""
        members, place, end = self._members, self._next_most + 1, self._most_end - 1
        members[place], members[end] = members[end], members[place]
        self._most_end -= 1
