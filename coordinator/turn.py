"""What goes into one step of a shard and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..wire.declare import Message
from .cluster_view import ClusterView
from .records import CoordinatorRecord
from .settings import GroupSettings
from .timers import Deadlines

#: (what is due, group id, member id or ""); what: "session", "join" or "sync", and those of `consumer_timers.py`.
TimerKey = tuple[str, str, str]


class Request(NamedTuple):
    """A client's request. `token` is the caller's: what to answer to. `client_host` as in group descriptions."""

    token: Any
    api_version: int
    client_id: str
    client_host: str
    message: Any


class Reply(NamedTuple):
    """The answer to `request`; each request has exactly one, at some time."""

    request: Request
    response: Message


class Effects(NamedTuple):
    """`records` are to be appended as one batch and then replayed; `replies` to be sent once the high watermark has
    passed the log's end as it is after that append, also when `records` is empty: reads must not show what may yet
    be lost. `producer`, (id, epoch): the records are part of its transaction; else none."""

    records: list[CoordinatorRecord]
    replies: list[Reply]
    producer: tuple[int, int] | None = None


class Turn:
    """One step while it is being made. `now_ms`: epoch milliseconds; `new_uuid`: the random part of new member ids;
    `cluster`: the topics there are."""

    __slots__ = ("cluster", "deadlines", "new_uuid", "now_ms", "producer", "records", "replies", "settings")

    def __init__(
        self,
        now_ms: int,
        settings: GroupSettings,
        deadlines: Deadlines[TimerKey],
        new_uuid: Callable[[], str],
        cluster: ClusterView,
    ) -> None:
        self.now_ms = now_ms
        self.settings = settings
        self.deadlines = deadlines
        self.new_uuid = new_uuid
        self.cluster = cluster
        self.records: list[CoordinatorRecord] = []
        self.replies: list[Reply] = []
        #: Whose transaction the records are part of.
        self.producer: tuple[int, int] | None = None

    def reply(self, request: Request, response: Message) -> None:
        self.replies.append(Reply(request, response))

    def effects(self) -> Effects:
        return Effects(self.records, self.replies, self.producer)
