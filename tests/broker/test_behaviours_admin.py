"""Lines 25 and delete-records of docs/behaviours.md: ends of leader epochs, and logs whose start is moved."""

from __future__ import annotations

from typing import Any

import pytest

from compat_tests.support import Broker
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.delete_records import DeleteRecordsPartition, DeleteRecordsRequest, DeleteRecordsTopic
from klamm.wire.messages.offset_for_leader_epoch import (
    OffsetForLeaderEpochRequest,
    OffsetForLeaderPartition,
    OffsetForLeaderTopic,
)

from .raw_client import RawClient, wait_for_leaders
from .steps import batch, create_topic, fetch, list_offset, produced


def end_of_epoch(client: RawClient, topic: str, epoch: int) -> tuple[int, int]:
    """(epoch, end offset) of partition 0, without an error."""
    asked = [OffsetForLeaderTopic(topic=topic, partitions=[OffsetForLeaderPartition(partition=0, leader_epoch=epoch)])]
    (answer,) = client.request(OffsetForLeaderEpochRequest(replica_id=-1, topics=asked), 4).topics[0].partitions
    assert answer.error_code == ErrorCode.NONE
    return answer.leader_epoch, answer.end_offset


def delete_before(client: RawClient, topic: str, offset: int) -> Any:
    """The answer for partition 0."""
    asked = [DeleteRecordsTopic(name=topic, partitions=[DeleteRecordsPartition(partition_index=0, offset=offset)])]
    return client.request(DeleteRecordsRequest(topics=asked, timeout_ms=10_000), 2).topics[0].partitions[0]


def epoch_after_a_kill(broker: Broker, topic: str) -> int:
    """Kills and starts the broker: the leader epoch that it opens."""
    broker.kill()
    broker.start()
    wait_for_leaders(broker.bootstrap_servers, topic)
    with RawClient(broker.bootstrap_servers) as client:
        epoch: int = list_offset(client, topic, -1).leader_epoch
        return epoch


@pytest.mark.behaviour("25")
def test_the_end_of_each_leader_epoch(restartable: Broker) -> None:
    topic, _ = create_topic(restartable.bootstrap_servers)
    with RawClient(restartable.bootstrap_servers) as client:
        assert end_of_epoch(client, topic, 0) == (0, 0)
        produced(client, topic, batch(b"a", b"b"))
        assert end_of_epoch(client, topic, 0) == (0, 2)
    without_records = epoch_after_a_kill(restartable, topic)
    current = epoch_after_a_kill(restartable, topic)
    assert 0 < without_records < current
    with RawClient(restartable.bootstrap_servers) as client:
        produced(client, topic, batch(b"c"))
        assert end_of_epoch(client, topic, 0) == (0, 2)
        assert end_of_epoch(client, topic, without_records) == (0, 2)
        assert end_of_epoch(client, topic, current) == (current, 3)
        assert end_of_epoch(client, topic, current + 1) == (-1, -1)
        assert end_of_epoch(client, topic, -1) == (-1, -1)


@pytest.mark.behaviour("delete-records")
def test_records_are_deleted_up_to_an_offset(address: str) -> None:
    topic, _ = create_topic(address)
    compacted, _ = create_topic(address, {"cleanup.policy": "compact"})
    with RawClient(address) as client:
        for topic_name in (topic, compacted):
            produced(client, topic_name, batch(b"a", b"b", b"c", b"d"))

        def deleted(offset: int) -> tuple[int, int]:
            answer = delete_before(client, topic, offset)
            return answer.error_code, answer.low_watermark

        assert deleted(2) == (ErrorCode.NONE, 2)
        assert deleted(1) == (ErrorCode.NONE, 2)
        assert deleted(5) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
        assert (list_offset(client, topic, -2).offset, list_offset(client, topic, -1).offset) == (2, 4)
        below = fetch(client, topic, 1)
        assert (below.error_code, below.log_start_offset) == (ErrorCode.OFFSET_OUT_OF_RANGE, -1)
        assert fetch(client, topic, 2).error_code == ErrorCode.NONE
        assert deleted(-1) == (ErrorCode.NONE, 4)
        assert produced(client, topic, batch(b"e")) == 4
        assert delete_before(client, compacted, 1).error_code == ErrorCode.POLICY_VIOLATION
