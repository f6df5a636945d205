"""One shard of the group coordinator: the groups and offsets of one partition of `__consumer_offsets`.

The caller drives it, one step after the other:

    effects = shard.handle(request, now_ms)         a request (or `tick`, `topic_deleted`, `loaded`, ...)
    append effects.records as one batch             on failure: effects = shard.append_failed(effects, error, now_ms)
    shard.replay(record) for each record            before the next step, so that it sees them
    park effects.replies until the high watermark   `parking.Parked`

`replay` is the only thing that changes what the log keeps (group metadata, offsets), live and when loading alike.
Source: org.apache.kafka.coordinator.group.GroupCoordinatorShard, GroupMetadataManager.

Left out: groups of the other kinds (KIP-848 consumer, share, streams) come with their own modules and stand in
`groups` by their `kind`; transactional offsets, deletion of groups and expiry of offsets come with later capabilities.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..wire.errors import ErrorCode
from ..wire.log_records.classic_group import (
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    OffsetCommitKey,
    OffsetCommitValue,
)
from ..wire.messages.describe_groups import DescribeGroupsRequest
from ..wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest, MemberIdentity, MemberResponse
from ..wire.messages.list_groups import ListGroupsRequest
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchResponse
from ..wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from . import offsets as offset_requests
from . import records
from .classic_group import UNKNOWN_MEMBER_ID, ClassicGroup
from .classic_join import accepts, name_is_too_long, protocols_of, refuse_member
from .classic_member import check_commit, check_sync, leave
from .classic_rebalance import answer_join, answer_sync, prepare_rebalance, restart_session
from .classic_table import Event, fire
from .describe import describe_groups, list_groups
from .offsets import Offsets
from .records import CoordinatorRecord
from .responses import MEMBER_ERRORS_FROM, commit_error, error_of_log, error_response, join_response, leave_response
from .settings import GroupSettings
from .timers import Deadlines
from .turn import Effects, Reply, Request, TimerKey, Turn

#: The first versions that do so.
GROUP_ID_NOT_FOUND_FROM: Final = 9  # OffsetCommit: the error of an unknown group
PROTOCOL_REQUIRED_FROM: Final = 5  # SyncGroup: protocol type and name must be there


class Shard:
    """`groups`: by id; each has a `kind`. `new_uuid`: makes the random part of member ids."""

    def __init__(self, settings: GroupSettings, new_uuid: Callable[[], str]) -> None:
        self.settings = settings
        self.groups: dict[str, ClassicGroup] = {}
        self.offsets = Offsets()
        self._new_uuid = new_uuid
        self._deadlines: Deadlines[TimerKey] = Deadlines()
        self._handlers: dict[type, Callable[[Request, Turn], None]] = {
            HeartbeatRequest: self._heartbeat,
            OffsetCommitRequest: self._offset_commit,
            OffsetFetchRequest: self._offset_fetch,
            JoinGroupRequest: self._join,
            SyncGroupRequest: self._sync,
            LeaveGroupRequest: self._leave,
            DescribeGroupsRequest: self._describe,
            ListGroupsRequest: self._list,
        }

    # --- steps ----------------------------------------------------------------------------------------------------

    def handle(self, request: Request, now_ms: int) -> Effects:
        """A client's request. It is answered in these effects or, if it waits for others, in later ones."""
        turn = self._turn(now_ms)
        self._handlers[type(request.message)](request, turn)
        return turn.effects()

    def next_deadline_ms(self) -> int | None:
        """Before this time `tick` does nothing; None: there is nothing to wait for."""
        return self._deadlines.next_deadline_ms()

    def tick(self, now_ms: int) -> Iterator[Effects]:
        """All that is due, one step at a time: each step's effects are to be applied before the next is asked for."""
        while (key := self._deadlines.pop_due(now_ms)) is not None:
            kind, group_id, member_id = key
            group = self.groups.get(group_id)
            if group is None:
                continue
            turn = self._turn(now_ms)
            if kind == "join":
                fire(group, Event.JOIN_TIMEOUT, None, turn)
            elif kind == "sync":
                fire(group, Event.SYNC_TIMEOUT, None, turn)
            elif member_id in group.pending_join:
                fire(group, Event.PENDING_EXPIRED, member_id, turn)
            elif member_id in group.members:
                fire(group, Event.EXPIRED, member_id, turn)
            yield turn.effects()

    def append_failed(self, effects: Effects, error: ErrorCode, now_ms: int) -> Effects:
        """The log has not taken `effects.records`, nothing of which was replayed: the same requests get errors.

        An assignment that could not be written is asked for again. For a failure after which the log itself cannot
        be used, drop the shard (`unload`).
        """
        turn = self._turn(now_ms)
        told = error_of_log(error)
        turn.replies.extend(Reply(reply.request, error_response(reply.request, told)) for reply in effects.replies)
        for record in effects.records:
            group = self.groups.get(record.key.group) if isinstance(record.key, GroupMetadataKey) else None
            if group is not None:
                fire(group, Event.APPEND_FAILED, None, turn)
        return turn.effects()

    def topic_deleted(self, topic: str, now_ms: int) -> Effects:
        """Offsets of a deleted topic go with it, so that a new topic of that name starts without."""
        turn = self._turn(now_ms)
        turn.records.extend(offset_requests.tombstones(self.offsets, topic))
        return turn.effects()

    def loaded(self, now_ms: int) -> Effects:
        """The whole log has been replayed: members' sessions begin now, each with its full time."""
        turn = self._turn(now_ms)
        for group in self.groups.values():
            for member in group.members.values():
                restart_session(group, member, turn)
            if len(group.members) > self.settings.max_size:
                prepare_rebalance(group, turn)  # group.max.size has been lowered
        return turn.effects()

    def unload(self) -> list[Reply]:
        """Leadership is lost: all who wait are sent to look for the new coordinator. The shard is not used again."""
        turn = self._turn(0)
        for group in self.groups.values():
            for member in group.members.values():
                answer_join(group, member, turn, ErrorCode.NOT_COORDINATOR, member.member_id)
                answer_sync(member, turn, ErrorCode.NOT_COORDINATOR)
        self.groups.clear()
        return turn.replies

    def _turn(self, now_ms: int) -> Turn:
        return Turn(now_ms, self.settings, self._deadlines, self._new_uuid)

    # --- the log --------------------------------------------------------------------------------------------------

    def replay(self, record: CoordinatorRecord) -> None:
        """Take over one record of the log, in the log's order."""
        key, value = record.key, record.value
        if isinstance(key, (OffsetCommitKey, LegacyOffsetCommitKey)):
            if isinstance(value, OffsetCommitValue):
                if key.group not in self.groups:
                    # A group that only keeps offsets has no record of its own (Kafka: a simple group).
                    self.groups[key.group] = ClassicGroup(key.group, value.commit_timestamp)
                self.offsets.put(key.group, key.topic, key.partition, value)
            else:
                self.offsets.remove(key.group, key.topic, key.partition)
        elif isinstance(key, GroupMetadataKey):
            if isinstance(value, GroupMetadataValue):
                group = self.groups.get(key.group)
                if group is None:
                    group = self.groups[key.group] = ClassicGroup(key.group, value.current_state_timestamp)
                group.adopt(value)
            else:
                self._forget(key.group)

    def _forget(self, group_id: str) -> None:
        group = self.groups.pop(group_id, None)
        if group is not None:
            for member_id in (*group.members, *group.pending_join):
                self._deadlines.cancel(("session", group_id, member_id))
            self._deadlines.cancel(("join", group_id, ""))
            self._deadlines.cancel(("sync", group_id, ""))

    # --- requests -------------------------------------------------------------------------------------------------

    def _join(self, request: Request, turn: Turn) -> None:
        message: JoinGroupRequest = request.message
        member_id = message.member_id
        settings = self.settings
        error = ErrorCode.NONE
        if not message.group_id:
            error = ErrorCode.INVALID_GROUP_ID
        elif not settings.min_session_timeout_ms <= message.session_timeout_ms <= settings.max_session_timeout_ms:
            error = ErrorCode.INVALID_SESSION_TIMEOUT
        elif name_is_too_long(request):
            error = ErrorCode.INVALID_REQUEST
        group = self.groups.get(message.group_id)
        if not error and group is None and member_id != UNKNOWN_MEMBER_ID:
            error = ErrorCode.UNKNOWN_MEMBER_ID
        if error:
            turn.reply(request, join_response(request, error, member_id=member_id))
            return
        is_new = group is None
        if group is None:
            group = self.groups[message.group_id] = ClassicGroup(message.group_id, turn.now_ms)
        self._join_group(group, request, turn)
        if is_new and not turn.records:
            # Kafka keeps a group from its first JoinGroup on, even from a refused one.
            empty = GroupMetadataValue(
                protocol=None, leader=None, generation=0, current_state_timestamp=group.state_timestamp_ms
            )
            turn.records.append(records.group_metadata(group.group_id, empty))

    def _join_group(self, group: ClassicGroup, request: Request, turn: Turn) -> None:
        message: JoinGroupRequest = request.message
        member_id, instance_id = message.member_id, message.group_instance_id
        if not accepts(group, member_id, self.settings.max_size):
            refuse_member(group, request, turn)
        elif not group.supports(message.protocol_type, protocols_of(message)):
            error = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
            turn.reply(request, join_response(request, error, member_id=member_id))
        elif member_id == UNKNOWN_MEMBER_ID:
            returns = instance_id is not None and instance_id in group.static_members
            fire(group, Event.JOIN_STATIC if returns else Event.JOIN_NEW, request, turn)
        elif member_id in group.pending_join:
            fire(group, Event.JOIN_PENDING, request, turn)
        elif error := group.check_member(member_id, instance_id):
            turn.reply(request, join_response(request, error, member_id=member_id))
        else:
            fire(group, Event.JOIN_AGAIN, request, turn)

    def _sync(self, request: Request, turn: Turn) -> None:
        message: SyncGroupRequest = request.message
        group = self.groups.get(message.group_id)
        if request.api_version >= PROTOCOL_REQUIRED_FROM and None in (message.protocol_type, message.protocol_name):
            error = ErrorCode.INCONSISTENT_GROUP_PROTOCOL
        elif not message.group_id:
            error = ErrorCode.INVALID_GROUP_ID
        elif group is None:
            error = ErrorCode.UNKNOWN_MEMBER_ID
        else:
            error = check_sync(group, message)
        if error or group is None:
            turn.reply(request, SyncGroupResponse(error_code=error))
        else:
            fire(group, Event.SYNC, request, turn)

    def _heartbeat(self, request: Request, turn: Turn) -> None:
        message: HeartbeatRequest = request.message
        group = self.groups.get(message.group_id)
        if group is None:
            error = ErrorCode.UNKNOWN_MEMBER_ID if message.group_id else ErrorCode.INVALID_GROUP_ID
        else:
            error = group.check_member(message.member_id, message.group_instance_id)
            if not error and message.generation_id != group.generation:
                error = ErrorCode.ILLEGAL_GENERATION
        if error or group is None:
            turn.reply(request, HeartbeatResponse(error_code=error))
        else:
            fire(group, Event.HEARTBEAT, request, turn)

    def _leave(self, request: Request, turn: Turn) -> None:
        message: LeaveGroupRequest = request.message
        if not message.group_id:
            turn.reply(request, error_response(request, ErrorCode.INVALID_GROUP_ID))
            return
        group = self.groups.get(message.group_id)
        leaving = message.members
        if request.api_version < MEMBER_ERRORS_FROM:
            leaving = [MemberIdentity(member_id=message.member_id)]
        answers = [
            MemberResponse(
                member_id=identity.member_id,
                group_instance_id=identity.group_instance_id,
                error_code=ErrorCode.UNKNOWN_MEMBER_ID if group is None else leave(group, identity, turn),
            )
            for identity in leaving
        ]
        turn.reply(request, leave_response(request, answers))
        if group is not None and any(answer.error_code == ErrorCode.NONE for answer in answers):
            fire(group, Event.LEFT, None, turn)

    def _offset_commit(self, request: Request, turn: Turn) -> None:
        message: OffsetCommitRequest = request.message
        group = self.groups.get(message.group_id)
        generation = message.generation_id_or_member_epoch
        if group is not None:
            error = check_commit(group, message.member_id, message.group_instance_id, generation)
        elif generation < 0:
            error = ErrorCode.NONE  # an administrator's, or a consumer's that assigns itself
        elif request.api_version >= GROUP_ID_NOT_FOUND_FROM:
            error = ErrorCode.GROUP_ID_NOT_FOUND
        else:
            error = ErrorCode.ILLEGAL_GENERATION
        if error:
            turn.reply(request, commit_error(request, error))
            return
        if group is not None:
            fire(group, Event.COMMITTED, message.member_id, turn)
        turn.reply(request, offset_requests.commit(message, turn))

    def _offset_fetch(self, request: Request, turn: Turn) -> None:
        message: OffsetFetchRequest = request.message
        turn.reply(
            request,
            OffsetFetchResponse(groups=[offset_requests.fetch(self.offsets, group) for group in message.groups]),
        )

    def _describe(self, request: Request, turn: Turn) -> None:
        turn.reply(request, describe_groups(self.groups, request))

    def _list(self, request: Request, turn: Turn) -> None:
        turn.reply(request, list_groups(self.groups, request.message))
