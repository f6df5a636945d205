"""Shards on the logs of a broker: loading, parking, failing, and the handlers in front of them. No sockets."""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.broker import shard_runtime
from klamm.broker.api_table import SERVED
from klamm.broker.broker import Broker
from klamm.broker.config import Config
from klamm.broker.context import RequestContext
from klamm.broker.partition import Partition
from klamm.broker.server import Address
from klamm.storage.folder import DataFolder
from klamm.storage.pending import Pending
from klamm.wire.apis import BY_NAME
from klamm.wire.codec import decode, encode
from klamm.wire.declare import ZERO_UUID, Message
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.delete_topics import DeleteTopicsRequest
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
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
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from klamm.wire.records import Record, encode_batch

CONFIG = {
    "advertised_listeners": "PLAINTEXT://kafka.example:9092",
    "offsets_topic_num_partitions": "2",
    "offset_metadata_max_bytes": "64",
}


class Site:
    """A broker without its loop: `pump` does what the loop would, `now_ms` is its clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.now_ms = 1_700_000_000_000
        self.rounds: deque[Callable[[], None]] = deque()
        self.start()

    def start(self) -> None:
        self.folder = DataFolder(str(self.path), node_id=1)
        self.broker = Broker(Config.of(**CONFIG), self.folder, lambda: self.now_ms)
        self.broker.reactor.soon = self.rounds.append  # type: ignore[method-assign]
        self.broker.load([Address("PLAINTEXT", "127.0.0.1", 9092)])
        self.broker.coordinators.start()

    def stop(self) -> None:
        self.folder.close()
        self.broker.reactor.poller.close()
        self.rounds.clear()

    def pump(self) -> None:
        while self.rounds:
            self.rounds.popleft()()
        self.broker.timers.run_due(self.now_ms)

    def advance(self, duration_ms: int) -> None:
        self.now_ms += duration_ms
        self.pump()

    def send(self, request: Message, version: int, client_id: str = "client") -> Pending[Any]:
        """The answer, as a client decodes it, when it comes."""
        api = BY_NAME[type(request).__name__.removesuffix("Request")]
        context = RequestContext(self.broker, None, version, client_id, "/127.0.0.1", "PLAINTEXT", self.now_ms)
        arrived = decode(api.request(), version, encode(request, version))
        answer = SERVED[api.key].module.handle(arrived, context)
        seen: Pending[Any] = Pending()

        def take(response: Message) -> None:
            seen.complete(decode(api.response(), version, encode(response, version)))

        if isinstance(answer, Pending):
            answer.add_callback(lambda done: take(done.result()))
        else:
            take(answer)
        self.broker.timers.run_due(self.now_ms)
        return seen

    def ask(self, request: Message, version: int, client_id: str = "client") -> Any:
        return self.send(request, version, client_id).result()

    # --- what clients do ------------------------------------------------------------------------------------------

    def create(self, name: str, partitions: int = 1) -> bytes:
        self.broker.create_topic(name, partitions, 1, {})
        image = self.broker.catalogue.topic(name)
        assert image is not None
        return image.topic_id

    def find(self, *groups: str) -> Any:
        return self.ask(FindCoordinatorRequest(coordinator_keys=list(groups)), 6)

    def join(
        self, group: str, member_id: str = "", session_ms: int = 10_000, client_id: str = "client"
    ) -> Pending[Any]:
        message = JoinGroupRequest(
            group_id=group,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=60_000,
            member_id=member_id,
            protocol_type="consumer",
            protocols=[JoinGroupRequestProtocol(name="range", metadata=b"m")],
        )
        return self.send(message, 3, client_id)

    def sync(self, group: str, generation: int, member_id: str, assignment: bytes = b"A") -> Pending[Any]:
        message = SyncGroupRequest(
            group_id=group,
            generation_id=generation,
            member_id=member_id,
            assignments=[SyncGroupRequestAssignment(member_id=member_id, assignment=assignment)],
        )
        return self.send(message, 3)

    def member(self, group: str) -> str:
        """A group of one, Stable in generation 1."""
        joined = self.join(group).result()
        assert self.sync(group, 1, joined.member_id).result().error_code == 0
        return str(joined.member_id)

    def heartbeat(self, group: str, generation: int, member_id: str) -> int:
        message = HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id)
        return int(self.ask(message, 3).error_code)

    def commit(self, group: str, topic: str, offset: int, partition: int = 0, **more: Any) -> Pending[Any]:
        row = OffsetCommitRequestPartition(partition_index=partition, committed_offset=offset, committed_metadata=None)
        message = OffsetCommitRequest(
            group_id=group, topics=[OffsetCommitRequestTopic(name=topic, partitions=[row])], **more
        )
        return self.send(message, 9)

    def committed(self, group: str, topic: str, partition: int = 0) -> tuple[int, int]:
        """(offset, error of the group)"""
        rows = [OffsetFetchRequestTopics(name=topic, partition_indexes=[partition])]
        answer = self.ask(OffsetFetchRequest(groups=[OffsetFetchRequestGroup(group_id=group, topics=rows)]), 9)
        (found,) = answer.groups
        return (found.topics[0].partitions[0].committed_offset if found.topics else -1), found.error_code

    def state(self, group: str) -> str:
        (described,) = self.ask(DescribeGroupsRequest(groups=[group]), 5).groups
        return str(described.group_state)


def commit_error(answer: Any) -> int:
    return int(answer.topics[0].partitions[0].error_code)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path / "data")
    yield made
    made.stop()


@pytest.fixture
def ready(site: Site) -> Site:
    """With the topic t of two partitions, and the coordinators' topic."""
    site.create("t", 2)
    assert site.find("g").coordinators[0].error_code == 0
    return site


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
    ] == [("u", [(3, 3)]), ("t", [(1, 0), (0, 0), (3, 3)])]
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
        (known, 0),
        (unknown, ErrorCode.UNKNOWN_TOPIC_ID),
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
