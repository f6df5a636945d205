"""Hanging transactions (KIP-664): what a partition knows of its producers, and markers that an administrator writes."""

from __future__ import annotations

from typing import Any

import pytest

from compat_tests.support import unique
from klamm.coordinator.partitioning import partition_for
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.describe_producers import DescribeProducersRequest, TopicRequest
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from klamm.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)

from .raw_client import RawClient, wait_for
from .steps import fetch
from .test_behaviours_transactions import (  # noqa: F401  # three are fixtures
    READ_COMMITTED,
    committed,
    markers,
    producer,
    topic,
    txn_client,
    wait_for_markers,
)
from .transactions import GROUP, TransactionalProducer, find_coordinator

OFFSETS = "__consumer_offsets"
#: Of an administrator who knows of no coordinator.
NO_COORDINATOR = -1


def active(txn_client: RawClient, topic: str, partition: int = 0) -> dict[int, Any]:  # noqa: F811
    request = DescribeProducersRequest(topics=[TopicRequest(name=topic, partition_indexes=[partition])])
    (found,) = txn_client.request(request, 0).topics[0].partitions
    assert found.error_code == ErrorCode.NONE
    return {row.producer_id: row for row in found.active_producers}


def write_marker(
    txn_client: RawClient,  # noqa: F811
    producer: TransactionalProducer,  # noqa: F811
    where: tuple[str, int],
    *,
    commit: bool = False,
    epoch: int | None = None,
    coordinator_epoch: int = NO_COORDINATOR,
    version: int = 1,
) -> int:
    name, partition = where
    marker = WritableTxnMarker(
        producer_id=producer.id,
        producer_epoch=producer.epoch if epoch is None else epoch,
        transaction_result=commit,
        topics=[WritableTxnMarkerTopic(name=name, partition_indexes=[partition])],
        coordinator_epoch=coordinator_epoch,
    )
    (result,) = txn_client.request(WriteTxnMarkersRequest(markers=[marker]), version).markers
    code: int = result.topics[0].partitions[0].error_code
    return code


@pytest.mark.parametrize("version", [1, 2])
def test_an_administrator_aborts(
    txn_client: RawClient,  # noqa: F811
    topic: str,  # noqa: F811
    producer: TransactionalProducer,  # noqa: F811
    version: int,
) -> None:
    """With the producer's own epoch and the coordinator epoch -1; until a coordinator has been there."""
    producer.sent(topic, b"a", b"b")
    before = active(txn_client, topic)[producer.id]
    assert (before.producer_epoch, before.last_sequence, before.current_txn_start_offset) == (producer.epoch, 1, 0)
    assert before.coordinator_epoch == NO_COORDINATOR
    assert fetch(txn_client, topic, isolation_level=READ_COMMITTED).last_stable_offset == 0
    assert write_marker(txn_client, producer, (topic, 0), version=version) == ErrorCode.NONE
    after = active(txn_client, topic)[producer.id]
    assert (after.current_txn_start_offset, after.coordinator_epoch) == (-1, NO_COORDINATOR)
    assert markers(txn_client, topic) == [(producer.epoch, 0, NO_COORDINATOR)]
    answer = fetch(txn_client, topic, isolation_level=READ_COMMITTED)
    assert answer.last_stable_offset == 3
    assert [(row.producer_id, row.first_offset) for row in answer.aborted_transactions] == [(producer.id, 0)]
    # The coordinator still thinks that it is open, and ends it once more.
    assert producer.state().transaction_state == "Ongoing"
    producer.end(False)
    last = wait_for_markers(txn_client, topic, 2)[-1]
    assert last[2] >= 0
    assert write_marker(txn_client, producer, (topic, 0)) == ErrorCode.TRANSACTION_COORDINATOR_FENCED


def test_a_marker_of_nobody(
    txn_client: RawClient,  # noqa: F811
    topic: str,  # noqa: F811
    producer: TransactionalProducer,  # noqa: F811
) -> None:
    """The partition has never seen the producer: the marker is written, and opens nothing."""
    assert write_marker(txn_client, producer, (topic, 0)) == ErrorCode.NONE
    assert markers(txn_client, topic) == [(producer.epoch, 0, NO_COORDINATOR)]
    answer = fetch(txn_client, topic, isolation_level=READ_COMMITTED)
    assert answer.last_stable_offset == 1
    assert not answer.aborted_transactions
    assert write_marker(txn_client, producer, (topic, 0), epoch=producer.epoch + 1) == ErrorCode.NONE
    assert write_marker(txn_client, producer, (topic, 0), epoch=producer.epoch) == ErrorCode.INVALID_PRODUCER_EPOCH


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.behaviour("30")
def test_pending_offsets_end_with_an_administrators_marker(
    txn_client: RawClient,  # noqa: F811
    topic: str,  # noqa: F811
    producer: TransactionalProducer,  # noqa: F811
    commit: bool,
) -> None:
    group = unique("group")
    find_coordinator(txn_client, group, GROUP)
    assert producer.commit_offsets(group, [(topic, 5)]) == [ErrorCode.NONE]
    assert committed(txn_client, group, topic, True).error_code == ErrorCode.UNSTABLE_OFFSET_COMMIT
    (image,) = txn_client.request(MetadataRequest(topics=[MetadataRequestTopic(name=OFFSETS)]), 12).topics
    where = OFFSETS, partition_for(group, len(image.partitions))
    assert active(txn_client, *where)[producer.id].current_txn_start_offset >= 0
    assert write_marker(txn_client, producer, where, commit=commit) == ErrorCode.NONE
    assert active(txn_client, *where)[producer.id].current_txn_start_offset == -1

    def stable() -> bool:
        return bool(committed(txn_client, group, topic, True).error_code == ErrorCode.NONE)

    wait_for(stable, "the marker to be seen")
    assert committed(txn_client, group, topic, True).committed_offset == (5 if commit else -1)
