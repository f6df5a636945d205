"""Where a group lives. The partitions are those in which a real Kafka 4.3.1 of 50 partitions kept these groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from klamm.coordinator.partitioning import java_string_hash, partition_for

SEEN_IN_KAFKA = {
    "": 0,
    "conn": 0,
    "ret": 1,
    "v0": 6,
    "p": 12,
    "s": 15,
    "v9": 15,
    "v10": 15,
    "w": 19,
    "simple": 26,
    "tie0": 40,
    "g1": 42,
    "nullc": 42,
    "neg": 44,
    "a": 47,
    "b": 48,
}


@pytest.mark.behaviour("coordinator-partition")
def test_groups_are_where_kafka_keeps_them() -> None:
    assert {group: partition_for(group, 50) for group in SEEN_IN_KAFKA} == SEEN_IN_KAFKA


@pytest.mark.behaviour("coordinator-partition")
def test_a_negative_hash_is_negated_not_masked() -> None:
    hashed = java_string_hash("my-group")
    assert hashed == -1_906_497_762
    assert partition_for("my-group", 50) == 12
    assert (hashed & 0x7FFF_FFFF) % 50 == 36


@pytest.mark.behaviour("coordinator-partition")
def test_the_hash_without_an_absolute_value_is_partition_0() -> None:
    assert java_string_hash("polygenelubricants") == -(1 << 31)
    assert partition_for("polygenelubricants", 50) == 0
    assert (1 << 31) % 50 != 0


def test_a_character_beyond_the_basic_plane_is_two() -> None:
    assert java_string_hash("\U0001f600") == 31 * 0xD83D + 0xDE00


@given(st.text(st.characters(codec="utf-16"), max_size=20), st.integers(1, 100))
def test_the_hash_is_the_polynomial_over_code_units(text: str, partitions: int) -> None:
    units = text.encode("utf-16-be")
    total = 0
    for position in range(0, len(units), 2):
        total = total * 31 + int.from_bytes(units[position : position + 2], "big")
    assert java_string_hash(text) % (1 << 32) == total % (1 << 32)
    assert 0 <= partition_for(text, partitions) < partitions
