"""Scenarios as text: what clients say and what comes of it, told line by line.

    join alice version=5                 a command: what somebody does
    ----
    log 0: group g generation=0 Empty    what was written
    alice JoinGroup MEMBER_ID_REQUIRED   what clients were told

A client's name is its client id. It remembers its member id and generation, so commands name only what differs:
`id=`, `generation=`. `assign` gives by client name. Times are in milliseconds. A line of what clients say more:

    join NAME [version= group= instance= id= protocols=range,roundrobin subscribe= type= session= rebalance=]
    sync NAME [assign=alice:A,bob:B protocol= type=]      heartbeat NAME
    leave NAME... | leave instance=I                      commit NAME|- topic:partition=offset... [metadata= retention=]
    fetch topic:partition... | fetch all                  describe GROUP [version=]      list [states= types=]
    txn-commit PRODUCER topic:partition=offset...        end-txn PRODUCER commit|abort        stable topic:partition...
    delete-group NAME...                  delete-offsets topic:partition...
    advance MS    hold    release [OFFSET]    drop    rebuild    fail ERROR    delete-topic NAME
    new [SETTING=VALUE...]               begin again with nothing
"""

from __future__ import annotations

import uuid
from pathlib import Path

from klamm.coordinator.settings import GroupSettings
from klamm.coordinator.turn import Reply
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.delete_groups import DeleteGroupsRequest
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from klamm.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from klamm.wire.messages.list_groups import ListGroupsRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_delete import (
    OffsetDeleteRequest,
    OffsetDeleteRequestPartition,
    OffsetDeleteRequestTopic,
)
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopics,
)
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment
from klamm.wire.messages.txn_offset_commit import (
    TxnOffsetCommitRequest,
    TxnOffsetCommitRequestPartition,
    TxnOffsetCommitRequestTopic,
)

from .bench import Bench
from .telling import tell_entry, tell_record, tell_reply


def topic_id(name: str) -> bytes:
    """Every topic of a story has an id, made from its name."""
    return uuid.uuid5(uuid.NAMESPACE_DNS, name).bytes


class Story:
    """Runs the commands of one file."""

    def __init__(self, settings: GroupSettings | None = None) -> None:
        self.bench = Bench(settings)
        self.members: dict[str, tuple[str, int]] = {}  # client -> member id, generation
        self.instances: dict[str, str] = {}
        self.group = "g"
        self._logged = 0
        self._told = 0

    def run(self, command: str) -> str:
        verb, *words = command.split()
        options = dict(word.split("=", 1) for word in words if "=" in word and ":" not in word.split("=")[0])
        names = [word for word in words if "=" not in word or ":" in word.split("=")[0]]
        self.group = options.pop("group", self.group)
        getattr(self, "do_" + verb.replace("-", "_"))(names, options)
        return "".join(line + "\n" for line in self._news())

    # --- commands -------------------------------------------------------------------------------------------------

    def do_new(self, names: list[str], options: dict[str, str]) -> None:
        self.__init__(GroupSettings(**{key: int(value) for key, value in options.items()}))  # type: ignore[misc]

    def do_join(self, names: list[str], options: dict[str, str]) -> None:
        (name,) = names
        version = int(options.get("version", 5))
        if "instance" in options:
            self.instances[name] = options["instance"]
        subscription = options.get("subscribe", name).encode()
        message = JoinGroupRequest(
            group_id=self.group,
            session_timeout_ms=int(options.get("session", 10_000)),
            rebalance_timeout_ms=int(options.get("rebalance", 60_000)),
            member_id=self._member_id(name, options),
            group_instance_id=self.instances.get(name),
            protocol_type=options.get("type", "consumer"),
            protocols=[
                JoinGroupRequestProtocol(name=protocol, metadata=subscription)
                for protocol in options.get("protocols", "range").split(",")
                if protocol
            ],
        )
        self.bench.ask(message, version, name)

    def do_sync(self, names: list[str], options: dict[str, str]) -> None:
        (name,) = names
        pairs = [pair.split(":") for pair in options.get("assign", "").split(",") if pair]
        message = SyncGroupRequest(
            group_id=self.group,
            generation_id=self._generation(name, options),
            member_id=self._member_id(name, options),
            group_instance_id=self.instances.get(name),
            protocol_type=options.get("type", "consumer"),
            protocol_name=options.get("protocol", "range"),
            assignments=[
                SyncGroupRequestAssignment(member_id=self.members[who][0], assignment=what.encode())
                for who, what in pairs
            ],
        )
        self.bench.ask(message, int(options.get("version", 5)), name)

    def do_heartbeat(self, names: list[str], options: dict[str, str]) -> None:
        (name,) = names
        message = HeartbeatRequest(
            group_id=self.group,
            generation_id=self._generation(name, options),
            member_id=self._member_id(name, options),
            group_instance_id=self.instances.get(name),
        )
        self.bench.ask(message, 4, name)

    def do_leave(self, names: list[str], options: dict[str, str]) -> None:
        version = int(options.get("version", 5))
        if version < 3:
            message = LeaveGroupRequest(group_id=self.group, member_id=self._member_id(names[0], options))
        else:
            leaving = [
                MemberIdentity(member_id=self._member_id(name, options), group_instance_id=self.instances.get(name))
                for name in names
            ]
            if "instance" in options:
                leaving.append(MemberIdentity(member_id="", group_instance_id=options["instance"]))
            message = LeaveGroupRequest(group_id=self.group, members=leaving)
        self.bench.ask(message, version, names[0] if names else "admin")

    def do_commit(self, names: list[str], options: dict[str, str]) -> None:
        who, *offsets = names
        topics: dict[str, OffsetCommitRequestTopic] = {}
        for word in offsets:
            place, offset = word.split("=")
            topic, index = place.split(":")
            row = topics.setdefault(topic, OffsetCommitRequestTopic(name=topic, topic_id=topic_id(topic)))
            row.partitions.append(
                OffsetCommitRequestPartition(
                    partition_index=int(index),
                    committed_offset=int(offset),
                    committed_leader_epoch=int(options.get("epoch", -1)),
                    committed_metadata=options.get("metadata"),
                )
            )
        message = OffsetCommitRequest(
            group_id=self.group,
            generation_id_or_member_epoch=-1 if who == "-" else self._generation(who, options),
            member_id="" if who == "-" else self._member_id(who, options),
            group_instance_id=self.instances.get(who),
            retention_time_ms=int(options.get("retention", -1)),
            topics=list(topics.values()),
        )
        self.bench.ask(message, int(options.get("version", 9)), "admin" if who == "-" else who)

    def do_fetch(self, names: list[str], options: dict[str, str]) -> None:
        asked: list[OffsetFetchRequestTopics] | None = None
        if names != ["all"]:
            asked = []
            for place in names:
                topic, index = place.split(":")
                known = topic_id(options.get("of", topic))
                asked.append(OffsetFetchRequestTopics(name=topic, topic_id=known, partition_indexes=[int(index)]))
        groups = [OffsetFetchRequestGroup(group_id=self.group, topics=asked)]
        message = OffsetFetchRequest(groups=groups, require_stable="stable" in options)
        self.bench.ask(message, 10, "admin")

    def do_txn_commit(self, names: list[str], options: dict[str, str]) -> None:
        producer, *offsets = names
        topics: dict[str, TxnOffsetCommitRequestTopic] = {}
        for word in offsets:
            place, offset = word.split("=")
            topic, index = place.split(":")
            row = TxnOffsetCommitRequestPartition(
                partition_index=int(index),
                committed_offset=int(offset),
                committed_leader_epoch=-1,
                committed_metadata=None,
            )
            topics.setdefault(topic, TxnOffsetCommitRequestTopic(name=topic)).partitions.append(row)
        who = options.get("member")
        message = TxnOffsetCommitRequest(
            transactional_id=f"tx-{producer}",
            group_id=self.group,
            producer_id=int(producer),
            producer_epoch=0,
            generation_id=-1 if who is None else self._generation(who, options),
            member_id="" if who is None else self._member_id(who, options),
            topics=list(topics.values()),
        )
        self.bench.ask(message, 5, f"producer {producer}")

    def do_end_txn(self, names: list[str], options: dict[str, str]) -> None:
        producer, how = names
        self.bench.end_transaction(int(producer), how == "commit")

    def do_stable(self, names: list[str], options: dict[str, str]) -> None:
        self.do_fetch(names, {**options, "stable": "1"})

    def do_delete_group(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.ask(DeleteGroupsRequest(groups_names=names), 2, "admin")

    def do_delete_offsets(self, names: list[str], options: dict[str, str]) -> None:
        topics: dict[str, OffsetDeleteRequestTopic] = {}
        for place in names:
            topic, index = place.split(":")
            row = OffsetDeleteRequestPartition(partition_index=int(index))
            topics.setdefault(topic, OffsetDeleteRequestTopic(name=topic)).partitions.append(row)
        self.bench.ask(OffsetDeleteRequest(group_id=self.group, topics=list(topics.values())), 0, "admin")

    def do_describe(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.ask(DescribeGroupsRequest(groups=names), int(options.get("version", 6)), "admin")

    def do_list(self, names: list[str], options: dict[str, str]) -> None:
        message = ListGroupsRequest(
            states_filter=[word for word in options.get("states", "").split(",") if word],
            types_filter=[word for word in options.get("types", "").split(",") if word],
        )
        self.bench.ask(message, 5, "admin")

    def do_advance(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.advance(int(names[0]))

    def do_hold(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.held = True

    def do_release(self, names: list[str], options: dict[str, str]) -> None:
        if names:
            self.bench.release(int(names[0]))
        else:
            self.bench.held = False
            self.bench.release(len(self.bench.log))

    def do_drop(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.drop()

    def do_rebuild(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.rebuild()
        self._logged = min(self._logged, len(self.bench.log))

    def do_fail(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.fail_next = ErrorCode[names[0]]

    def do_delete_topic(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.delete_topic(names[0])

    def _member_id(self, name: str, options: dict[str, str]) -> str:
        said = options.get("id")
        if said is None:
            return self.members.get(name, ("", 0))[0]
        return "" if said == "-" else said

    def _generation(self, name: str, options: dict[str, str]) -> int:
        return int(options["generation"]) if "generation" in options else self.members.get(name, ("", 0))[1]

    # --- what came of it ------------------------------------------------------------------------------------------

    def _news(self) -> list[str]:
        bench = self.bench
        lines = []
        for offset in range(self._logged, len(bench.log)):
            lines.append(f"log {offset}: {tell_entry(bench.log[offset], tell_record)}")
        self._logged = len(bench.log)
        for reply in bench.delivered[self._told :]:
            self._remember(reply)
            lines.append(f"{reply.request.client_id} {tell_reply(reply)}")
        self._told = len(bench.delivered)
        if bench.parked:
            lines.append(f"({len(bench.parked)} parked, high watermark {bench.high_watermark} of {len(bench.log)})")
        return lines

    def _remember(self, reply: Reply) -> None:
        answer = reply.response
        if isinstance(answer, JoinGroupResponse) and answer.error_code in (0, ErrorCode.MEMBER_ID_REQUIRED):
            self.members[reply.request.client_id] = (answer.member_id, answer.generation_id)


def play(path: Path) -> tuple[str, str, Story]:
    """(the file as it is, as it should be, the story as it ended): the same text when all is well."""
    text = path.read_text()
    story = Story()
    played = []
    for block in text.strip("\n").split("\n\n"):
        commands, _, _ = block.partition("\n----")
        if all(not line or line.startswith("#") for line in commands.splitlines()):
            played.append(block.rstrip("\n"))
            continue
        told = "".join(story.run(line) for line in commands.splitlines() if line and not line.startswith("#"))
        played.append(f"{commands}\n----\n{told}".rstrip("\n"))
    return text, "\n\n".join(played) + "\n", story
