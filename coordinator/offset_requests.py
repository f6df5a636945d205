"""Requests about offsets, by the kind of their group: who may commit and fetch what.

Source: org.apache.kafka.coordinator.group.OffsetMetadataManager.validateOffsetCommit,
validateTransactionalOffsetCommit and validateOffsetFetch.
"""

from __future__ import annotations

from typing import Final

from ..wire.errors import ErrorCode
from ..wire.messages.offset_commit import OffsetCommitRequest
from ..wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchResponse,
    OffsetFetchResponseGroup,
)
from ..wire.messages.txn_offset_commit import TxnOffsetCommitRequest
from . import consumer_offsets, offsets, transactional_offsets
from .classic_group import ClassicGroup
from .classic_member import check_commit
from .classic_table import Event, fire
from .consumer_group import ConsumerGroup
from .responses import commit_error, txn_commit_error
from .shard_state import ShardState
from .turn import Request, Turn

#: The first OffsetCommit with an error for an unknown group.
GROUP_ID_NOT_FOUND_FROM: Final = 9


def commit(state: ShardState, request: Request, turn: Turn) -> None:
    """OffsetCommit, of a member or of somebody outside the group."""
    message: OffsetCommitRequest = request.message
    group = state.groups.get(message.group_id)
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
    turn.reply(request, offsets.commit(message, turn))


def commit_in_transaction(state: ShardState, request: Request, turn: Turn) -> None:
    """TxnOffsetCommit: the offsets count when the producer's transaction commits."""
    message: TxnOffsetCommitRequest = request.message
    group = state.groups.get(message.group_id)
    error = transactional_offsets.check_transactional_commit(group, message)
    if error:
        turn.reply(request, txn_commit_error(request, error))
    else:
        turn.reply(request, transactional_offsets.commit(message, turn))


def fetch(state: ShardState, request: Request, turn: Turn) -> None:
    """OffsetFetch, of one or several groups."""
    message: OffsetFetchRequest = request.message
    turn.reply(
        request,
        OffsetFetchResponse(groups=[_fetch_group(state, row, message.require_stable) for row in message.groups]),
    )


def _fetch_group(state: ShardState, asked: OffsetFetchRequestGroup, require_stable: bool) -> OffsetFetchResponseGroup:
    group = state.groups.get(asked.group_id)
    error = consumer_offsets.check_fetch(group, asked) if isinstance(group, ConsumerGroup) else ErrorCode.NONE
    if error:
        return OffsetFetchResponseGroup(group_id=asked.group_id, topics=[], error_code=error)
    return offsets.fetch(state.offsets, asked, require_stable)
