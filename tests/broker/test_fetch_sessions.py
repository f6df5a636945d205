"""Fetch sessions without sockets: what Kafka's FetchSessionCache does (KIP-227)."""

from random import Random

import pytest

from klamm.broker.fetch_sessions import Fetch, FetchSessions
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.fetch import (
    FetchPartition,
    FetchRequest,
    FetchTopic,
    ForgottenTopic,
    PartitionData,
)


def request(
    session_id: int = 0,
    epoch: int = 0,
    partitions: dict[tuple[str, int], int] | None = None,
    forgotten: list[tuple[str, int]] | None = None,
) -> FetchRequest:
    topics = [
        FetchTopic(
            topic=topic, partitions=[FetchPartition(partition=index, fetch_offset=offset, partition_max_bytes=9)]
        )
        for (topic, index), offset in (partitions or {}).items()
    ]
    gone = [ForgottenTopic(topic=topic, partitions=[index]) for topic, index in forgotten or []]
    return FetchRequest(session_id=session_id, session_epoch=epoch, topics=topics, forgotten_topics_data=gone)


def answer(high_watermark: int = 0, records: bytes = b"", error: int = 0) -> PartitionData:
    return PartitionData(
        partition_index=0, error_code=error, high_watermark=high_watermark, log_start_offset=0, records=records
    )


def asked(fetch: Fetch) -> list[tuple[str | bytes, int, int]]:
    return [(partition.topic, partition.index, partition.fetch_offset) for partition in fetch.partitions]


def refusal(sessions: FetchSessions, wanted: FetchRequest, by_id: bool = False) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        sessions.begin(wanted, by_id, now_ms=0)
    return caught.value.code


@pytest.fixture
def sessions() -> FetchSessions:
    return FetchSessions(2, Random(1))


def begin(sessions: FetchSessions, size: int = 1, now_ms: int = 0) -> int:
    """A new session of `size` partitions; its id, 0 if there was no room."""
    partitions = {(f"t{number}", 0): 0 for number in range(size)}
    session = sessions.begin(request(partitions=partitions), by_id=False, now_ms=now_ms).session
    return session.id if session is not None else 0


def test_an_incremental_fetch_names_changes_only(sessions: FetchSessions) -> None:
    session_id = begin(sessions, 2)
    later = request(session_id, 1, {("t1", 0): 7, ("new", 3): 0}, forgotten=[("t0", 0)])
    fetch = sessions.begin(later, by_id=False, now_ms=0)
    assert fetch.incremental
    assert asked(fetch) == [("t1", 0, 7), ("new", 3, 0)]
    assert asked(sessions.begin(request(session_id, 2), by_id=False, now_ms=0)) == asked(fetch)


def test_a_sessionless_fetch_takes_no_slot(sessions: FetchSessions) -> None:
    fetch = sessions.begin(request(0, -1, {("t", 0): 0}), by_id=False, now_ms=0)
    assert fetch.session is None
    assert len(sessions) == 0


def test_the_final_epoch_closes_the_session(sessions: FetchSessions) -> None:
    session_id = begin(sessions)
    sessions.begin(request(session_id, -1, {("t", 0): 0}), by_id=False, now_ms=0)
    assert refusal(sessions, request(session_id, 1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


def test_a_session_that_forgot_all_its_partitions_ends(sessions: FetchSessions) -> None:
    session_id = begin(sessions)
    fetch = sessions.begin(request(session_id, 1, forgotten=[("t0", 0)]), by_id=False, now_ms=0)
    assert fetch.session is None
    assert len(sessions) == 0


@pytest.mark.behaviour("20")
def test_wrong_ids_and_epochs(sessions: FetchSessions) -> None:
    session_id = begin(sessions)
    assert refusal(sessions, request(session_id + 1, 1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    assert refusal(sessions, request(session_id, 2)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH
    assert refusal(sessions, request(session_id, 1), by_id=True) == ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR
    sessions.begin(request(session_id, 1), by_id=False, now_ms=0)
    assert refusal(sessions, request(session_id, 1)) == ErrorCode.INVALID_FETCH_SESSION_EPOCH


@pytest.mark.behaviour("20")
def test_a_full_cache_answers_without_a_session_and_keeps_the_old_ones(sessions: FetchSessions) -> None:
    first, second = begin(sessions), begin(sessions)
    assert begin(sessions, now_ms=120_000) == 0
    for session_id in (first, second):
        sessions.begin(request(session_id, 1), by_id=False, now_ms=120_000)


@pytest.mark.behaviour("20")
def test_a_session_unused_for_two_minutes_gives_way(sessions: FetchSessions) -> None:
    first, second = begin(sessions), begin(sessions)
    sessions.begin(request(first, 1), by_id=False, now_ms=100_000)
    assert begin(sessions, now_ms=120_001) != 0
    assert refusal(sessions, request(second, 1)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND
    sessions.begin(request(first, 2), by_id=False, now_ms=120_001)


@pytest.mark.behaviour("20")
def test_a_larger_session_displaces_a_smaller_one_of_that_age(sessions: FetchSessions) -> None:
    small, large = begin(sessions, 1), begin(sessions, 3)
    for session_id in (small, large):
        sessions.begin(request(session_id, 1), by_id=False, now_ms=119_000)
    assert begin(sessions, 1, now_ms=121_000) == 0
    assert begin(sessions, 2, now_ms=121_000) != 0
    assert refusal(sessions, request(small, 2)) == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.behaviour("21")
def test_an_unchanged_partition_is_no_news_but_an_error_always_is(sessions: FetchSessions) -> None:
    (partition,) = sessions.begin(request(partitions={("t", 0): 0}), by_id=False, now_ms=0).partitions
    assert partition.is_news(answer(high_watermark=5))
    assert not partition.is_news(answer(high_watermark=5))
    assert partition.is_news(answer(high_watermark=5, records=b"x"))
    assert partition.is_news(answer(high_watermark=6))
    assert partition.is_news(answer(error=ErrorCode.OFFSET_OUT_OF_RANGE))
    assert partition.is_news(answer(error=ErrorCode.OFFSET_OUT_OF_RANGE))
    assert partition.is_news(answer(high_watermark=6))


@pytest.mark.behaviour("16")
def test_a_served_partition_goes_to_the_back_of_its_session(sessions: FetchSessions) -> None:
    session_id = begin(sessions, 3)
    fetch = sessions.begin(request(session_id, 1), by_id=False, now_ms=0)
    assert fetch.session is not None
    fetch.session.served([("t0", 0)])
    later = sessions.begin(request(session_id, 2), by_id=False, now_ms=0)
    assert [topic for topic, _, _ in asked(later)] == ["t1", "t2", "t0"]


def test_the_epoch_wraps_to_one(sessions: FetchSessions) -> None:
    session_id = begin(sessions)
    fetch = sessions.begin(request(session_id, 1), by_id=False, now_ms=0)
    assert fetch.session is not None
    fetch.session.epoch = 0x7FFFFFFF
    assert sessions.begin(request(session_id, 0x7FFFFFFF), by_id=False, now_ms=0).session is fetch.session
    assert fetch.session.epoch == 1
