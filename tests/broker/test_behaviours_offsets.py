"""ListOffsets: line 24 of docs/behaviours.md, without transactions."""

from __future__ import annotations

import pytest

from klamm.wire.errors import ErrorCode
from klamm.wire.records import Record, encode_batch

from .raw_client import RawClient
from .steps import create_topic, list_offset, produced

LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED, EARLIEST_PENDING_UPLOAD = range(-1, -7, -1)
BASE_MS = 1_700_000_000_000
NOTHING = (ErrorCode.NONE, -1, -1, -1)


def timed(*deltas_ms: int, codec: int = 0) -> bytes:
    """A batch of records at BASE_MS plus each."""
    return encode_batch([Record(b"k", b"v", (), BASE_MS + delta) for delta in deltas_ms], codec=codec)


def listed(client: RawClient, topic: str, timestamp: int, version: int = 11) -> tuple[int, int, int, int]:
    """(error code, offset, timestamp, leader epoch)"""
    answer = list_offset(client, topic, timestamp, version)
    return answer.error_code, answer.offset, answer.timestamp, answer.leader_epoch


@pytest.mark.behaviour("24")
def test_an_empty_log(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        assert listed(client, topic, EARLIEST) == (ErrorCode.NONE, 0, -1, 0)
        assert listed(client, topic, LATEST) == (ErrorCode.NONE, 0, -1, 0)
        assert listed(client, topic, EARLIEST_LOCAL) == (ErrorCode.NONE, 0, -1, 0)
        for timestamp in (MAX_TIMESTAMP, LATEST_TIERED, EARLIEST_PENDING_UPLOAD, 0, BASE_MS):
            assert listed(client, topic, timestamp) == NOTHING


@pytest.mark.behaviour("24")
def test_start_and_end(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        produced(client, topic, timed(0, 10))
        produced(client, topic, timed(20))
        for version in (4, 7, 11):
            assert listed(client, topic, EARLIEST, version) == (ErrorCode.NONE, 0, -1, 0)
            assert listed(client, topic, LATEST, version) == (ErrorCode.NONE, 3, -1, 0)
        assert listed(client, topic, EARLIEST, 1)[:2] == (ErrorCode.NONE, 0)
        assert listed(client, topic, LATEST, 1)[:2] == (ErrorCode.NONE, 3)


@pytest.mark.behaviour("24")
@pytest.mark.parametrize("codec", range(5))
def test_by_timestamp_the_first_record_at_or_after_it(address: str, codec: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        produced(client, topic, timed(0, 10, 20, codec=codec))
        produced(client, topic, timed(30, 50, 40, codec=codec))
        for delta, offset, found in ((-5, 0, 0), (0, 0, 0), (5, 1, 10), (10, 1, 10), (15, 2, 20), (25, 3, 30)):
            assert listed(client, topic, BASE_MS + delta) == (ErrorCode.NONE, offset, BASE_MS + found, 0)
        # Order is that of offsets, not of time.
        assert listed(client, topic, BASE_MS + 35) == (ErrorCode.NONE, 4, BASE_MS + 50, 0)
        assert listed(client, topic, BASE_MS + 45) == (ErrorCode.NONE, 4, BASE_MS + 50, 0)
        assert listed(client, topic, BASE_MS + 51) == NOTHING


@pytest.mark.behaviour("24")
@pytest.mark.parametrize("codec", [0, 1, 4])
def test_the_record_with_the_highest_timestamp(address: str, codec: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        produced(client, topic, timed(0, 100, 20, codec=codec))
        produced(client, topic, timed(30, 40, codec=codec))
        assert listed(client, topic, MAX_TIMESTAMP) == (ErrorCode.NONE, 1, BASE_MS + 100, 0)
        produced(client, topic, timed(100, codec=codec))
        # The first of those that share it.
        assert listed(client, topic, MAX_TIMESTAMP) == (ErrorCode.NONE, 1, BASE_MS + 100, 0)
        produced(client, topic, timed(7, 101, 101, codec=codec))
        assert listed(client, topic, MAX_TIMESTAMP) == (ErrorCode.NONE, 7, BASE_MS + 101, 0)


@pytest.mark.behaviour("24")
@pytest.mark.parametrize(
    ("timestamp", "since"),
    [
        (MAX_TIMESTAMP, 7),
        (EARLIEST_LOCAL, 8),
        (LATEST_TIERED, 9),
        (EARLIEST_PENDING_UPLOAD, 11),
        (-7, 12),
        (-100, 12),
    ],
)
def test_a_special_timestamp_is_unsupported_below_its_version(address: str, timestamp: int, since: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        for version in range(1, 12):
            code = list_offset(client, topic, timestamp, version).error_code
            assert code == (ErrorCode.NONE if version >= since else ErrorCode.UNSUPPORTED_VERSION), version


@pytest.mark.behaviour("22")
def test_list_offsets_with_a_leader_epoch_that_is_too_high(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        assert list_offset(client, topic, LATEST, current_leader_epoch=0).error_code == ErrorCode.NONE
        answer = list_offset(client, topic, LATEST, current_leader_epoch=1)
        assert (answer.error_code, answer.offset) == (ErrorCode.UNKNOWN_LEADER_EPOCH, -1)
