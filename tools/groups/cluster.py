"""What a cluster says of its consumer groups, classic ones and those of KIP-848 alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple

from ...wire.codec import decode
from ...wire.errors import ErrorCode
from ...wire.messages.consumer_group_describe import (
    Assignment,
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)
from ...wire.messages.consumer_group_describe import DescribedGroup as DescribedConsumerGroup
from ...wire.messages.consumer_protocol import ConsumerProtocolAssignment
from ...wire.messages.delete_groups import DeleteGroupsRequest, DeleteGroupsResponse
from ...wire.messages.describe_groups import DescribeGroupsRequest, DescribeGroupsResponse
from ...wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ...wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
    OffsetDeleteResponse,
)
from ..client import Client, ServerError, UnsupportedError
from ..client.client import Node
from ..client.errors import check
from ..console.member import Key, at_coordinator

#: Protocol types of groups that consume; "" is that of an empty one. Connect's, for one, is another.
_CONSUMERS: Final = ("consumer", "")

_CLASSIC_MEMBER: Final = 0


class Listing(NamedTuple):
    """`state` and `type` as Kafka shows them, "Unknown" of a broker that does not say."""

    group: str
    state: str
    type: str


class GroupMember(NamedTuple):
    """`epoch`, `upgraded` (it speaks the new protocol): None in classic groups and where brokers do not say."""

    member_id: str
    instance_id: str
    client_id: str
    host: str
    assigned: list[Key]
    target: list[Key]
    epoch: int | None = None
    upgraded: bool | None = None


class Group(NamedTuple):
    """`epoch` and `target_epoch`: None in classic groups."""

    group: str
    state: str
    assignor: str
    coordinator: Node
    members: list[GroupMember]
    epoch: int | None = None
    target_epoch: int | None = None


def list_groups(client: Client, states: Collection[str] = (), types: Collection[str] = ()) -> list[Listing]:
    """The consumer groups of all brokers, by name. Raises ServerError."""

    def request(version: int) -> ListGroupsRequest:
        filters = ListGroupsRequest()
        if version >= 4:
            filters.states_filter = sorted(states)
        if version >= 5:
            filters.types_filter = sorted(types) or ["classic", "consumer"]
        return filters

    found: dict[str, Listing] = {}
    client.metadata([])
    for node_id in sorted(client.nodes):
        answer = client.node(node_id, request, ListGroupsResponse)
        check(answer.error_code)
        for row in answer.groups:
            if row.protocol_type in _CONSUMERS:
                kind = row.group_type.capitalize() or "Unknown"
                found[row.group_id] = Listing(row.group_id, row.group_state or "Unknown", kind)
    return [found[group] for group in sorted(found)]


def describe_group(client: Client, group: str) -> Group:
    """The group's state and members. Raises ServerError GROUP_ID_NOT_FOUND and others."""
    try:
        return _describe_consumer_group(client, group)
    except UnsupportedError:
        return _describe_classic_group(client, group)
    except ServerError as error:
        if error.code not in (ErrorCode.GROUP_ID_NOT_FOUND, ErrorCode.UNSUPPORTED_VERSION):
            raise
        return _describe_classic_group(client, group)


def _describe_consumer_group(client: Client, group: str) -> Group:
    request = ConsumerGroupDescribeRequest(group_ids=[group])
    answer = at_coordinator(
        client, group, request, ConsumerGroupDescribeResponse, lambda found: found.groups[0].error_code
    )
    row: DescribedConsumerGroup = answer.groups[0]
    check(row.error_code, row.error_message)
    members = [
        GroupMember(
            member.member_id,
            member.instance_id or "",
            member.client_id,
            member.client_host,
            _keys(member.assignment),
            _keys(member.target_assignment),
            member.member_epoch,
            None if member.member_type < 0 else member.member_type != _CLASSIC_MEMBER,
        )
        for member in row.members
    ]
    node = client.nodes[client.coordinator(group)]
    return Group(group, row.group_state, row.assignor_name, node, members, row.group_epoch, row.assignment_epoch)


def _keys(assignment: Assignment) -> list[Key]:
    return [(row.topic_name, partition) for row in assignment.topic_partitions for partition in row.partitions]


def _describe_classic_group(client: Client, group: str) -> Group:
    request = DescribeGroupsRequest(groups=[group])
    answer = at_coordinator(client, group, request, DescribeGroupsResponse, lambda found: found.groups[0].error_code)
    row = answer.groups[0]
    check(row.error_code, row.error_message)
    if row.protocol_type not in _CONSUMERS:
        text = f"GroupId {group} is not a consumer group ({row.protocol_type})."
        raise ServerError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL, text)
    members = [
        GroupMember(
            member.member_id,
            member.group_instance_id or "",
            member.client_id,
            member.client_host,
            _classic_keys(member.member_assignment),
            [],
        )
        for member in row.members
    ]
    return Group(group, row.group_state, row.protocol_data, client.nodes[client.coordinator(group)], members)


def _classic_keys(assignment: bytes) -> list[Key]:
    if not assignment:
        return []
    # An int16 version comes first; 0-3 are alike.
    rows = decode(ConsumerProtocolAssignment, 0, assignment[2:]).assigned_partitions
    return [(row.topic, partition) for row in rows for partition in row.partitions]


def delete_group(client: Client, group: str) -> None:
    """Raises ServerError: NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND and others."""
    answer = at_coordinator(
        client,
        group,
        DeleteGroupsRequest(groups_names=[group]),
        DeleteGroupsResponse,
        lambda found: found.results[0].error_code,
    )
    check(answer.results[0].error_code)


def delete_offsets(client: Client, group: str, partitions: Iterable[Key]) -> dict[Key, int]:
    """The error code of each partition, 0 where its offset is gone. Raises ServerError for the whole group."""
    rows: dict[str, list[OffsetDeleteRequestPartition]] = {}
    for topic, partition in partitions:
        rows.setdefault(topic, []).append(OffsetDeleteRequestPartition(partition_index=partition))
    request = OffsetDeleteRequest(
        group_id=group, topics=[OffsetDeleteRequestTopic(name=name, partitions=found) for name, found in rows.items()]
    )
    answer = at_coordinator(client, group, request, OffsetDeleteResponse, lambda found: found.error_code)
    check(answer.error_code)
    return {(topic.name, row.partition_index): row.error_code for topic in answer.topics for row in topic.partitions}


def partitions_of(client: Client, topics: Collection[str]) -> tuple[dict[Key, bool], dict[str, int]]:
    """(partition -> whether it has a leader, topic -> the error code of one that is not there)."""
    found: dict[Key, bool] = {}
    errors: dict[str, int] = {}
    if topics:
        for topic in client.metadata(sorted(topics)).topics:
            if topic.error_code:
                errors[topic.name or ""] = topic.error_code
            for row in topic.partitions:
                found[topic.name or "", row.partition_index] = row.leader_id in client.nodes
    return found, errors
