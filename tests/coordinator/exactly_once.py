"""A world in which coordinators are killed, and clients that consume, process and produce exactly once.

Each client has a transactional id and is a member of one group, by the classic protocol or KIP-848. It reads its
partitions of the input from the group's stable offsets on, writes what it read to the output, and commits offsets and
output in one transaction. Its offsets go into a partition of `__consumer_offsets` that knows producers, as a broker's
does. Whatever is lost, killed or late: in the output stands each record up to the committed offset, once.
"""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

from klamm.coordinator.consumer_group import ConsumerGroup
from klamm.coordinator.transaction_state import SETTLED

from .consumer_bench import ConsumerBench
from .exactly_once_bench import (
    GROUP,
    INPUT,
    INPUT_PARTITIONS,
    OFFSETS,
    OUTPUT,
    REBALANCE_MS,
    TIMEOUT_MS,
    OffsetsBench,
    OffsetsPartition,
)
from .exactly_once_client import Client
from .transaction_bench import Partition, TransactionBench


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
