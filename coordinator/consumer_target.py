"""From members and topics to the group's epoch and target (KIP-848).

The group's epoch goes up when a subscription or a subscribed topic changes; then the assignor makes a target for that
epoch, of which each member's part is written. Source: GroupMetadataManager.updateSubscriptionMetadata and
maybeUpdateTargetAssignment, TargetAssignmentBuilder.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from . import consumer_records
from .cluster_view import ClusterView
from .consumer_assignors import ASSIGNORS, GroupSpec, MemberSpec, Target
from .consumer_group import ConsumerGroup, ResolvedRegex, subscribed_topics
from .consumer_member import ConsumerMember
from .consumer_reconcile import Aim
from .consumer_records import group_epoch, target_assignment, target_assignment_metadata
from .java_order import string_map_order, string_set_order
from .metadata_hash import group_hash
from .records import CoordinatorRecord
from .turn import Turn


class NewTarget(NamedTuple):
    """`target`: of the member that was asked for."""

    epoch: int
    target: Target


def members_with(group: ConsumerGroup, member: ConsumerMember) -> dict[str, ConsumerMember]:
    """The group's members once `member` is written: in place of itself, of the one whose instance id it takes over,
    or as one more."""
    members = dict(group.members)
    replaced = group.static_members.get(member.instance_id) if member.instance_id is not None else None
    if replaced is not None and replaced != member.member_id:
        members.pop(replaced, None)
    members[member.member_id] = member
    return members


def metadata_hash_of(
    members: Iterable[ConsumerMember], regexes: Mapping[str, ResolvedRegex], cluster: ClusterView
) -> int:
    """Of all topics that exist and that one of the members is subscribed to."""
    names = set[str]().union(*(subscribed_topics(member, regexes) for member in members))
    return group_hash({name: cluster.topic_hash(name) for name in names if cluster.topic_id(name) is not None})


def is_homogeneous(members: Mapping[str, ConsumerMember], regexes: Mapping[str, ResolvedRegex]) -> bool:
    """Whether all members are subscribed to the same topics, as Kafka sees it: all by the same names, or all by the
    same single pattern. It decides which algorithm assigns."""
    count = len(members)
    names = Counter(name for member in members.values() for name in member.topic_names)
    patterns = Counter(member.topic_regex for member in members.values() if member.topic_regex)
    used = [resolved for regex, resolved in regexes.items() if patterns[regex]]
    matched = Counter(name for resolved in used for name in resolved.topics)
    if not patterns:
        return all(subscribers == count for subscribers in names.values())
    return patterns.most_common()[-1][1] == count and not names and all(times == 1 for times in matched.values())


def must_refresh(group: ConsumerGroup, turn: Turn) -> bool:
    """Whether topics have changed since the group's were last looked at, or what came of it was not written."""
    return group.refreshed_at < turn.cluster.topics_changed_at or group.epoch < group.refreshed_epoch


def update_epoch(
    group: ConsumerGroup,
    member: ConsumerMember,
    bump: bool,
    written: list[CoordinatorRecord],
    turn: Turn,
) -> int:
    """The group's epoch with `member` as it is now: one more if `bump` says so or the topics have changed."""
    hashed = metadata_hash_of(members_with(group, member).values(), _regexes_with(group, member), turn.cluster)
    epoch = group.epoch
    if bump or hashed != group.metadata_hash:
        epoch += 1
        written.append(group_epoch(group.group_id, epoch, hashed))
    group.refreshed_at, group.refreshed_epoch = turn.cluster.topics_changed_at, epoch
    if group.has_partition_metadata:
        written.append(consumer_records.partition_metadata_gone(group.group_id))
    return epoch


def _regexes_with(group: ConsumerGroup, member: ConsumerMember) -> dict[str, ResolvedRegex]:
    """What is resolved, but for a pattern whose last subscriber has another now."""
    used = {other.topic_regex for other in members_with(group, member).values()}
    return {regex: resolved for regex, resolved in group.regexes.items() if regex in used}


def update_target(
    group: ConsumerGroup, epoch: int, member: ConsumerMember, written: list[CoordinatorRecord], turn: Turn
) -> NewTarget:
    """The target for the group's `epoch`, made now if it is due; else the last one."""
    if group.assignment_epoch >= epoch or _is_too_early(group, turn):
        return NewTarget(group.assignment_epoch, group.target_of(member.member_id, member.instance_id))
    members = members_with(group, member)
    targets = _assign(group, members, turn)
    for member_id in string_map_order(members):
        target = targets.get(member_id, {})
        if group.target.get(member_id) != target:
            written.append(target_assignment(group.group_id, member_id, target))
    written.append(target_assignment_metadata(group.group_id, epoch, turn.now_ms))
    return NewTarget(epoch, targets.get(member.member_id, {}))


def _is_too_early(group: ConsumerGroup, turn: Turn) -> bool:
    interval_ms = assignment_interval_ms(group.group_id, turn)
    last_ms = group.assignment_timestamp_ms
    return bool(last_ms and interval_ms and turn.now_ms < last_ms + interval_ms)


def _assign(group: ConsumerGroup, members: Mapping[str, ConsumerMember], turn: Turn) -> Mapping[str, Target]:
    topics_of: dict[frozenset[str], dict[bytes, int]] = {}
    specs = {}
    for member_id, member in members.items():
        names = subscribed_topics(member, group.regexes)
        if names not in topics_of:
            topics_of[names] = _existing(names, turn.cluster)
        target = group.target_of(member_id, member.instance_id)
        specs[member_id] = MemberSpec(member.instance_id, topics_of[names], target)
    assigned = {
        (topic_id, partition)
        for target in group.target.values()
        for topic_id, partitions in target.items()
        for partition in partitions
    }
    default = turn.settings.consumer_assignors[0]
    name = group.preferred_assignor(members.values(), default)
    homogeneous = is_homogeneous(members, group.regexes)
    return ASSIGNORS.get(name, ASSIGNORS[default])(GroupSpec(specs, homogeneous, assigned))


def _existing(names: frozenset[str], cluster: ClusterView) -> dict[bytes, int]:
    found = {}
    for name in string_set_order(names):
        topic_id = cluster.topic_id(name)
        if topic_id is not None:
            found[topic_id] = cluster.partition_count(topic_id)
    return found


def aim_at(
    group: ConsumerGroup,
    member: ConsumerMember,
    target: NewTarget,
    owned: list[object] | None,
    subscription_changed: bool,
    turn: Turn,
) -> Aim:
    """What `reconcile` is told."""
    names = subscribed_topics(member, group.regexes)
    topic_ids = {topic_id for name in names if (topic_id := turn.cluster.topic_id(name)) is not None}
    return Aim(target.epoch, target.target, topic_ids, group.owners, owned, subscription_changed)


def assignment_interval_ms(group_id: str, turn: Turn) -> int:
    """The least time between two targets."""
    configured = turn.cluster.group_config(group_id, "consumer.assignment.interval.ms")
    return turn.settings.consumer_assignment_interval_ms if configured is None else configured
