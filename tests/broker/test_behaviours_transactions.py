"""Transactions: lines 5, 9, 11, 12, 18, 19, 26-30, 40 and kip-360 of docs/behaviours.md."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Any

import pytest

from compat_tests.support import unique
from klamm.wire.batches import iter_batches
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.list_transactions import ListTransactionsRequest
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from klamm.wire.messages.write_txn_markers import (
    WritableTxnMarker,
    WritableTxnMarkerTopic,
    WriteTxnMarkersRequest,
)
from klamm.wire.records import decode_end_txn_marker, iter_records

from .raw_client import RawClient, wait_for
from .steps import create_topic, fetch, fetch_request, list_offset
from .transactions import GROUP, V1_END, V1_PRODUCE, TransactionalProducer, find_coordinator

READ_COMMITTED = 1
VERSIONS = pytest.mark.parametrize("end_version", [V1_END, 5], ids=["v1", "v2"])


@pytest.fixture
def txn_client(address: str) -> Iterator[RawClient]:
    with RawClient(address) as connection:
        yield connection


@pytest.fixture
def topic(address: str) -> str:
    return create_topic(address)[0]


@pytest.fixture
def producer(txn_client: RawClient) -> TransactionalProducer:
    return TransactionalProducer(txn_client).init()


def everything(txn_client: RawClient, topic: str) -> bytes:
    return bytes(fetch(txn_client, topic).records)


def markers(txn_client: RawClient, topic: str) -> list[tuple[int, int, int]]:
    """(producer epoch, control type, coordinator epoch) of the end markers in partition 0."""
    data = everything(txn_client, topic)
    found = []
    for position, header in iter_batches(data):
        if header.is_control:
            (record,) = iter_records(data[position : position + header.size_bytes])
            marker = decode_end_txn_marker(record)
            assert marker is not None
            found.append((header.producer_epoch, *marker))
    return found


def wait_for_markers(txn_client: RawClient, topic: str, count: int) -> list[tuple[int, int, int]]:
    wait_for(lambda: len(markers(txn_client, topic)) >= count, f"{count} markers")
    return markers(txn_client, topic)


def begin(producer: TransactionalProducer, topic: str, end_version: int, *values: bytes) -> int:
    """The first records of a transaction, by either protocol version."""
    if end_version == V1_END:
        assert producer.add(topic) == [ErrorCode.NONE]
        return producer.sent(topic, *values, version=V1_PRODUCE)
    return producer.sent(topic, *values)


# --- the life of a transaction ------------------------------------------------------------------------------------


@VERSIONS
def test_a_transaction_is_all_or_nothing(
    txn_client: RawClient, topic: str, producer: TransactionalProducer, end_version: int
) -> None:
    for commit in (True, False, True):
        begin(producer, topic, end_version, b"a", b"b")
        assert producer.state().transaction_state == "Ongoing"
        before = producer.epoch
        producer.end(commit, end_version)
        assert producer.epoch == (before if end_version == V1_END else before + 1)
        producer.wait_until("CompleteCommit" if commit else "CompleteAbort")
        assert producer.state().topics == []
    assert [control for _, control, _ in wait_for_markers(txn_client, topic, 3)] == [1, 0, 1]
    answer = fetch(txn_client, topic, isolation_level=READ_COMMITTED)
    assert [(row.producer_id, row.first_offset) for row in answer.aborted_transactions] == [(producer.id, 3)]
    assert answer.last_stable_offset == answer.high_watermark == 9


@pytest.mark.behaviour("40")
@VERSIONS
def test_end_markers_have_the_value_of_a_control_record(
    txn_client: RawClient, topic: str, producer: TransactionalProducer, end_version: int
) -> None:
    begin(producer, topic, end_version, b"a")
    epoch = producer.epoch
    producer.end(True, end_version)
    ((marker_epoch, control, coordinator_epoch),) = wait_for_markers(txn_client, topic, 1)
    # From v2 on the marker has the next epoch.
    assert (marker_epoch, control) == (epoch + (end_version != V1_END), 1)
    assert coordinator_epoch >= 0


@pytest.mark.behaviour("26")
def test_init_producer_id_aborts_what_is_open(
    txn_client: RawClient, topic: str, producer: TransactionalProducer
) -> None:
    begin(producer, topic, 5, b"a")
    before = producer.epoch
    again = TransactionalProducer(txn_client, producer.transactional_id)
    assert again.ask_init().error_code == ErrorCode.CONCURRENT_TRANSACTIONS
    again.init()
    assert (again.id, again.epoch) == (producer.id, before + 2)
    assert [row[:2] for row in wait_for_markers(txn_client, topic, 1)] == [(before + 1, 0)]
    # The one before is shut out.
    assert producer.ask_end(True).error_code == ErrorCode.PRODUCER_FENCED
    assert producer.send(topic, b"b").error_code == ErrorCode.INVALID_PRODUCER_EPOCH


@pytest.mark.behaviour("27")
def test_the_transactional_id_and_the_timeout_are_checked(
    txn_client: RawClient, producer: TransactionalProducer
) -> None:
    for timeout_ms in (0, -1, 900_001):
        assert producer.ask_init(timeout_ms).error_code == ErrorCode.INVALID_TRANSACTION_TIMEOUT
    assert producer.ask_init(900_000).error_code == ErrorCode.NONE


@pytest.mark.behaviour("28")
def test_end_txn_v5_again_and_of_nothing(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    begin(producer, topic, 5, b"a")
    before = producer.epoch
    producer.end(True)
    producer.wait_until("CompleteCommit")
    again = producer.ask_end(True, epoch=before)
    assert (again.error_code, again.producer_id, again.producer_epoch) == (0, producer.id, before + 1)
    assert producer.ask_end(False, epoch=before).error_code == ErrorCode.INVALID_TXN_STATE
    # Of nothing: an abort bumps, a commit is refused, and so are both before v5.
    assert producer.ask_end(True).error_code == ErrorCode.INVALID_TXN_STATE
    aborted = producer.ask_end(False)
    assert (aborted.error_code, aborted.producer_epoch) == (ErrorCode.NONE, before + 2)
    fresh = TransactionalProducer(txn_client).init()
    for commit in (True, False):
        assert fresh.ask_end(commit, V1_END).error_code == ErrorCode.INVALID_TXN_STATE


@pytest.mark.behaviour("29")
def test_one_unknown_partition_keeps_the_others_out(
    txn_client: RawClient, topic: str, producer: TransactionalProducer
) -> None:
    unknown = f"{topic}-unknown"
    errors = producer.add(topic, unknown)
    assert errors == [ErrorCode.OPERATION_NOT_ATTEMPTED, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    assert producer.state().transaction_state == "Empty"


@pytest.mark.behaviour("kip-360")
def test_a_producer_goes_on_with_its_id_and_epoch(txn_client: RawClient, producer: TransactionalProducer) -> None:
    first = {"producer_id": producer.id, "producer_epoch": producer.epoch}
    bumped = producer.ask_init(**first)
    assert (bumped.error_code, bumped.producer_id, bumped.producer_epoch) == (0, producer.id, producer.epoch + 1)
    again = producer.ask_init(**first)
    assert (again.error_code, again.producer_epoch) == (ErrorCode.NONE, producer.epoch + 1)
    producer.ask_init(producer_id=producer.id, producer_epoch=producer.epoch + 1)
    assert producer.ask_init(**first).error_code == ErrorCode.PRODUCER_FENCED
    assert producer.ask_init(producer_id=producer.id + 1, producer_epoch=0).error_code == ErrorCode.PRODUCER_FENCED


@pytest.mark.behaviour("11")
def test_what_a_fenced_producer_is_told(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    old = producer.epoch
    producer.init()
    group = unique("group")
    find_coordinator(txn_client, group, GROUP)
    fenced, epoch_error = ErrorCode.PRODUCER_FENCED, ErrorCode.INVALID_PRODUCER_EPOCH
    for version in range(4):
        assert producer.add(topic, version=version, epoch=old) == [epoch_error if version < 2 else fenced]
        assert producer.add_offsets(group, version, epoch=old) == (epoch_error if version < 2 else fenced)
        assert producer.ask_end(True, version, epoch=old).error_code == (epoch_error if version < 2 else fenced)
    for version in (3, 5):
        assert producer.commit_offsets(group, [(topic, 1)], version, epoch=old) == [epoch_error]
    for version in (3, 4):
        known = {"producer_id": producer.id, "producer_epoch": old - 1 if old else 77}
        assert producer.ask_init(version=version, **known).error_code == (epoch_error if version < 4 else fenced)
    assert producer.send(topic, b"a", epoch=old).error_code == epoch_error
    producer.id += 1
    mapping = ErrorCode.INVALID_PRODUCER_ID_MAPPING
    assert producer.add(topic) == [mapping]
    assert producer.ask_end(True).error_code == mapping


# --- produce ------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("12")
def test_produce_outside_of_the_transaction(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    assert producer.send(topic, b"a", version=10).error_code == ErrorCode.INVALID_TXN_STATE
    assert producer.send(topic, b"a", version=11).error_code == ErrorCode.TRANSACTION_ABORTABLE
    assert producer.send(topic, b"a", version=12).error_code == ErrorCode.NONE
    plain = producer.send(topic, b"b", transactional=False)
    assert plain.error_code == ErrorCode.INVALID_TXN_STATE
    producer.end(True)
    producer.wait_until("CompleteCommit")


@pytest.mark.behaviour("9")
def test_in_transactions_v2_a_first_batch_begins_at_zero(
    txn_client: RawClient, topic: str, producer: TransactionalProducer
) -> None:
    assert producer.send(topic, b"a", sequence=5).error_code == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert producer.send(topic, b"a", sequence=0).error_code == ErrorCode.NONE
    producer.end(False)


def test_brokers_verify_in_batches(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    assert producer.add_batched(topic, verify_only=True) == ErrorCode.TRANSACTION_ABORTABLE
    assert producer.add_batched(topic) == ErrorCode.NONE
    assert producer.add_batched(topic, verify_only=True) == ErrorCode.NONE
    assert [row.topic for row in producer.state().topics] == [topic]
    producer.end(False)


# --- read_committed -----------------------------------------------------------------------------------------------


@pytest.mark.behaviour("18")
def test_a_fetch_waits_for_the_end_of_the_transaction(
    address: str, txn_client: RawClient, topic: str, producer: TransactionalProducer
) -> None:
    begin(producer, topic, 5, b"a" * 500)
    with RawClient(address) as reader:
        waiting = fetch_request({topic: [(0, 0)]}, min_bytes=100, max_wait_ms=14_000, isolation_level=READ_COMMITTED)
        reader.send(waiting, 12)
        producer.sent(topic, b"b" * 500)
        probe = fetch(txn_client, topic, isolation_level=READ_COMMITTED)
        assert (probe.last_stable_offset, probe.high_watermark, bytes(probe.records)) == (0, 2, b"")
        assert select.select([reader.sock], [], [], 0)[0] == []
        producer.end(True)
        answer = reader.receive().responses[0].partitions[0]
    assert len(answer.records) > 1000
    assert answer.aborted_transactions == []


@pytest.mark.behaviour("19")
def test_a_fetch_inside_of_an_aborted_transaction_names_it(
    txn_client: RawClient, topic: str, producer: TransactionalProducer
) -> None:
    for value in (b"a", b"b", b"c"):
        producer.sent(topic, value)
    other = TransactionalProducer(txn_client).init()
    other.sent(topic, b"d")
    before = producer.id
    producer.end(False)
    wait_for_markers(txn_client, topic, 1)
    answer = fetch(txn_client, topic, 1, isolation_level=READ_COMMITTED)
    assert [(row.producer_id, row.first_offset) for row in answer.aborted_transactions] == [(before, 0)]
    assert answer.last_stable_offset == 3
    assert fetch(txn_client, topic, 1).aborted_transactions is None
    other.end(True)


@pytest.mark.behaviour("24")
def test_list_offsets_under_read_committed(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    from klamm.wire.messages.list_offsets import ListOffsetsPartition, ListOffsetsRequest, ListOffsetsTopic

    def latest(isolation_level: int) -> int:
        asked = [ListOffsetsTopic(name=topic, partitions=[ListOffsetsPartition(partition_index=0, timestamp=-1)])]
        request = ListOffsetsRequest(replica_id=-1, isolation_level=isolation_level, topics=asked)
        offset: int = txn_client.request(request, 7).topics[0].partitions[0].offset
        return offset

    producer.sent(topic, b"a", b"b")
    assert (latest(0), latest(READ_COMMITTED)) == (2, 0)
    producer.end(True)
    wait_for(lambda: latest(READ_COMMITTED) == 3, "the marker")
    assert list_offset(txn_client, topic, -1).offset == 3


# --- offsets ------------------------------------------------------------------------------------------------------


def committed(txn_client: RawClient, group: str, topic: str, require_stable: bool) -> Any:
    asked = OffsetFetchRequestGroup(
        group_id=group, topics=[OffsetFetchRequestTopics(name=topic, partition_indexes=[0])]
    )
    request = OffsetFetchRequest(groups=[asked], require_stable=require_stable)
    return txn_client.request(request, 8).groups[0].topics[0].partitions[0]


@pytest.mark.behaviour("30")
@VERSIONS
def test_offsets_of_a_transaction_are_pending_until_it_ends(
    txn_client: RawClient, topic: str, producer: TransactionalProducer, end_version: int
) -> None:
    group = unique("group")
    find_coordinator(txn_client, group, GROUP)

    def commit(offset: int) -> None:
        version = 5
        if end_version == V1_END:
            version = 3
            assert producer.add_offsets(group) == ErrorCode.NONE
        assert producer.commit_offsets(group, [(topic, offset)], version) == [ErrorCode.NONE]

    for offset, is_committed, expected in ((5, True, 5), (7, False, 5), (9, True, 9)):
        commit(offset)
        pending = committed(txn_client, group, topic, True)
        assert (pending.error_code, pending.committed_offset) == (ErrorCode.UNSTABLE_OFFSET_COMMIT, -1)
        before = committed(txn_client, group, topic, False)
        assert (before.error_code, before.committed_offset) == (0, {5: -1, 7: 5, 9: 5}[offset])
        producer.end(is_committed, end_version)
        wait_for(lambda: committed(txn_client, group, topic, True).error_code == ErrorCode.NONE, "the marker")
        assert committed(txn_client, group, topic, True).committed_offset == expected


def test_offsets_outside_of_the_transaction(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    group = unique("group")
    find_coordinator(txn_client, group, GROUP)
    assert producer.commit_offsets(group, [(topic, 1)], 3) == [ErrorCode.INVALID_TXN_STATE]
    assert producer.commit_offsets(group, [(topic, 1)], 4) == [ErrorCode.TRANSACTION_ABORTABLE]
    unknown = f"{topic}-unknown"
    errors = producer.commit_offsets(group, [(topic, 1), (unknown, 1)])
    assert sorted(errors) == [ErrorCode.NONE, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION]
    producer.end(False)


# --- administrators -----------------------------------------------------------------------------------------------


def test_a_timeout_aborts(txn_client: RawClient, topic: str) -> None:
    producer = TransactionalProducer(txn_client).init(timeout_ms=100)
    producer.sent(topic, b"a")
    wait_for(lambda: len(markers(txn_client, topic)) == 1, "the coordinator to abort", timeout_s=25)
    assert [row[:2] for row in markers(txn_client, topic)] == [(producer.epoch + 1, 0)]
    # To the producer it looks as if it had aborted itself.
    assert producer.ask_end(True).error_code == ErrorCode.INVALID_TXN_STATE
    assert producer.ask_end(False).error_code == ErrorCode.NONE


def test_markers_by_an_administrator(txn_client: RawClient, topic: str, producer: TransactionalProducer) -> None:
    producer.init()
    producer.sent(topic, b"a")

    def write(epoch: int, coordinator_epoch: int, name: str = topic) -> int:
        marker = WritableTxnMarker(
            producer_id=producer.id,
            producer_epoch=epoch,
            transaction_result=False,
            topics=[WritableTxnMarkerTopic(name=name, partition_indexes=[0])],
            coordinator_epoch=coordinator_epoch,
        )
        (result,) = txn_client.request(WriteTxnMarkersRequest(markers=[marker]), 1).markers
        code: int = result.topics[0].partitions[0].error_code
        return code

    assert write(producer.epoch, 3, f"{topic}-unknown") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert write(producer.epoch, 3) == ErrorCode.NONE
    assert write(producer.epoch, 2) == ErrorCode.TRANSACTION_COORDINATOR_FENCED
    assert write(producer.epoch - 1, 3) == ErrorCode.INVALID_PRODUCER_EPOCH
    assert fetch(txn_client, topic, isolation_level=READ_COMMITTED).last_stable_offset == 2


def test_transactions_are_listed_and_described(
    txn_client: RawClient, topic: str, producer: TransactionalProducer
) -> None:
    producer.sent(topic, b"a")

    def listed(**filters: Any) -> list[tuple[str, str]]:
        answer = txn_client.request(ListTransactionsRequest(**filters), 1)
        rows = [(row.transactional_id, row.transaction_state) for row in answer.transaction_states]
        return [row for row in rows if row[0] == producer.transactional_id]

    me = (producer.transactional_id, "Ongoing")
    assert listed() == [me]
    assert listed(state_filters=["Ongoing", "Empty"], producer_id_filters=[producer.id]) == [me]
    assert listed(state_filters=["Empty"]) == []
    assert listed(duration_filter=1_000_000) == []
    unknown = txn_client.request(ListTransactionsRequest(state_filters=["Sleeping"]), 0)
    assert (unknown.error_code, unknown.unknown_state_filters) == (ErrorCode.NONE, ["Sleeping"])
    found = producer.state()
    assert (found.producer_id, found.producer_epoch) == (producer.id, producer.epoch)
    assert (found.transaction_timeout_ms, found.transaction_state) == (60_000, "Ongoing")
    assert [(row.topic, row.partitions) for row in found.topics] == [(topic, [0])]
    assert found.transaction_start_time_ms > 0
    missing = TransactionalProducer(txn_client).state()
    assert missing.error_code == ErrorCode.TRANSACTIONAL_ID_NOT_FOUND
    producer.end(False)
