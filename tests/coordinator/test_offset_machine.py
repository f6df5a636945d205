"""Random lives of offsets: commits of members of no group, of open transactions, deletions, expiry, lost leaders.

A plain model says what must be there: `States`, which knows nothing of the shard's tables. What must hold:

- a fetch gives what was committed last, in the order of the log, whenever the transaction that did it ends;
- a transaction's offsets count all together when it is committed, and not at all when it is aborted;
- who asks for stable offsets is told of every open transaction that may move one;
- committed is never lost: what was acknowledged is below the high watermark, and there after every lost leader;
- an offset goes by a tombstone only: it was deleted, or its topic or group was, or it has expired and nothing open
  holds it; with its last offset goes a group that nobody is in, at the next look;
- what is rebuilt from the log, whole or compacted, is what the live shard knows.
"""

from __future__ import annotations

import copy
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from klamm.coordinator import offsets
from klamm.coordinator.settings import GroupSettings
from klamm.wire.declare import Message
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.delete_groups import DeleteGroupsRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
    OffsetCommitResponse,
)
from klamm.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from klamm.wire.messages.offset_fetch import OffsetFetchRequestGroup, OffsetFetchRequestTopics
from klamm.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
    TxnOffsetCommitResponse,
)

from .bench import START_MS, Bench
from .compaction import compact, known, load

GROUPS, TOPICS, PARTITIONS, PRODUCERS = ("g", "h"), ("t", "u"), (0, 1), (7, 8)
RETENTION_MS, LOOK_MS = 10_000, 3_000

#: (group, topic, partition)
Place = tuple[str, str, int]
places = st.sampled_from([(group, topic, index) for group in GROUPS for topic in TOPICS for index in PARTITIONS])


class Kept(NamedTuple):
    offset: int
    committed_ms: int
    expires_ms: int | None
    at: int


class States:
    """What the log adds up to: `kept` and what each producer's open transaction holds."""

    def __init__(self) -> None:
        self.kept: dict[Place, Kept] = {}
        self.pending: dict[int, dict[Place, Kept]] = {}
        self.groups: set[str] = set()

    def is_pending(self, place: Place) -> bool:
        return any(place in held for held in self.pending.values())

    def forget(self, place: Place) -> None:
        self.kept.pop(place, None)
        for held in self.pending.values():
            held.pop(place, None)

    def of_group(self, group: str) -> set[Place]:
        held = (place for rows in self.pending.values() for place in rows)
        return {place for place in (*self.kept, *held) if place[0] == group}

    def look(self, now_ms: int) -> None:
        for place, kept in list(self.kept.items()):
            until = kept.committed_ms + RETENTION_MS if kept.expires_ms is None else kept.expires_ms
            if now_ms >= until and not self.is_pending(place):
                del self.kept[place]
        self.groups = {group for group in self.groups if self.of_group(group)}


class CommittedOffsets(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        limits = GroupSettings(offsets_retention_ms=RETENTION_MS, offsets_retention_check_interval_ms=LOOK_MS)
        self.bench = Bench(limits)
        self.states = States()
        #: The states as they were, by the log's end.
        self.history: list[tuple[int, States]] = [(0, copy.deepcopy(self.states))]
        self.next_look_ms = START_MS + LOOK_MS
        self.next_offset = 0
        self.asked: dict[int, int] = {}
        self.seen = 0

    def ask(self, message: Message, version: int) -> bool:
        """Whether the log has taken it."""
        fails = self.bench.fail_next is not None
        before = len(self.bench.log)
        self.asked[self.bench.ask(message, version)] = len(self.bench.log)
        return len(self.bench.log) > before or not fails

    def note(self) -> None:
        self.history.append((len(self.bench.log), copy.deepcopy(self.states)))

    def kept(self, offset: int, number: int, retention_ms: int | None = None) -> Kept:
        now_ms = self.bench.now_ms
        expires_ms = None if retention_ms is None else now_ms + retention_ms
        return Kept(offset, now_ms, expires_ms, len(self.bench.log) + number)

    # --- what is asked ----------------------------------------------------------------------------------------------

    @rule(place=places, retention_ms=st.sampled_from((None, None, None, 2_000, 30_000)))
    def commit(self, place: Place, retention_ms: int | None) -> None:
        group, topic, index = place
        self.next_offset += 1
        kept = self.kept(self.next_offset, 0, retention_ms)
        row = OffsetCommitRequestPartition(partition_index=index, committed_offset=kept.offset, committed_metadata=None)
        message = OffsetCommitRequest(group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[row])])
        if retention_ms is not None:
            message.retention_time_ms = retention_ms
        if self.ask(message, 9 if retention_ms is None else 4):
            self.states.kept[place] = kept
            self.states.groups.add(group)
            self.note()

    @rule(producer=st.sampled_from(PRODUCERS), group=st.sampled_from(GROUPS), rows=st.sets(places, min_size=1))
    def commit_in_a_transaction(self, producer: int, group: str, rows: set[Place]) -> None:
        mine = sorted({(topic, index) for _, topic, index in rows})
        topics = []
        held: dict[Place, Kept] = {}
        for number, (topic, index) in enumerate(mine):
            self.next_offset += 1
            held[group, topic, index] = self.kept(self.next_offset, number)
            row = TxnOffsetCommitRequestPartition(
                partition_index=index,
                committed_offset=self.next_offset,
                committed_leader_epoch=-1,
                committed_metadata=None,
            )
            topics.append(TxnOffsetCommitRequestTopic(name=topic, partitions=[row]))
        message = TxnOffsetCommitRequest(
            transactional_id="x", group_id=group, producer_id=producer, producer_epoch=0, topics=topics
        )
        if self.ask(message, 5):
            self.states.pending.setdefault(producer, {}).update(held)
            self.states.groups.add(group)
            self.note()

    @rule(producer=st.sampled_from(PRODUCERS), commit=st.booleans())
    def end(self, producer: int, commit: bool) -> None:
        self.bench.end_transaction(producer, commit)
        for place, kept in self.states.pending.pop(producer, {}).items():
            if commit and (place not in self.states.kept or self.states.kept[place].at < kept.at):
                self.states.kept[place] = kept
        self.note()

    @rule(place=places)
    def delete_offset(self, place: Place) -> None:
        group, topic, index = place
        row = OffsetDeleteRequestPartition(partition_index=index)
        message = OffsetDeleteRequest(group_id=group, topics=[OffsetDeleteRequestTopic(name=topic, partitions=[row])])
        if self.ask(message, 0):
            self.states.forget(place)
            self.note()

    @rule(group=st.sampled_from(GROUPS))
    def delete_group(self, group: str) -> None:
        if self.ask(DeleteGroupsRequest(groups_names=[group]), 2):
            for place in self.states.of_group(group):
                self.states.forget(place)
            self.states.groups.discard(group)
            self.note()

    # --- what happens -----------------------------------------------------------------------------------------------

    @rule(topic=st.sampled_from(TOPICS))
    def delete_topic(self, topic: str) -> None:
        if self.bench.fail_next is None:
            self.bench.delete_topic(topic)
            for group in GROUPS:
                for index in PARTITIONS:
                    self.states.forget((group, topic, index))
            self.note()

    @rule(duration_ms=st.sampled_from((1, 1_000, LOOK_MS, RETENTION_MS)))
    def time_passes(self, duration_ms: int) -> None:
        self.bench.fail_next = None
        until = self.bench.now_ms + duration_ms
        while self.next_look_ms <= until:
            self.bench.advance(self.next_look_ms - self.bench.now_ms)
            self.states.look(self.next_look_ms)
            self.next_look_ms += LOOK_MS
            self.note()
        self.bench.advance(until - self.bench.now_ms)

    @rule()
    def replicas_stop(self) -> None:
        self.bench.held = True

    @rule(share=st.floats(0, 1))
    def replicas_come_nearer(self, share: float) -> None:
        behind = len(self.bench.log) - self.bench.high_watermark
        self.bench.release(self.bench.high_watermark + int(behind * share))

    @rule()
    def replicas_catch_up(self) -> None:
        self.bench.held = False
        self.bench.release(len(self.bench.log))

    @rule(error=st.sampled_from((ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.NOT_ENOUGH_REPLICAS)))
    def next_append_fails(self, error: ErrorCode) -> None:
        self.bench.fail_next = error

    @precondition(lambda self: len(self.bench.log) > 0)
    @rule()
    def leader_is_lost(self) -> None:
        bench = self.bench
        bench.drop()
        bench.fail_next = None
        bench.rebuild()
        end = len(bench.log)
        self.history = [row for row in self.history if row[0] <= end]
        self.states = copy.deepcopy(self.history[-1][1])
        # Of a group without offsets nothing is in the log but its offsets' ends.
        self.states.groups |= {group for group in bench.shard.groups if not self.states.of_group(group)}
        self.next_look_ms = bench.now_ms + LOOK_MS

    # --- what must hold ---------------------------------------------------------------------------------------------

    @invariant()
    def what_was_acknowledged_is_safe(self) -> None:
        for reply in self.bench.delivered[self.seen :]:
            answer = reply.response
            if isinstance(answer, (OffsetCommitResponse, TxnOffsetCommitResponse)):
                errors = {row.error_code for topic in answer.topics for row in topic.partitions}
                assert errors != {ErrorCode.NONE} or self.asked[reply.request.token] <= self.bench.high_watermark
        self.seen = len(self.bench.delivered)

    @invariant()
    def fetches_give_what_was_committed(self) -> None:
        for group in GROUPS:
            for stable in (False, True):
                self.check_fetch(group, stable)

    def check_fetch(self, group: str, stable: bool) -> None:
        rows = [OffsetFetchRequestTopics(name=topic, partition_indexes=list(PARTITIONS)) for topic in TOPICS]
        asked = OffsetFetchRequestGroup(group_id=group, topics=rows)
        for topic in offsets.fetch(self.bench.shard.offsets, asked, stable).topics:
            for row in topic.partitions:
                place = group, topic.name, row.partition_index
                kept = self.states.kept.get(place)
                expected = -1 if kept is None else kept.offset
                if stable and self.states.is_pending(place):
                    assert (row.committed_offset, row.error_code) == (-1, ErrorCode.UNSTABLE_OFFSET_COMMIT), place
                else:
                    assert (row.committed_offset, row.error_code) == (expected, 0), place

    @invariant()
    def groups_are_there_while_they_have_something(self) -> None:
        assert set(self.bench.shard.groups) == self.states.groups

    @invariant()
    def a_compacted_log_says_the_same(self) -> None:
        log = self.bench.log
        compacted = compact(log, len(log), keep_tombstones=False)
        assert known(load(self.bench.new_shard(), compacted)) == known(self.bench.shard)

    def teardown(self) -> None:
        self.replicas_catch_up()
        assert len(self.bench.parked) == 0
        self.what_was_acknowledged_is_safe()


CommittedOffsets.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestCommittedOffsets = CommittedOffsets.TestCase
