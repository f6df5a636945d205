"""Random lives of transactional producers. What must hold, whatever fails, is lost or comes late:

- a transaction is all or nothing: its records have the same outcome in every partition;
- what a client was told is committed is committed, what it was told is aborted is aborted;
- epochs of a producer id never go back in the coordinator's log;
- a shard that is rebuilt from the log knows what the live one knows (transaction_bench.py);
- in the end no transaction is left open, in the coordinator nor in a partition.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from klamm.coordinator.transaction_events import (
    AddPartitions,
    EndTransaction,
    InitProducer,
    PartitionErrors,
    ProducerResult,
    VerifyPartitions,
)
from klamm.coordinator.transaction_state import SETTLED, TopicPartition, from_bytes
from klamm.wire.errors import ErrorCode, KafkaError

from .transaction_bench import TransactionBench

PARTITIONS: list[TopicPartition] = [("t", 0), ("t", 1), ("u", 0)]
TIMEOUT_MS = 10_000


@dataclass
class Client:
    """A producer as its client sees it; two may have the same transactional id."""

    name: str
    transactional_id: str
    version: int
    producer_id: int = -1
    epoch: int = -1
    transaction: int = 0
    #: It has added partitions. Without that no producer ends a transaction; one that is a transaction behind, and whose
    #: id another has by version 1 meanwhile, would be let in again (broker/transaction_stories/shared_id.txt).
    begun: bool = False
    asked: tuple[str, int, bool] | None = None  # what, the bench's number, commit
    told: dict[str, bool] = field(default_factory=dict)  # label of a transaction -> committed

    @property
    def label(self) -> str:
        return f"{self.name}.{self.transaction}"


class Transactions(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.bench = TransactionBench()
        self.clients = [Client("a", "x", 2), Client("b", "x", 0), Client("c", "y", 0), Client("d", "z", 2)]

    def hear(self, client: Client) -> None:
        """Take the answer that the client waits for, if it is there."""
        if client.asked is None or client.asked[1] not in self.bench.answers:
            return
        what, number, commit = client.asked
        client.asked = None
        result = self.bench.answers[number]
        assert isinstance(result, ProducerResult)
        if what == "init":
            if result.error is ErrorCode.NONE:
                client.producer_id, client.epoch = result.producer_id, result.producer_epoch
                client.begun = False
                client.transaction += 1
        elif result.error is ErrorCode.NONE:
            client.begun = False
            client.told[client.label] = commit
            client.transaction += 1
            if client.version >= 2:
                client.producer_id, client.epoch = result.producer_id, result.producer_epoch
        elif result.error not in (ErrorCode.NOT_COORDINATOR, ErrorCode.CONCURRENT_TRANSACTIONS):
            client.producer_id = -1  # fenced, or lost its way: it begins anew

    # --- clients --------------------------------------------------------------------------------------------------

    @rule(which=st.integers(0, 3), goes_on=st.booleans())
    def init(self, which: int, goes_on: bool) -> None:
        self.ask_init(self.clients[which], goes_on)

    def ask_init(self, client: Client, goes_on: bool = False) -> None:
        self.hear(client)
        if client.asked is None:
            known = (client.producer_id, client.epoch) if goes_on and client.producer_id >= 0 else (-1, -1)
            number = self.bench.ask(InitProducer(client.transactional_id, TIMEOUT_MS, *known))
            client.asked = ("init", number, False)
            self.hear(client)

    @rule(
        which=st.integers(0, 3),
        partitions=st.sets(st.sampled_from(PARTITIONS), min_size=1),
        commit=st.sampled_from([None, True, True, False]),
    )
    def transact(self, which: int, partitions: set[TopicPartition], commit: bool | None) -> None:
        """Write to partitions, as far as the coordinator says so, and end the transaction, or not yet."""
        client = self.clients[which]
        self.hear(client)
        if client.producer_id < 0:
            self.ask_init(client)
        if client.asked is None and client.producer_id >= 0:
            self.write(client, partitions)
        if commit is not None:
            self.ask_end(client, commit)

    def write(self, client: Client, partitions: set[TopicPartition]) -> None:
        event = AddPartitions(
            client.transactional_id, client.producer_id, client.epoch, frozenset(partitions), client.version
        )
        added = self.bench.answers.get(self.bench.ask(event))
        if not isinstance(added, PartitionErrors) or any(added.errors.values()):
            return
        client.begun = True
        for key in sorted(partitions):
            verify = VerifyPartitions(client.transactional_id, client.producer_id, client.epoch, frozenset({key}))
            verified = self.bench.answers.get(self.bench.ask(verify))
            if isinstance(verified, PartitionErrors) and not any(verified.errors.values()):
                try:
                    self.bench.partition(key).write(client.producer_id, client.epoch, client.label)
                except KafkaError:
                    client.producer_id = -1
                    return

    @rule(which=st.integers(0, 3), commit=st.booleans())
    def end(self, which: int, commit: bool) -> None:
        self.ask_end(self.clients[which], commit)

    def ask_end(self, client: Client, commit: bool) -> None:
        self.hear(client)
        if client.asked is None and client.producer_id >= 0 and client.begun:
            event = EndTransaction(client.transactional_id, client.producer_id, client.epoch, commit, client.version)
            client.asked = ("end", self.bench.ask(event), commit)
            self.hear(client)

    # --- what happens to them -------------------------------------------------------------------------------------

    @rule()
    def hold_the_high_watermark(self) -> None:
        self.bench.held = True

    @rule(share=st.sampled_from([0.0, 0.5, 1.0, 1.0]))
    def release(self, share: float) -> None:
        bench = self.bench
        bench.held = share < 1
        bench.release(bench.high_watermark + int((len(bench.log) - bench.high_watermark) * share))

    @rule(away=st.sets(st.sampled_from(PARTITIONS)))
    def reach(self, away: set[TopicPartition]) -> None:
        for key in PARTITIONS:
            self.bench.partition(key).in_reach = key not in away
        self.bench.write_markers()

    @rule(duration_ms=st.sampled_from([1, 100, 9_999, 10_001]))
    def time_passes(self, duration_ms: int) -> None:
        self.bench.advance(duration_ms)

    @rule()
    def crash(self) -> None:
        self.bench.crash()

    @precondition(lambda self: self.bench.fail_next is None)
    @rule()
    def the_next_append_fails(self) -> None:
        self.bench.fail_next = ErrorCode.MESSAGE_TOO_LARGE

    # --- what must hold -------------------------------------------------------------------------------------------

    @invariant()
    def epochs_never_go_back(self) -> None:
        newest: dict[int, int] = {}
        for key, value in self.bench.log:
            record = from_bytes(key, value)
            assert record is not None
            if record.transaction is not None:
                producer_id, epoch = record.transaction.producer_id, record.transaction.producer_epoch
                assert epoch >= newest.get(producer_id, -1)
                newest[producer_id] = epoch

    def teardown(self) -> None:
        bench = self.bench
        bench.fail_next = None
        bench.held = False
        for partition in bench.partitions.values():
            partition.in_reach = True
        bench.release(len(bench.log))
        bench.advance(2 * TIMEOUT_MS)
        for client in self.clients:
            self.hear(client)
            assert client.asked is None, "somebody was never answered"
        assert {found.state for found in bench.shard.transactions.values()} <= SETTLED
        assert [partition.producers.open_transactions for partition in bench.partitions.values()] == [
            {} for _ in bench.partitions
        ]
        outcomes = self.outcomes()
        assert {label: found for label, found in outcomes.items() if len(found) > 1} == {}
        told = {label: committed for client in self.clients for label, committed in client.told.items()}
        assert {label: told[label] for label in told if outcomes.get(label, {told[label]}) != {told[label]}} == {}

    def outcomes(self) -> dict[str, set[bool]]:
        """Label of a transaction -> whether its records are committed, over all partitions."""
        found: dict[str, set[bool]] = {}
        for partition in self.bench.partitions.values():
            for offset, (kind, producer_id, _, what) in enumerate(partition.log):
                if kind == "data":
                    ends = (row[0] for row in partition.log[offset:] if row[0] != "data" and row[1] == producer_id)
                    found.setdefault(what, set()).add(next(ends) == "commit")
        return found


TestTransactions = Transactions.TestCase
TestTransactions.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
