"""DescribeGroups and ListGroups of one shard.

Source: org.apache.kafka.coordinator.group.GroupMetadataManager.describeGroups and listGroups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..wire.errors import ErrorCode
from ..wire.messages.describe_groups import (
    DescribedGroup,
    DescribedGroupMember,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
)
from ..wire.messages.list_groups import ListedGroup, ListGroupsRequest, ListGroupsResponse
from .classic_group import ClassicGroup, State
from .consumer_group import ConsumerGroup
from .turn import Request

#: What a group that is not there is described as.
DEAD: Final = "Dead"
#: The first version in which that is an error.
NOT_FOUND_FROM: Final = 6


def describe_groups(groups: Mapping[str, ClassicGroup | ConsumerGroup], request: Request) -> DescribeGroupsResponse:
    """Only classic groups are described: one of another kind is as good as none.

    Protocol and subscriptions are shown while the group is Stable only: before, they are not settled.

    Who may do what with a group is not the coordinator's business: the caller fills that in.
    """
    message: DescribeGroupsRequest = request.message
    described = []
    for group_id in message.groups:
        group = groups.get(group_id)
        if not isinstance(group, ClassicGroup):
            row = DescribedGroup(error_code=ErrorCode.NONE, group_id=group_id, group_state=DEAD)
            if request.api_version >= NOT_FOUND_FROM:
                row.error_code = ErrorCode.GROUP_ID_NOT_FOUND
                problem = "not found" if group is None else "is not a classic group"
                row.error_message = f"Group {group_id} {problem}."
        else:
            row = _describe(group)
        described.append(row)
    return DescribeGroupsResponse(groups=described)


def _describe(group: ClassicGroup) -> DescribedGroup:
    settled = group.state is State.STABLE
    return DescribedGroup(
        error_code=ErrorCode.NONE,
        group_id=group.group_id,
        group_state=group.state.value,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol_name or "") if settled else "",
        members=[
            DescribedGroupMember(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata(group.protocol_name) if settled else b"",
                member_assignment=member.assignment,
            )
            for member in group.members.values()
        ],
    )


def list_groups(groups: Mapping[str, ClassicGroup | ConsumerGroup], message: ListGroupsRequest) -> ListGroupsResponse:
    """Filters are taken without regard to case; one that no group can match is not an error. An empty one is none."""
    states = {state.strip().lower() for state in message.states_filter}
    kinds = {kind.lower() for kind in message.types_filter}
    return ListGroupsResponse(
        error_code=ErrorCode.NONE,
        groups=[
            ListedGroup(
                group_id=group.group_id,
                protocol_type=group.protocol_type or "",
                group_state=group.state.value,
                group_type=group.kind,
            )
            for group in groups.values()
            if (not states or group.state.value.lower() in states) and (not kinds or group.kind in kinds)
        ],
    )
