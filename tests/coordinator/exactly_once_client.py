"""A client that consumes, processes and produces exactly once: a member of a group with a transactional id.

It is a generator: it yields while it waits for its answer, and whoever drives it may leave it there for good.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

from klamm.coordinator.embedded_protocol import decode_assignment, encode_assignment
from klamm.coordinator.transaction_events import (
    AddPartitions,
    EndTransaction,
    Event,
    InitProducer,
    PartitionErrors,
    ProducerResult,
    VerifyPartitions,
)
from klamm.coordinator.transaction_state import TopicPartition
from klamm.wire.codec import encode
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from klamm.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from klamm.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from .consumer_bench import id_of
from .exactly_once_bench import GROUP, INPUT, INPUT_PARTITIONS, OFFSETS, OUTPUT, REBALANCE_MS, SESSION_MS, TIMEOUT_MS

if TYPE_CHECKING:
    from .exactly_once import World

Wait = Generator[None, None, Any]
Assigned = set[int]


class EndedError(Exception):
    """The client cannot go on: it is fenced, or does not know what it is; it begins anew."""


class Client:
    """`version`: its transactions'; `classic`: the protocol of its group."""

    def __init__(self, world: World, transactional_id: str, version: int, classic: bool) -> None:
        self.world = world
        self.transactional_id = transactional_id
        self.version = version
        self.classic = classic
        self.producer_id = self.producer_epoch = -1
        self.member_id = "" if classic else f"{transactional_id}-{world.random.getrandbits(48):x}"
        self.epoch = 0
        self.assigned: Assigned = set()
        self.full = True

    # --- one request at a time --------------------------------------------------------------------------------------

    def ask(self, event: Event) -> Wait:
        bench = self.world.transactions
        number = bench.ask(event)
        while number not in bench.answers:
            yield
        return bench.answers[number]

    def ask_group(self, message: Any, version: int) -> Wait:
        bench = self.world.groups
        token = bench.ask(message, version, self.transactional_id)
        bench.listen()
        while token not in bench.answers:
            yield
        return bench.answers.pop(token)

    # --- a life -----------------------------------------------------------------------------------------------------

    def life(self) -> Iterator[None]:
        try:
            yield from self.init()
            while True:
                yield from self.join()
                positions = yield from self.fetch()
                for _ in range(4):
                    yield
                    if not (yield from self.still_in_the_group()):
                        break
                    if positions and not (yield from self.transact(positions)):
                        break
        except EndedError:
            return

    def init(self) -> Wait:
        while True:
            told: ProducerResult = yield from self.ask(InitProducer(self.transactional_id, TIMEOUT_MS))
            if told.error is ErrorCode.NONE:
                self.producer_id, self.producer_epoch = told.producer_id, told.producer_epoch
                return
            assert told.error in (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.NOT_COORDINATOR), told
            yield

    def transact(self, positions: dict[int, int]) -> Wait:
        """Process some records; whether they are committed and the client goes on from there."""
        random = self.world.random
        after = {source: offset + random.randrange(3) for source, offset in positions.items()}
        where = random.choice(OUTPUT)
        done = yield from self.write(positions, after, where)
        if not done or random.random() < 0.1:
            yield from self.end(False)
            return False
        if not (yield from self.end(True)):
            return False
        self.world.committed_by[int(self.transactional_id.removeprefix("tx-"))] += 1
        positions.update(after)
        return True

    def write(self, positions: dict[int, int], after: dict[int, int], where: TopicPartition) -> Wait:
        if not (yield from self.add(where)):
            return False
        for source, begin in positions.items():
            for offset in range(begin, after[source]):
                if not self.verified(where):
                    return False
                try:
                    self.world.transactions.partition(where).write(
                        self.producer_id, self.producer_epoch, f"{source}:{offset}"
                    )
                except KafkaError:
                    return False
                yield
        if not (yield from self.add(OFFSETS)) or not self.verified(OFFSETS):
            return False
        rows = [
            TxnOffsetCommitRequestPartition(
                partition_index=source, committed_offset=offset, committed_leader_epoch=-1, committed_metadata=None
            )
            for source, offset in after.items()
        ]
        message = TxnOffsetCommitRequest(
            transactional_id=self.transactional_id,
            group_id=GROUP,
            producer_id=self.producer_id,
            producer_epoch=self.producer_epoch,
            generation_id=self.epoch,
            member_id=self.member_id,
            topics=[TxnOffsetCommitRequestTopic(name=INPUT, partitions=rows)],
        )
        answer = yield from self.ask_group(message, 5)
        return all(row.error_code == 0 for topic in answer.topics for row in topic.partitions)

    def add(self, where: TopicPartition) -> Wait:
        event = AddPartitions(
            self.transactional_id, self.producer_id, self.producer_epoch, frozenset({where}), self.version
        )
        for _ in range(20):
            told: PartitionErrors = yield from self.ask(event)
            (error,) = told.errors.values()
            if error is ErrorCode.NONE:
                return True
            if error not in (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.NOT_COORDINATOR):
                raise EndedError
            yield
        return False

    def verified(self, where: TopicPartition) -> bool:
        """The partition's broker asks; what is answered later is no answer."""
        bench = self.world.transactions
        event = VerifyPartitions(self.transactional_id, self.producer_id, self.producer_epoch, frozenset({where}))
        told = bench.answers.get(bench.ask(event))
        return isinstance(told, PartitionErrors) and not any(told.errors.values())

    def end(self, commit: bool) -> Wait:
        """Ask until it is known what became of the transaction."""
        event = EndTransaction(self.transactional_id, self.producer_id, self.producer_epoch, commit, self.version)
        while True:
            told: ProducerResult = yield from self.ask(event)
            if told.error is ErrorCode.NONE:
                if self.version >= 2:
                    self.producer_id, self.producer_epoch = told.producer_id, told.producer_epoch
                return True
            if told.error not in (ErrorCode.CONCURRENT_TRANSACTIONS, ErrorCode.NOT_COORDINATOR):
                raise EndedError
            yield

    def fetch(self) -> Wait:
        """Position by partition; nothing while an open transaction may move one."""
        rows = [OffsetFetchRequestTopics(name=INPUT, partition_indexes=sorted(self.assigned))]
        asked = OffsetFetchRequestGroup(group_id=GROUP, topics=rows, member_id=None, member_epoch=-1)
        answer = yield from self.ask_group(OffsetFetchRequest(groups=[asked], require_stable=True), 9)
        (group,) = answer.groups
        if group.error_code or not self.assigned:
            return {}
        found = group.topics[0].partitions
        if any(row.error_code for row in found):
            return {}
        return {row.partition_index: max(row.committed_offset, 0) for row in found}

    # --- the group --------------------------------------------------------------------------------------------------

    def join(self) -> Wait:
        """Until it has an assignment, which may be empty."""
        while not (yield from (self.join_classic() if self.classic else self.join_consumer())):
            yield

    def still_in_the_group(self) -> Wait:
        if self.classic:
            message = HeartbeatRequest(group_id=GROUP, generation_id=self.epoch, member_id=self.member_id)
            answer = yield from self.ask_group(message, 4)
            return answer.error_code == 0
        before = set(self.assigned)
        return (yield from self.beat()) and self.assigned == before

    def join_classic(self) -> Wait:
        subscription = ConsumerProtocolSubscription(topics=[INPUT])
        metadata = struct.pack(">h", 0) + encode(subscription, 0)
        message = JoinGroupRequest(
            group_id=GROUP,
            session_timeout_ms=SESSION_MS,
            rebalance_timeout_ms=REBALANCE_MS,
            member_id=self.member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
        )
        joined = yield from self.ask_group(message, 5)
        if joined.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = joined.member_id
            return False
        if joined.error_code:
            if joined.error_code in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
                self.member_id = ""
            return False
        self.member_id, self.epoch = joined.member_id, joined.generation_id
        members = [row.member_id for row in joined.members]
        sync = SyncGroupRequest(
            group_id=GROUP,
            generation_id=self.epoch,
            member_id=self.member_id,
            protocol_type="consumer",
            protocol_name="range",
            assignments=[
                SyncGroupRequestAssignment(
                    member_id=member_id,
                    assignment=encode_assignment(
                        {id_of(INPUT): range(number, INPUT_PARTITIONS, len(members))}, 0, self.world.groups.topics
                    ),
                )
                for number, member_id in enumerate(members)
            ],
        )
        synced = yield from self.ask_group(sync, 5)
        if synced.error_code:
            if synced.error_code == ErrorCode.UNKNOWN_MEMBER_ID:
                self.member_id = ""
            return False
        self.assigned = set()
        if synced.assignment:
            rows = decode_assignment(synced.assignment).assigned_partitions
            self.assigned = {index for row in rows for index in row.partitions}
        return True

    def join_consumer(self) -> Wait:
        return (yield from self.beat())

    def beat(self) -> Wait:
        """A full heartbeat asks for the assignment; it comes after an answer that was lost, and to join."""
        rows = [TopicPartitions(topic_id=id_of(INPUT), partitions=sorted(self.assigned))] if self.assigned else []
        message = ConsumerGroupHeartbeatRequest(
            group_id=GROUP, member_id=self.member_id, member_epoch=self.epoch, topic_partitions=rows
        )
        if self.full:
            message.rebalance_timeout_ms = REBALANCE_MS
            message.subscribed_topic_names = [INPUT]
        self.full = True
        answer = yield from self.ask_group(message, 1)
        if answer.error_code:
            if answer.error_code in (
                ErrorCode.UNKNOWN_MEMBER_ID,
                ErrorCode.FENCED_MEMBER_EPOCH,
                ErrorCode.GROUP_ID_NOT_FOUND,
            ):
                self.epoch, self.assigned = 0, set()
            return False
        self.full = False
        self.epoch = answer.member_epoch
        if answer.assignment is not None:
            self.assigned = {index for row in answer.assignment.topic_partitions for index in row.partitions}
        return True
