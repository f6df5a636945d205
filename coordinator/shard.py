"""One shard of the group coordinator: the groups and offsets of one partition of `__consumer_offsets`.

The caller drives it, one step after the other:

    effects = shard.handle(request, now_ms)         a request (or `loaded`; `tick` and `topic_deleted` make several)
    append effects.records as one batch             on failure: effects = shard.append_failed(effects, error, now_ms)
    shard.replay(record) for each record            before the next step, so that it sees them
    park effects.replies until the high watermark   `parking.Parked`

What it knows is a `ShardState`, which only replayed records change. A request finds its way by its type (`HANDLERS`)
and by the kind of its group. Source: org.apache.kafka.coordinator.group.GroupCoordinatorShard, GroupMetadataManager.

Left out: groups of the other kinds (share, streams); `shard_state.py` says where they will stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ..wire.batches import NO_PRODUCER_ID
from ..wire.errors import ErrorCode
from ..wire.log_records.classic_group import GroupMetadataKey
from ..wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from ..wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from ..wire.messages.delete_groups import DeleteGroupsRequest
from ..wire.messages.describe_groups import DescribeGroupsRequest
from ..wire.messages.heartbeat import HeartbeatRequest
from ..wire.messages.join_group import JoinGroupRequest
from ..wire.messages.leave_group import LeaveGroupRequest
from ..wire.messages.list_groups import ListGroupsRequest
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_delete import OffsetDeleteRequest
from ..wire.messages.offset_fetch import OffsetFetchRequest
from ..wire.messages.sync_group import SyncGroupRequest
from ..wire.messages.txn_offset_commit import TxnOffsetCommitRequest
from . import (
    classic_requests,
    consumer_classic,
    consumer_group,
    consumer_heartbeat,
    consumer_timers,
    group_deletion,
    offset_requests,
    offsets,
)
from .classic_group import ClassicGroup
from .classic_rebalance import answer_join, answer_sync, prepare_rebalance, restart_session
from .classic_table import Event, fire
from .cluster_view import NO_CLUSTER, ClusterView
from .consumer_convert import DOWNGRADED
from .consumer_describe import describe_consumer_groups
from .consumer_fence import time_is_up
from .consumer_group import ConsumerGroup
from .consumer_regex import resolve_regexes
from .describe import describe_groups, list_groups
from .expiry import EXPIRY, Sweep
from .records import CoordinatorRecord, in_batches
from .responses import error_of_log, error_response
from .settings import GroupSettings
from .shard_state import AnyGroup, ShardState
from .turn import Effects, Reply, Request, TimerKey, Turn

Handler = Callable[[ShardState, Request, Turn], None]

#: Requests to a group that is classic, or not there; and all that do not ask for the kind of their group.
HANDLERS: Final[dict[type, Handler]] = {
    HeartbeatRequest: classic_requests.heartbeat,
    OffsetCommitRequest: offset_requests.commit,
    OffsetFetchRequest: offset_requests.fetch,
    JoinGroupRequest: classic_requests.join,
    SyncGroupRequest: classic_requests.sync,
    LeaveGroupRequest: classic_requests.leave_group,
    TxnOffsetCommitRequest: offset_requests.commit_in_transaction,
    ConsumerGroupHeartbeatRequest: lambda state, request, turn: consumer_heartbeat.heartbeat(
        state.groups.get(request.message.group_id), request, turn
    ),
    DescribeGroupsRequest: lambda state, request, turn: turn.reply(request, describe_groups(state.groups, request)),
    ListGroupsRequest: lambda state, request, turn: turn.reply(request, list_groups(state.groups, request.message)),
    ConsumerGroupDescribeRequest: lambda state, request, turn: turn.reply(
        request, describe_consumer_groups(state.groups, request.message, turn)
    ),
    DeleteGroupsRequest: lambda state, request, turn: turn.reply(
        request, group_deletion.delete_groups(state.groups, state.offsets, request.message, turn)
    ),
    OffsetDeleteRequest: lambda state, request, turn: turn.reply(
        request, group_deletion.delete_offsets(state.groups, state.offsets, request.message, turn)
    ),
}

#: Requests of the classic protocol to a group of KIP-848.
_TO_CONSUMER_GROUP: Final[dict[type, Callable[[ConsumerGroup, Request, Turn], None]]] = {
    JoinGroupRequest: consumer_classic.join,
    SyncGroupRequest: consumer_classic.sync,
    HeartbeatRequest: consumer_classic.heartbeat,
    LeaveGroupRequest: consumer_classic.leave,
}


class Shard:
    """`new_uuid`: makes the random part of member ids."""

    def __init__(self, settings: GroupSettings, new_uuid: Callable[[], str], cluster: ClusterView = NO_CLUSTER) -> None:
        self.settings = settings
        self.cluster = cluster
        self.state = ShardState()
        self._new_uuid = new_uuid
        self._sweep = Sweep(())

    @property
    def groups(self) -> dict[str, AnyGroup]:
        return self.state.groups

    @property
    def offsets(self) -> offsets.Offsets:
        return self.state.offsets

    def _turn(self, now_ms: int) -> Turn:
        return Turn(now_ms, self.settings, self.state.deadlines, self._new_uuid, self.cluster)

    # --- steps ----------------------------------------------------------------------------------------------------

    def handle(self, request: Request, now_ms: int) -> Effects:
        """A client's request. It is answered in these effects or, if it waits for others, in later ones."""
        turn = self._turn(now_ms)
        message = request.message
        to_consumer_group = _TO_CONSUMER_GROUP.get(type(message))
        group = self.state.groups.get(message.group_id) if to_consumer_group is not None else None
        # One without members is as good as none to a classic member: it becomes a classic group.
        if to_consumer_group is not None and isinstance(group, ConsumerGroup) and group.members:
            to_consumer_group(group, request, turn)
        else:
            HANDLERS[type(message)](self.state, request, turn)
        return turn.effects()

    def next_deadline_ms(self) -> int | None:
        """Before this time `tick` does nothing; None: there is nothing to wait for."""
        return self.state.deadlines.next_deadline_ms()

    def tick(self, now_ms: int) -> Iterator[Effects]:
        """All that is due, one step at a time: each step's effects are to be applied before the next is asked for."""
        while (key := self.state.deadlines.pop_due(now_ms)) is not None:
            if key == EXPIRY:
                yield from self._expire(now_ms)
                continue
            group = self.state.groups.get(key[1])
            if group is None:
                continue
            turn = self._turn(now_ms)
            if isinstance(group, ConsumerGroup):
                _consumer_tick(group, key, turn)
            else:
                _classic_tick(group, key, turn)
            yield turn.effects()

    def _expire(self, now_ms: int) -> Iterator[Effects]:
        """Look at some of the groups, and at the others as soon as the caller has seen to what else there is."""
        settings = self.settings
        if self._sweep.is_over:
            self._sweep = Sweep(self.state.groups)
        batches = self._sweep.step(self.state, settings.offsets_retention_ms, now_ms)
        pause_ms = settings.offsets_retention_check_interval_ms if self._sweep.is_over else 1
        self.state.deadlines.set(EXPIRY, now_ms + pause_ms)
        for batch in batches:
            yield Effects(batch, [])

    def append_failed(self, effects: Effects, error: ErrorCode, now_ms: int) -> Effects:
        """The log has not taken `effects.records`, nothing of which was replayed: the same requests get errors.

        An assignment that could not be written is asked for again. For a failure after which the log itself cannot
        be used, drop the shard (`unload`).
        """
        turn = self._turn(now_ms)
        told = error_of_log(error)
        turn.replies.extend(Reply(reply.request, error_response(reply.request, told)) for reply in effects.replies)
        for record in effects.records:
            group = self.state.classic(record.key.group) if isinstance(record.key, GroupMetadataKey) else None
            if group is not None:
                fire(group, Event.APPEND_FAILED, None, turn)
        keys = (record.key for record in effects.records)
        for group_id in {key.group_id for key in keys if isinstance(key, consumer_group.KEYS)}:
            consumer = self.state.groups.get(group_id)
            if isinstance(consumer, ConsumerGroup):
                consumer_timers.restore(consumer, turn)
        return turn.effects()

    def topic_deleted(self, topic: str, now_ms: int) -> Iterator[Effects]:
        """Offsets of a deleted topic go with it, so that a new topic of that name starts without. Steps, as of `tick`:
        all groups may have offsets in it, more than one batch can hold."""
        for batch in in_batches(offsets.tombstones(self.state.offsets, topic)):
            yield Effects(batch, [])

    def loaded(self, now_ms: int) -> Effects:
        """The whole log has been replayed: members' sessions begin now, each with its full time."""
        turn = self._turn(now_ms)
        for group in self.state.groups.values():
            if isinstance(group, ConsumerGroup):
                consumer_timers.start_after_loading(group, turn)
                continue
            for member in group.members.values():
                restart_session(group, member, turn)
            if len(group.members) > self.settings.max_size:
                prepare_rebalance(group, turn)  # group.max.size has been lowered
        self.state.deadlines.set(EXPIRY, now_ms + self.settings.offsets_retention_check_interval_ms)
        return turn.effects()

    def unload(self) -> list[Reply]:
        """Leadership is lost: all who wait are sent to look for the new coordinator. The shard is not used again."""
        turn = self._turn(0)
        for group in self.state.groups.values():
            if isinstance(group, ConsumerGroup):
                continue  # nobody waits for one
            for member in group.members.values():
                answer_join(group, member, turn, ErrorCode.NOT_COORDINATOR, member.member_id)
                answer_sync(member, turn, ErrorCode.NOT_COORDINATOR)
        self.state.groups.clear()
        return turn.replies

    # --- the log --------------------------------------------------------------------------------------------------

    def replay(self, record: CoordinatorRecord, offset: int = -1, producer_id: int = NO_PRODUCER_ID) -> None:
        """Take over one record of the log, in the log's order; `producer_id`: in whose transaction it is."""
        self.state.replay(record, offset, producer_id)

    def end_transaction(self, producer_id: int, commit: bool) -> None:
        """An end marker stands in the log here: replayed as records are."""
        self.state.end_transaction(producer_id, commit)


def _classic_tick(group: ClassicGroup, key: TimerKey, turn: Turn) -> None:
    kind, _, member_id = key
    if kind == DOWNGRADED:
        fire(group, Event.LEFT, None, turn)
    elif kind == "join":
        fire(group, Event.JOIN_TIMEOUT, None, turn)
    elif kind == "sync":
        fire(group, Event.SYNC_TIMEOUT, None, turn)
    elif member_id in group.pending_join:
        fire(group, Event.PENDING_EXPIRED, member_id, turn)
    elif member_id in group.members:
        fire(group, Event.EXPIRED, member_id, turn)


def _consumer_tick(group: ConsumerGroup, key: TimerKey, turn: Turn) -> None:
    kind, _, member_id = key
    if kind == consumer_timers.REGEX:
        resolve_regexes(group, turn)
    else:
        time_is_up(group, kind, member_id, turn)
