"""Answers of the group APIs that depend on the version, and the error answer of each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ..wire.declare import Message
from ..wire.errors import ErrorCode
from ..wire.messages.consumer_group_describe import (
    ConsumerGroupDescribeRequest,
    ConsumerGroupDescribeResponse,
)
from ..wire.messages.consumer_group_describe import DescribedGroup as DescribedConsumerGroup
from ..wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, ConsumerGroupHeartbeatResponse
from ..wire.messages.delete_groups import DeletableGroupResult, DeleteGroupsRequest, DeleteGroupsResponse
from ..wire.messages.describe_groups import DescribedGroup, DescribeGroupsRequest, DescribeGroupsResponse
from ..wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..wire.messages.join_group import JoinGroupRequest, JoinGroupResponse, JoinGroupResponseMember
from ..wire.messages.leave_group import LeaveGroupRequest, LeaveGroupResponse, MemberResponse
from ..wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ..wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetCommitResponsePartition,
    OffsetCommitResponseTopic,
)
from ..wire.messages.offset_delete import OffsetDeleteRequest, OffsetDeleteResponse
from ..wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse, OffsetFetchResponseGroup
from ..wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from ..wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitResponse,
    TxnOffsetCommitResponsePartition,
    TxnOffsetCommitResponseTopic,
)
from .turn import Request

#: The first versions in which the answer has the thing.
NULL_PROTOCOL_NAME_FROM: Final = 7  # JoinGroup
MEMBER_ERRORS_FROM: Final = 3  # LeaveGroup

NO_OFFSET: Final = -1
NO_LEADER_EPOCH: Final = -1


def join_response(
    request: Request,
    error: ErrorCode = ErrorCode.NONE,
    *,
    member_id: str = "",
    generation: int = -1,
    protocol_type: str | None = None,
    protocol_name: str | None = None,
    leader: str = "",
    members: list[JoinGroupResponseMember] | None = None,
    skip_assignment: bool = False,
) -> JoinGroupResponse:
    """Before v7 "no protocol" is the empty string, since then null."""
    if request.api_version < NULL_PROTOCOL_NAME_FROM:
        protocol_name = protocol_name or ""
    else:
        protocol_name = protocol_name or None
    return JoinGroupResponse(
        error_code=error,
        generation_id=generation,
        protocol_type=protocol_type,
        protocol_name=protocol_name,
        leader=leader,
        skip_assignment=skip_assignment,
        member_id=member_id,
        members=members or [],
    )


def leave_response(request: Request, members: list[MemberResponse]) -> LeaveGroupResponse:
    """Before v3 one member leaves at a time, and its error is the answer's."""
    if request.api_version < MEMBER_ERRORS_FROM:
        return LeaveGroupResponse(error_code=members[0].error_code, members=[])
    return LeaveGroupResponse(error_code=ErrorCode.NONE, members=members)


def commit_error(request: Request, error: ErrorCode) -> OffsetCommitResponse:
    """The same error for each partition: OffsetCommit has no other place for one."""
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponseTopic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponsePartition(partition_index=partition.partition_index, error_code=error)
                    for partition in topic.partitions
                ],
            )
            for topic in request.message.topics
        ]
    )


def txn_commit_error(request: Request, error: ErrorCode) -> TxnOffsetCommitResponse:
    """As `commit_error`."""
    return TxnOffsetCommitResponse(
        topics=[
            TxnOffsetCommitResponseTopic(
                name=topic.name,
                partitions=[
                    TxnOffsetCommitResponsePartition(partition_index=row.partition_index, error_code=error)
                    for row in topic.partitions
                ],
            )
            for topic in request.message.topics
        ]
    )


def _describe_error(request: Request, error: ErrorCode) -> DescribeGroupsResponse:
    return DescribeGroupsResponse(
        groups=[DescribedGroup(error_code=error, group_id=group_id) for group_id in request.message.groups]
    )


def _consumer_describe_error(request: Request, error: ErrorCode) -> ConsumerGroupDescribeResponse:
    return ConsumerGroupDescribeResponse(
        groups=[DescribedConsumerGroup(error_code=error, group_id=group_id) for group_id in request.message.group_ids]
    )


def _delete_error(request: Request, error: ErrorCode) -> DeleteGroupsResponse:
    return DeleteGroupsResponse(
        results=[DeletableGroupResult(group_id=group_id, error_code=error) for group_id in request.message.groups_names]
    )


def _fetch_error(request: Request, error: ErrorCode) -> OffsetFetchResponse:
    return OffsetFetchResponse(
        groups=[
            OffsetFetchResponseGroup(group_id=group.group_id, topics=[], error_code=error)
            for group in request.message.groups
        ]
    )


def _heartbeat_error(request: Request, error: ErrorCode) -> HeartbeatResponse:
    # While the group is being read from the log nobody can have been thrown out of it.
    return HeartbeatResponse(error_code=ErrorCode.NONE if error == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS else error)


_ERRORS: Final[dict[type[Message], Callable[[Request, ErrorCode], Message]]] = {
    JoinGroupRequest: lambda request, error: join_response(request, error),
    SyncGroupRequest: lambda request, error: SyncGroupResponse(error_code=error),
    HeartbeatRequest: _heartbeat_error,
    LeaveGroupRequest: lambda request, error: LeaveGroupResponse(error_code=error),
    OffsetCommitRequest: commit_error,
    OffsetFetchRequest: _fetch_error,
    DescribeGroupsRequest: _describe_error,
    ListGroupsRequest: lambda request, error: ListGroupsResponse(error_code=error),
    ConsumerGroupHeartbeatRequest: lambda request, error: ConsumerGroupHeartbeatResponse(error_code=error),
    ConsumerGroupDescribeRequest: _consumer_describe_error,
    DeleteGroupsRequest: _delete_error,
    OffsetDeleteRequest: lambda request, error: OffsetDeleteResponse(error_code=error),
    TxnOffsetCommitRequest: txn_commit_error,
}


def error_response(request: Request, error: ErrorCode) -> Any:
    """What `request` is answered when the coordinator as a whole fails it."""
    return _ERRORS[type(request.message)](request, error)


#: What went wrong with the log -> what the client is told (CoordinatorOperationExceptionHelper).
_OF_LOG: Final = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}


def error_of_log(error: ErrorCode) -> ErrorCode:
    """The client's view of an error of the log that the records were to go to."""
    return _OF_LOG.get(error, error)
