"""Groups over the wire: lines 27, 31, 32, 34, 47 and 48 of docs/behaviours.md and those without a number.

The state machine has its own tests in tests/coordinator; here the answers and the records come out of a broker.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import pytest

from compat_tests.support import unique
from klamm.wire.batches import iter_batches
from klamm.wire.codec import decode, encode
from klamm.wire.errors import ErrorCode
from klamm.wire.log_records.classic_group import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
)
from klamm.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestTopic
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from klamm.wire.records import Record, batch_records

from .raw_client import RawClient, wait_for_coordinators
from .steps import create_topic, fetch_request

OFFSETS = "__consumer_offsets"
PARTITIONS = 50
#: Kafka reads them, and never answers a consumer's JoinGroup that holds other bytes.
SUBSCRIBED = struct.pack(">h", 1) + encode(ConsumerProtocolSubscription(topics=["topic"]), 1)
CHANGED = struct.pack(">h", 1) + encode(ConsumerProtocolSubscription(topics=["topic", "more"]), 1)


@pytest.fixture
def client(address: str) -> Iterator[RawClient]:
    wait_for_coordinators(address)
    with RawClient(address) as connected:
        yield connected


def join(client: RawClient, group: str, version: int = 9, member_id: str = "", **more: Any) -> Any:
    protocols = more.pop("protocols", ("range",))
    metadata = more.pop("metadata", SUBSCRIBED)
    request = JoinGroupRequest(
        group_id=group,
        session_timeout_ms=30_000,
        rebalance_timeout_ms=30_000,
        member_id=member_id,
        protocol_type="consumer",
        protocols=[JoinGroupRequestProtocol(name=name, metadata=metadata) for name in protocols],
        **more,
    )
    return client.request(request, version)


def joined(client: RawClient, group: str, version: int = 9, **more: Any) -> Any:
    """The join of a member that is alone, done twice where it has to be."""
    answer = join(client, group, version, **more)
    if answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
        answer = join(client, group, version, answer.member_id, **more)
    assert answer.error_code == ErrorCode.NONE, answer
    return answer


def synced(client: RawClient, group: str, member: Any, **more: Any) -> Any:
    """The sync of a leader that assigns everything to itself."""
    request = SyncGroupRequest(
        group_id=group,
        generation_id=member.generation_id,
        member_id=member.member_id,
        assignments=[SyncGroupRequestAssignment(member_id=member.member_id, assignment=b"assigned")],
        **more,
    )
    answer = client.request(request, 3)
    assert answer.error_code == ErrorCode.NONE, answer
    return answer


def heartbeat(client: RawClient, group: str, member: Any, **more: Any) -> int:
    request = HeartbeatRequest(group_id=group, generation_id=member.generation_id, member_id=member.member_id, **more)
    code: int = client.request(request, 4).error_code
    return code


def commit(client: RawClient, group: str, topic: str, version: int = 8, partition: int = 0, **more: Any) -> int:
    asked = OffsetCommitRequestPartition(partition_index=partition, committed_offset=7, committed_metadata="said")
    request = OffsetCommitRequest(
        group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[asked])], **more
    )
    code: int = client.request(request, version).topics[0].partitions[0].error_code
    return code


def leave(client: RawClient, group: str, member: Any) -> None:
    request = LeaveGroupRequest(group_id=group, members=[MemberIdentity(member_id=member.member_id)])
    assert client.request(request, 3).error_code == ErrorCode.NONE


@pytest.mark.behaviour("31")
@pytest.mark.parametrize("version", [4, 5, 9])
def test_a_dynamic_member_is_told_its_id_first(client: RawClient, version: int) -> None:
    group = unique("told")
    answer = join(client, group, version)
    assert answer.error_code == ErrorCode.MEMBER_ID_REQUIRED
    assert answer.member_id.startswith("raw-")
    assert answer.generation_id == -1
    member = join(client, group, version, answer.member_id)
    assert (member.error_code, member.generation_id) == (ErrorCode.NONE, 1)
    assert member.leader == member.member_id == answer.member_id
    assert [(one.member_id, bytes(one.metadata)) for one in member.members] == [(member.member_id, SUBSCRIBED)]
    leave(client, group, member)


@pytest.mark.behaviour("31")
def test_before_v4_and_as_a_static_member_it_joins_at_once(client: RawClient) -> None:
    for version, more in ((0, {}), (3, {}), (5, {"group_instance_id": "one"}), (9, {"group_instance_id": "one"})):
        group = unique("at-once")
        member = join(client, group, version, **more)
        assert (member.error_code, member.generation_id) == (ErrorCode.NONE, 1)
        leave(client, group, member)


@pytest.mark.behaviour("32")
def test_a_static_member_that_comes_back_does_not_rebalance(client: RawClient) -> None:
    group = unique("static")
    first = joined(client, group, group_instance_id="one")
    synced(client, group, first, group_instance_id="one")
    second = join(client, group, 9, group_instance_id="one", metadata=CHANGED)
    assert second.error_code == ErrorCode.NONE
    assert second.member_id != first.member_id
    assert second.generation_id == first.generation_id
    assert second.skip_assignment
    assert heartbeat(client, group, first, group_instance_id="one") == ErrorCode.FENCED_INSTANCE_ID
    assert heartbeat(client, group, second, group_instance_id="one") == ErrorCode.NONE
    # The assignment is still there.
    request = SyncGroupRequest(group_id=group, generation_id=1, member_id=second.member_id, group_instance_id="one")
    assert bytes(client.request(request, 3).assignment) == b"assigned"
    # Before v9 it is told that the old id leads, so that it does not assign.
    third = join(client, group, 8, group_instance_id="one")
    assert (third.error_code, third.generation_id) == (ErrorCode.NONE, first.generation_id)
    assert third.leader == second.member_id
    assert third.members == []
    refused = join(client, group, 9, group_instance_id="one", protocols=("sticky",))
    assert refused.error_code == ErrorCode.INCONSISTENT_GROUP_PROTOCOL
    leave(client, group, third)


@pytest.mark.behaviour("34")
def test_commits_to_an_empty_and_to_an_unknown_group(client: RawClient, address: str) -> None:
    topic, _ = create_topic(address)
    for version, expected in ((2, ErrorCode.ILLEGAL_GENERATION), (8, ErrorCode.ILLEGAL_GENERATION)):
        more = {"generation_id_or_member_epoch": 3, "member_id": "m"}
        assert commit(client, unique("unknown"), topic, version, **more) == expected
    more = {"generation_id_or_member_epoch": 3, "member_id": "m"}
    assert commit(client, unique("unknown"), topic, 9, **more) == ErrorCode.GROUP_ID_NOT_FOUND
    group = unique("empty")
    assert commit(client, group, topic) == ErrorCode.NONE
    assert commit(client, group, topic, **more) == ErrorCode.UNKNOWN_MEMBER_ID
    member = joined(client, group)
    synced(client, group, member)
    assert commit(client, group, topic) == ErrorCode.UNKNOWN_MEMBER_ID
    mine = {"generation_id_or_member_epoch": member.generation_id, "member_id": member.member_id}
    assert commit(client, group, topic, **mine) == ErrorCode.NONE
    stale = {"generation_id_or_member_epoch": member.generation_id - 1, "member_id": member.member_id}
    assert commit(client, group, topic, **stale) == ErrorCode.ILLEGAL_GENERATION
    leave(client, group, member)
    assert commit(client, group, topic) == ErrorCode.NONE


@pytest.mark.behaviour("34")
def test_an_unknown_partition_is_refused_before_the_group_is_looked_at(client: RawClient, address: str) -> None:
    topic, _ = create_topic(address)
    more = {"generation_id_or_member_epoch": 3, "member_id": "m"}
    for version in (2, 8, 9):
        refused = commit(client, unique("unknown"), topic, version, partition=5, **more)
        assert refused == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        assert commit(client, unique("unknown"), "no-such-topic", version) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_what_was_committed_is_fetched(client: RawClient, address: str) -> None:
    topic, _ = create_topic(address, partitions=2)
    group = unique("committed")
    assert commit(client, group, topic, partition=1) == ErrorCode.NONE
    asked = [OffsetFetchRequestTopic(name=topic, partition_indexes=[0, 1])]
    for version in (1, 5, 7):
        (answer,) = client.request(OffsetFetchRequest(group_id=group, topics=asked), version).topics
        found = {one.partition_index: (one.committed_offset, one.metadata, one.error_code) for one in answer.partitions}
        assert found == {0: (-1, "", 0), 1: (7, "said", 0)}


@pytest.mark.behaviour("dead-groups")
def test_a_group_that_nobody_knows_is_dead(client: RawClient) -> None:
    group = unique("nobody")
    for version, expected in ((0, ErrorCode.NONE), (5, ErrorCode.NONE), (6, ErrorCode.GROUP_ID_NOT_FOUND)):
        (answer,) = client.request(DescribeGroupsRequest(groups=[group]), version).groups
        assert (answer.error_code, answer.group_state, answer.members) == (expected, "Dead", [])


@pytest.mark.behaviour("27")
def test_transaction_timeouts_and_ids_are_checked_first(client: RawClient) -> None:
    def code(transactional_id: str | None, timeout_ms: int, **more: int) -> int:
        request = InitProducerIdRequest(transactional_id=transactional_id, transaction_timeout_ms=timeout_ms, **more)
        found: int = client.request(request, 4).error_code
        return found

    for timeout_ms in (0, -1, 2**31 - 1):
        assert code(unique("transactional"), timeout_ms) == ErrorCode.INVALID_TRANSACTION_TIMEOUT
        assert code(None, timeout_ms) == ErrorCode.NONE
    assert code("", 1000) == ErrorCode.INVALID_REQUEST
    assert code(None, 1000, producer_id=5) == ErrorCode.INVALID_REQUEST
    assert code(None, 1000, producer_epoch=5) == ErrorCode.INVALID_REQUEST


# --- what stands in __consumer_offsets --------------------------------------------------------------------------------


def java_partition(text: str) -> int:
    """abs(String.hashCode) % 50, said anew here."""
    hashed = 0
    for unit in struct.unpack(f">{len(text.encode('utf-16-be')) // 2}H", text.encode("utf-16-be")):
        hashed = (hashed * 31 + unit) % 2**32
    signed = hashed - 2**32 if hashed >= 2**31 else hashed
    return 0 if signed == -(2**31) else abs(signed) % PARTITIONS


def written(client: RawClient, group: str) -> dict[int, list[tuple[type, Any, int, Any]]]:
    """Partition -> (key class, key, value version, value or None) of each record of a group."""
    request = fetch_request({OFFSETS: [(index, 0) for index in range(PARTITIONS)]})
    found: dict[int, list[tuple[type, Any, int, Any]]] = {}
    for answer in client.request(request, 12).responses[0].partitions:
        assert answer.error_code == ErrorCode.NONE
        data = bytes(answer.records)
        for position, header in iter_batches(data):
            for record in batch_records(data[position : position + header.size_bytes]):
                row = _read(record)
                if row[1].group == group:
                    found.setdefault(answer.partition_index, []).append(row)
    return found


def _read(record: Record) -> tuple[type, Any, int, Any]:
    assert record.key is not None
    (kind,) = struct.unpack_from(">h", record.key)
    key, value = {1: (OffsetCommitKey, OffsetCommitValue), 2: (GroupMetadataKey, GroupMetadataValue)}[kind]
    if record.value is None:
        return key, decode(key, 0, record.key[2:]), -1, None
    (version,) = struct.unpack_from(">h", record.value)
    return key, decode(key, 0, record.key[2:]), version, decode(value, version, record.value[2:])


@pytest.mark.behaviour("48")
def test_records_of_commits_and_groups_have_kafka_s_versions(client: RawClient, address: str) -> None:
    topic, topic_id = create_topic(address)
    group = unique("written")
    member = joined(client, group)
    synced(client, group, member)
    mine = {"generation_id_or_member_epoch": member.generation_id, "member_id": member.member_id}
    assert commit(client, group, topic, **mine) == ErrorCode.NONE
    leave(client, group, member)
    ((_, rows),) = written(client, group).items()
    commits = [row for row in rows if row[0] is OffsetCommitKey]
    ((_, key, version, value),) = commits
    assert (key.topic, key.partition, version) == (topic, 0, 4)
    assert (value.offset, value.metadata, value.topic_id) == (7, "said", topic_id)
    groups = [row for row in rows if row[0] is GroupMetadataKey]
    assert {version for _, _, version, _ in groups} == {3}
    stable = [value for _, _, _, value in groups if value.members][-1]
    assert (stable.protocol_type, stable.protocol, stable.leader) == ("consumer", "range", member.member_id)
    assert [bytes(one.assignment) for one in stable.members] == [b"assigned"]


@pytest.mark.behaviour("coordinator-partition")
def test_the_group_s_partition_is_that_of_java_s_hash(client: RawClient, address: str) -> None:
    topic, _ = create_topic(address)
    # "polygenelubricants" hashes to Integer.MIN_VALUE; the others are negative, beyond ASCII, beyond 16 bits.
    for group in ("polygenelubricants", unique("żółć"), unique("𝄞"), *(unique("hashed") for _ in range(5))):
        assert commit(client, group, topic) == ErrorCode.NONE
        assert list(written(client, group)) == [java_partition(group)]
