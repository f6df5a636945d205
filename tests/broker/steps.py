"""Steps that the behaviour tests have in common: topics, batches, and one-partition requests over the raw client."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from compat_tests.support import unique
from klamm.wire.batches import iter_batches
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from klamm.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, encode_batch

from .raw_client import RawClient, ask, wait_for, wait_for_leaders

#: The last version of Produce and Fetch that names topics.
BY_NAME_VERSION = 12


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def create_topic(
    address: str, configs: Mapping[str, str] | None = None, partitions: int = 1, name: str | None = None
) -> tuple[str, bytes]:
    """(name, topic id) of a new topic whose partitions can be written to."""
    topic = CreatableTopic(
        name=name or unique("behaviour"),
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=key, value=value) for key, value in (configs or {}).items()],
    )
    (answer,) = ask(address, CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7).topics
    assert answer.error_code == ErrorCode.NONE, answer
    wait_for_leaders(address, topic.name, partitions)
    return topic.name, answer.topic_id


def delete_topic(address: str, name: str) -> None:
    states = [DeleteTopicState(name=name)]
    (answer,) = ask(address, DeleteTopicsRequest(topics=states, timeout_ms=10_000), 6).responses
    assert answer.error_code == ErrorCode.NONE, answer


def batch(*values: bytes, timestamp_ms: int | None = None, **header: Any) -> bytes:
    """A batch of records with a key each; `header` goes to encode_batch."""
    at = now_ms() if timestamp_ms is None else timestamp_ms
    return encode_batch([Record(b"key", value, (), at + number) for number, value in enumerate(values)], **header)


def produce_request(topic: str | bytes, records: bytes | None, acks: int = -1, **more: Any) -> ProduceRequest:
    """To partition 0 of a topic by name, or by id (bytes)."""
    data = [PartitionProduceData(index=0, records=records)]
    if isinstance(topic, bytes):
        named = TopicProduceData(topic_id=topic, partition_data=data)
    else:
        named = TopicProduceData(name=topic, partition_data=data)
    return ProduceRequest(acks=acks, timeout_ms=10_000, topic_data=[named], **more)


def produce(client: RawClient, topic: str, records: bytes | None, version: int = BY_NAME_VERSION, **more: Any) -> Any:
    """The answer for partition 0."""
    return client.request(produce_request(topic, records, **more), version).responses[0].partition_responses[0]


def produced(client: RawClient, topic: str, records: bytes) -> int:
    """Produces what must succeed; its base offset."""
    answer = produce(client, topic, records)
    assert answer.error_code == ErrorCode.NONE, answer
    base_offset: int = answer.base_offset
    return base_offset


def fetch_request(
    topics: Mapping[str, Sequence[tuple[int, int]]], partition_max_bytes: int = 1_000_000, **more: Any
) -> FetchRequest:
    """topics: name -> (partition, fetch offset) of each. No session and no waiting, unless `more` says so."""
    asked = [
        FetchTopic(
            topic=name,
            partitions=[
                FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=partition_max_bytes)
                for index, offset in partitions
            ],
        )
        for name, partitions in topics.items()
    ]
    fields = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 50_000_000, "session_epoch": -1, **more}
    return FetchRequest(topics=asked, **fields)


def fetch(client: RawClient, topic: str, offset: int = 0, version: int = BY_NAME_VERSION, **more: Any) -> Any:
    """The answer for partition 0."""
    return client.request(fetch_request({topic: [(0, offset)]}, **more), version).responses[0].partitions[0]


def base_offsets(records: Any) -> list[int]:
    """The base offset of each whole batch."""
    return [header.base_offset for _, header in iter_batches(bytes(records))]


def list_offset(client: RawClient, topic: str, timestamp: int, version: int = 11, **more: Any) -> Any:
    """The answer for partition 0."""
    asked = ListOffsetsPartition(partition_index=0, timestamp=timestamp, **more)
    request = ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])])
    return client.request(request, version).topics[0].partitions[0]


def new_producer_id(client: RawClient) -> int:
    """A producer id that nobody used, of epoch 0."""
    answers: list[Any] = []

    def given() -> bool:
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=60_000)
        answers.append(client.request(request, 4))
        return answers[-1].error_code == ErrorCode.NONE  # Kafka's first asks the controller for a block of ids

    wait_for(given, "a producer id")
    assert answers[-1].producer_epoch == 0
    producer_id: int = answers[-1].producer_id
    return producer_id


def led_in(folder: Path, *epochs: int) -> None:
    """A partition's batches get these epochs, one each, as after elections, while nobody uses the folder."""
    log = folder / f"{0:020d}.log"
    data = bytearray(log.read_bytes())
    for (position, _), epoch in zip(list(iter_batches(memoryview(bytes(data)))), epochs, strict=True):
        data[position + 12 : position + 16] = epoch.to_bytes(4, "big")
    log.write_bytes(data)
    rows = [(epoch, offset) for offset, epoch in enumerate(epochs) if offset == 0 or epochs[offset - 1] != epoch]
    lines = ["0", str(len(rows)), *(f"{epoch} {offset}" for epoch, offset in rows)]
    (folder / "leader-epoch-checkpoint").write_text("\n".join(lines) + "\n")
