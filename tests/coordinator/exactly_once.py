"""A world in which coordinators are killed, and clients that consume, process and produce exactly once.

Each client has a transactional id and is a member of one group, by the classic protocol or KIP-848. It reads its
partitions of the input from the group's stable offsets on, writes what it read to the output, and commits offsets and
output in one transaction. Its offsets go into a partition of `__consumer_offsets` that knows producers, as a broker's
does. Whatever is lost, killed or late: in the output stands each record up to the committed offset, once.

A client is a generator: it yields while it waits for its answer, and a world may leave it there for good.
"""

from __future__ import annotations

import struct
from collections.abc import Generator, Iterator
from random import Random
from typing import Any

from klamm.coordinator.consumer_group import ConsumerGroup
from klamm.coordinator.embedded_protocol import decode_assignment, encode_assignment
from klamm.coordinator.settings import GroupSettings
from klamm.coordinator.transaction_events import (
    AddPartitions,
    EndTransaction,
    Event,
    InitProducer,
    Markers,
    PartitionErrors,
    ProducerResult,
    VerifyPartitions,
)
from klamm.coordinator.transaction_state import SETTLED, TopicPartition
from klamm.coordinator.turn import Effects
from klamm.storage.producers import ProducerState
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
from klamm.wire.records import CONTROL_ABORT, CONTROL_COMMIT

from .bench import START_MS, Marker
from .consumer_bench import ConsumerBench, id_of
from .transaction_bench import Partition, TransactionBench

GROUP, INPUT = "g", "in"
INPUT_PARTITIONS = 4
OUTPUT: list[TopicPartition] = [("out", 0), ("out", 1)]
OFFSETS: TopicPartition = ("__consumer_offsets", 0)
TIMEOUT_MS = 8_000
SESSION_MS = 10_000
REBALANCE_MS = 5_000

Wait = Generator[None, None, Any]
Assigned = set[int]


class EndedError(Exception):
    """The client cannot go on: it is fenced, or does not know what it is; it begins anew."""


class OffsetsBench(ConsumerBench):
    """The group's shard on a partition that knows producers. Rebuilding is compared when the world says so."""

    def __init__(self) -> None:
        self.producers = ProducerState()
        super().__init__(
            GroupSettings(consumer_session_timeout_ms=SESSION_MS, min_session_timeout_ms=1_000, max_size=10)
        )
        self.topics.put(INPUT, INPUT_PARTITIONS)
        self.answers: dict[int, Any] = {}

    def apply(self, effects: Effects) -> None:
        if effects.producer is not None and effects.records:
            try:
                self.producers.check_epoch(*effects.producer)
            except KafkaError as error:
                self.fail_next = error.code
            else:
                offset = len(self.log)
                self.producers.record(*effects.producer, -1, offset, offset, START_MS, True)
        super().apply(effects)

    def check_rebuilt(self) -> None:
        pass

    def rebuild(self) -> None:
        """The producers' state comes from the log too."""
        del self.log[self.high_watermark :]
        self.producers = ProducerState()
        for offset, entry in enumerate(self.log):
            if isinstance(entry, Marker):
                self._note_end(entry, offset)
            elif entry.producer_id >= 0:
                self.producers.record(entry.producer_id, entry.producer_epoch, -1, offset, offset, START_MS, True)
        super().rebuild()

    def end(self, markers: Markers) -> None:
        """Raises KafkaError."""
        self.producers.check_marker(markers.producer_id, markers.producer_epoch, 0, markers.client_version)
        self._note_end(Marker(markers.producer_id, markers.commit, markers.producer_epoch), len(self.log))
        self.end_transaction(markers.producer_id, markers.commit, markers.producer_epoch)

    def _note_end(self, marker: Marker, offset: int) -> None:
        control = CONTROL_COMMIT if marker.commit else CONTROL_ABORT
        self.producers.end_transaction(marker.producer_id, marker.producer_epoch, START_MS, offset, (control, 0))

    def listen(self) -> None:
        for reply in self.delivered:
            self.answers[reply.request.token] = reply.response
        self.delivered.clear()


class OffsetsPartition(Partition):
    """`__consumer_offsets` as the transaction coordinator sees it: out of reach while a marker would not be safe."""

    def __init__(self, groups: OffsetsBench) -> None:
        self.groups = groups
        self.reachable = True
        super().__init__()

    @property
    def in_reach(self) -> bool:  # type: ignore[override]
        return self.reachable and not self.groups.held

    @in_reach.setter
    def in_reach(self, value: bool) -> None:
        self.reachable = value

    def end(self, markers: Markers) -> None:
        self.groups.end(markers)


class World:
    """`kills`: how many coordinators have been lost so far; `committed_by`: transactions of each client."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.transactions = TransactionBench()
        self.transactions.check_rebuilt = lambda: None  # type: ignore[method-assign]
        self.groups = OffsetsBench()
        self.offsets = OffsetsPartition(self.groups)
        self.transactions.partitions[OFFSETS] = self.offsets
        self.clients: list[Iterator[None]] = [self.start(number) for number in range(3)]
        self.zombies: list[Iterator[None]] = []
        self.kills = 0
        self.committed_by = dict.fromkeys(range(len(self.clients)), 0)

    def start(self, number: int) -> Iterator[None]:
        version = self.random.choice((0, 2))
        classic = self.random.random() < 0.5
        return Client(self, f"tx-{number}", version, classic).life()

    # --- what happens -----------------------------------------------------------------------------------------------

    def step(self) -> None:
        chance = self.random.random()
        if chance < 0.80:
            self.let_one_go_on()
        elif chance < 0.84:
            self.advance(self.random.choice((1, 100, 1_000, REBALANCE_MS)))
        elif chance < 0.88:
            bench = self.random.choice((self.transactions, self.groups))
            bench.held = True
        elif chance < 0.93:
            self.release()
        elif chance < 0.95:
            self.lose(self.random.randrange(len(self.clients)))
        elif chance < 0.96:
            where = self.transactions.partition(self.random.choice([*OUTPUT, OFFSETS]))
            where.in_reach = not where.in_reach
            self.transactions.write_markers()
        elif chance < 0.98:
            self.kill_transactions()
        else:
            self.kill_groups()

    def let_one_go_on(self) -> None:
        number = self.random.randrange(len(self.clients) + len(self.zombies))
        self.groups.listen()
        if number < len(self.clients):
            if next(self.clients[number], "ended") == "ended":
                self.clients[number] = self.start(number)
        else:
            zombie = self.zombies[number - len(self.clients)]
            if next(zombie, "ended") == "ended":
                self.zombies.remove(zombie)

    def lose(self, number: int) -> None:
        """A client is gone, or believed to be: another takes its transactional id."""
        if self.random.random() < 0.5 and len(self.zombies) < 3:
            self.zombies.append(self.clients[number])
        self.clients[number] = self.start(number)

    def advance(self, duration_ms: int) -> None:
        self.transactions.advance(duration_ms)
        self.groups.advance(duration_ms)

    def release(self) -> None:
        for bench in (self.groups, self.transactions):
            behind = len(bench.log) - bench.high_watermark
            some = self.random.choice((0, behind // 2, behind))
            bench.held = some < behind
            bench.release(bench.high_watermark + some)
        self.transactions.write_markers()

    def kill_transactions(self) -> None:
        """What the replicas never had is lost."""
        self.transactions.crash()
        self.kills += 1

    def kill_groups(self) -> None:
        self.groups.drop()
        self.groups.held = False
        self.groups.rebuild()
        self.groups.fail_next = None
        self.kills += 1

    # --- what must hold ---------------------------------------------------------------------------------------------

    def check_owners(self) -> None:
        group = self.groups.shard.groups.get(GROUP)
        if isinstance(group, ConsumerGroup):
            has = [
                (topic_id, index)
                for member in group.members.values()
                for partitions in (member.assigned, member.revoking)
                for topic_id, epochs in partitions.items()
                for index in epochs
            ]
            assert len(has) == len(set(has)), "a partition has two owners"

    def heal(self) -> None:
        """Nothing is lost or late any more."""
        self.zombies.clear()
        for partition in self.transactions.partitions.values():
            partition.in_reach = True
        for bench in (self.groups, self.transactions):
            bench.held = False
            bench.release(len(bench.log))
        self.transactions.write_markers()

    def live_in_peace(self, most_steps: int = 2_000) -> bool:
        """Whether every client commits something again."""
        before = dict(self.committed_by)
        for step in range(most_steps):
            self.let_one_go_on()
            if step % 20 == 0:
                self.advance(500)
                if all(self.committed_by[number] > before[number] for number in before):
                    return True
        return False

    def settle(self) -> None:
        """Everybody stops; what is open is ended by the coordinators."""
        self.clients.clear()
        self.advance(3 * TIMEOUT_MS)

    def check_settled(self) -> None:
        assert {found.state for found in self.transactions.shard.transactions.values()} <= SETTLED
        assert self.groups.producers.open_transactions == {}
        assert [self.transactions.partition(place).producers.open_transactions for place in OUTPUT] == [{}, {}]
        assert self.groups.shard.offsets.pending.by_producer == {}
        committed = self.groups.shard.offsets.groups.get(GROUP, {}).get(INPUT, {})
        found: dict[int, list[int]] = {}
        for place in OUTPUT:
            for source, offset in committed_records(self.transactions.partition(place)):
                found.setdefault(source, []).append(offset)
        for source in range(INPUT_PARTITIONS):
            expected = list(range(committed[source].offset if source in committed else 0))
            assert sorted(found.get(source, [])) == expected, f"output of partition {source}: lost, doubled or partial"

    def check_rebuilt(self) -> None:
        ConsumerBench.check_rebuilt(self.groups)
        TransactionBench.check_rebuilt(self.transactions)


def committed_records(partition: Partition) -> Iterator[tuple[int, int]]:
    """(input partition, offset) of what read_committed consumers see."""
    for position, (kind, producer_id, _, what) in enumerate(partition.log):
        if kind == "data":
            ends = (row[0] for row in partition.log[position:] if row[0] != "data" and row[1] == producer_id)
            if next(ends) == "commit":
                source, _, offset = what.partition(":")
                yield int(source), int(offset)


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
