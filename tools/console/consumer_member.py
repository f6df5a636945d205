"""One member of a consumer group by the protocol of KIP-848, where the broker assigns: heartbeats, commits, farewell.

It has the face of `member.Member`. Left out: subscription by a pattern of the broker's (Kafka's console consumer too
matches `--include` itself), a thread that sends heartbeats (the caller does, between two fetches).
"""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Final
from uuid import uuid4

from ...wire.errors import ErrorCode
from ...wire.messages.consumer_group_heartbeat import (
    ConsumerGroupHeartbeatRequest,
    ConsumerGroupHeartbeatResponse,
    TopicPartitions,
)
from ..client import Client, ClientError, ServerError
from ..client.errors import check
from .member import Key, at_coordinator, commit_offsets

#: Epochs that say what the member does, instead of where it is.
_JOINS: Final = 0
_LEAVES: Final = -1
_LEAVES_FOR_A_WHILE: Final = -2

#: After these the group knows the member no more: it joins as a new one.
_ANEW: Final = (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_MEMBER_EPOCH)
#: What a commit may meet while the epoch moves on.
_MOVING: Final = (ErrorCode.STALE_MEMBER_EPOCH, *_ANEW)


class ConsumerMember:
    """`topic_ids(topics)`: topic -> its id, asked when an assignment names one that is not known yet."""

    def __init__(
        self,
        client: Client,
        group: str,
        topic_ids: Callable[[Iterable[str]], Mapping[str, bytes]],
        *,
        rebalance_timeout_ms: int = 300_000,
        server_assignor: str | None = None,
        instance_id: str | None = None,
    ) -> None:
        self._client = client
        self._group = group
        self._topic_ids = topic_ids
        self._rebalance_timeout_ms = rebalance_timeout_ms
        self._server_assignor = server_assignor
        self._instance_id = instance_id
        self._member_id = ""
        self._epoch = _JOINS
        self._topics: list[str] = []
        self._ids: dict[str, bytes] = {}
        self._owned: list[Key] = []
        #: What the broker wants this member to own instead; None: nothing else.
        self._target: list[Key] | None = None
        self._heartbeat_due_s = 0.0

    def join(self, topics: Iterable[str], deadline_s: float) -> list[Key]:
        """Joins, subscribes to other topics, or takes what is assigned; returns what this member has then.

        Before it is called again, what is read must be committed: partitions may go with the call. Raises ServerError,
        UnreachableError behind the time.
        """
        wanted = sorted(topics)
        changed = wanted != self._topics
        self._topics = wanted
        while self._epoch == _JOINS or changed or self._target is not None:
            if self._target is not None:
                self._owned, self._target = self._target, None
            self._heartbeat(deadline_s, everything=True)
            changed = False
        return self._owned

    def stays(self) -> bool:
        """Sends a heartbeat if one is due. False: the assignment changes, or the group has lost it; `join` again."""
        if time.monotonic() >= self._heartbeat_due_s:
            self._heartbeat(self._client.deadline(), everything=False)
        return self._epoch != _JOINS and self._target is None

    def commit(self, offsets: Mapping[Key, int], epochs: Mapping[Key, int]) -> bool:
        """Commits. False: the member is out of its group, which `stays` sees to. Raises ServerError for the rest."""
        for attempt in range(2):
            if not offsets or self._epoch == _JOINS:
                return not offsets
            try:
                commit_offsets(
                    self._client,
                    self._group,
                    offsets,
                    epochs=epochs,
                    generation=self._epoch,
                    member_id=self._member_id,
                    instance_id=self._instance_id,
                )
                return True
            except ServerError as error:
                if error.code not in _MOVING:
                    raise
                if attempt == 0:
                    # The heartbeat tells the epoch that counts now.
                    self._heartbeat(self._client.deadline(), everything=False)
        return False

    def leave(self) -> None:
        """Tells the group at once that this member is gone; a static one may be back within its session."""
        if self._epoch == _JOINS:
            return
        epoch = _LEAVES if self._instance_id is None else _LEAVES_FOR_A_WHILE
        request = ConsumerGroupHeartbeatRequest(
            group_id=self._group, member_id=self._member_id, member_epoch=epoch, instance_id=self._instance_id
        )
        try:
            node_id = self._client.coordinator(self._group)
            deadline_s = self._client.deadline(1000)
            self._client.node(node_id, request, ConsumerGroupHeartbeatResponse, deadline_s=deadline_s)
        except ClientError:
            pass  # the session's timeout says the same, later

    def _heartbeat(self, deadline_s: float, *, everything: bool) -> None:
        """`everything`: also what the broker knows already, as after a change and at the beginning."""
        joins = self._epoch == _JOINS
        if joins:
            # The member makes its id itself since KIP-1082; version 0 takes it as well.
            self._member_id = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
            self._owned = []
        request = ConsumerGroupHeartbeatRequest(
            group_id=self._group,
            member_id=self._member_id,
            member_epoch=self._epoch,
            instance_id=self._instance_id,
        )
        if joins or everything:
            request.rebalance_timeout_ms = self._rebalance_timeout_ms
            request.subscribed_topic_names = self._topics
            request.server_assignor = self._server_assignor
            request.topic_partitions = self._as_ids(self._owned)
        answer = at_coordinator(
            self._client,
            self._group,
            request,
            ConsumerGroupHeartbeatResponse,
            lambda found: found.error_code,
            deadline_s=deadline_s,
        )
        if answer.error_code in _ANEW and not joins:
            self._epoch = _JOINS
            return
        check(answer.error_code, answer.error_message)
        self._heartbeat_due_s = time.monotonic() + answer.heartbeat_interval_ms / 1000
        self._member_id = answer.member_id or self._member_id
        self._epoch = answer.member_epoch
        if answer.assignment is not None:
            target = self._as_names(answer.assignment.topic_partitions)
            if sorted(target) != sorted(self._owned):
                self._target = target

    def _as_ids(self, keys: Iterable[Key]) -> list[TopicPartitions]:
        found: dict[str, list[int]] = {}
        for topic, partition in keys:
            found.setdefault(topic, []).append(partition)
        return [TopicPartitions(topic_id=self._ids[topic], partitions=rows) for topic, rows in found.items()]

    def _as_names(self, rows: Iterable[TopicPartitions]) -> list[Key]:
        """A topic that is not known yet is left out: the assignment comes again with the next full heartbeat."""
        wanted = list(rows)
        if {row.topic_id for row in wanted} - set(self._ids.values()):
            self._ids.update(self._topic_ids(self._topics))
        names = {topic_id: topic for topic, topic_id in self._ids.items()}
        return [(names[row.topic_id], index) for row in wanted if row.topic_id in names for index in row.partitions]
