"""The image: replayed from a log that a real Kafka wrote, from our own, and from one cut at any byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.broker.metadata.image import BROKER_RESOURCE, Catalogue
from klamm.broker.metadata.metadata_log import MetadataLog
from klamm.broker.metadata.records import decode_record, encode_control, encode_record, encode_records, leader_change
from klamm.wire.batches import RecordError, iter_batches
from klamm.wire.errors import KafkaError
from klamm.wire.log_records.metadata_cluster import (
    AbortTransactionRecord,
    BeginTransactionRecord,
    EndTransactionRecord,
    FeatureLevelRecord,
    FenceBrokerRecord,
    NoOpRecord,
    UnfenceBrokerRecord,
    UnregisterBrokerRecord,
)
from klamm.wire.log_records.metadata_security import ClientQuotaRecord
from klamm.wire.log_records.metadata_topics import ConfigRecord, PartitionChangeRecord, TopicRecord
from klamm.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig
from klamm.wire.messages.delete_topics import DeleteTopicState
from klamm.wire.records import batch_records

#: Kafka 4.3.1: start, topics orders, gone_1, kept.2, gone_1 deleted, producer ids, kill -9, start, stop.
KAFKA_LOG = (Path(__file__).parents[2] / "data" / "kafka_cluster_metadata.log").read_bytes()


def replayed(*logs: bytes) -> Catalogue:
    catalogue = Catalogue("cluster")
    MetadataLog(catalogue, lambda batch: None).load(logs)
    return catalogue


def shown(catalogue: Catalogue) -> Any:
    """All that an image holds, to be compared."""
    topics = {
        name: (topic.topic_id, topic.is_internal, topic.partitions, topic.configs)
        for name, topic in catalogue.topics.items()
    }
    assert {topic.topic_id for topic in catalogue.topics.values()} == set(catalogue._by_id)
    return (
        topics,
        catalogue.brokers,
        catalogue.finalized_features,
        catalogue.configs(BROKER_RESOURCE, ""),
        catalogue.next_producer_id,
        catalogue.metadata_offset,
        catalogue.leader_epoch,
        catalogue.controller_id,
        {name: catalogue.colliding_topic(name.replace("_", ".")) for name in topics},
    )


def test_a_log_that_kafka_wrote_is_understood() -> None:
    catalogue = replayed(KAFKA_LOG)
    assert sorted(catalogue.topics) == ["kept.2", "orders"]
    orders = catalogue.topic("orders")
    assert orders is not None
    assert orders.configs == {"cleanup.policy": "compact", "retention.ms": "777"}
    assert catalogue.topic_by_id(orders.topic_id) is orders
    # Created with leader 1 in epoch 0; then leaderless, led again, leaderless: three elections.
    assert [(p.index, p.replicas, p.isr, p.leader, p.leader_epoch) for p in orders.partitions.values()] == [
        (0, [1], [], -1, 3),
        (1, [1], [], -1, 3),
    ]
    broker = catalogue.brokers[1]
    assert (broker.epoch, broker.rack, broker.fenced, broker.in_controlled_shutdown) == (36, "r1", True, True)
    assert broker.endpoints["PLAINTEXT"].host == "127.0.0.1"
    assert catalogue.finalized_features["metadata.version"] == 30
    assert catalogue.configs(BROKER_RESOURCE, "") == {"min.insync.replicas": "1"}
    assert (catalogue.next_producer_id, catalogue.metadata_offset) == (2000, 56)
    assert (catalogue.leader_epoch, catalogue.controller_id) == (2, 1)
    assert catalogue.colliding_topic("kept_2") == "kept.2"
    assert catalogue.colliding_topic("gone.1") is None


def test_every_record_that_kafka_wrote_is_written_alike() -> None:
    batches = records = 0
    for position, header in iter_batches(KAFKA_LOG):
        batch = KAFKA_LOG[position : position + header.size_bytes]
        found = list(batch_records(batch))
        if header.is_control:
            epoch, now_ms = header.partition_leader_epoch, found[0].timestamp_ms
            written = encode_control([leader_change(1)], header.base_offset, epoch, now_ms)
            assert written == batch
        else:
            written = encode_records(
                [decode_record(record.value or b"") for record in found],
                header.base_offset,
                header.partition_leader_epoch,
                found[0].timestamp_ms,
            )
            assert written == batch
            records += len(found)
        batches += 1
    assert batches > 15
    assert records > 30


def test_a_broker_takes_over_what_kafka_left(one_broker: Callable[..., Any]) -> None:
    directory_id = replayed(KAFKA_LOG).brokers[1].log_dirs[0]
    assert all(p.leader == -1 for p in one_broker(KAFKA_LOG).catalogue.topic("orders").partitions.values())
    broker = one_broker(KAFKA_LOG, directory_id=directory_id)
    orders = broker.catalogue.topic("orders")
    assert [(p.isr, p.leader, p.leader_epoch) for p in orders.partitions.values()] == [([1], 1, 4), ([1], 1, 4)]
    assert all(p.eligible_leader_replicas == [] and p.last_known_elr == [] for p in orders.partitions.values())
    assert broker.producer_ids.next_id() == 2000
    assert shown(replayed(bytes(broker.log))) == shown(broker.catalogue)


NAMES = st.sampled_from(["a", "b.c", "b_c", "b.c_d", "__consumer_offsets"])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("create"), NAMES, st.integers(1, 3)),
        st.tuples(st.just("delete"), NAMES, st.just(0)),
        st.tuples(st.just("configure"), NAMES, st.integers(0, 2)),
        st.tuples(st.just("producer ids"), st.just(""), st.just(0)),
        st.tuples(st.just("restart"), st.just(""), st.just(0)),
    ),
    max_size=12,
)


def act(broker: Any, action: str, name: str, number: int) -> None:
    if action == "create":
        config = CreatableTopicConfig(name="retention.ms", value=str(number))
        topic = CreatableTopic(name=name, num_partitions=number, replication_factor=1, configs=[config])
        broker.commit(broker.controller.create_topics([topic]).records)
    elif action == "delete":
        broker.commit(broker.controller.delete_topics([DeleteTopicState(name=name)]).records)
    elif action == "configure" and name in broker.catalogue.topics:
        value = str(number) if number else None
        broker.commit([ConfigRecord(resource_type=2, resource_name=name, name="segment.ms", value=value)])
    elif action == "producer ids":
        broker.reserve()
    elif action == "restart":
        broker.start()


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_the_log_adds_up_to_the_image(one_broker: Callable[..., Any], actions: list[tuple[str, str, int]]) -> None:
    broker = one_broker()
    for action in actions:
        act(broker, *action)
    assert shown(replayed(bytes(broker.log))) == shown(broker.catalogue)


def test_a_log_cut_at_any_byte_is_a_state_that_was(broker: Any) -> None:
    """What a kill -9 leaves: whole changes or nothing of them."""
    states = {len(broker.log): shown(broker.catalogue)}
    for action in (("create", "a", 2), ("create", "b.c", 1), ("delete", "a", 0), ("producer ids", "", 0)):
        before = len(broker.log)
        act(broker, *action)
        assert len(broker.log) > before
        states[len(broker.log)] = shown(broker.catalogue)
    log = bytes(broker.log)
    for length in range(min(states), len(log) + 1):
        last = max(whole for whole in states if whole <= length)
        assert shown(replayed(log[:length])) == states[last]


def test_a_damaged_log_is_refused(broker: Any) -> None:
    act(broker, "create", "a", 1)
    damaged = bytearray(broker.log)
    damaged[-3] ^= 1
    with pytest.raises(RecordError):
        replayed(bytes(damaged))


@pytest.mark.parametrize(
    "value", [b"\x01\x63\x00", b"\x01\x02\x09", b"\x02\x02\x00"], ids=["unknown type", "unknown version", "other frame"]
)
def test_what_this_broker_does_not_know_is_not_passed_over(value: bytes) -> None:
    with pytest.raises(KafkaError, match="UNSUPPORTED_VERSION"):
        decode_record(value)


def test_records_without_a_place_in_the_image_are_passed_over() -> None:
    record = ClientQuotaRecord(entity=[], key="x", value=1.0, remove=False)
    assert decode_record(encode_record(record)) == record
    catalogue = Catalogue("cluster")
    before = shown(catalogue)
    catalogue.replay(record)
    catalogue.replay(NoOpRecord())
    assert shown(catalogue) == before


@pytest.mark.parametrize(
    ("end", "level"), [(EndTransactionRecord(), {"x": 7}), (AbortTransactionRecord(reason="why not"), {})]
)
def test_a_metadata_transaction_counts_at_its_end(end: Any, level: dict[str, int]) -> None:
    catalogue = Catalogue("cluster")
    catalogue.replay(BeginTransactionRecord(name="x"))
    catalogue.replay(FeatureLevelRecord(name="x", feature_level=7))
    assert catalogue.in_transaction
    assert catalogue.finalized_features == {}
    catalogue.replay(end)
    assert not catalogue.in_transaction
    assert catalogue.finalized_features == level


def test_a_transaction_left_open_is_aborted_at_the_next_start(one_broker: Callable[..., Any], broker: Any) -> None:
    broker.commit([BeginTransactionRecord(name="x"), FeatureLevelRecord(name="x", feature_level=7)])
    after = one_broker(bytes(broker.log))
    assert "x" not in after.catalogue.finalized_features
    act(after, "create", "a", 1)
    assert "a" in after.catalogue.topics


def test_brokers_come_and_go(broker: Any) -> None:
    broker.commit([FenceBrokerRecord(id=1, epoch=4)])
    assert broker.catalogue.brokers[1].fenced
    broker.commit([UnfenceBrokerRecord(id=1, epoch=4)])
    assert not broker.catalogue.brokers[1].fenced
    broker.commit([UnregisterBrokerRecord(broker_id=1, broker_epoch=4)])
    assert broker.catalogue.brokers == {}
    assert all(delta.brokers_changed for delta in broker.deltas)


@pytest.mark.parametrize(
    "record",
    [
        TopicRecord(name="a", topic_id=b"x" * 16),
        PartitionChangeRecord(partition_id=0, topic_id=b"x" * 16, leader=1),
        FenceBrokerRecord(id=9, epoch=0),
    ],
    ids=["a topic twice", "an unknown topic", "an unknown broker"],
)
def test_a_log_that_contradicts_itself_is_refused(broker: Any, record: Any) -> None:
    act(broker, "create", "a", 1)
    with pytest.raises(KafkaError):
        broker.catalogue.replay(record)


def test_a_feature_at_level_0_is_not_finalized() -> None:
    catalogue = Catalogue("cluster")
    catalogue.replay(FeatureLevelRecord(name="x", feature_level=7))
    catalogue.replay(FeatureLevelRecord(name="x", feature_level=0))
    assert catalogue.finalized_features == {}
