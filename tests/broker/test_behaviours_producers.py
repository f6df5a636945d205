"""Idempotent producers: lines 7-11 of docs/behaviours.md, without transactions."""

from __future__ import annotations

from typing import Any

import pytest

from klamm.wire.errors import ErrorCode

from .process import log_end
from .raw_client import RawClient
from .steps import batch, create_topic, new_producer_id, produce

SENT_MS = 1_700_000_000_000


class Producer:
    """One producer id on one partition, sending batches with whatever epoch and sequence it is told."""

    def __init__(self, client: RawClient, topic: str) -> None:
        self.client = client
        self.topic = topic
        self.id = new_producer_id(client)

    def send(self, sequence: int, count: int = 1, epoch: int = 0) -> Any:
        values = [b"%d" % (sequence + number) for number in range(count)]
        header = {"producer_id": self.id, "producer_epoch": epoch, "base_sequence": sequence}
        return produce(self.client, self.topic, batch(*values, timestamp_ms=SENT_MS, **header), version=9)

    def sent(self, sequence: int, count: int = 1, epoch: int = 0) -> int:
        answer = self.send(sequence, count, epoch)
        assert answer.error_code == ErrorCode.NONE, answer
        base_offset: int = answer.base_offset
        return base_offset


@pytest.mark.behaviour("7")
def test_a_duplicate_of_the_last_five_batches_has_its_original_offset(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        offsets = {sequence: producer.sent(sequence, 2) for sequence in range(0, 14, 2)}
        end = log_end(address, topic)
        for sequence in (4, 6, 8, 10, 12):
            assert producer.sent(sequence, 2) == offsets[sequence]
        for sequence in (0, 2):
            assert producer.send(sequence, 2).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert log_end(address, topic) == end
        assert producer.sent(14, 2) == end


@pytest.mark.behaviour("7")
def test_a_duplicate_is_answered_with_its_batch_s_time(address: str) -> None:
    """Kafka answers the time that it remembers of the batch where it otherwise answers none."""
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        assert producer.send(0, 3).log_append_time_ms == -1
        assert producer.send(0, 3).log_append_time_ms == SENT_MS + 2


@pytest.mark.behaviour("7")
def test_a_part_of_a_batch_or_two_merged_are_out_of_order(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        producer.sent(0, 3)
        producer.sent(3, 3)
        for sequence, count in ((0, 2), (1, 2), (3, 2), (0, 6), (2, 2), (5, 1), (4, 4)):
            answer = producer.send(sequence, count)
            assert answer.error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, (sequence, count)
            assert answer.base_offset == -1
    assert log_end(address, topic) == 6


@pytest.mark.behaviour("7")
def test_a_gap_is_out_of_order(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        producer.sent(0, 1)
        answer = producer.send(2, 1)
        assert (answer.error_code, answer.log_start_offset) == (ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, 0)
        assert producer.sent(1, 1) == 1


@pytest.mark.behaviour("8")
def test_the_next_sequence_outlives_the_window_of_five(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        for sequence in range(20):
            producer.sent(sequence)
        assert producer.send(21).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert producer.send(3).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert producer.sent(20) == 20


@pytest.mark.behaviour("9")
@pytest.mark.parametrize("sequence", [0, 5, 2**31 - 1])
def test_an_unknown_producer_s_first_batch_may_have_any_sequence(address: str, sequence: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        assert producer.sent(sequence) == 0
        after = 0 if sequence == 2**31 - 1 else sequence + 1
        assert producer.sent(after) == 1


@pytest.mark.behaviour("9")
def test_sequences_begin_again_behind_the_highest(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        assert producer.sent(2**31 - 2, 4) == 0  # 2^31-2, 2^31-1, 0, 1
        assert producer.sent(2**31 - 2, 4) == 0
        assert producer.sent(2) == 4


@pytest.mark.behaviour("10")
def test_a_higher_epoch_begins_with_sequence_0(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        producer.sent(0)
        producer.sent(1)
        for sequence in (2, 1, 7):
            assert producer.send(sequence, epoch=1).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
        assert producer.sent(0, epoch=1) == 2
        assert producer.sent(1, epoch=1) == 3


@pytest.mark.behaviour("11")
def test_a_lower_epoch_is_an_invalid_producer_epoch(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        producer = Producer(client, topic)
        producer.sent(0, epoch=3)
        for sequence in (0, 1):
            answer = producer.send(sequence, epoch=2)
            assert (answer.error_code, answer.log_start_offset) == (ErrorCode.INVALID_PRODUCER_EPOCH, 0)
        assert producer.sent(1, epoch=3) == 1
    assert log_end(address, topic) == 2


def test_producers_and_partitions_do_not_know_each_other(address: str) -> None:
    first, _ = create_topic(address)
    second, _ = create_topic(address)
    with RawClient(address) as client:
        one, other = Producer(client, first), Producer(client, first)
        assert one.id != other.id
        assert [one.sent(0), other.sent(0), one.sent(1), other.sent(1)] == [0, 1, 2, 3]
        one.topic = second
        assert one.sent(0) == 0
