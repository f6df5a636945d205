"""Shards on the logs of a broker: loading, parking, failing, and the handlers in front of them. No sockets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from klamm.broker import shard_runtime
from klamm.broker.partition import Partition
from klamm.wire.declare import ZERO_UUID
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.delete_topics import DeleteTopicsRequest
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.list_groups import ListGroupsRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from klamm.wire.records import Record, encode_batch

from .site import Site, commit_error

# --- who coordinates ----------------------------------------------------------------------------------------------


@pytest.mark.behaviour("coordinator-partition")
def test_without_its_topic_nobody_is_a_coordinator(site: Site) -> None:
    site.create("t")
    assert site.join("g").result().error_code == ErrorCode.NOT_COORDINATOR
    assert site.heartbeat("g", 1, "m") == ErrorCode.NOT_COORDINATOR
    assert commit_error(site.commit("g", "t", 5).result()) == ErrorCode.NOT_COORDINATOR
    assert site.committed("g", "t") == (-1, ErrorCode.NOT_COORDINATOR)
    (described,) = site.ask(DescribeGroupsRequest(groups=["g"]), 6).groups
    assert described.error_code == ErrorCode.NOT_COORDINATOR
    assert site.ask(ListGroupsRequest(), 5).groups == []
    old = OffsetFetchRequest(group_id="g", topics=[OffsetFetchRequestTopic(name="t", partition_indexes=[0])])
    assert site.ask(old, 1).topics[0].partitions[0].error_code == ErrorCode.NOT_COORDINATOR
    assert site.ask(old, 2).error_code == ErrorCode.NOT_COORDINATOR


def test_to_ask_for_a_coordinator_makes_its_topic(site: Site) -> None:
    found = site.find("a", "b").coordinators
    assert [(row.key, row.error_code, row.node_id, row.host, row.port) for row in found] == [
        ("a", 0, 1, "kafka.example", 9092),
        ("b", 0, 1, "kafka.example", 9092),
    ]
    image = site.broker.catalogue.topic("__consumer_offsets")
    assert image is not None
    assert len(image.partitions) == 2
    assert image.configs["cleanup.policy"] == "compact"


@pytest.mark.parametrize(
    ("version", "key_type", "error", "message"),
    [
        (0, 0, ErrorCode.NONE, ""),
        (2, 0, ErrorCode.NONE, "NONE"),
        (2, 1, ErrorCode.NONE, "NONE"),
        (2, 2, ErrorCode.INVALID_REQUEST, "This most likely"),
        (2, 7, ErrorCode.INVALID_REQUEST, "This most likely"),
        (4, 2, ErrorCode.INVALID_REQUEST, ""),
        (6, 3, ErrorCode.INVALID_REQUEST, "This most likely"),
    ],
)
def test_kinds_of_coordinators(site: Site, version: int, key_type: int, error: ErrorCode, message: str) -> None:
    if version >= 4:
        request = FindCoordinatorRequest(coordinator_keys=["g"], key_type=key_type)
        answer = site.ask(request, version).coordinators[0]
    else:
        answer = site.ask(FindCoordinatorRequest(key="g", key_type=key_type), version)
    assert answer.error_code == error
    assert answer.node_id == (1 if error == ErrorCode.NONE else -1)
    if version:
        assert answer.error_message.startswith(message)
        assert bool(answer.error_message) == bool(message)


# --- offsets through the handlers ---------------------------------------------------------------------------------


@pytest.mark.behaviour("34")
def test_what_does_not_exist_is_refused_before_the_group_is_asked(ready: Site) -> None:
    assert commit_error(ready.commit("g", "t", 5, partition=2).result()) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert commit_error(ready.commit("g", "u", 5).result()) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    member = {"generation_id_or_member_epoch": 3, "member_id": "m"}
    assert commit_error(ready.commit("g", "u", 5, **member).result()) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert commit_error(ready.commit("g", "t", 5, **member).result()) == ErrorCode.GROUP_ID_NOT_FOUND
    rows = [OffsetCommitRequestPartition(partition_index=index, committed_offset=7) for index in (3, 1, 0)]
    topics = [
        OffsetCommitRequestTopic(name="u", partitions=rows[:1]),
        OffsetCommitRequestTopic(name="t", partitions=rows),
    ]
    answer = ready.ask(OffsetCommitRequest(group_id="g", topics=topics), 9)
    assert [
        (topic.name, [(row.partition_index, row.error_code) for row in topic.partitions]) for topic in answer.topics
    ] == [("u", [(3, 3)]), ("t", [(3, 3), (1, 0), (0, 0)])]
    assert [ready.committed("g", "t", index)[0] for index in (0, 1)] == [7, 7]
    assert ready.ask(OffsetCommitRequest(group_id="h", topics=[]), 9).topics == []


def test_offsets_by_topic_id(ready: Site) -> None:
    image = ready.broker.catalogue.topic("t")
    assert image is not None
    known, unknown = image.topic_id, b"\1" * 16
    row = OffsetCommitRequestPartition(partition_index=1, committed_offset=9, committed_metadata="m")
    topics = [OffsetCommitRequestTopic(topic_id=topic_id, partitions=[row]) for topic_id in (known, unknown)]
    answer = ready.ask(OffsetCommitRequest(group_id="g", topics=topics), 10)
    assert [(topic.topic_id, topic.partitions[0].error_code) for topic in answer.topics] == [
        # What is refused comes first (OffsetCommitResponse.Builder).
        (unknown, ErrorCode.UNKNOWN_TOPIC_ID),
        (known, 0),
    ]
    asked = [OffsetFetchRequestTopics(topic_id=topic_id, partition_indexes=[0, 1]) for topic_id in (known, unknown)]
    groups = [
        OffsetFetchRequestGroup(group_id="g", topics=asked),
        OffsetFetchRequestGroup(group_id="g", topics=None),
        OffsetFetchRequestGroup(group_id="nobody", topics=None),
    ]
    some, everything, nothing = ready.ask(OffsetFetchRequest(groups=groups), 10).groups
    assert [
        (topic.topic_id, [(row.committed_offset, row.metadata, row.error_code) for row in topic.partitions])
        for topic in some.topics
    ] == [(known, [(-1, "", 0), (9, "m", 0)]), (unknown, [(-1, "", ErrorCode.UNKNOWN_TOPIC_ID)] * 2)]
    assert [(topic.topic_id, len(topic.partitions)) for topic in everything.topics] == [(known, 1)]
    assert (nothing.error_code, nothing.topics) == (0, [])


@pytest.mark.parametrize("version", range(1, 8))
def test_offsets_of_one_group_in_the_old_versions(ready: Site, version: int) -> None:
    ready.commit("g", "t", 5)
    topics = [OffsetFetchRequestTopic(name="t", partition_indexes=[0, 1])]
    (topic,) = ready.ask(OffsetFetchRequest(group_id="g", topics=topics), version).topics
    assert [(row.partition_index, row.committed_offset, row.error_code) for row in topic.partitions] == [
        (0, 5, 0),
        (1, -1, 0),
    ]
    if version >= 2:
        (topic,) = ready.ask(OffsetFetchRequest(group_id="g", topics=None), version).topics
        assert [row.committed_offset for row in topic.partitions] == [5]


def test_what_may_be_done_with_a_group_is_told_when_asked(ready: Site) -> None:
    ready.member("g")
    for version in (3, 6):
        request = DescribeGroupsRequest(groups=["g", "nobody"], include_authorized_operations=True)
        there, missing = ready.ask(request, version).groups
        assert there.authorized_operations == 3400
        assert missing.authorized_operations == (3400 if version < 6 else -(1 << 31))
    assert ready.ask(DescribeGroupsRequest(groups=["g"]), 6).groups[0].authorized_operations == -(1 << 31)


def test_groups_of_all_shards_are_listed(ready: Site) -> None:
    for number in range(6):
        ready.commit(f"g{number}", "t", number)
    assert {ready.broker.coordinators.partition_of(f"g{number}") for number in range(6)} == {0, 1}
    assert sorted(group.group_id for group in ready.ask(ListGroupsRequest(), 5).groups) == [f"g{n}" for n in range(6)]


# --- after a start ------------------------------------------------------------------------------------------------


def test_groups_and_offsets_survive_a_start(ready: Site) -> None:
    member = ready.member("g")
    ready.commit("g", "t", 5, generation_id_or_member_epoch=1, member_id=member)
    ready.stop()
    ready.start()
    assert ready.committed("g", "t") == (5, 0)
    assert ready.heartbeat("g", 1, member) == 0
    assert ready.heartbeat("g", 0, member) == ErrorCode.ILLEGAL_GENERATION


def test_sessions_run_from_the_start_on_even_if_nobody_asks(ready: Site) -> None:
    ready.member("g")
    ready.stop()
    ready.start()
    ready.pump()
    ready.advance(9_999)
    assert ready.state("g") == "Stable"
    ready.advance(1)
    assert ready.state("g") == "Empty"


def test_a_large_shard_is_loaded_in_slices(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    member = ready.member("g")
    for offset in range(60):
        ready.commit("g", "t", offset, generation_id_or_member_epoch=1, member_id=member)
    ready.stop()
    monkeypatch.setattr(shard_runtime, "LOAD_SLICE_BYTES", 500)
    ready.start()
    assert ready.committed("g", "t") == (-1, ErrorCode.COORDINATOR_LOAD_IN_PROGRESS)
    assert ready.heartbeat("g", 1, member) == 0, "nobody leaves because a coordinator is not ready"
    assert commit_error(ready.commit("g", "t", 99).result()) == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert ready.join("g").result().error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert ready.ask(ListGroupsRequest(), 5).error_code == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    slices = 0
    while ready.committed("g", "t")[1]:
        ready.rounds.popleft()()
        slices += 1
    assert slices > 5
    assert ready.committed("g", "t") == (59, 0)


def test_a_log_that_cannot_be_read_is_served_by_nobody(ready: Site) -> None:
    index = ready.broker.coordinators.partition_of("g")
    partition = ready.broker.partitions.get("__consumer_offsets", index)
    assert partition is not None
    partition.append(encode_batch([Record(key=b"\0\2\0\1g", value=b"\0\7")]), ready.now_ms)
    other = next(f"g{n}" for n in range(9) if ready.broker.coordinators.partition_of(f"g{n}") != index)
    assert ready.committed("g", "t") == (-1, ErrorCode.NOT_COORDINATOR)
    assert ready.join("g").result().error_code == ErrorCode.NOT_COORDINATOR
    assert ready.committed(other, "t") == (-1, 0)


# --- topics that go -----------------------------------------------------------------------------------------------


def test_offsets_go_with_their_topic(ready: Site) -> None:
    ready.create("u")
    ready.commit("g", "t", 5)
    ready.commit("g", "u", 6)
    ready.ask(DeleteTopicsRequest(topic_names=["t"]), 5)
    assert ready.committed("g", "u") == (6, 0)
    ready.create("t", 2)
    assert ready.committed("g", "t") == (-1, 0)
    ready.stop()
    ready.start()
    assert ready.committed("g", "t") == (-1, 0)
    assert ready.committed("g", "u") == (6, 0)


def test_a_topic_that_goes_while_a_shard_is_loaded(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for offset in range(20):
        ready.commit("g", "t", offset)
    ready.stop()
    monkeypatch.setattr(shard_runtime, "LOAD_SLICE_BYTES", 500)
    ready.start()
    assert ready.committed("g", "t")[1] == ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    ready.ask(DeleteTopicsRequest(topic_names=["t"]), 5)
    ready.pump()
    rows = OffsetFetchRequestGroup(group_id="g", topics=None)
    (found,) = ready.ask(OffsetFetchRequest(groups=[rows]), 9).groups
    assert (found.error_code, found.topics) == (0, [])


def test_an_offset_that_outlived_its_topic_is_not_its_successors(ready: Site) -> None:
    """Killed between the end of the topic and that of its offsets."""
    ready.commit("g", "t", 5)
    ready.broker.metadata_log.listeners.clear()
    ready.ask(DeleteTopicsRequest(topic_names=["t"]), 5)
    ready.create("t", 2)
    assert ready.committed("g", "t") == (-1, 0)


def test_without_their_topic_all_who_wait_are_sent_away(ready: Site) -> None:
    member = ready.member("g")
    waiting = ready.join("g", client_id="other")
    assert not waiting.done
    ready.ask(DeleteTopicsRequest(topic_names=["__consumer_offsets"]), 5)
    assert waiting.result().error_code == ErrorCode.NOT_COORDINATOR
    assert ready.heartbeat("g", 1, member) == ErrorCode.NOT_COORDINATOR
    ready.find("g")
    assert ready.heartbeat("g", 1, member) == ErrorCode.UNKNOWN_MEMBER_ID


# --- the high watermark -------------------------------------------------------------------------------------------


class SlowReplicas:
    """Appends do not move the high watermark; `catch_up` does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.behind: set[Partition] = set()

        def append(partition: Partition, batch: Any, now_ms: int, origin: Any = None) -> Any:
            self.behind.add(partition)
            return partition.log.append_as_leader(
                batch, leader_epoch=partition.leader_epoch, now_ms=now_ms, origin=origin
            )

        monkeypatch.setattr(Partition, "append", append)

    def catch_up(self) -> None:
        for partition in self.behind:
            partition.log.high_watermark = partition.log.log_end_offset
            partition._wake_watermark_waiters()


def test_nothing_is_told_before_the_replicas_have_it(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.commit("g", "t", 5)
    replicas = SlowReplicas(monkeypatch)
    committed = ready.commit("g", "t", 6)
    rows = [OffsetFetchRequestTopics(name="t", partition_indexes=[0])]
    read = ready.send(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id="g", topics=rows)]), 9)
    described = ready.send(DescribeGroupsRequest(groups=["g"]), 5)
    assert [answer.done for answer in (committed, read, described)] == [False, False, False]
    replicas.catch_up()
    assert commit_error(committed.result()) == 0
    assert read.result().groups[0].topics[0].partitions[0].committed_offset == 6
    assert described.result().groups[0].group_state == "Empty"
    again = ready.commit("g", "t", 7)
    assert not again.done
    replicas.catch_up()
    assert again.done


def test_what_the_replicas_never_had_is_not_told(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    ready.commit("g", "t", 5)
    SlowReplicas(monkeypatch)
    committed = ready.commit("g", "t", 6)
    ready.ask(DeleteTopicsRequest(topic_names=["__consumer_offsets"]), 5)
    assert commit_error(committed.result()) == ErrorCode.NOT_COORDINATOR


# --- appends that fail --------------------------------------------------------------------------------------------


def test_an_assignment_that_is_too_large_disturbs_nobody_else(ready: Site) -> None:
    joined = ready.join("g").result()
    other = ready.member("h")
    large = ready.sync("g", 1, joined.member_id, b"x" * 1_100_000)
    assert large.result().error_code == ErrorCode.UNKNOWN_SERVER_ERROR
    assert ready.heartbeat("h", 1, other) == 0
    again = ready.join("g", joined.member_id).result()
    assert ready.sync("g", again.generation_id, joined.member_id).result().assignment == b"A"


def test_a_name_that_no_record_can_hold_is_refused(ready: Site) -> None:
    """Member ids are made from client ids, and strings of records end at 32,767 bytes."""
    assert ready.join("g", client_id="c" * 32_740).result().error_code == ErrorCode.INVALID_REQUEST
    joined = ready.join("h", client_id="c" * 32_730).result()
    assert len(joined.member_id) == 32_767
    assert ready.sync("h", 1, joined.member_id).result().error_code == 0


def test_after_a_failing_disk_the_shard_is_read_again(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    member = ready.member("g")
    ready.commit("g", "t", 5, generation_id_or_member_epoch=1, member_id=member)
    waiting = ready.join("g", client_id="other")

    def fail(*_: Any, **__: Any) -> Any:
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Partition, "append", fail)
        failed = ready.commit("g", "t", 6, generation_id_or_member_epoch=1, member_id=member)
    assert commit_error(failed.result()) == ErrorCode.NOT_COORDINATOR
    assert waiting.result().error_code == ErrorCode.NOT_COORDINATOR
    assert ready.committed("g", "t") == (5, 0)
    assert ready.heartbeat("g", 1, member) == 0


def test_a_copy_of_the_folder_has_the_same_groups(ready: Site, tmp_path: Path) -> None:
    """What kill -9 leaves is what is on disk, without any goodbye."""
    member = ready.member("g")
    ready.commit("g", "t", 5, generation_id_or_member_epoch=1, member_id=member)
    shutil.copytree(ready.path, tmp_path / "copy")
    (tmp_path / "copy" / ".lock").unlink(missing_ok=True)
    copy = Site(tmp_path / "copy")
    try:
        assert copy.committed("g", "t") == (5, 0)
        assert copy.heartbeat("g", 1, member) == 0
        assert copy.committed("g", "t", 1) == (-1, 0)
        assert ZERO_UUID not in {topic.topic_id for topic in copy.broker.catalogue.topics.values()}
    finally:
        copy.stop()
