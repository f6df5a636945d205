"""Malformed Fetch, ListOffsets and Metadata requests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic
from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker.outcomes import Case

from .build import TOPIC, UNKNOWN_ID, case_of


def _fetch_request(topic: str = TOPIC, partition: int = 0, offset: int = 0, **more: Any) -> FetchRequest:
    asked = FetchPartition(
        partition=partition,
        fetch_offset=offset,
        partition_max_bytes=more.pop("partition_max_bytes", 1_000_000),
        current_leader_epoch=more.pop("current_leader_epoch", -1),
        last_fetched_epoch=more.pop("last_fetched_epoch", -1),
    )
    fields = {"max_wait_ms": 0, "min_bytes": 0, "max_bytes": 1_000_000, "session_epoch": -1, **more}
    return FetchRequest(topics=[FetchTopic(topic=topic, partitions=[asked])], **fields)


def fetch() -> Iterator[Case]:
    by_id = _fetch_request()
    by_id.topics[0].topic_id = UNKNOWN_ID
    wrong = {
        "unknown topic": _fetch_request("malformed-unknown"),
        "empty topic name": _fetch_request(""),
        "partition 5": _fetch_request(partition=5),
        "partition -1": _fetch_request(partition=-1),
        "offset 99": _fetch_request(offset=99),
        "offset -1": _fetch_request(offset=-1),
        "offset -2": _fetch_request(offset=-2),
        "session id that is not there": _fetch_request(session_id=12345, session_epoch=1),
        "session id that is not there, epoch 0": _fetch_request(session_id=12345, session_epoch=0),
        "session id that is not there, epoch -1": _fetch_request(session_id=12345, session_epoch=-1),
        "session id 0, epoch 5": _fetch_request(session_id=0, session_epoch=5),
        "session id -5": _fetch_request(session_id=-5, session_epoch=1),
        "session epoch -2": _fetch_request(session_epoch=-2),
        "max bytes -1": _fetch_request(max_bytes=-1),
        "max bytes 0": _fetch_request(max_bytes=0),
        "partition max bytes -1": _fetch_request(partition_max_bytes=-1),
        "min bytes -1": _fetch_request(min_bytes=-1),
        "max wait -1": _fetch_request(min_bytes=1, max_wait_ms=-1),
        "leader epoch 50": _fetch_request(current_leader_epoch=50),
        "leader epoch -2": _fetch_request(current_leader_epoch=-2),
        "last fetched epoch 50": _fetch_request(last_fetched_epoch=50),
        "isolation level 2": _fetch_request(isolation_level=2),
        "isolation level -1": _fetch_request(isolation_level=-1),
        "forgotten topic in a new session": _fetch_request(
            forgotten_topics_data=[ForgottenTopic(topic=TOPIC, partitions=[0])]
        ),
        "another cluster's id": _fetch_request(cluster_id="another"),
        "no topics": FetchRequest(max_wait_ms=0, min_bytes=0, session_epoch=-1),
    }
    for name, request in wrong.items():
        yield case_of(name, request, 12)
    yield case_of("unknown topic", wrong["unknown topic"], 4)
    yield case_of("unknown topic id", by_id, 13)
    yield case_of("unknown topic id", by_id, 18)
    zero = _fetch_request()
    yield case_of("topic id zero", zero, 17)
    follower = _fetch_request(replica_id=42)
    yield case_of("from a replica that is none", follower, 12)
    twice = _fetch_request()
    twice.topics[0].partitions *= 2
    yield case_of("partition twice", twice, 12)


def _list_offsets_request(timestamp: int, topic: str = TOPIC, partition: int = 0, **more: Any) -> ListOffsetsRequest:
    fields = {name: more.pop(name) for name in ("current_leader_epoch",) if name in more}
    asked = ListOffsetsPartition(partition_index=partition, timestamp=timestamp, **fields)
    return ListOffsetsRequest(replica_id=-1, topics=[ListOffsetsTopic(name=topic, partitions=[asked])], **more)


def list_offsets() -> Iterator[Case]:
    special = {-1: (1, 11), -2: (1, 4, 11), -3: (6, 7, 11), -4: (7, 8, 11), -5: (8, 9, 11), -6: (10, 11), -7: (1, 11)}
    for timestamp, versions in special.items():
        for version in versions:
            yield case_of(f"timestamp {timestamp}", _list_offsets_request(timestamp), version)
    yield case_of("timestamp -9223372036854775808", _list_offsets_request(-(2**63)), 11)
    yield case_of("timestamp 9223372036854775807", _list_offsets_request(2**63 - 1), 11)
    yield case_of("timestamp 0 on an empty log", _list_offsets_request(0), 11)
    yield case_of("unknown topic", _list_offsets_request(-1, "malformed-unknown"), 11)
    yield case_of("partition -1", _list_offsets_request(-1, partition=-1), 11)
    yield case_of("leader epoch 50", _list_offsets_request(-1, current_leader_epoch=50), 11)
    yield case_of("isolation level 9", _list_offsets_request(-1, isolation_level=9), 11)
    twice = _list_offsets_request(-1)
    twice.topics[0].partitions *= 2
    yield case_of("partition twice", twice, 11)
    yield case_of("no topics", ListOffsetsRequest(replica_id=-1), 11)


def metadata() -> Iterator[Case]:
    for label, name in {
        "slash": "a/b",
        "empty": "",
        "dots": "..",
        "250 letters": "a" * 250,
        "zero byte": "a\0b",
    }.items():
        request = MetadataRequest(topics=[MetadataRequestTopic(name=name)], allow_auto_topic_creation=True)
        yield case_of(f"topic name: {label}", request, 9)
    unknown = MetadataRequest(topics=[MetadataRequestTopic(name="malformed-unknown")], allow_auto_topic_creation=False)
    for version in (4, 12, 13):
        yield case_of("unknown topic, no auto-creation", unknown, version)
    by_id = MetadataRequest(topics=[MetadataRequestTopic(name=None, topic_id=UNKNOWN_ID)])
    yield case_of("unknown topic id", by_id, 12)
    yield case_of("topic id before v12", by_id, 10)
    yield case_of("neither name nor id", MetadataRequest(topics=[MetadataRequestTopic(name=None)]), 12)
    both = MetadataRequest(
        topics=[MetadataRequestTopic(name=None, topic_id=UNKNOWN_ID), MetadataRequestTopic(name="malformed-unknown")],
        allow_auto_topic_creation=False,
    )
    yield case_of("an id and a name", both, 12)
