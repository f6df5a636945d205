"""klamm's members of groups on klamm, and with --broker=kafka on Kafka: they share partitions, and give them up."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from compat_tests.support import Broker
from klamm.tools.client import Client, open_client
from klamm.tools.console.consumer_member import ConsumerMember
from klamm.tools.console.member import Key, committed_offsets
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest, CreateTopicsResponse

#: How long members may need to agree; both brokers let them send a heartbeat every 5 s.
LIMIT_S = 120


class Reader:
    """A member with a connection of its own, and what it owns."""

    def __init__(self, client: Client, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.owned: list[Key] = []
        self.joined = False
        self.member = ConsumerMember(client, f"group-of-{topic}", self._ids, server_assignor="uniform")

    def _ids(self, topics: object) -> dict[str, bytes]:
        return {row.name or "": row.topic_id for row in self.client.metadata([self.topic]).topics}

    def work(self) -> None:
        if not self.joined or not self.member.stays():
            self.joined = True
            self.owned = self.member.join([self.topic], self.client.deadline())


@pytest.fixture
def reader(broker: Broker) -> Iterator[Callable[[], Reader]]:
    topic = f"members-{time.time_ns()}"
    with ExitStack() as stack:

        def open_one() -> Reader:
            client = stack.enter_context(open_client(broker.bootstrap_servers))
            return Reader(client, topic)

        request = CreateTopicsRequest(
            topics=[CreatableTopic(name=topic, num_partitions=4, replication_factor=1)], timeout_ms=30_000
        )
        answer = open_one().client.controller(request, CreateTopicsResponse)
        assert answer.topics[0].error_code == 0
        yield open_one


@pytest.mark.bounded(300)
def test_two_members_share_and_one_takes_over(reader: Callable[[], Reader]) -> None:
    first, second = reader(), reader()

    def until(what: Callable[[], bool], *readers: Reader) -> None:
        end_s = time.monotonic() + LIMIT_S
        while not what():
            assert time.monotonic() < end_s, [one.owned for one in readers]
            for one in readers:
                one.work()
            time.sleep(0.05)

    every = [(first.topic, partition) for partition in range(4)]
    until(lambda: sorted(first.owned) == every, first)
    first.member.commit(dict.fromkeys(first.owned, 7), {})
    until(lambda: [len(first.owned), len(second.owned)] == [2, 2], first, second)
    assert sorted(first.owned + second.owned) == every
    second.member.commit({second.owned[0]: 9}, {})
    found = committed_offsets(second.client, f"group-of-{first.topic}")
    assert {key: row.offset for key, row in found.items()} == {**dict.fromkeys(every, 7), second.owned[0]: 9}
    first.member.leave()
    until(lambda: sorted(second.owned) == every, second)
    second.member.leave()
