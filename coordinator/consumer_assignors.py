"""The server's assignors of KIP-848, range and uniform: who is to have which partitions.

They give what Kafka's give for the same input, so that a group keeps its partitions when it moves between the two.
Source: org.apache.kafka.coordinator.group.assignor.RangeAssignor, UniformAssignor, UniformHomogeneousAssignmentBuilder.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, TypeAlias

from .consumer_uniform_mixed import assign_mixed
from .java_order import copied_capacity, grown_capacity, hash_order, integer_hash, string_map_order, uuid_hash

#: Topic id -> partitions.
Target: TypeAlias = Mapping[bytes, frozenset[int]]


class MemberSpec(NamedTuple):
    """`topics`: those that exist of a member's subscription, topic id -> number of partitions, in the order of a
    HashSet of their names; `target`: what it was to have until now."""

    instance_id: str | None
    topics: Mapping[bytes, int]
    target: Target


class GroupSpec(NamedTuple):
    """`homogeneous`: all members are subscribed to the same topics; `assigned`: all (topic id, partition) that are in
    the group's target now, those of a member that is being replaced included."""

    members: Mapping[str, MemberSpec]
    homogeneous: bool
    assigned: Collection[tuple[bytes, int]]


def assign_range(group: GroupSpec) -> dict[str, Target]:
    """Each topic on its own, in runs: members of the same place in the order get the same partitions of all topics.

    Static members come first, by instance id, then the others by member id.
    """
    order = sorted(group.members, key=lambda member_id: _range_key(member_id, group.members[member_id].instance_id))
    subscribers: dict[bytes, int] = {}
    for member in group.members.values():
        for topic_id in member.topics:
            subscribers[topic_id] = subscribers.get(topic_id, 0) + 1
    served: dict[bytes, int] = {}
    start: dict[bytes, int] = {}
    assignments: dict[str, Target] = {}
    for member_id in order:
        mine = {}
        for topic_id, partitions in group.members[member_id].topics.items():
            quota, extra = divmod(partitions, subscribers[topic_id])
            number = served.get(topic_id, 0)
            first = start.get(topic_id, 0)
            end = first + quota + (number < extra)
            served[topic_id] = number + 1
            start[topic_id] = end
            if first < end:
                mine[topic_id] = frozenset(range(first, end))
        assignments[member_id] = mine
    return assignments


def _range_key(member_id: str, instance_id: str | None) -> tuple[bool, bytes]:
    """Java compares strings by their UTF-16 units."""
    return instance_id is None, (member_id if instance_id is None else instance_id).encode("utf-16-be", "surrogatepass")


def assign_uniform(group: GroupSpec) -> dict[str, Target]:
    """As many partitions for each member as can be, and as few of them moved as can be."""
    if group.homogeneous:
        return _assign_alike(group)
    targets = assign_mixed(
        string_map_order(group.members),
        {member_id: member.topics for member_id, member in group.members.items()},
        {member_id: member.target for member_id, member in group.members.items()},
    )
    return {member_id: _frozen(target) for member_id, target in targets.items()}


def _assign_alike(group: GroupSpec) -> dict[str, Target]:
    order = string_map_order(group.members)
    if not order:
        return {}
    topics = group.members[order[0]].topics
    if not topics:
        return {}
    topic_order = hash_order(topics, uuid_hash, copied_capacity(len(topics)))
    free = [
        (topic_id, partition)
        for topic_id in topic_order
        for partition in range(topics[topic_id])
        if (topic_id, partition) not in group.assigned
    ]
    minimum, with_extra = divmod(sum(topics.values()), len(order))
    targets: dict[str, dict[bytes, set[int]]] = {}
    unfilled: list[tuple[str, int]] = []
    for number, member_id in enumerate(order):
        quota = minimum + (with_extra > 0)
        has_extra = with_extra > 0
        kept = targets[member_id] = {}
        old = group.members[member_id].target
        for topic_id in hash_order(old, uuid_hash, grown_capacity(len(old))):
            if topic_id not in topics:
                continue
            partitions = old[topic_id]
            if len(partitions) > quota:
                walked = hash_order(sorted(partitions), integer_hash, copied_capacity(len(partitions)))
                free += [(topic_id, partition) for partition in walked[quota:]]
                partitions = frozenset(walked[:quota])
            quota -= len(partitions)
            if partitions:
                kept[topic_id] = set(partitions)
        # The extra one is left to a later member, as long as there are enough of them.
        if quota > 0 and has_extra and len(order) - number > with_extra:
            quota -= 1
            has_extra = False
        if quota > 0:
            unfilled.append((member_id, quota))
        with_extra -= has_extra
    rest = iter(free)
    for member_id, quota in unfilled:
        for _, (topic_id, partition) in zip(range(quota), rest, strict=False):
            targets[member_id].setdefault(topic_id, set()).add(partition)
    return {member_id: _frozen(target) for member_id, target in targets.items()}


def _frozen(target: Mapping[bytes, set[int]]) -> Target:
    return {topic_id: frozenset(partitions) for topic_id, partitions in target.items()}


#: By the names that group.consumer.assignors and the clients' group.remote.assignor use.
ASSIGNORS: Final[dict[str, Callable[[GroupSpec], dict[str, Target]]]] = {
    "uniform": assign_uniform,
    "range": assign_range,
}
