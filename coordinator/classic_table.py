"""What happens to a classic group: one row a (state, event).

`to` are the states in which the event may leave the group. What has no row cannot happen, or is answered before the
table is asked: a member id that the group does not know, a wrong generation, no common protocol, no room.
Two steps are not events: `adopt` (a record is replayed) makes CompletingRebalance Stable after the leader's SyncGroup,
and a tombstone removes an empty group.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import Any, Final, NamedTuple

from . import classic_join as join
from . import classic_member as member
from . import classic_rebalance as rebalance
from .classic_group import ClassicGroup, State
from .turn import Turn


class Event(Enum):
    """What comes with it: R the request, M a member id, - nothing."""

    JOIN_NEW = auto()  # R: without a member id
    JOIN_PENDING = auto()  # R: with an id from MEMBER_ID_REQUIRED
    JOIN_AGAIN = auto()  # R: with a member's id
    JOIN_STATIC = auto()  # R: without a member id, with the instance id of a member
    SYNC = auto()  # R
    HEARTBEAT = auto()  # R
    COMMITTED = auto()  # M: an offset commit of the member has passed its checks
    LEFT = auto()  # -: members have left
    EXPIRED = auto()  # M: a member's session has ended
    PENDING_EXPIRED = auto()  # M: nobody came back with the id
    JOIN_TIMEOUT = auto()  # -: the rebalance timeout or the initial delay
    SYNC_TIMEOUT = auto()  # -: the rebalance timeout after the join
    APPEND_FAILED = auto()  # -: the log would not take the group's record


class Row(NamedTuple):
    state: State
    event: Event
    action: Callable[[ClassicGroup, Any, Turn], None]
    to: frozenset[State]


def _alone(action: Callable[[ClassicGroup, Turn], None]) -> Callable[[ClassicGroup, Any, Turn], None]:
    """An action that needs nothing but the group."""
    return lambda group, _, turn: action(group, turn)


def _nothing(group: ClassicGroup, _: Any, turn: Turn) -> None:
    """The event is known here and changes nothing."""


_E = State.EMPTY
_P = State.PREPARING_REBALANCE
_C = State.COMPLETING_REBALANCE
_S = State.STABLE


def _to(*states: State) -> frozenset[State]:
    return frozenset(states)


# fmt: off
ROWS: Final[tuple[Row, ...]] = (
    Row(_E, Event.JOIN_NEW,        join.join_new,                              _to(_E, _P)),
    Row(_E, Event.JOIN_PENDING,    join.join_pending,                          _to(_E, _P)),
    Row(_E, Event.LEFT,            _nothing,                                   _to(_E)),
    Row(_E, Event.PENDING_EXPIRED, member.pending_expired,                     _to(_E)),
    Row(_E, Event.COMMITTED,       _nothing,                                   _to(_E)),
    Row(_E, Event.APPEND_FAILED,   _nothing,                                   _to(_E)),

    Row(_P, Event.JOIN_NEW,        join.join_new,                              _to(_P, _C)),
    Row(_P, Event.JOIN_PENDING,    join.join_pending,                          _to(_P, _C)),
    Row(_P, Event.JOIN_AGAIN,      join.join_again,                            _to(_P, _C)),
    Row(_P, Event.JOIN_STATIC,     join.replace_static,                        _to(_P, _C)),
    Row(_P, Event.SYNC,            member.sync_too_early,                      _to(_P)),
    Row(_P, Event.HEARTBEAT,       member.heartbeat_preparing,                 _to(_P)),
    Row(_P, Event.COMMITTED,       member.committed,                           _to(_P)),
    Row(_P, Event.LEFT,            _alone(rebalance.complete_join_if_all),     _to(_P, _C, _E)),
    Row(_P, Event.EXPIRED,         member.expired_waiting,                     _to(_P, _C, _E)),
    Row(_P, Event.PENDING_EXPIRED, member.pending_expired,                     _to(_P, _C, _E)),
    Row(_P, Event.JOIN_TIMEOUT,    _alone(rebalance.join_timeout),             _to(_P, _C, _E)),
    Row(_P, Event.APPEND_FAILED,   _nothing,                                   _to(_P)),

    Row(_C, Event.JOIN_NEW,        join.join_new,                              _to(_C, _P)),
    Row(_C, Event.JOIN_PENDING,    join.join_pending,                          _to(_C, _P)),
    Row(_C, Event.JOIN_AGAIN,      join.join_again_completing,                 _to(_C, _P)),
    Row(_C, Event.JOIN_STATIC,     join.replace_static_completing,             _to(_C, _P)),
    Row(_C, Event.SYNC,            member.sync_completing,                     _to(_C)),
    Row(_C, Event.HEARTBEAT,       member.heartbeat,                           _to(_C)),
    Row(_C, Event.LEFT,            _alone(rebalance.prepare_rebalance),        _to(_P, _E)),
    Row(_C, Event.EXPIRED,         member.expired,                             _to(_C, _P, _E)),
    Row(_C, Event.PENDING_EXPIRED, member.pending_expired,                     _to(_C)),
    Row(_C, Event.SYNC_TIMEOUT,    _alone(rebalance.sync_timeout),             _to(_C, _P, _E)),
    Row(_C, Event.APPEND_FAILED,   _alone(rebalance.prepare_rebalance),        _to(_P)),

    Row(_S, Event.JOIN_NEW,        join.join_new,                              _to(_S, _P)),
    Row(_S, Event.JOIN_PENDING,    join.join_pending,                          _to(_S, _P)),
    Row(_S, Event.JOIN_AGAIN,      join.join_again_stable,                     _to(_S, _P, _C)),
    Row(_S, Event.JOIN_STATIC,     join.replace_static_stable,                 _to(_S, _P, _C)),
    Row(_S, Event.SYNC,            member.sync_stable,                         _to(_S)),
    Row(_S, Event.HEARTBEAT,       member.heartbeat,                           _to(_S)),
    Row(_S, Event.COMMITTED,       member.committed,                           _to(_S)),
    Row(_S, Event.LEFT,            _alone(rebalance.prepare_rebalance),        _to(_P, _E)),
    Row(_S, Event.EXPIRED,         member.expired,                             _to(_P, _E)),
    Row(_S, Event.PENDING_EXPIRED, member.pending_expired,                     _to(_S)),
    Row(_S, Event.SYNC_TIMEOUT,    _alone(rebalance.sync_timeout),             _to(_S, _P, _E)),
    Row(_S, Event.APPEND_FAILED,   _alone(join.replacement_failed),            _to(_S)),
)
# fmt: on

TABLE: Final = {(row.state, row.event): row for row in ROWS}


def fire(group: ClassicGroup, event: Event, subject: Any, turn: Turn) -> None:
    """Do what the table says. Raises KeyError for an event that the state has no row for."""
    TABLE[group.state, event].action(group, subject, turn)
