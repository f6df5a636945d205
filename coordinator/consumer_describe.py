"""ConsumerGroupDescribe of one shard (KIP-848).

Source: GroupMetadataManager.consumerGroupDescribe, ConsumerGroupMember.asConsumerGroupDescribeMember.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..wire.errors import ErrorCode, KafkaError
from ..wire.messages.consumer_group_describe import (
    Assignment,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
    DescribedGroup,
    TopicPartitions,
)
from ..wire.messages.consumer_group_describe import Member as DescribedMember
from .classic_group import ClassicGroup
from .cluster_view import ClusterView
from .consumer_group import ConsumerGroup
from .consumer_heartbeat import consumer_group_of
from .consumer_member import ConsumerMember
from .turn import Turn

#: Member types of v1.
CLASSIC_MEMBER, CONSUMER_MEMBER = 0, 1


def describe_consumer_groups(
    groups: Mapping[str, ConsumerGroup | ClassicGroup], message: ConsumerGroupDescribeRequest, turn: Turn
) -> ConsumerGroupDescribeResponse:
    """Who may do what with a group is not the coordinator's business: the caller fills that in."""
    return ConsumerGroupDescribeResponse(groups=[_describe(groups, group_id, turn) for group_id in message.group_ids])


def _describe(groups: Mapping[str, ConsumerGroup | ClassicGroup], group_id: str, turn: Turn) -> DescribedGroup:
    if not group_id:
        return DescribedGroup(group_id=group_id, error_code=ErrorCode.INVALID_GROUP_ID)
    try:
        group = consumer_group_of(groups.get(group_id), group_id)
    except KafkaError as error:
        return DescribedGroup(group_id=group_id, error_code=error.code, error_message=error.message)
    return DescribedGroup(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state.value,
        group_epoch=group.epoch,
        assignment_epoch=group.assignment_epoch,
        assignor_name=group.preferred_assignor(group.members.values(), turn.settings.consumer_assignors[0]),
        members=[_member(group, member, turn.cluster) for member in group.members.values()],
    )


def _member(group: ConsumerGroup, member: ConsumerMember, cluster: ClusterView) -> DescribedMember:
    """What a member has to give up counts as its own until it has."""
    has: dict[bytes, set[int]] = {}
    for partitions in (member.assigned, member.revoking):
        for topic_id, epochs in partitions.items():
            has.setdefault(topic_id, set()).update(epochs)
    return DescribedMember(
        member_id=member.member_id,
        instance_id=member.instance_id,
        rack_id=member.rack_id,
        member_epoch=member.member_epoch,
        client_id=member.client_id,
        client_host=member.client_host,
        subscribed_topic_names=sorted(member.topic_names),
        subscribed_topic_regex=member.topic_regex,
        assignment=_assignment(has, cluster),
        target_assignment=_assignment(group.target_of(member.member_id), cluster),
        member_type=CONSUMER_MEMBER if member.classic is None else CLASSIC_MEMBER,
    )


def _assignment(partitions: Mapping[bytes, Iterable[int]], cluster: ClusterView) -> Assignment:
    """Topics that are gone are left out."""
    rows = []
    for topic_id, indexes in partitions.items():
        name = cluster.topic_name(topic_id)
        if name is not None:
            rows.append(TopicPartitions(topic_id=topic_id, topic_name=name, partitions=sorted(indexes)))
    return Assignment(topic_partitions=rows)
