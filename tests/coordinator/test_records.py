"""The bytes of coordinator records: as Kafka 4.3.1 writes them, and all versions that it reads."""

from __future__ import annotations

import pytest

from klamm.coordinator import records
from klamm.coordinator.settings import GroupSettings
from klamm.coordinator.shard import Shard
from klamm.wire.codec import DecodeError, encode
from klamm.wire.declare import ZERO_UUID
from klamm.wire.log_records.classic_group import GroupMetadataValue, MemberMetadata, OffsetCommitValue

TOPIC_ID = bytes.fromhex("e3988ac6816d4efdbfd37b84b020e247")


def group_value(**changed: object) -> GroupMetadataValue:
    """The group `s` as Kafka wrote it below."""
    member = MemberMetadata(
        member_id="i1-b881f2b1-182e-4ffd-b129-c02a8338d692",
        group_instance_id="i1",
        client_id="cl",
        client_host="/127.0.0.1",
        rebalance_timeout=10_000,
        session_timeout=10_000,
        subscription=b"m",
        assignment=b"A",
    )
    given: dict[str, object] = {
        "protocol_type": "consumer",
        "generation": 1,
        "protocol": "range",
        "leader": member.member_id,
        "current_state_timestamp": 0x000001A1FD814CC9,
        "members": [member],
    }
    return GroupMetadataValue(**{**given, **changed})  # type: ignore[arg-type]


@pytest.mark.behaviour("48")
def test_an_offset_is_written_as_kafka_writes_it() -> None:
    record = records.offset_commit(
        "v10",
        "t",
        TOPIC_ID,
        0,
        offset=77,
        leader_epoch=3,
        metadata="mm",
        commit_timestamp_ms=0x000001A1FD806181,
    )
    key, value = records.to_bytes(record)
    assert key == b"\x00\x01\x00\x03v10\x00\x01t\x00\x00\x00\x00"
    assert value == (
        b"\x00\x04\x00\x00\x00\x00\x00\x00\x00M\x00\x00\x00\x03\x03mm\x00\x00\x01\xa1\xfd\x80a\x81\x01\x00\x10"
        + TOPIC_ID
    )


@pytest.mark.behaviour("48")
def test_an_offset_with_a_retention_time_is_written_in_version_1() -> None:
    record = records.offset_commit(
        "ret",
        "t",
        TOPIC_ID,
        0,
        offset=5,
        leader_epoch=3,
        metadata="",
        commit_timestamp_ms=0x000001A1FD80617E,
        expire_timestamp_ms=0x000001A1FD81E81E,
    )
    assert records.to_bytes(record) == (
        b"\x00\x01\x00\x03ret\x00\x01t\x00\x00\x00\x00",
        b"\x00\x01\x00\x00\x00\x00\x00\x00\x00\x05\x00\x00\x00\x00\x01\xa1\xfd\x80a~\x00\x00\x01\xa1\xfd\x81\xe8\x1e",
    )


@pytest.mark.behaviour("48")
def test_a_group_is_written_as_kafka_writes_it() -> None:
    key, value = records.to_bytes(records.group_metadata("s", group_value()))
    assert key == b"\x00\x02\x00\x01s"
    assert value == (
        b"\x00\x03\x00\x08consumer\x00\x00\x00\x01\x00\x05range\x00'i1-b881f2b1-182e-4ffd-b129-c02a8338d692"
        b"\x00\x00\x01\xa1\xfd\x81L\xc9\x00\x00\x00\x01\x00'i1-b881f2b1-182e-4ffd-b129-c02a8338d692\x00\x02i1\x00\x02cl"
        b"\x00\n/127.0.0.1\x00\x00'\x10\x00\x00'\x10\x00\x00\x00\x01m\x00\x00\x00\x01A"
    )
    assert records.to_bytes(records.group_metadata("s", None)) == (key, None)


@pytest.mark.parametrize("version", GroupMetadataValue.VERSIONS)
def test_every_version_of_a_group_is_loaded(version: int) -> None:
    value = group_value()
    if version < 3:
        value.members[0].group_instance_id = None
    shard = Shard(GroupSettings(), lambda: "x")
    written = version.to_bytes(2) + encode(value, version)
    record = records.from_bytes(b"\x00\x02\x00\x01s", written)
    assert record is not None
    shard.replay(record)
    group = shard.groups["s"]
    (member,) = group.members.values()
    assert (group.state.value, group.generation, group.leader) == ("Stable", 1, member.member_id)
    assert (member.session_timeout_ms, member.rebalance_timeout_ms, member.assignment) == (10_000, 10_000, b"A")
    assert group.static_members == ({"i1": member.member_id} if version >= 3 else {})


@pytest.mark.parametrize("version", OffsetCommitValue.VERSIONS)
@pytest.mark.parametrize("key_type", [0, 1])
def test_every_version_of_an_offset_is_loaded(version: int, key_type: int) -> None:
    value = OffsetCommitValue(offset=77, metadata="mm", commit_timestamp=5)
    shard = Shard(GroupSettings(), lambda: "x")
    key = key_type.to_bytes(2) + b"\x00\x01g\x00\x01t\x00\x00\x00\x03"
    record = records.from_bytes(key, version.to_bytes(2) + encode(value, version))
    assert record is not None
    shard.replay(record)
    found = shard.offsets.groups["g"]["t"][3]
    assert (found.offset, found.metadata, found.leader_epoch, found.topic_id) == (77, "mm", -1, ZERO_UUID)
    gone = records.from_bytes(key, None)
    assert gone is not None
    shard.replay(gone)
    assert shard.offsets.groups == {}
    assert shard.groups.keys() == {"g"}


def test_a_tombstone_ends_a_group() -> None:
    shard = Shard(GroupSettings(), lambda: "x")
    shard.replay(records.group_metadata("s", group_value()))
    shard.loaded(0)
    sessions = [("session", "s", member_id) for member_id in shard.groups["s"].members]
    assert sessions
    assert all(key in shard.state.deadlines for key in sessions)
    shard.replay(records.group_metadata("s", None))
    assert shard.groups == {}
    assert not any(key in shard.state.deadlines for key in sessions)


def test_a_later_record_of_a_member_has_its_later_subscription() -> None:
    shard = Shard(GroupSettings(), lambda: "x")
    shard.replay(records.group_metadata("s", group_value()))
    later = group_value(generation=2, protocol="sticky")
    later.members[0].subscription = b"later"
    shard.replay(records.group_metadata("s", later))
    assert shard.groups["s"].to_value() == later


def test_a_type_of_record_that_is_not_known_is_skipped() -> None:
    assert records.from_bytes(b"\x00\x63whatever", b"\x00\x00") is None


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", b""),
        (b"\x00\x02\x00\x05s", None),
        (b"\x00\x02\x00\x01s", b"\x00"),
        (b"\x00\x02\x00\x01s", b"\x00\x63"),
        (b"\x00\x02\x00\x01s", b"\x00\x03\x00"),
        (b"\x00\x02\x00\x01sx", b"\x00\x03\x00"),
    ],
)
def test_damage_is_not_taken_for_a_record(key: bytes, value: bytes | None) -> None:
    with pytest.raises(DecodeError):
        records.from_bytes(key, value)
