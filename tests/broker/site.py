"""A broker without its loop, its sockets and its threads: a test says when what happens."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from klamm.broker.api_table import SERVED
from klamm.broker.broker import Broker
from klamm.broker.config import Config
from klamm.broker.context import RequestContext
from klamm.broker.partition import Partition
from klamm.broker.server import Address
from klamm.storage.files import Files
from klamm.storage.log_manager import open_log_dirs
from klamm.storage.pending import Pending
from klamm.wire.apis import BY_NAME
from klamm.wire.declare import Message
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

NOW_MS = 1_700_000_000_000
ADDRESS = Address("PLAINTEXT", "127.0.0.1", 9092)


class Site:
    """A broker without its loop and threads: `work` is what it gives to threads."""

    def __init__(self, path: Path, files: Files, **config: str) -> None:
        self.path = path
        self.files = files
        self.config = {"offsets_topic_num_partitions": "1", "transaction_state_log_num_partitions": "1", **config}
        self.rounds: deque[Callable[[], None]] = deque()
        self.work: deque[tuple[Callable[[], None], Callable[[object], None]]] = deque()
        self.start()

    def start(self) -> None:
        self.logs = open_log_dirs([str(self.path)], node_id=1, files=self.files)
        self.broker = Broker(Config.of(**self.config), self.logs, lambda: NOW_MS)
        self.broker.reactor.soon = self.rounds.append  # type: ignore[method-assign]
        self.broker.reactor.call_from_thread = self.rounds.append  # type: ignore[method-assign]
        self.broker.load([ADDRESS])
        self.broker.coordinators.start()
        self.broker.transactions.start()
        self.round()

    def kill(self) -> None:
        self.logs.abandon()
        self.broker.reactor.poller.close()
        self.rounds.clear()
        self.work.clear()

    def round(self) -> None:
        """The loop goes round until it has nothing to do."""
        while self.rounds:
            self.rounds.popleft()()

    def flush(self) -> None:
        """The device does what it was asked to do by now."""
        self.round()
        for _ in range(len(self.work)):
            run, deliver = self.work.popleft()
            run()
            deliver(None)
        self.round()

    def topic(self, name: str, partitions: int = 1, **configs: str) -> None:
        texts = {key.replace("_", "."): text for key, text in configs.items()}
        self.broker.create_topic(name, partitions, 1, texts)

    def partition(self, topic: str, index: int = 0) -> Partition:
        found = self.broker.partitions.get(topic, index)
        assert found is not None
        return found

    def send(self, request: Message, version: int) -> Pending[Any]:
        api = BY_NAME[type(request).__name__.removesuffix("Request")]
        context = RequestContext(self.broker, None, version, "client", "/127.0.0.1", "PLAINTEXT", NOW_MS)
        done: Pending[Any] = Pending()
        follow(SERVED[api.key].module.handle(request, context), done)
        return done

    def produce(self, topic: str, *indexes: int, acks: int = -1, batch: bytes | None = None) -> Pending[Any]:
        batch = batch or encode_batch([Record(value=b"v", timestamp_ms=NOW_MS)])
        data = [PartitionProduceData(index=index, records=batch) for index in indexes or (0,)]
        topics = [TopicProduceData(name=topic, partition_data=data)]
        return self.send(ProduceRequest(acks=acks, timeout_ms=1000, topic_data=topics), 9)

    def latest(self, topic: str) -> int:
        asked = ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])
        answer = self.send(ListOffsetsRequest(replica_id=-1, topics=[asked]), 5).result()
        offset: int = answer.topics[0].partitions[0].offset
        return offset

    def fetch(self, topic: str, max_wait_ms: int = 0) -> Pending[Any]:
        asked = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=10_000)
        topics = [FetchTopic(topic=topic, partitions=[asked])]
        return self.send(FetchRequest(max_wait_ms=max_wait_ms, min_bytes=1, max_bytes=10_000, topics=topics), 11)


def follow(answer: Any, done: Pending[Any]) -> None:
    """Completes `done` with what an answer comes to: one that had to wait before it could begin may wait again."""
    if not isinstance(answer, Pending):
        done.complete(answer)
    else:
        answer.add_callback(lambda found: follow(found.result(), done))


def codes(answer: Pending[Any]) -> list[ErrorCode]:
    rows = answer.result().responses[0].partition_responses
    return [ErrorCode(row.error_code) for row in rows]
