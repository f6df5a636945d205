"""One shard of the group coordinator: the groups and offsets of one partition of `__consumer_offsets`.

The caller drives it, one step after the other:

    effects = shard.handle(request, now_ms)         a request (or `tick`, `topic_deleted`, `loaded`, ...)
    append effects.records as one batch             on failure: effects = shard.append_failed(effects, error, now_ms)
    shard.replay(record) for each record            before the next step, so that it sees them
    park effects.replies until the high watermark   `parking.Parked`

`replay` is the only thing that changes what the log keeps (group metadata, offsets), live and when loading alike.
Source: org.apache.kafka.coordinator.group.GroupCoordinatorShard, GroupMetadataManager.

A group is of a kind, and a request finds its way by the kind of its group: classic groups are served here, those of
KIP-848 by the `consumer_*` modules.

Left out: groups of the other kinds (share, streams) come with their own modules and stand in `groups` by their
`kind`; expiry of offsets comes with a later capability.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from ..wire.declare import Message
from ..wire.errors import ErrorCode
from ..wire.log_records.classic_group import (
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    OffsetCommitKey,
    OffsetCommitValue,
)
from ..wire.log_records.consumer_group import ConsumerGroupMetadataKey
from ..wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ..wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from ..wire.messages.delete_groups import DeleteGroupsRequest
from ..wire.messages.describe_groups import DescribeGroupsRequest
from ..wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest, MemberIdentity, MemberResponse
from ..wire.messages.list_groups import ListGroupsRequest
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_delete import OffsetDeleteRequest
from ..wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
)
from ..wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse
from ..wire.messages.txn_offset_commit import TxnOffsetCommitRequest
from ..wire.records import NO_PRODUCER_ID
from . import (
    consumer_classic,
    consumer_group,
    consumer_heartbeat,
    consumer_offsets,
    consumer_timers,
    records,
    transactional_offsets,
)
from . import offsets as offset_requests
from .classic_group import UNKNOWN_MEMBER_ID, ClassicGroup
from .classic_join import accepts, name_is_too_long, protocols_of, refuse_member
from .classic_member import check_commit, check_sync, leave
from .classic_rebalance import answer_join, answer_sync, prepare_rebalance, restart_session
from .classic_table import Event, fire
from .cluster_view import NO_CLUSTER, ClusterView
from .consumer_convert import DOWNGRADED
from .consumer_describe import describe_consumer_groups
from .consumer_fence import time_is_up
from .consumer_group import ConsumerGroup
from .consumer_regex import resolve_regexes
from .describe import describe_groups, list_groups
from .group_deletion import delete_groups, delete_offsets
from .offsets import Offsets
from .records import CoordinatorRecord
from .responses import (
    MEMBER_ERRORS_FROM,
    commit_error,
    error_of_log,
    error_response,
    join_response,
    leave_response,
    txn_commit_error,
)
from .settings import GroupSettings
from .timers import Deadlines
from .turn import Effects, Reply, Request, TimerKey, Turn

#: The first versions that do so.
GROUP_ID_NOT_FOUND_FROM: Final = 9  # OffsetCommit: the error of an unknown group
PROTOCOL_REQUIRED_FROM: Final = 5  # SyncGroup: protocol type and name must be there


#: Requests of the classic protocol to a group of KIP-848.
_TO_CONSUMER_GROUP: Final[dict[type, Callable[[ConsumerGroup, Request, Turn], None]]] = {
    JoinGroupRequest: consumer_classic.join,
    SyncGroupRequest: consumer_classic.sync,
    HeartbeatRequest: consumer_classic.heartbeat,
    LeaveGroupRequest: consumer_classic.leave,
}


class Shard:
    """`groups`: by id; each has a `kind`. `new_uuid`: makes the random part of member ids."""

    def __init__(self, settings: GroupSettings, new_uuid: Callable[[], str], cluster: ClusterView = NO_CLUSTER) -> None:
        self.settings = settings
        self.cluster = cluster
        self.groups: dict[str, ClassicGroup | ConsumerGroup] = {}
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
            ConsumerGroupHeartbeatRequest: self._consumer_heartbeat,
            ConsumerGroupDescribeRequest: self._consumer_describe,
            DeleteGroupsRequest: self._delete_groups,
            OffsetDeleteRequest: self._delete_offsets,
            TxnOffsetCommitRequest: self._txn_offset_commit,
        }

    # --- steps ----------------------------------------------------------------------------------------------------

    def handle(self, request: Request, now_ms: int) -> Effects:
        """A client's request. It is answered in these effects or, if it waits for others, in later ones."""
        turn = self._turn(now_ms)
        message = request.message
        to_consumer_group = _TO_CONSUMER_GROUP.get(type(message))
        group = self.groups.get(message.group_id) if to_consumer_group is not None else None
        # One without members is as good as none to a classic member: it becomes a classic group.
        if to_consumer_group is not None and isinstance(group, ConsumerGroup) and group.members:
            to_consumer_group(group, request, turn)
        else:
            self._handlers[type(message)](request, turn)
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
            if isinstance(group, ConsumerGroup):
                self._consumer_tick(group, kind, member_id, turn)
            elif kind == DOWNGRADED:
                fire(group, Event.LEFT, None, turn)
            elif kind == "join":
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
            group = self._classic(record.key.group) if isinstance(record.key, GroupMetadataKey) else None
            if group is not None:
                fire(group, Event.APPEND_FAILED, None, turn)
        keys = (record.key for record in effects.records)
        for group_id in {key.group_id for key in keys if isinstance(key, consumer_group.KEYS)}:
            consumer = self.groups.get(group_id)
            if isinstance(consumer, ConsumerGroup):
                consumer_timers.restore(consumer, turn)
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
            if isinstance(group, ConsumerGroup):
                consumer_timers.start_after_loading(group, turn)
                continue
            for member in group.members.values():
                restart_session(group, member, turn)
            if len(group.members) > self.settings.max_size:
                prepare_rebalance(group, turn)  # group.max.size has been lowered
        return turn.effects()

    def unload(self) -> list[Reply]:
        """Leadership is lost: all who wait are sent to look for the new coordinator. The shard is not used again."""
        turn = self._turn(0)
        for group in self.groups.values():
            if isinstance(group, ConsumerGroup):
                continue  # nobody waits for one
            for member in group.members.values():
                answer_join(group, member, turn, ErrorCode.NOT_COORDINATOR, member.member_id)
                answer_sync(member, turn, ErrorCode.NOT_COORDINATOR)
        self.groups.clear()
        return turn.replies

    def _turn(self, now_ms: int) -> Turn:
        return Turn(now_ms, self.settings, self._deadlines, self._new_uuid, self.cluster)

    def _classic(self, group_id: str) -> ClassicGroup | None:
        group = self.groups.get(group_id)
        return group if isinstance(group, ClassicGroup) else None

    # --- the log --------------------------------------------------------------------------------------------------

    def replay(self, record: CoordinatorRecord, offset: int = -1, producer_id: int = NO_PRODUCER_ID) -> None:
        """Take over one record of the log, in the log's order; `producer_id`: in whose transaction it is."""
        key, value = record.key, record.value
        if isinstance(key, (OffsetCommitKey, LegacyOffsetCommitKey)):
            if isinstance(value, OffsetCommitValue):
                if key.group not in self.groups:
                    # A group that only keeps offsets has no record of its own (Kafka: a simple group).
                    self.groups[key.group] = ClassicGroup(key.group, value.commit_timestamp)
                self.offsets.put(key.group, key.topic, key.partition, value, offset, producer_id)
            else:
                self.offsets.remove(key.group, key.topic, key.partition)
        elif isinstance(key, GroupMetadataKey):
            if isinstance(value, GroupMetadataValue):
                group = self._classic(key.group)
                if group is None:
                    group = self.groups[key.group] = ClassicGroup(key.group, value.current_state_timestamp)
                group.adopt(value)
            else:
                self._forget(key.group)
        elif isinstance(key, consumer_group.KEYS):
            self._replay_consumer(key, value)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """An end marker stands in the log here: replayed as records are."""
        self.offsets.end_transaction(producer_id, commit)

    def _forget(self, group_id: str) -> None:
        group = self._classic(group_id)
        if group is not None:
            del self.groups[group_id]
            for member_id in (*group.members, *group.pending_join):
                self._deadlines.cancel(("session", group_id, member_id))
            self._deadlines.cancel(("join", group_id, ""))
            self._deadlines.cancel(("sync", group_id, ""))

    def _replay_consumer(self, key: Any, value: Message | None) -> None:
        """A record of a consumer group. The first one makes it, in the place of a group that only kept offsets; its
        tombstones are of no interest to a group that has become a classic one."""
        group = self.groups.get(key.group_id)
        if isinstance(key, ConsumerGroupMetadataKey) and value is None:
            if isinstance(group, ConsumerGroup):
                del self.groups[key.group_id]
                self._deadlines.cancel((consumer_timers.REGEX, key.group_id, ""))
            return
        if not isinstance(group, ConsumerGroup):
            if value is None:
                return
            group = self.groups[key.group_id] = ConsumerGroup(key.group_id)
        group.replay(key, value)

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
        group = self._classic(message.group_id)
        if not error and group is None and member_id != UNKNOWN_MEMBER_ID:
            error = ErrorCode.UNKNOWN_MEMBER_ID
        if error:
            turn.reply(request, join_response(request, error, member_id=member_id))
            return
        is_new = group is None
        if group is None:
            empty_one = self.groups.get(message.group_id)
            if isinstance(empty_one, ConsumerGroup):
                turn.records += empty_one.tombstones()
            group = self.groups[message.group_id] = ClassicGroup(message.group_id, turn.now_ms)
        ended = len(turn.records)
        self._join_group(group, request, turn)
        if is_new and len(turn.records) == ended:
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
        group = self._classic(message.group_id)
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
        group = self._classic(message.group_id)
        if not message.group_id:
            error = ErrorCode.INVALID_GROUP_ID
        elif group is None:
            error = ErrorCode.UNKNOWN_MEMBER_ID
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
        group = self._classic(message.group_id)
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
        if isinstance(group, ConsumerGroup):
            error = consumer_offsets.check_commit(group, message, request.api_version)
        elif group is not None:
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
        if isinstance(group, ClassicGroup):
            fire(group, Event.COMMITTED, message.member_id, turn)
        turn.reply(request, offset_requests.commit(message, turn))

    def _txn_offset_commit(self, request: Request, turn: Turn) -> None:
        message: TxnOffsetCommitRequest = request.message
        group = self.groups.get(message.group_id)
        error = transactional_offsets.check_transactional_commit(group, message)
        if error:
            turn.reply(request, txn_commit_error(request, error))
        else:
            turn.reply(request, transactional_offsets.commit(message, turn))

    def _offset_fetch(self, request: Request, turn: Turn) -> None:
        message: OffsetFetchRequest = request.message
        turn.reply(
            request,
            OffsetFetchResponse(groups=[self._fetch_offsets(row, message.require_stable) for row in message.groups]),
        )

    def _fetch_offsets(self, asked: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
        group = self.groups.get(asked.group_id)
        error = consumer_offsets.check_fetch(group, asked) if isinstance(group, ConsumerGroup) else ErrorCode.NONE
        if error:
            return OffsetFetchResponseGroup(group_id=asked.group_id, topics=[], error_code=error)
        return offset_requests.fetch(self.offsets, asked, require_stable)

    def _describe(self, request: Request, turn: Turn) -> None:
        turn.reply(request, describe_groups(self.groups, request))

    def _list(self, request: Request, turn: Turn) -> None:
        turn.reply(request, list_groups(self.groups, request.message))

    def _delete_groups(self, request: Request, turn: Turn) -> None:
        turn.reply(request, delete_groups(self.groups, self.offsets, request.message, turn))

    def _delete_offsets(self, request: Request, turn: Turn) -> None:
        turn.reply(request, delete_offsets(self.groups, self.offsets, request.message, turn))

    # --- consumer groups ------------------------------------------------------------------------------------------

    def _consumer_heartbeat(self, request: Request, turn: Turn) -> None:
        consumer_heartbeat.heartbeat(self.groups.get(request.message.group_id), request, turn)

    def _consumer_describe(self, request: Request, turn: Turn) -> None:
        turn.reply(request, describe_consumer_groups(self.groups, request.message, turn))

    def _consumer_tick(self, group: ConsumerGroup, kind: str, member_id: str, turn: Turn) -> None:
        if kind == consumer_timers.REGEX:
            resolve_regexes(group, turn)
        else:
            time_is_up(group, kind, member_id, turn)
