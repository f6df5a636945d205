"""Fetch: lines 16-22 of docs/behaviours.md, as far as one broker without transactions goes."""

from __future__ import annotations

from typing import Any

import pytest

from klamm.wire.errors import ErrorCode
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.fetch import FetchPartition, FetchRequest, FetchTopic, ForgottenTopic

from .raw_client import RawClient, SilentError, ask
from .steps import base_offsets, batch, create_topic, fetch, fetch_request, produced

#: Longer than a test may take: a fetch that this ends has not been woken.
FOREVER_MS = 120_000
#: How long a parked fetch is watched for an answer that must not come.
QUIET_S = 0.2


def fill(client: RawClient, topic: str, batches: int, size_bytes: int = 1000) -> list[bytes]:
    """One-record batches of about size_bytes each, as they were sent."""
    sent = [batch(b"%d" % number + b"x" * size_bytes) for number in range(batches)]
    assert [produced(client, topic, data) for data in sent] == list(range(batches))
    return sent


def is_parked(client: RawClient) -> bool:
    """Whether the request that was sent has no answer yet."""
    patience_s, client.timeout_s = client.timeout_s, QUIET_S
    try:
        client.read_frame()
    except SilentError:
        return True
    finally:
        client.timeout_s = patience_s
    return False


# --- how much ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("16")
def test_the_first_batch_comes_whole_even_if_it_is_too_large(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        (sent,) = fill(client, topic, 1, 5000)
        for limits in ({"max_bytes": 100}, {"partition_max_bytes": 100}, {"max_bytes": 0}, {"partition_max_bytes": 0}):
            assert len(bytes(fetch(client, topic, **limits).records)) == len(sent)


@pytest.mark.behaviour("16")
def test_only_the_first_batch_of_a_request_may_be_too_large(address: str) -> None:
    first, _ = create_topic(address)
    second, _ = create_topic(address)
    with RawClient(address) as client:
        (sent,) = fill(client, first, 1, 5000)
        fill(client, second, 1, 5000)
        for order in ((first, second), (second, first)):
            request = fetch_request({name: [(0, 0)] for name in order}, partition_max_bytes=100)
            answers = {topic.topic: topic.partitions[0] for topic in client.request(request, 12).responses}
            # Without a session the request's order decides who is served.
            assert [len(bytes(answers[name].records)) for name in order] == [len(sent), 0]


@pytest.mark.behaviour("16")
def test_kafka_cuts_at_the_limit_in_the_middle_of_a_batch(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        sent = fill(client, topic, 5)
        limit = len(sent[0]) * 2 + 100
        for limits in ({"partition_max_bytes": limit}, {"max_bytes": limit}):
            records = bytes(fetch(client, topic, **limits).records)
            assert len(records) == limit
            assert base_offsets(records) == [0, 1]


@pytest.mark.behaviour("16")
def test_a_fetch_in_the_middle_of_a_batch_has_the_whole_batch(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        produced(client, topic, batch(b"a", b"b", b"c"))
        produced(client, topic, batch(b"d"))
        assert base_offsets(fetch(client, topic, 2).records) == [0, 3]
        assert base_offsets(fetch(client, topic, 3).records) == [3]


@pytest.mark.behaviour("17")
@pytest.mark.parametrize("version", [4, 7, 11, 12])
def test_no_records_are_zero_bytes_and_not_null(address: str, version: int) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        for name, offset, expected in (
            (topic, 0, ErrorCode.NONE),
            (topic, 99, ErrorCode.OFFSET_OUT_OF_RANGE),
            ("no-such-topic", 0, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        ):
            answer = fetch(client, name, offset, version)
            assert answer.error_code == expected
            assert answer.records is not None
            assert len(answer.records) == 0


# --- how long ---------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("18")
def test_a_produce_wakes_a_parked_fetch(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as waiting, RawClient(address) as client:
        waiting.send(fetch_request({topic: [(0, 0)]}, min_bytes=1, max_wait_ms=FOREVER_MS), 12)
        assert is_parked(waiting)
        produced(client, topic, batch(b"a"))
        assert base_offsets(waiting.receive().responses[0].partitions[0].records) == [0]


@pytest.mark.behaviour("18")
def test_a_parked_fetch_waits_until_min_bytes_are_there(address: str) -> None:
    topic, _ = create_topic(address)
    data = batch(b"x" * 1000)
    with RawClient(address) as waiting, RawClient(address) as client:
        request = fetch_request({topic: [(0, 0)]}, min_bytes=len(data) * 2 + 1, max_wait_ms=FOREVER_MS)
        waiting.send(request, 12)
        produced(client, topic, data)
        produced(client, topic, data)
        assert is_parked(waiting)
        produced(client, topic, data)
        assert base_offsets(waiting.receive().responses[0].partitions[0].records) == [0, 1, 2]


@pytest.mark.behaviour("18")
def test_a_parked_fetch_ends_with_its_time(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        answer = fetch(client, topic, min_bytes=1, max_wait_ms=50)
        assert (answer.error_code, len(answer.records)) == (ErrorCode.NONE, 0)


@pytest.mark.behaviour("18")
def test_an_error_at_a_log_ends_the_wait_at_once(address: str) -> None:
    good, _ = create_topic(address)
    bad, _ = create_topic(address)
    forever = {"min_bytes": 1, "max_wait_ms": FOREVER_MS}
    with RawClient(address) as client:
        answers = client.request(fetch_request({good: [(0, 0)], bad: [(0, 99)]}, **forever), 12).responses
        codes = {topic.topic: topic.partitions[0].error_code for topic in answers}
        assert codes == {good: ErrorCode.NONE, bad: ErrorCode.OFFSET_OUT_OF_RANGE}
        request = fetch_request({good: [(0, 0)], bad: [(0, 0)]}, **forever)
        request.topics[1].partitions[0].current_leader_epoch = 50
        codes = {topic.topic: topic.partitions[0].error_code for topic in client.request(request, 12).responses}
        assert codes == {good: ErrorCode.NONE, bad: ErrorCode.UNKNOWN_LEADER_EPOCH}


@pytest.mark.behaviour("18")
@pytest.mark.parametrize("unknown", ["topic", "partition", "id"])
def test_an_unknown_partition_does_not_end_the_wait_of_the_good_ones(address: str, unknown: str) -> None:
    topic, topic_id = create_topic(address)
    forever: dict[str, Any] = {"min_bytes": 1, "max_wait_ms": FOREVER_MS}
    if unknown == "id":
        version, expected = 13, ErrorCode.UNKNOWN_TOPIC_ID
        asked = [FetchPartition(partition=0, fetch_offset=0, partition_max_bytes=1000)]
        topics = [FetchTopic(topic_id=topic_id, partitions=asked), FetchTopic(topic_id=b"\7" * 16, partitions=asked)]
        both = FetchRequest(topics=topics, session_epoch=-1, **forever)
        bad = FetchRequest(topics=topics[1:], session_epoch=-1, **forever)
    else:
        version, expected = 12, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
        wrong = {"no-such-topic": [(0, 0)]} if unknown == "topic" else {topic: [(0, 0), (9, 0)]}
        both = fetch_request({topic: [(0, 0)], **wrong}, **forever)
        bad = fetch_request({"no-such-topic": [(0, 0)]} if unknown == "topic" else {topic: [(9, 0)]}, **forever)
    with RawClient(address) as waiting, RawClient(address) as client:
        # All unknown: at once.
        assert [topic.partitions[0].error_code for topic in client.request(bad, version).responses] == [expected]
        waiting.send(both, version)
        assert is_parked(waiting)
        produced(client, topic, batch(b"a"))
        answers = [answer for topic in waiting.receive().responses for answer in topic.partitions]
        assert sorted(answer.error_code for answer in answers) == [ErrorCode.NONE, expected]
        assert sum(len(answer.records) for answer in answers) > 0


def test_requests_behind_a_parked_fetch_wait_for_it(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as waiting, RawClient(address) as client:
        waiting.send(fetch_request({topic: [(0, 0)]}, min_bytes=1, max_wait_ms=FOREVER_MS), 12)
        waiting.send(ApiVersionsRequest(), 0)
        assert is_parked(waiting)
        produced(client, topic, batch(b"a"))
        assert base_offsets(waiting.receive().responses[0].partitions[0].records) == [0]
        assert waiting.receive().api_keys


def test_one_produce_wakes_every_fetch_that_waits_for_it(address: str) -> None:
    topic, _ = create_topic(address)
    other, _ = create_topic(address)
    clients = [RawClient(address) for _ in range(20)]
    try:
        for waiting in clients:
            topics = {topic: [(0, 0)], other: [(0, 0)]}
            waiting.send(fetch_request(topics, min_bytes=1, max_wait_ms=FOREVER_MS), 12)
        with RawClient(address) as client:
            produced(client, topic, batch(b"a"))
        for waiting in clients:
            sizes = {answer.topic: len(answer.partitions[0].records) for answer in waiting.receive().responses}
            assert sizes[topic] > 0
            assert sizes[other] == 0
    finally:
        for waiting in clients:
            waiting.close()


# --- sessions ---------------------------------------------------------------------------------------------------------


def open_session(client: RawClient, topics: dict[str, list[tuple[int, int]]]) -> Any:
    """The full answer of a new session's first fetch."""
    answer = client.request(fetch_request(topics, session_epoch=0), 12)
    assert answer.error_code == ErrorCode.NONE
    return answer


def go_on(client: RawClient, session_id: int, epoch: int, **more: Any) -> Any:
    """An incremental fetch that changes nothing about what the session asks for, unless `more` says so."""
    topics = more.pop("topics", {})
    return client.request(fetch_request(topics, session_id=session_id, session_epoch=epoch, **more), 12)


def close_session(client: RawClient, session_id: int) -> None:
    client.request(fetch_request({}, session_id=session_id, session_epoch=-1), 12)


@pytest.mark.behaviour("20")
def test_session_ids_and_epochs_that_are_wrong(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        session_id = open_session(client, {topic: [(0, 0)]}).session_id
        assert session_id != 0
        assert go_on(client, session_id, 1).error_code == ErrorCode.NONE
        for epoch in (1, 3, 7):
            answer = go_on(client, session_id, epoch)
            assert (answer.error_code, answer.session_id) == (ErrorCode.INVALID_FETCH_SESSION_EPOCH, 0)
            assert answer.responses == []
        assert go_on(client, session_id, 2).error_code == ErrorCode.NONE
        close_session(client, session_id)
        for unknown in (session_id, 12345, -7):
            assert go_on(client, unknown, 3).error_code == ErrorCode.FETCH_SESSION_ID_NOT_FOUND


@pytest.mark.behaviour("20")
def test_a_full_cache_answers_new_sessions_and_keeps_the_old(address: str) -> None:
    topic, _ = create_topic(address)
    sessions: list[int] = []
    with RawClient(address) as client:
        try:
            for _ in range(1100):
                answer = open_session(client, {topic: [(0, 0)]})
                # Answered in full, with a session or without.
                assert answer.responses[0].partitions[0].error_code == ErrorCode.NONE
                if answer.session_id == 0:
                    break
                sessions.append(answer.session_id)
            else:
                pytest.fail("the cache never was full")
            assert 900 <= len(sessions) <= 1000
            assert len(set(sessions)) == len(sessions)
            assert go_on(client, sessions[0], 1).error_code == ErrorCode.NONE
            assert go_on(client, sessions[-1], 1).error_code == ErrorCode.NONE
        finally:
            for session_id in sessions:
                close_session(client, session_id)
        session_id = open_session(client, {topic: [(0, 0)]}).session_id
        assert session_id != 0
        close_session(client, session_id)


@pytest.mark.behaviour("21")
def test_an_incremental_fetch_omits_what_has_not_changed(address: str) -> None:
    first, _ = create_topic(address)
    second, _ = create_topic(address)
    with RawClient(address) as client:
        full = open_session(client, {first: [(0, 0)], second: [(0, 0)]})
        assert len(full.responses) == 2
        session_id = full.session_id
        assert go_on(client, session_id, 1).responses == []
        produced(client, first, batch(b"a"))
        (news,) = go_on(client, session_id, 2).responses
        assert (news.topic, base_offsets(news.partitions[0].records)) == (first, [0])
        # It is news as long as it is not asked for from behind it.
        (news,) = go_on(client, session_id, 3).responses
        assert base_offsets(news.partitions[0].records) == [0]
        assert go_on(client, session_id, 4, topics={first: [(0, 1)]}).responses == []
        close_session(client, session_id)


@pytest.mark.behaviour("21")
def test_an_incremental_fetch_always_includes_errors(address: str) -> None:
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        session_id = open_session(client, {topic: [(0, 99)], "no-such-topic": [(0, 0)]}).session_id
        for epoch in (1, 2, 3):
            answer = go_on(client, session_id, epoch)
            codes = {asked.topic: asked.partitions[0].error_code for asked in answer.responses}
            expected = {
                topic: ErrorCode.OFFSET_OUT_OF_RANGE,
                "no-such-topic": ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
            }
            assert codes == expected
        close_session(client, session_id)


@pytest.mark.behaviour("21")
def test_forgotten_and_added_partitions(address: str) -> None:
    first, _ = create_topic(address)
    second, _ = create_topic(address)
    with RawClient(address) as client:
        produced(client, first, batch(b"a"))
        produced(client, second, batch(b"a"))
        session_id = open_session(client, {first: [(0, 0)]}).session_id
        answer = go_on(client, session_id, 1, topics={second: [(0, 0)]})
        assert {asked.topic for asked in answer.responses} == {first, second}
        forgotten = [ForgottenTopic(topic=first, partitions=[0])]
        answer = go_on(client, session_id, 2, forgotten_topics_data=forgotten)
        assert [asked.topic for asked in answer.responses] == [second]
        close_session(client, session_id)


@pytest.mark.behaviour("16")
def test_within_a_session_none_starves(address: str) -> None:
    """A limit that one partition fills alone: after as many fetches as partitions each has been served."""
    topics = [create_topic(address)[0] for _ in range(3)]
    with RawClient(address) as client:
        for topic in topics:
            fill(client, topic, 1, 5000)
        answer = open_session(client, {topic: [(0, 1)] for topic in topics})
        session_id = answer.session_id
        served = []
        for epoch in range(1, 4):
            asked = {topic: [(0, 0)] for topic in topics} if epoch == 1 else {}
            answer = go_on(client, session_id, epoch, topics=asked, max_bytes=100)
            served += [found.topic for found in answer.responses if len(found.partitions[0].records)]
        assert sorted(served) == sorted(topics)
        close_session(client, session_id)


# --- epochs -----------------------------------------------------------------------------------------------------------


@pytest.mark.behaviour("22")
def test_a_leader_epoch_that_is_too_high_is_unknown(address: str) -> None:
    topic, _ = create_topic(address)
    for epoch, expected in ((-1, ErrorCode.NONE), (0, ErrorCode.NONE), (1, ErrorCode.UNKNOWN_LEADER_EPOCH)):
        request = fetch_request({topic: [(0, 0)]})
        request.topics[0].partitions[0].current_leader_epoch = epoch
        (answer,) = ask(address, request, 12).responses[0].partitions
        assert answer.error_code == expected
