"""What stands in a group coordinator's log, and what its clients are told, as lines of scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from klamm.coordinator.turn import Reply
from klamm.wire.errors import ErrorCode
from klamm.wire.log_records.classic_group import GroupMetadataKey, GroupMetadataValue, OffsetCommitValue

from .bench import Marker, Stored, decoded


def tell_entry(entry: Stored | Marker, tell: Callable[[Any], str]) -> str:
    if isinstance(entry, Marker):
        return f"transaction of {entry.producer_id} {'committed' if entry.commit else 'aborted'}"
    within = f" in the transaction of {entry.producer_id}" if entry.producer_id >= 0 else ""
    return tell(decoded(entry)) + within


def tell_record(record: Any) -> str:
    key, value = record.key, record.value
    if isinstance(key, GroupMetadataKey):
        if not isinstance(value, GroupMetadataValue):
            return f"group {key.group} gone"
        members = " ".join(f"{row.member_id}={row.assignment.decode()}" for row in value.members)
        return f"group {key.group} generation={value.generation} protocol={value.protocol} members: {members}".rstrip()
    place = f"offset {key.group} {key.topic}:{key.partition}"
    if not isinstance(value, OffsetCommitValue):
        return f"{place} gone"
    expires = f" expires={value.expire_timestamp}" if value.expire_timestamp >= 0 else ""
    return f"{place}={value.offset} {value.metadata}".rstrip() + expires + f" v{record.value_version}"


def tell_reply(reply: Reply) -> str:
    answer: Any = reply.response
    api = type(answer).__name__.removesuffix("Response")
    error = ErrorCode(answer.error_code).name if hasattr(answer, "error_code") else ""
    return f"{api} {error} {globals()['_tell_' + api](answer, reply.request.api_version)}".replace("  ", " ").rstrip()


def _tell_JoinGroup(answer: Any, version: int) -> str:  # noqa: N802
    if answer.error_code:
        return f"id={answer.member_id}" if answer.member_id else ""
    members = " ".join(
        f"{row.member_id}{'/' + row.group_instance_id if row.group_instance_id else ''}:{row.metadata.decode()}"
        for row in answer.members
    )
    skip = " skip_assignment" if answer.skip_assignment else ""
    head = f"id={answer.member_id} generation={answer.generation_id} protocol={answer.protocol_name}"
    return f"{head} leader={answer.leader}{skip}" + (f" of [{members}]" if members else "")


def _tell_SyncGroup(answer: Any, version: int) -> str:  # noqa: N802
    return "" if answer.error_code else f"assignment={answer.assignment.decode() or '(empty)'}"


def _tell_Heartbeat(answer: Any, version: int) -> str:  # noqa: N802
    return ""


def _tell_LeaveGroup(answer: Any, version: int) -> str:  # noqa: N802
    return " ".join(
        f"{row.member_id or row.group_instance_id}:{ErrorCode(row.error_code).name}" for row in answer.members
    )


def _tell_OffsetCommit(answer: Any, version: int) -> str:  # noqa: N802
    return " ".join(
        f"{topic.name}:{row.partition_index} {ErrorCode(row.error_code).name}"
        for topic in answer.topics
        for row in topic.partitions
    )


_tell_TxnOffsetCommit = _tell_OffsetDelete = _tell_OffsetCommit  # noqa: N816


def _tell_DeleteGroups(answer: Any, version: int) -> str:  # noqa: N802
    return " ".join(f"{row.group_id}:{ErrorCode(row.error_code).name}" for row in answer.results)


def _tell_OffsetFetch(answer: Any, version: int) -> str:  # noqa: N802
    told = []
    for group in answer.groups:
        offsets = " ".join(
            f"{topic.name}:{row.partition_index}={row.committed_offset}"
            + (f" {row.metadata}" if row.metadata else "")
            + (f" {ErrorCode(row.error_code).name}" if row.error_code else "")
            for topic in group.topics
            for row in topic.partitions
        )
        told.append(f"{group.group_id} {ErrorCode(group.error_code).name} {offsets}".rstrip())
    return "; ".join(told)


def _tell_DescribeGroups(answer: Any, version: int) -> str:  # noqa: N802
    told = []
    for group in answer.groups:
        members = " ".join(
            f"{row.member_id}:{row.member_metadata.decode()}={row.member_assignment.decode()}" for row in group.members
        )
        error = ErrorCode(group.error_code).name
        message = f" ({group.error_message})" if group.error_message else ""
        protocol = f"{group.protocol_type}/{group.protocol_data}"
        told.append(f"{group.group_id} {error}{message} {group.group_state} {protocol} {members}".rstrip())
    return "; ".join(told)


def _tell_ListGroups(answer: Any, version: int) -> str:  # noqa: N802
    return "; ".join(
        f"{group.group_id} {group.protocol_type or '-'} {group.group_state} {group.group_type}"
        for group in answer.groups
    )
