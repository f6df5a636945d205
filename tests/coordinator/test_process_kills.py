"""A real broker is killed (SIGKILL) while producers consume, process and produce exactly once over sockets.

`test_kills.py` does the same thousands of times without a process; here files, start-up and sockets take part. After
every kill a member of a classic group, whom nobody told of it, is in the same generation as before. How far the
producers are when the kill comes is drawn from the seed. `KLAMM_PROCESS_KILLS=200`, or `make kills`, for more.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from compat_tests.support import Klamm
from klamm.wire.batches import NO_PRODUCER_ID, iter_batches
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from klamm.wire.records import batch_records
from tests.broker.raw_client import ClosedError, RawClient, SilentError, ask, wait_for, wait_for_coordinators
from tests.broker.steps import fetch
from tests.broker.transactions import GROUP, TransactionalProducer, find_coordinator

KILLS = int(os.environ.get("KLAMM_PROCESS_KILLS", "5"))
SEED = int(os.environ.get("KLAMM_PROCESS_SEED", "1"))
WORKERS = 2
CONFIG = {
    "offsets.topic.num.partitions": "2",
    "transaction.state.log.num.partitions": "2",
    "group.initial.rebalance.delay.ms": "0",
}
READ_COMMITTED = 1
_AWAY = (ClosedError, SilentError, OSError, AssertionError)


class Worker(threading.Thread):
    """Reads offsets of its own input, writes each to the output, commits both in one transaction."""

    def __init__(self, broker: Klamm, number: int, seed: int) -> None:
        super().__init__(name=f"worker-{number}", daemon=True)
        self.broker = broker
        self.number = number
        self.random = Random(seed)
        self.commits = 0
        self.over = threading.Event()
        self.progress = threading.Condition()

    @property
    def input(self) -> str:
        return f"in-{self.number}"

    def run(self) -> None:
        while not self.over.is_set():
            # The broker is away, or has just come back: begin anew.
            with suppress(*_AWAY), RawClient(self.broker.bootstrap_servers) as client:
                self.work(client)

    def work(self, client: RawClient) -> None:
        producer = TransactionalProducer(client, f"tx-{self.number}").init()
        find_coordinator(client, "g", GROUP)
        position = committed(client, self.input)
        while not self.over.is_set():
            after = position + self.random.randrange(1, 4)
            producer.sent("out", *(f"{self.number}:{offset}".encode() for offset in range(position, after)))
            assert producer.commit_offsets("g", [(self.input, after)]) == [ErrorCode.NONE]
            commit = self.random.random() < 0.8
            producer.end(commit)
            if commit:
                position = after
                with self.progress:
                    self.commits += 1
                    self.progress.notify_all()

    def await_commits(self, more: int) -> None:
        with self.progress:
            wanted = self.commits + more
            assert self.progress.wait_for(lambda: self.commits >= wanted, timeout=60), "the worker is stuck"


def committed(client: RawClient, topic: str) -> int:
    """The group's stable offset in partition 0; 0 if it has none."""
    rows = [OffsetFetchRequestTopics(name=topic, partition_indexes=[0])]
    request = OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=rows)], require_stable=True)
    found: list[int] = []

    def stable() -> bool:
        (group,) = client.request(request, 9).groups
        if group.error_code:
            return False
        row = group.topics[0].partitions[0]
        found[:] = [row.committed_offset]
        return bool(row.error_code == ErrorCode.NONE)

    wait_for(stable, "stable offsets")
    return max(found[0], 0)


def committed_output(client: RawClient) -> list[str]:
    """The values that a read_committed consumer sees."""
    values: list[str] = []
    offset = 0
    while True:
        answer = fetch(client, "out", offset, isolation_level=READ_COMMITTED)
        data = bytes(answer.records or b"")
        if not data:
            return values
        aborted = sorted((row.first_offset, row.producer_id) for row in answer.aborted_transactions or ())
        open_aborts: set[int] = set()
        for position, header in iter_batches(data):
            while aborted and aborted[0][0] <= header.base_offset:
                open_aborts.add(aborted.pop(0)[1])
            if header.is_control:
                open_aborts.discard(header.producer_id)
            elif header.producer_id == NO_PRODUCER_ID or header.producer_id not in open_aborts:
                records = batch_records(data[position : position + header.size_bytes])
                values += [(record.value or b"").decode() for record in records if record.offset >= offset]
            last_offset = header.last_offset
        offset = last_offset + 1


class Member:
    """The one member of a classic group, which does nothing but live."""

    def __init__(self, address: str) -> None:
        join = JoinGroupRequest(
            group_id="m",
            session_timeout_ms=600_000,
            rebalance_timeout_ms=60_000,
            member_id="",
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"m")],
        )
        joined = ask(address, join, 3)
        assert joined.error_code == 0
        self.member_id = joined.member_id
        sync = SyncGroupRequest(
            group_id="m",
            generation_id=1,
            member_id=self.member_id,
            assignments=[SyncGroupRequestAssignment(member_id=self.member_id, assignment=b"A")],
        )
        assert ask(address, sync, 3).error_code == 0

    def is_alive(self, address: str) -> bool:
        beat = HeartbeatRequest(group_id="m", generation_id=1, member_id=self.member_id)
        code = ask(address, beat, 3).error_code
        assert code in (0, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS), f"after the kill the member is told {code}"
        return bool(code == 0)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Klamm]:
    found = Klamm(tmp_path, config=CONFIG)
    yield found
    found.kill()


def test_exactly_once_over_kills_of_the_process(broker: Klamm) -> None:
    random = Random(SEED)
    names = ["out", *(f"in-{number}" for number in range(WORKERS))]
    topics = [CreatableTopic(name=name, num_partitions=1, replication_factor=1) for name in names]
    assert {row.error_code for row in ask(broker.bootstrap_servers, CreateTopicsRequest(topics=topics), 7).topics} == {
        0
    }
    wait_for_coordinators(broker.bootstrap_servers, "m")
    member = Member(broker.bootstrap_servers)
    workers = [Worker(broker, number, SEED * 1000 + number) for number in range(WORKERS)]
    for worker in workers:
        worker.start()
    try:
        for kill in range(KILLS):
            random.choice(workers).await_commits(random.randrange(1, 6))
            # Anywhere in the next transaction: a wait of its own length, not for anything.
            threading.Event().wait(random.random() * 0.02)
            broker.kill()
            broker.start()
            wait_for(lambda: member.is_alive(broker.bootstrap_servers), f"the shards to be loaded after kill {kill}")
        for worker in workers:
            worker.await_commits(2)
    finally:
        for worker in workers:
            worker.over.set()
        for worker in workers:
            worker.join(60)
    with RawClient(broker.bootstrap_servers) as client:
        for worker in workers:
            # Ends what the worker left open.
            TransactionalProducer(client, f"tx-{worker.number}").init()
        seen = committed_output(client)
        for worker in workers:
            mine = [int(value.partition(":")[2]) for value in seen if value.startswith(f"{worker.number}:")]
            assert mine == list(range(committed(client, worker.input))), f"seed {SEED}: lost, doubled or partial"
            assert len(mine) >= worker.commits
