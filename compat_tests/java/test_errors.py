"""What the Java client is told when it asks for what cannot be."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

import pytest

from ..support import Broker, unique
from .clients import Java
from .jvm import ClientError, Program


def test_an_unknown_topic_where_none_is_created(
    program: Program, start_broker: Callable[[Mapping[str, str]], Broker]
) -> None:
    topic = unique("unknown")
    with contextlib.closing(Java(program, start_broker({"auto.create.topics.enable": "false"}))) as java:
        [sent] = java.producer(max_block_ms=1000).send_values(topic, ["a"])
        assert sent["error"] == "TimeoutException"
        assert topic in sent["message"]
        assert topic not in java.admin().call("list_topics")
        # A group whose topic does not exist has an empty assignment, and gets the topic when it comes.
        consumer = java.consumer(topic, group_id=topic, metadata_max_age_ms=200)
        program.wait_for(lambda: consumer.events("assigned"), "an assignment")
        assert consumer.owned() == set()
        java.admin().call("create_topics", topics=[{"name": topic, "partitions": 1}])
        program.wait_for(lambda: consumer.owned() == {(topic, 0)}, "the new partition")


def test_a_consumer_that_may_not_create_topics(java: Java) -> None:
    topic = unique("unknown")
    consumer = java.consumer(partitions=[(topic, 0, None)], allow_auto_create_topics=False)
    assert consumer.call("partitions_for", topic=topic) == 0
    assert topic not in java.admin().call("list_topics")


def test_a_record_that_is_too_large(java: Java) -> None:
    topic = java.create_topic()
    producer = java.producer(max_request_size=10_000_000)
    [refused] = producer.send_values(topic, ["x" * 1_100_000])
    assert refused["error"] == "RecordTooLargeException"
    # What follows is taken: the idempotent producer's sequence has no hole.
    [sent] = producer.send_values(topic, ["small"])
    assert sent["offset"] == 0


def test_a_topic_name_that_is_not_one(java: Java) -> None:
    [refused] = java.producer().send_values("not a name", ["a"])
    assert refused["error"] == "InvalidTopicException"
    assert java.consumer("not a name", group_id=unique("group")).failure() == "InvalidTopicException"


def test_a_partition_that_does_not_exist(java: Java) -> None:
    topic = java.create_topic()
    [refused] = java.producer(max_block_ms=1000).send_values(topic, ["a"], 7)
    assert refused["error"] == "TimeoutException"


def test_a_commit_from_outside_a_living_group(java: Java) -> None:
    topic = java.create_topic()
    member = java.consumer(topic, group_id=topic)
    java.program.wait_for(lambda: member.owned(), "an assignment")
    outsider = java.consumer(partitions=[(topic, 0, None)], group_id=topic)
    with pytest.raises(ClientError, match="CommitFailedException"):
        outsider.call("commit", offsets=[(topic, 0, 0)])
    member.call("commit", offsets=[(topic, 0, 0)])


def test_records_without_a_key_for_a_compacted_topic(java: Java) -> None:
    topic = java.create_topic(cleanup_policy="compact")
    producer = java.producer()
    [refused] = producer.send_values(topic, ["no key"])
    assert refused["error"] == "InvalidRecordException"
    [sent] = producer.send(topic, [(b"key", b"", [])])
    assert sent["offset"] == 0


def test_a_timestamp_too_far_ahead(java: Java) -> None:
    topic = java.create_topic(message_timestamp_after_max_ms=1000)
    [refused] = java.producer().send(topic, [(None, b"", [])], timestamps=[4_000_000_000_000])
    assert refused["error"] == "InvalidTimestampException"
