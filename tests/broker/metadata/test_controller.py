"""The controller and the metadata log: deltas, elections, placement, producer ids."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klamm.broker.features import FINALIZED_AT_FIRST
from klamm.broker.metadata.controller import PRODUCER_ID_BLOCK_SIZE
from klamm.broker.metadata.image import BrokerImage
from klamm.broker.metadata.placement import manual_assignment, place_replicas
from klamm.broker.metadata.producer_ids import ProducerIds
from klamm.broker.metadata.uuids import random_uuid
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.json_form import uuid_text
from klamm.wire.log_records.metadata_cluster import FeatureLevelRecord
from klamm.wire.log_records.metadata_topics import ConfigRecord, PartitionChangeRecord, ProducerIdsRecord
from klamm.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from klamm.wire.messages.delete_topics import DeleteTopicState
from klamm.wire.messages.init_producer_id import InitProducerIdRequest


def topic(name: str, partitions: int = 1, **configs: str) -> CreatableTopic:
    return CreatableTopic(
        name=name,
        num_partitions=partitions,
        replication_factor=1,
        configs=[CreatableTopicConfig(name=key.replace("_", "."), value=value) for key, value in configs.items()],
    )


def create(broker: Any, *topics: CreatableTopic) -> None:
    change = broker.controller.create_topics(topics)
    assert all(result.error_code == 0 for result in change.results)
    broker.commit(change.records)


# --- deltas -------------------------------------------------------------------------------------------------------


def test_a_listener_is_told_what_changed_when_the_image_has_it(broker: Any) -> None:
    seen: list[bool] = []
    broker.metadata_log.listeners.append(lambda delta: seen.append("a" in broker.catalogue.topics))
    create(broker, topic("a", 2, retention_ms="5"), topic("b"))
    (delta,) = broker.deltas
    assert [found.name for found in delta.created_topics] == ["a", "b"]
    assert [(found.name, partition.index) for found, partition in delta.created_partitions] == [
        ("a", 0),
        ("a", 1),
        ("b", 0),
    ]
    assert delta.changed_configs == {(2, "a")}
    assert broker.catalogue.topic("a").configs == {"retention.ms": "5"}
    assert (delta.deleted_topics, delta.changed_partitions, delta.brokers_changed) == ([], [], False)
    assert seen == [True]


def test_deletion_tells_the_topic_as_it_was(broker: Any) -> None:
    create(broker, topic("a", 2, retention_ms="5"))
    topic_id = broker.catalogue.topic("a").topic_id
    broker.commit(broker.controller.delete_topics([DeleteTopicState(topic_id=topic_id)]).records)
    (deleted,) = broker.deltas[-1].deleted_topics
    assert (deleted.name, sorted(deleted.partitions)) == ("a", [0, 1])
    assert broker.catalogue.topic("a") is None
    assert broker.catalogue.topic_by_id(topic_id) is None
    assert broker.catalogue.configs(2, "a") == {}
    create(broker, topic("a"))
    assert broker.catalogue.topic("a").topic_id != topic_id
    assert broker.catalogue.topic("a").configs == {}


def test_a_changed_partition_is_told_before_and_after(broker: Any) -> None:
    create(broker, topic("a"))
    found = broker.catalogue.topic("a")
    before = found.partitions[0]
    broker.commit([PartitionChangeRecord(partition_id=0, topic_id=found.topic_id, isr=[])])
    assert broker.deltas[-1].changed_partitions == [(found, before, found.partitions[0])]
    assert (before.isr, before.partition_epoch, before.leader_epoch) == ([1], 0, 0)
    after = found.partitions[0]
    assert (after.isr, after.partition_epoch, after.leader_epoch, after.leader) == ([], 1, 0, 1)


def test_a_config_without_a_value_is_removed(broker: Any) -> None:
    create(broker, topic("a", 1, retention_ms="5"))
    broker.commit([ConfigRecord(resource_type=2, resource_name="a", name="retention.ms", value=None)])
    assert broker.catalogue.topic("a").configs == {}
    assert broker.deltas[-1].changed_configs == {(2, "a")}


def test_nothing_to_commit_writes_nothing(broker: Any) -> None:
    before = bytes(broker.log)
    broker.commit([])
    assert (bytes(broker.log), broker.deltas) == (before, [])


def test_what_could_not_be_written_did_not_happen(broker: Any) -> None:
    def fail(batch: bytes) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    offset = broker.catalogue.metadata_offset
    broker.append = fail
    (answer,) = broker.ask(CreateTopicsRequest(topics=[topic("a")]), 7).topics
    assert (answer.error_code, answer.topic_id, answer.num_partitions) == (ErrorCode.KAFKA_STORAGE_ERROR, bytes(16), -1)
    assert broker.catalogue.topic("a") is None
    assert (broker.catalogue.metadata_offset, broker.deltas) == (offset, [])
    broker.append = broker.log.extend
    create(broker, topic("a"))


# --- starts -------------------------------------------------------------------------------------------------------


def test_each_start_opens_an_epoch_and_registers_the_broker_anew(broker: Any) -> None:
    create(broker, topic("a", 1, retention_ms="5"))
    first = broker.catalogue
    broker.start()
    assert broker.catalogue.leader_epoch == first.leader_epoch + 1
    assert broker.catalogue.brokers[1].epoch > first.brokers[1].epoch
    assert broker.catalogue.brokers[1].incarnation_id != first.brokers[1].incarnation_id
    assert not broker.catalogue.brokers[1].fenced
    assert broker.catalogue.topic("a").topic_id == first.topic("a").topic_id
    assert broker.catalogue.topic("a").configs == {"retention.ms": "5"}
    assert broker.catalogue.topic("a").partitions == first.topic("a").partitions
    assert broker.catalogue.finalized_features == first.finalized_features == FINALIZED_AT_FIRST


def test_a_feature_that_was_lowered_stays_so(broker: Any) -> None:
    broker.commit([FeatureLevelRecord(name="group.version", feature_level=0)])
    assert "group.version" not in broker.catalogue.finalized_features
    broker.start()
    assert "group.version" not in broker.catalogue.finalized_features


def test_after_a_crash_what_is_led_gets_a_new_leader_epoch(broker: Any) -> None:
    create(broker, topic("a", 2))
    assert list(broker.controller.elect_leaders(1, new_epochs=False)) == []
    for changes in broker.controller.elect_leaders(1, new_epochs=True):
        broker.commit(changes)
    partitions = broker.catalogue.topic("a").partitions.values()
    assert [(p.leader, p.leader_epoch, p.partition_epoch, p.isr) for p in partitions] == [(1, 1, 1, [1])] * 2


def test_elections_come_in_batches_that_can_be_committed(broker: Any) -> None:
    for number in range(3):
        create(broker, topic(f"a{number}", 4000))
    sizes = []
    for changes in broker.controller.elect_leaders(1, new_epochs=True):
        broker.commit(changes)
        sizes.append(len(changes))
    assert sizes == [10_000, 2_000]


# --- producer ids -------------------------------------------------------------------------------------------------


def test_a_block_is_in_the_log_before_its_first_id_is_given_away(broker: Any) -> None:
    assert broker.catalogue.next_producer_id == 0
    assert broker.ask(InitProducerIdRequest(transactional_id=None), 5).producer_id == 0
    assert broker.catalogue.next_producer_id == PRODUCER_ID_BLOCK_SIZE


@given(st.lists(st.integers(0, 2500), max_size=5))
def test_no_id_is_issued_twice_whatever_is_killed_when(one_broker: Callable[..., Any], lives: list[int]) -> None:
    broker = one_broker()
    issued: list[int] = []
    for ids in lives:
        issued += [broker.producer_ids.next_id() for _ in range(ids)]
        broker.start()  # a kill -9: nothing of the process is left, and the log as it is
    assert len(set(issued)) == len(issued)
    assert issued == sorted(issued)


def test_an_id_whose_block_could_not_be_written_is_not_issued(broker: Any) -> None:
    def fail(batch: bytes) -> None:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    issued = [broker.producer_ids.next_id() for _ in range(PRODUCER_ID_BLOCK_SIZE)]
    broker.append = fail
    for _ in range(2):
        with pytest.raises(KafkaError):
            broker.producer_ids.next_id()
    broker.append = broker.log.extend
    assert broker.producer_ids.next_id() == issued[-1] + 1


def test_ids_run_on_from_block_to_block() -> None:
    blocks = iter([range(3), range(10, 12)])
    ids = ProducerIds(lambda: next(blocks))
    assert list(islice(iter(ids.next_id, None), 5)) == [0, 1, 2, 10, 11]


def test_producer_ids_end(broker: Any) -> None:
    broker.commit([ProducerIdsRecord(broker_id=1, next_producer_id=(1 << 63) - 1000)])
    with pytest.raises(KafkaError, match="Exhausted"):
        broker.producer_ids.next_id()


@pytest.mark.behaviour("27")
@pytest.mark.parametrize(
    ("transactional_id", "timeout_ms", "code"),
    [
        ("", 1000, ErrorCode.INVALID_REQUEST),
        ("t", 0, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ("t", -1, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        ("t", 900_001, ErrorCode.INVALID_TRANSACTION_TIMEOUT),
        (None, -1, ErrorCode.NONE),
        (None, 900_001, ErrorCode.NONE),
    ],
)
def test_transaction_timeouts(broker: Any, transactional_id: str | None, timeout_ms: int, code: ErrorCode) -> None:
    for version in range(6):
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms)
        assert broker.ask(request, version).error_code == code


# --- placement ----------------------------------------------------------------------------------------------------


def a_broker(node_id: int, rack: str | None = None, fenced: bool = False) -> BrokerImage:
    return BrokerImage(node_id, 0, bytes(16), {}, rack, fenced, False, (), {})


@given(st.integers(1, 7), st.integers(1, 20), st.integers(0, 1000), st.data())
def test_replicas_are_spread(brokers: int, partitions: int, start: int, data: st.DataObject) -> None:
    factor = data.draw(st.integers(1, brokers))
    placed = place_replicas({n: a_broker(n) for n in range(brokers)}, partitions, factor, start)
    assert len(placed) == partitions
    assert all(len(set(replicas)) == factor for replicas in placed)
    leaders = [sum(replicas[0] == n for replicas in placed) for n in range(brokers)]
    assert max(leaders) - min(leaders) <= 1


def test_replicas_of_a_partition_stand_in_several_racks() -> None:
    brokers = {n: a_broker(n, rack="r1" if n < 3 else "r2") for n in range(6)}
    for replicas in place_replicas(brokers, 12, 2, 0):
        assert {brokers[n].rack for n in replicas} == {"r1", "r2"}


def test_fenced_brokers_lead_nothing() -> None:
    brokers = {1: a_broker(1, fenced=True), 2: a_broker(2), 3: a_broker(3)}
    for replicas in place_replicas(brokers, 6, 3, 0):
        assert replicas[2] == 1
    with pytest.raises(KafkaError, match="All brokers are currently fenced"):
        place_replicas({1: a_broker(1, fenced=True)}, 1, 1, 0)
    with pytest.raises(KafkaError, match="partition 0 are fenced or in controlled shutdown"):
        manual_assignment(brokers, [(0, [1])])
    with pytest.raises(KafkaError, match="not consistent with previous partitions, which have 1 replica"):
        manual_assignment(brokers, [(0, [2]), (1, [2, 3])])


def test_uuids_are_no_options() -> None:
    drawn = {random_uuid() for _ in range(500)}
    assert len(drawn) == 500
    assert not any(uuid_text(uuid).startswith("-") for uuid in drawn)
