"""A shard on a log of memory whose high watermark can be held back: what the broker does for it, without the broker.

The log keeps bytes, so that every record goes through its encoding, and after every step the shard that is rebuilt
from the log is compared with the live one.
"""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

from klamm.coordinator import classic_requests, classic_table, offset_requests, records, shard
from klamm.coordinator.classic_group import ClassicGroup, State
from klamm.coordinator.parking import Parked
from klamm.coordinator.records import CoordinatorRecord
from klamm.coordinator.responses import error_response
from klamm.coordinator.settings import GroupSettings
from klamm.coordinator.shard import Shard
from klamm.coordinator.turn import Effects, Reply, Request
from klamm.wire.errors import ErrorCode
from klamm.wire.log_records.classic_group import GroupMetadataKey, GroupMetadataValue

START_MS = 1_000_000

NO_PRODUCER = -1


class Stored(NamedTuple):
    """A record of the log; `producer_id`, `producer_epoch`: in whose transaction."""

    key: bytes
    value: bytes | None
    producer_id: int = NO_PRODUCER
    producer_epoch: int = -1


class Marker(NamedTuple):
    """The end of a producer's transaction in the log."""

    producer_id: int
    commit: bool
    producer_epoch: int = 0


def decoded(entry: Stored) -> CoordinatorRecord:
    record = records.from_bytes(entry.key, entry.value)
    assert record is not None
    return record


def replay_entry(shard: Shard, entry: Stored | Marker, offset: int) -> None:
    """As a broker does that loads the log."""
    if isinstance(entry, Marker):
        shard.end_transaction(entry.producer_id, entry.commit)
    else:
        shard.replay(decoded(entry), offset, entry.producer_id)


def durable(group: ClassicGroup) -> dict[str, Any]:
    """What the log keeps of a group."""
    value = group.to_value()
    return {
        "state": group.state,
        "generation": group.generation,
        "protocol type": group.protocol_type or "",
        "protocol": group.protocol_name,
        "leader": group.leader,
        "since": group.state_timestamp_ms,
        "members": sorted(
            (
                (row.member_id, row.group_instance_id or "", row.client_id, row.session_timeout, row.rebalance_timeout),
                (row.subscription, row.assignment),
            )
            for row in value.members
        ),
    }


class Bench:
    """`delivered`: replies that have reached their clients, in order; `asked`: every request by its token."""

    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.settings = settings or GroupSettings()
        self.now_ms = START_MS
        self.log: list[Stored | Marker] = []
        #: Where batches end: a log is never seen, nor cut, in the middle of one.
        self.batch_ends = {0}
        self.high_watermark = 0
        self.held = False
        self.fail_next: ErrorCode | None = None
        self.delivered: list[Reply] = []
        self.asked: dict[int, Request] = {}
        #: Groups whose last record was not taken: of them the log knows less than the live shard.
        self.unwritten: set[str] = set()
        self._tokens = count(1)
        self._uuids = count(1)
        self.shard = self.new_shard()
        self.parked: Parked[Reply] = Parked()
        self.apply(self.shard.loaded(self.now_ms))

    def new_shard(self) -> Shard:
        return Shard(self.settings, lambda: str(next(self._uuids)))

    # --- steps ----------------------------------------------------------------------------------------------------

    def ask(self, message: Any, version: int, client_id: str = "client") -> int:
        """Give the shard a request; the token that its reply will have."""
        token = next(self._tokens)
        request = Request(token, version, client_id, "/127.0.0.1", message)
        self.asked[token] = request
        self.apply(self.shard.handle(request, self.now_ms))
        self.tick()
        return token

    def advance(self, duration_ms: int) -> None:
        """Let time pass, stopping at each deadline."""
        until = self.now_ms + duration_ms
        while (deadline_ms := self.shard.next_deadline_ms()) is not None and deadline_ms <= until:
            self.now_ms = max(self.now_ms, deadline_ms)
            self.tick()
        self.now_ms = until

    def tick(self) -> None:
        for effects in self.shard.tick(self.now_ms):
            self.apply(effects)

    def delete_topic(self, topic: str) -> None:
        for effects in self.shard.topic_deleted(topic, self.now_ms):
            self.apply(effects)

    def apply(self, effects: Effects) -> None:
        """Append, replay, park: what every caller of a shard does."""
        error, self.fail_next = (self.fail_next, None) if effects.records else (None, self.fail_next)
        groups = {record.key.group for record in effects.records if isinstance(record.key, GroupMetadataKey)}
        if error is not None:
            self.unwritten |= groups
            self.apply(self.shard.append_failed(effects, error, self.now_ms))
            return
        self.unwritten -= groups
        for record in effects.records:
            self.store(Stored(*records.to_bytes(record), *(effects.producer or ())))
        self.batch_ends.add(len(self.log))
        for reply in effects.replies:
            self.parked.park(len(self.log), reply)
        if not self.held:
            self.high_watermark = len(self.log)
        self.release(self.high_watermark)
        self.check_rebuilt()

    def store(self, entry: Stored | Marker) -> None:
        replay_entry(self.shard, entry, len(self.log))
        self.log.append(entry)

    def end_transaction(self, producer_id: int, commit: bool, producer_epoch: int = 0) -> None:
        """The producer's transaction coordinator has its marker written here."""
        self.store(Marker(producer_id, commit, producer_epoch))
        self.batch_ends.add(len(self.log))
        if not self.held:
            self.high_watermark = len(self.log)
        self.check_rebuilt()

    def release(self, high_watermark: int) -> None:
        """The replicas have caught up to here, or to the end of the batch before: they take whole batches."""
        self.high_watermark = high_watermark = max(end for end in self.batch_ends if end <= high_watermark)
        self.delivered += self.parked.take(high_watermark)

    def drop(self) -> None:
        """Leadership is lost."""
        lost = ErrorCode.NOT_COORDINATOR
        self.delivered += [Reply(reply.request, error_response(reply.request, lost)) for reply in self.parked.drain()]
        self.delivered += self.shard.unload()

    def rebuild(self) -> None:
        """A new leader reads the log. What was not yet on all replicas has been lost with the old one."""
        del self.log[self.high_watermark :]
        self.batch_ends = {end for end in self.batch_ends if end <= len(self.log)}
        self.shard = self.rebuilt()
        self.parked = Parked()
        self.unwritten.clear()
        self.apply(self.shard.loaded(self.now_ms))

    # --- the log --------------------------------------------------------------------------------------------------

    def records(self, until: int | None = None) -> list[CoordinatorRecord]:
        """All of the log, or what is below an offset; without markers."""
        return [decoded(entry) for entry in self.log[:until] if isinstance(entry, Stored)]

    def rebuilt(self) -> Shard:
        fresh = self.new_shard()
        for offset, entry in enumerate(self.log):
            replay_entry(fresh, entry, offset)
        return fresh

    def check_rebuilt(self) -> None:
        """From the log come the same offsets, and every group that is not in a rebalance as it is."""
        fresh = self.rebuilt()
        assert fresh.offsets.groups == self.shard.offsets.groups
        assert fresh.offsets.pending.by_producer == self.shard.offsets.pending.by_producer
        assert {*fresh.groups} - self.unwritten == {*self.shard.groups} - self.unwritten
        for group_id, group in self.shard.groups.items():
            if group.state in (State.EMPTY, State.STABLE) and group_id not in self.unwritten:
                if not any(value.generation == group.generation for value in self.written(group_id)):
                    # A group that only keeps offsets has no record of its own, only a name.
                    assert group.generation == 0
                    assert not group.members
                else:
                    assert durable(fresh.groups[group_id]) == durable(group), group_id

    def written(self, group_id: str) -> list[GroupMetadataValue]:
        """The records of a group, oldest first."""
        return [
            value
            for key, value, _ in self.records()
            if isinstance(key, GroupMetadataKey) and isinstance(value, GroupMetadataValue) and key.group == group_id
        ]

    # --- who is owed an answer ------------------------------------------------------------------------------------

    def waiting(self) -> list[int]:
        """Tokens of the requests that wait in the shard."""
        return [
            request.token
            for group in self.shard.groups.values()
            for member in group.members.values()
            for request in (member.waiting_join, member.waiting_sync)
            if request is not None
        ]


def checked_fire(group: ClassicGroup, event: classic_table.Event, subject: Any, turn: Any) -> None:
    """`fire`, held to the table's own word on where an event leads."""
    row = classic_table.TABLE[group.state, event]
    classic_table.fire(group, event, subject, turn)
    assert group.state in row.to, f"{row.state.name} on {event.name} led to {group.state.name}"


def check_table_rows(monkeypatch: Any) -> None:
    """Hold every event of the shard to its row while a test runs."""
    for module in (shard, classic_requests, offset_requests):
        monkeypatch.setattr(module, "fire", checked_fire)
