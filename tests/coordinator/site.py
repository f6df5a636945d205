"""A broker without its loop and its sockets, and what clients of its coordinators do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from klamm.broker.api_table import SERVED
from klamm.broker.broker import Broker
from klamm.broker.config import Config
from klamm.broker.context import RequestContext
from klamm.broker.server import Address
from klamm.storage.log_manager import open_log_dirs
from klamm.storage.pending import Pending
from klamm.storage.warmth import Job
from klamm.wire.apis import BY_NAME
from klamm.wire.codec import decode, encode
from klamm.wire.declare import Message
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

CONFIG = {
    "advertised_listeners": "PLAINTEXT://kafka.example:9092",
    "offsets_topic_num_partitions": "2",
    "offset_metadata_max_bytes": "64",
}


class Site:
    """A broker without its loop: `pump` does what the loop would, `now_ms` is its clock."""

    def __init__(self, path: Path, **config: str) -> None:
        """`config`: as in a server.properties, with underscores for dots."""
        self.path = path
        self.config = CONFIG | config
        self.now_ms = 1_700_000_000_000
        self.rounds: deque[Callable[[], None]] = deque()
        self.start()

    def start(self) -> None:
        self.logs = open_log_dirs([str(self.path)], node_id=1)
        self.broker = Broker(Config.of(**self.config), self.logs, lambda: self.now_ms)
        self.broker.reactor.soon = self.rounds.append  # type: ignore[method-assign]
        self.broker.warmer.run = self._run  # type: ignore[method-assign]
        self.broker.load([Address("PLAINTEXT", "127.0.0.1", 9092)])
        self.broker.coordinators.start()

    def _run(self, job: Job, then: Callable[[], None] | None = None) -> None:
        """What a worker thread would do is done at once, and finished by the loop."""
        job.run()

        def finish() -> None:
            job.finish()
            if then is not None:
                then()

        self.rounds.append(finish)

    def stop(self) -> None:
        self.logs.close()
        self.broker.reactor.poller.close()
        self.rounds.clear()

    def pump(self) -> None:
        while self.rounds:
            self.rounds.popleft()()
        self.broker.timers.run_due(self.now_ms)

    def advance(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        self.pump()

    def send(self, request: Message, version: int, client_id: str = "client") -> Pending[Any]:
        """The answer, as a client decodes it, when it comes."""
        api = BY_NAME[type(request).__name__.removesuffix("Request")]
        context = RequestContext(self.broker, None, version, client_id, "/127.0.0.1", "PLAINTEXT", self.now_ms)
        arrived = decode(api.request(), version, encode(request, version))
        answer = SERVED[api.key].module.handle(arrived, context)
        seen: Pending[Any] = Pending()

        def take(response: Message) -> None:
            seen.complete(decode(api.response(), version, encode(response, version)))

        if isinstance(answer, Pending):
            answer.add_callback(lambda done: take(done.result()))
        else:
            take(answer)
        self.broker.timers.run_due(self.now_ms)
        return seen

    def ask(self, request: Message, version: int, client_id: str = "client") -> Any:
        return self.send(request, version, client_id).result()

    # --- what clients do ------------------------------------------------------------------------------------------

    def create(self, name: str, partitions: int = 1) -> bytes:
        self.broker.create_topic(name, partitions, 1, {})
        image = self.broker.catalogue.topic(name)
        assert image is not None
        return image.topic_id

    def find(self, *groups: str) -> Any:
        return self.ask(FindCoordinatorRequest(coordinator_keys=list(groups)), 6)

    def join(
        self, group: str, member_id: str = "", session_ms: int = 10_000, client_id: str = "client"
    ) -> Pending[Any]:
        message = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=60_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"m")],
        )
        return self.send(message, 3, client_id)

    def sync(self, group: str, generation: int, member_id: str, assignment: bytes = b"A") -> Pending[Any]:
        message = SyncGroupRequest(
            group_id=group,
            generation_id=generation,
            member_id=member_id,
            assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=assignment)],
        )
        return self.send(message, 3)

    def member(self, group: str) -> str:
        """A group of one, Stable in generation 1."""
        joined = self.join(group).result()
        assert self.sync(group, 1, joined.member_id).result().error_code == 0
        return str(joined.member_id)

    def heartbeat(self, group: str, generation: int, member_id: str) -> int:
        message = HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id)
        return int(self.ask(message, 3).error_code)

    def commit(self, group: str, topic: str, offset: int, partition: int = 0, **more: Any) -> Pending[Any]:
        row = OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata=None)
        message = OffsetCommitRequest(
            group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[row])], **more
        )
        return self.send(message, 9)

    def committed(self, group: str, topic: str, partition: int = 0) -> tuple[int, int]:
        """(offset, error of the group)"""
        rows = [OffsetFetchRequestTopics(name=topic, partition_indexes=[partition])]
        answer = self.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=rows)]), 9)
        (found,) = answer.groups
        return (found.topics[0].partitions[0].committed_offset if found.topics else -1), found.error_code

    def state(self, group: str) -> str:
        (described,) = self.ask(DescribeGroupsRequest(groups=[group]), 5).groups
        return str(described.group_state)


def commit_error(answer: Any) -> int:
    return int(answer.topics[0].partitions[0].error_code)
