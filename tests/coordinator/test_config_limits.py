"""Configs of the coordinators that only a broker can show. Those of groups: scenarios/limits.txt, policy_stories/."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.broker import shard_runtime
from klamm.broker.partition import Partition
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.add_partitions_to_txn import AddPartitionsToTxnRequest, AddPartitionsToTxnTopic
from klamm.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from klamm.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest
from klamm.wire.messages.describe_transactions import DescribeTransactionsRequest
from klamm.wire.messages.end_txn import EndTxnRequest
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.init_producer_id import InitProducerIdRequest

from .site import Site

BROKER_RESOURCE, GROUP_RESOURCE = 4, 32
SET = 0


@pytest.fixture
def site_with(tmp_path: Path) -> Iterator[Callable[..., Site]]:
    made: list[Site] = []

    def make(**config: str) -> Site:
        made.append(Site(tmp_path / "data", **config))
        return made[-1]

    yield make
    for site in made:
        site.stop()


def join(site: Site, group: str = "g", epoch: int = 0, member: str = "m") -> int:
    message = ConsumerGroupHeartbeatRequest(group_id=group, member_id=member, member_epoch=epoch)
    if epoch == 0:
        message.rebalance_timeout_ms = 60_000
        message.subscribed_topic_names = ["t"]
        message.topic_partitions = []
    return int(site.ask(message, 1).error_code)


def test_without_their_protocol_consumer_groups_are_not_served(site_with: Callable[..., Site]) -> None:
    site = site_with(group_coordinator_rebalance_protocols="classic")
    site.create("t")
    site.find("g")
    assert join(site) == ErrorCode.UNSUPPORTED_VERSION
    assert site.join("g").result().error_code == 0


@pytest.mark.parametrize(("group", "live"), [("g", False), ("h", True)])
def test_a_groups_own_session_timeout_counts_from_the_next_heartbeat(
    site_with: Callable[..., Site], group: str, live: bool
) -> None:
    site = site_with(
        group_consumer_session_timeout_ms="20000",
        group_consumer_min_session_timeout_ms="10000",
        group_consumer_min_heartbeat_interval_ms="1000",
    )
    site.create("t")
    site.find("g")
    assert join(site, "g") == join(site, "h") == 0
    row = AlterableConfig(name="consumer.session.timeout.ms", config_operation=SET, value="10000")
    resource = AlterConfigsResource(resource_type=GROUP_RESOURCE, resource_name="g", configs=[row])
    (answer,) = site.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == 0, answer.error_message
    assert join(site, "g", 2) == join(site, "h", 2) == 0
    site.advance(15_000)
    assert join(site, group, 2) == (0 if live else ErrorCode.UNKNOWN_MEMBER_ID)


@pytest.mark.parametrize(("timeout_ms", "error"), [(5_000, 0), (5_001, ErrorCode.INVALID_TRANSACTION_TIMEOUT)])
@pytest.mark.behaviour("27")
def test_the_longest_transaction(site_with: Callable[..., Site], timeout_ms: int, error: int) -> None:
    site = site_with(transaction_max_timeout_ms="5000")
    site.broker.transactions.ensure_topic()
    asked = InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=timeout_ms)
    assert site.ask(asked, 5).error_code == error


def test_internal_topics_are_made_as_configured(site_with: Callable[..., Site]) -> None:
    site = site_with(
        offsets_topic_num_partitions="3",
        offsets_topic_segment_bytes="1048576",
        transaction_state_log_num_partitions="4",
        transaction_state_log_segment_bytes="2097152",
    )
    site.find("g")
    site.broker.transactions.ensure_topic()
    found = {name: site.broker.catalogue.topic(name) for name in ("__consumer_offsets", "__transaction_state")}
    assert {name: len(image.partitions) for name, image in found.items() if image is not None} == {
        "__consumer_offsets": 3,
        "__transaction_state": 4,
    }
    configs = [image.configs for image in found.values() if image is not None]
    assert [config["segment.bytes"] for config in configs] == ["1048576", "2097152"]
    assert [config["cleanup.policy"] for config in configs] == ["compact", "compact"]


def test_an_idle_transactional_id_expires(site_with: Callable[..., Site]) -> None:
    """To the millisecond: transaction.remove.expired.transaction.cleanup.interval.ms has no effect."""
    site = site_with(transactional_id_expiration_ms="60000", transaction_state_log_num_partitions="1")
    site.broker.transactions.start()
    site.broker.transactions.ensure_topic()
    first = site.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1_000), 5)
    again = site.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1_000), 5)
    assert (again.producer_id, again.producer_epoch) == (first.producer_id, 1)
    site.advance(59_999)
    again = site.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1_000), 5)
    assert (again.producer_id, again.producer_epoch) == (first.producer_id, 2)
    site.advance(60_000)
    anew = site.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=1_000), 5)
    assert anew.error_code == 0
    assert anew.producer_id != first.producer_id
    assert anew.producer_epoch == 0


def test_the_assignment_interval_counts_from_its_change_on(site_with: Callable[..., Site]) -> None:
    """group.consumer.assignment.interval.ms, the one limit of groups that may be set while the broker runs."""
    site = site_with(group_consumer_assignment_interval_ms="0", group_consumer_max_assignment_interval_ms="15000")
    site.create("t", 2)
    site.find("g")
    assert join(site, member="a") == join(site, member="b") == 0
    row = AlterableConfig(name="group.consumer.assignment.interval.ms", config_operation=SET, value="10000")
    resource = AlterConfigsResource(resource_type=BROKER_RESOURCE, resource_name="", configs=[row])
    (answer,) = site.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
    assert answer.error_code == 0, answer.error_message
    assert join(site, member="c") == 0
    assert described(site) == (4, 3), "(group epoch, assignment epoch)"
    site.advance(10_000)
    assert join(site, epoch=2, member="a") == 0
    assert described(site) == (4, 4)


def described(site: Site) -> tuple[int, int]:
    (group,) = site.ask(ConsumerGroupDescribeRequest(group_ids=["g"]), 0).groups
    return group.group_epoch, group.assignment_epoch


def test_a_decided_transaction_is_completed_after_a_failing_disk(
    site_with: Callable[..., Site], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The markers are there, but the disk does not take that they are: the shard is read again, though nobody asks."""
    site = site_with(transaction_state_log_num_partitions="1")
    site.broker.transactions.start()
    site.broker.transactions.ensure_topic()
    site.create("t")
    made = site.ask(InitProducerIdRequest(transactional_id="x", transaction_timeout_ms=60_000), 5)
    add = AddPartitionsToTxnRequest(
        v3_and_below_transactional_id="x",
        v3_and_below_producer_id=made.producer_id,
        v3_and_below_producer_epoch=made.producer_epoch,
        v3_and_below_topics=[AddPartitionsToTxnTopic(name="t", partitions=[0])],
    )
    site.ask(add, 3)
    appended = Partition.append
    taken: list[str] = []

    def append(partition: Partition, *arguments: Any) -> Any:
        taken.append(partition.topic)
        if taken == ["__transaction_state", "t", "__transaction_state"]:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
        return appended(partition, *arguments)

    monkeypatch.setattr(Partition, "append", append)
    end = EndTxnRequest(
        transactional_id="x", producer_id=made.producer_id, producer_epoch=made.producer_epoch, committed=True
    )
    assert site.ask(end, 4).error_code == 0
    assert taken == ["__transaction_state", "t", "__transaction_state"]
    site.advance(shard_runtime.RELOAD_MS)
    # The decision was found in the log: its marker once more, and the end of it.
    assert taken[3:] == ["t", "__transaction_state"]
    (state,) = site.ask(DescribeTransactionsRequest(transactional_ids=["x"]), 0).transaction_states
    assert state.transaction_state == "CompleteCommit"
