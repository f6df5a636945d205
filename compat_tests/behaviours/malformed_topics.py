"""Malformed requests about topics, configs and producer ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from klamm.wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
)
from klamm.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from klamm.wire.messages.describe_configs import DescribeConfigsRequest, DescribeConfigsResource
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from tests.broker.outcomes import Case

from .build import MAX_INT32, TOPIC, UNKNOWN_ID, case_of


def _topic(name: str = "malformed-new", partitions: int = 1, factor: int = 1, **more: Any) -> CreatableTopic:
    return CreatableTopic(name=name, num_partitions=partitions, replication_factor=factor, **more)


def topics() -> Iterator[Case]:
    config = CreatableTopicConfig
    assigned = CreatableReplicaAssignment
    wrong: dict[str, list[CreatableTopic]] = {
        "name with a slash": [_topic("a/b")],
        "empty name": [_topic("")],
        "name .": [_topic(".")],
        "name ..": [_topic("..")],
        "name of 250 letters": [_topic("a" * 250)],
        "name with letters beyond ASCII": [_topic("tôpic")],
        "name that is there": [_topic(TOPIC)],
        "name that collides": [_topic("malformed_dotted")],
        "0 partitions": [_topic(partitions=0)],
        "-2 partitions": [_topic(partitions=-2)],
        "2^31-1 partitions": [_topic(partitions=MAX_INT32)],
        "factor 0": [_topic(factor=0)],
        "factor -2": [_topic(factor=-2)],
        "factor 2 on one broker": [_topic(factor=2)],
        "unknown config": [_topic(configs=[config(name="no.such.config", value="1")])],
        "null config": [_topic(configs=[config(name="retention.ms", value=None)])],
        "config that is no number": [_topic(configs=[config(name="retention.ms", value="soon")])],
        "config out of range": [_topic(configs=[config(name="segment.bytes", value="1")])],
        "config not among the choices": [_topic(configs=[config(name="cleanup.policy", value="shred")])],
        "topic twice": [_topic(), _topic()],
        "assignment to an unknown broker": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=0, broker_ids=[99])])
        ],
        "assignment without brokers": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=0, broker_ids=[])])
        ],
        "assignment of partition 1 alone": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=1, broker_ids=[1])])
        ],
        "assignment to one broker twice": [
            _topic(partitions=-1, factor=-1, assignments=[assigned(partition_index=0, broker_ids=[1, 1])])
        ],
        "assignment and a count": [_topic(assignments=[assigned(partition_index=0, broker_ids=[1])])],
        "no topics": [],
    }
    for name, topics in wrong.items():
        yield case_of(name, CreateTopicsRequest(topics=topics, timeout_ms=5000), 7)
    yield case_of("partitions unset before v4", CreateTopicsRequest(topics=[_topic(partitions=-1)], timeout_ms=5000), 3)
    configs = [config(name="retention.ms", value="1"), config(name="retention.ms", value="2")]
    twice = CreateTopicsRequest(topics=[_topic(configs=configs)], timeout_ms=5000, validate_only=True)
    yield case_of("config twice", twice, 7)
    valid = CreateTopicsRequest(topics=[_topic(TOPIC)], timeout_ms=5000, validate_only=True)
    yield case_of("only validated, name that is there", valid, 7)
    for timeout_ms in (0, -1):
        create = CreateTopicsRequest(topics=[_topic("a/b"), _topic(TOPIC)], timeout_ms=timeout_ms)
        yield case_of(f"timeout {timeout_ms}", create, 7)
        delete = DeleteTopicsRequest(topics=[DeleteTopicState(name="malformed-none")], timeout_ms=timeout_ms)
        yield case_of(f"timeout {timeout_ms}", delete, 6)
    for version in (1, 4, 5):
        names = DeleteTopicsRequest(topic_names=["malformed-none", "a/b", ""], timeout_ms=5000)
        yield case_of("unknown names", names, version)
    states = [DeleteTopicState(name="malformed-none"), DeleteTopicState(name=None, topic_id=UNKNOWN_ID)]
    yield case_of("unknown name and id", DeleteTopicsRequest(topics=states, timeout_ms=5000), 6)
    yield case_of("neither name nor id", DeleteTopicsRequest(topics=[DeleteTopicState(name=None)], timeout_ms=5000), 6)
    both = DeleteTopicState(name="malformed-none", topic_id=UNKNOWN_ID)
    yield case_of("name and id", DeleteTopicsRequest(topics=[both], timeout_ms=5000), 6)
    states = [DeleteTopicState(name="malformed-none")] * 2
    yield case_of("name twice", DeleteTopicsRequest(topics=states, timeout_ms=5000), 6)


def others() -> Iterator[Case]:
    resource = DescribeConfigsResource
    wrong = {
        "unknown topic": resource(resource_type=2, resource_name="malformed-none"),
        "topic name with a slash": resource(resource_type=2, resource_name="a/b"),
        "empty topic name": resource(resource_type=2, resource_name=""),
        "unknown broker": resource(resource_type=4, resource_name="99"),
        "broker that is no number": resource(resource_type=4, resource_name="one"),
        "resource type 0": resource(resource_type=0, resource_name="x"),
        "resource type 3": resource(resource_type=3, resource_name="x"),
        "resource type 99": resource(resource_type=99, resource_name="x"),
        "unknown broker logger": resource(resource_type=8, resource_name="99"),
        "unknown config asked for": resource(resource_type=2, resource_name=TOPIC, configuration_keys=["no.such"]),
        "no config asked for": resource(resource_type=2, resource_name=TOPIC, configuration_keys=[]),
    }
    for name, asked in wrong.items():
        yield case_of(name, DescribeConfigsRequest(resources=[asked]), 4)
    yield case_of("no resources", DescribeConfigsRequest(), 4)
    for version in (0, 5):
        empty = InitProducerIdRequest(transactional_id="", transaction_timeout_ms=1000)
        yield case_of("empty transactional id", empty, version)
    for timeout_ms in (0, -1, MAX_INT32):
        bad = InitProducerIdRequest(transactional_id="malformed-t", transaction_timeout_ms=timeout_ms)
        yield case_of(f"transaction timeout {timeout_ms}", bad, 5)
    yield case_of(
        "an id without an epoch",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_id=5),
        5,
    )
    yield case_of(
        "an epoch without an id",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_epoch=5),
        5,
    )
    yield case_of(
        "timeout -1 without a transactional id",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=-1),
        5,
    )
    yield case_of(
        "an id and epoch without a transactional id",
        InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1, producer_id=5, producer_epoch=3),
        5,
    )
