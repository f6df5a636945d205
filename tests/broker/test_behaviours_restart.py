"""What a kill -9 does to leader epochs and to idempotent producers: lines 7, 8 and 22 of docs/behaviours.md."""

from __future__ import annotations

import pytest

from compat_tests.support import Broker
from klamm.wire.errors import ErrorCode

from .raw_client import RawClient, ask, wait_for_leaders
from .steps import batch, create_topic, fetch, fetch_request, list_offset, new_producer_id, now_ms, produce, produced


@pytest.mark.behaviour("7")
@pytest.mark.behaviour("8")
@pytest.mark.behaviour("22")
@pytest.mark.behaviour("24")
def test_epochs_and_sequences_after_a_kill(restartable: Broker) -> None:
    address = restartable.bootstrap_servers
    topic, _ = create_topic(address)

    # Not of long ago: producers that have been idle for a day (producer.id.expiration.ms) are forgotten at a start.
    sent_ms = now_ms()

    def sent(client: RawClient, sequence: int) -> tuple[int, int]:
        header = {"producer_id": producer_id, "producer_epoch": 0, "base_sequence": sequence}
        answer = produce(client, topic, batch(b"x", timestamp_ms=sent_ms, **header), 9)
        return answer.error_code, answer.base_offset

    with RawClient(address) as client:
        producer_id = new_producer_id(client)
        for sequence in range(8):
            assert sent(client, sequence) == (ErrorCode.NONE, sequence)
    restartable.kill()
    restartable.start()
    wait_for_leaders(address, topic)
    with RawClient(address) as client:
        assert new_producer_id(client) != producer_id
        # What is certain: the last batch and the next sequence. (Kafka forgets the others, klamm does not.)
        assert sent(client, 7) == (ErrorCode.NONE, 7)
        for sequence in (2, 9):
            assert sent(client, sequence)[0] == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert sent(client, 8) == (ErrorCode.NONE, 8)
        # A new leadership has a new epoch; the old one is fenced, the record keeps its own.
        epoch = list_offset(client, topic, -1).leader_epoch
        assert epoch > 0
        assert list_offset(client, topic, -2).leader_epoch == 0
        for asked, expected in (
            (epoch - 1, ErrorCode.FENCED_LEADER_EPOCH),
            (epoch, ErrorCode.NONE),
            (epoch + 1, ErrorCode.UNKNOWN_LEADER_EPOCH),
        ):
            assert list_offset(client, topic, -1, current_leader_epoch=asked).error_code == expected
            request = fetch_request({topic: [(0, 0)]})
            request.topics[0].partitions[0].current_leader_epoch = asked
            assert ask(address, request, 12).responses[0].partitions[0].error_code == expected
        # At the end of the log it is the leader's epoch again.
        assert produced(client, topic, batch(b"y")) == 9
        assert fetch(client, topic, 9).error_code == ErrorCode.NONE
