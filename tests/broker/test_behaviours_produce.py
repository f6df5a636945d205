"""Produce: lines 4-6 and 13-15 of docs/behaviours.md and the unnumbered ones behind them, as far as one broker goes."""

from __future__ import annotations

import struct

import pytest

from klamm.wire.batches import batch_checksum, parse_header
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData
from klamm.wire.records import Record, batch_records, encode_batch

from .process import log_end
from .raw_client import ClosedError, RawClient, ask, wait_for
from .steps import (
    batch,
    create_topic,
    delete_topic,
    fetch,
    fetch_request,
    list_offset,
    now_ms,
    produce,
    produce_request,
    produced,
)

HOUR_MS = 3_600_000


def changed(data: bytes, position: int, layout: str, value: int, checked: bool = True) -> bytes:
    """The batch with one header field overwritten, under a right checksum if `checked`."""
    out = bytearray(data)
    struct.pack_into(layout, out, position, value)
    if checked:
        struct.pack_into(">I", out, 17, batch_checksum(out))
    return bytes(out)


@pytest.mark.behaviour("4")
@pytest.mark.parametrize("epoch", [0, -1, 77, 2**31 - 1])
def test_the_batch_s_leader_epoch_is_not_validated(address: str, epoch: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        assert produced(client, topic, batch(b"a", partition_leader_epoch=epoch)) == 0
        stored = parse_header(fetch(client, topic).records)
        leader_epoch = list_offset(client, topic, -1).leader_epoch
    # The leader writes its own.
    assert stored.partition_leader_epoch == leader_epoch


@pytest.mark.behaviour("5")
def test_a_client_s_control_batch_is_refused(address: str) -> None:
    topic, _ = create_topic(address)
    marker = [Record(b"\0\0\0\1", b"\0\0\0\0\0\0", (), now_ms())]
    with RawClient(address) as client:
        plain = encode_batch(marker, control=True)
        assert produce(client, topic, plain).error_code == ErrorCode.INVALID_RECORD
        both = encode_batch(marker, control=True, transactional=True, producer_id=7, producer_epoch=0)
        # The missing transactional id is seen first.
        assert produce(client, topic, both).error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        transactional = batch(b"a", transactional=True, producer_id=7, producer_epoch=0, base_sequence=0)
        assert produce(client, topic, transactional).error_code == ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
    assert log_end(address, topic) == 0


def _wrong_batches() -> dict[str, tuple[bytes, ErrorCode]]:
    good = batch(b"a" * 30, b"b" * 30, timestamp_ms=1_700_000_000_000)
    length = len(good) - 12
    corrupt, invalid = ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD
    return {
        "crc": (changed(good, 17, ">I", 1, checked=False), corrupt),
        "a byte of a record": (changed(good, 70, ">b", 1, checked=False), corrupt),
        "magic 3": (changed(good, 16, ">b", 3, checked=False), corrupt),
        "magic -1": (changed(good, 16, ">b", -1, checked=False), corrupt),
        "length cut short": (changed(good, 8, ">i", length - 1, checked=False), corrupt),
        "length 10": (changed(good, 8, ">i", 10, checked=False), corrupt),
        "magic 0": (changed(good, 16, ">b", 0, checked=False), invalid),
        "magic 1": (changed(good, 16, ">b", 1, checked=False), invalid),
        "length beyond the data": (changed(good, 8, ">i", length + 1, checked=False), invalid),
        "bytes cut off": (good[:-1], invalid),
        "last offset delta": (changed(good, 23, ">i", 5), invalid),
        "count": (changed(good, 57, ">i", 1), invalid),
        "no records": (encode_batch([]), invalid),
        "no batch": (b"", invalid),
        "two batches": (good + good, invalid),
        "base offset": (changed(good, 0, ">q", 1, checked=False), invalid),
        "sequence -1": (batch(b"a", producer_id=7, producer_epoch=0), invalid),
    }


@pytest.mark.behaviour("6")
@pytest.mark.parametrize("wrong", list(_wrong_batches()))
def test_corrupt_message_or_invalid_record(address: str, wrong: str) -> None:
    records, expected = _wrong_batches()[wrong]
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        for version in (3, 8, 12):
            answer = produce(client, topic, records, version)
            assert (answer.error_code, answer.base_offset) == (expected, -1)
        assert produced(client, topic, batch(b"good")) == 0


@pytest.mark.behaviour("6")
def test_stray_bytes_behind_a_complete_batch_are_dropped(address: str) -> None:
    topic, _ = create_topic(address)
    good = batch(b"a", b"b")
    with RawClient(address) as client:
        assert produced(client, topic, good + b"stray") == 0
        assert produced(client, topic, good + good[:40]) == 2
        assert len(bytes(fetch(client, topic).records)) == 2 * len(good)


@pytest.mark.behaviour("13")
def test_acks_0_has_no_answer_and_later_requests_have_theirs(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        for number in range(5):
            client.send(produce_request(topic, batch(b"%d" % number), acks=0), 9, answered=False)
            client.send(ApiVersionsRequest(), 2)
            client.send(produce_request(topic, batch(b"acked"), acks=1), 9)
        offsets = []
        for _ in range(5):
            assert client.receive().api_keys
            offsets.append(client.receive().responses[0].partition_responses[0].base_offset)
    assert offsets == [1, 3, 5, 7, 9]


@pytest.mark.behaviour("13")
def test_an_error_with_acks_0_closes_the_connection(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        client.send(ApiVersionsRequest(), 2)
        client.send(produce_request(topic, b"", acks=0), 9, answered=False)
        assert client.receive().api_keys
        with pytest.raises(ClosedError):
            client.read_frame()


@pytest.mark.behaviour("13")
@pytest.mark.parametrize("acks", [2, -2, 100])
def test_other_acks_are_refused(address: str, acks: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        answer = produce(client, topic, batch(b"a"), acks=acks)
        assert answer.error_code == ErrorCode.INVALID_REQUIRED_ACKS
        assert (answer.base_offset, answer.log_start_offset) == (-1, -1)
    assert log_end(address, topic) == 0


@pytest.mark.behaviour("14")
def test_a_stale_topic_id_is_unknown_after_the_topic_is_made_again(address: str) -> None:
    name, old = create_topic(address)
    delete_topic(address, name)
    made: list[bytes] = []

    def again() -> bool:
        topic = CreatableTopic(name=name, num_partitions=1, replication_factor=1)
        (answer,) = ask(address, CreateTopicsRequest(topics=[topic], timeout_ms=5000), 7).topics
        made.append(answer.topic_id)
        return answer.error_code == ErrorCode.NONE

    wait_for(again, "the name to be free")
    new = made[-1]
    assert new != old
    with RawClient(address) as client:

        def sent(topic_id: bytes) -> int:
            response = client.request(produce_request(topic_id, batch(b"a")), 13).responses[0]
            assert response.topic_id == topic_id
            code: int = response.partition_responses[0].error_code
            return code

        wait_for(lambda: sent(new) == ErrorCode.NONE, "the new topic's leader")
        assert sent(old) == ErrorCode.UNKNOWN_TOPIC_ID

        def fetched(topic_id: bytes) -> int:
            asked = FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)
            request = FetchRequest(
                max_wait_ms=0,
                min_bytes=0,
                session_epoch=-1,
                topics=[FetchTopic(topic_id=topic_id, partitions=[asked])],
            )
            response = client.request(request, 13)
            assert response.error_code == ErrorCode.NONE
            code: int = response.responses[0].partitions[0].error_code
            return code

        assert fetched(new) == ErrorCode.NONE
        assert fetched(old) == ErrorCode.UNKNOWN_TOPIC_ID


@pytest.mark.behaviour("15")
def test_not_leader_or_follower_without_a_hint_has_minus_ones(address: str) -> None:
    """On one broker only a replica that is none sees this error; who the leader is, Kafka does not tell it."""
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        request = fetch_request({topic: [(0, 0)]}, replica_id=42)
        response = client.request(request, 12)
        (answer,) = response.responses[0].partitions
    assert answer.error_code == ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert (answer.current_leader.leader_id, answer.current_leader.leader_epoch) == (-1, -1)
    assert response.node_endpoints == []


@pytest.mark.behaviour("timestamps-and-keys")
def test_a_timestamp_too_far_ahead_is_refused_and_named(address: str) -> None:
    topic, _ = create_topic(address)
    now = now_ms()
    good, late = Record(b"k", b"v", (), now), Record(b"k", b"v", (), now + 2 * HOUR_MS)
    with RawClient(address) as client:
        answer = produce(client, topic, encode_batch([good, late, good]))
        assert answer.error_code == ErrorCode.INVALID_TIMESTAMP
        assert [error.batch_index for error in answer.record_errors] == [1]
        assert answer.base_offset == -1
        assert produced(client, topic, encode_batch([good._replace(timestamp_ms=now + HOUR_MS // 2)])) == 0


@pytest.mark.behaviour("timestamps-and-keys")
@pytest.mark.parametrize("codec", [0, 1, 4])
def test_records_without_a_key_on_a_compacted_topic_are_refused_and_named(address: str, codec: int) -> None:
    topic, _ = create_topic(address, {"cleanup.policy": "compact"})
    now = now_ms()
    keyed, bare = Record(b"k", b"v", (), now), Record(None, b"v", (), now)
    with RawClient(address) as client:
        answer = produce(client, topic, encode_batch([bare, keyed, bare], codec=codec))
        assert answer.error_code == ErrorCode.INVALID_RECORD
        assert [error.batch_index for error in answer.record_errors] == [0, 2]
        assert produced(client, topic, encode_batch([keyed, keyed], codec=codec)) == 0


@pytest.mark.behaviour("41")
@pytest.mark.parametrize("codec", [0, 1])
def test_log_append_time_is_stored_and_answered(address: str, codec: int) -> None:
    topic, _ = create_topic(address, {"message.timestamp.type": "LogAppendTime"})
    before = now_ms()
    with RawClient(address) as client:
        answer = produce(client, topic, batch(b"a", b"b", timestamp_ms=5, codec=codec))
        assert answer.error_code == ErrorCode.NONE
        records = bytes(fetch(client, topic).records)
        found = list_offset(client, topic, 6)
    # Clocks of a client and a broker on one machine are the same.
    assert before <= answer.log_append_time_ms <= now_ms()
    header = parse_header(records)
    assert header.is_log_append_time
    assert header.max_timestamp_ms == answer.log_append_time_ms
    assert header.crc == batch_checksum(records)
    assert [record.timestamp_ms for record in batch_records(records)] == [answer.log_append_time_ms] * 2
    assert (found.offset, found.timestamp) == (0, answer.log_append_time_ms)


@pytest.mark.behaviour("41")
def test_create_time_is_answered_with_minus_one(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        assert produce(client, topic, batch(b"a")).log_append_time_ms == -1


def test_a_batch_above_max_message_bytes_is_refused(address: str) -> None:
    fits, too_large = batch(b"a" * 400), batch(b"a" * 401)
    assert len(too_large) == len(fits) + 1
    topic, _ = create_topic(address, {"max.message.bytes": str(len(fits))})
    with RawClient(address) as client:
        assert produced(client, topic, fits) == 0
        assert produce(client, topic, too_large).error_code == ErrorCode.MESSAGE_TOO_LARGE
    assert log_end(address, topic) == 1


def test_partitions_of_one_request_succeed_and_fail_alone(address: str) -> None:
    topic, _ = create_topic(address, partitions=3)
    data = [
        PartitionProduceData(index=0, records=batch(b"a")),
        PartitionProduceData(index=1, records=changed(batch(b"a"), 17, ">I", 1, checked=False)),
        PartitionProduceData(index=2, records=batch(b"a")),
        PartitionProduceData(index=3, records=batch(b"a")),
    ]
    request = ProduceRequest(acks=-1, timeout_ms=5000, topic_data=[TopicProduceData(name=topic, partition_data=data)])
    (answer,) = ask(address, request, 9).responses
    codes = {partition.index: partition.error_code for partition in answer.partition_responses}
    assert codes == {
        0: ErrorCode.NONE,
        1: ErrorCode.CORRUPT_MESSAGE,
        2: ErrorCode.NONE,
        3: ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
    }
