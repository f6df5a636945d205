"""Stories of consumer groups (KIP-848) over a socket: what members say and what the broker answers, line by line.

    heartbeat alice epoch=0 topics=t owned= timeout=60000      a command: what somebody does
    ----
    NONE epoch=2 t:0,1,2                                       what it was answered

The same files are told to klamm and to a real Kafka; `python -m tests.broker.group_story HOST:PORT` writes the answers
of the broker there into them. A member's name is its member id; a classic member has the id that the broker gave it,
and is told of by name. Topics and groups have names of their own in every run.

    topic NAME:PARTITIONS...                                   and wait until groups see them
    heartbeat NAME [group= epoch= id= topics=a,b regex= owned=a:0,1;b:2 instance= rack= assignor= timeout= version=]
    describe [GROUP]      describe-classic [GROUP] [version=]      list      until GROUP EPOCH
    commit NAME|- epoch=E topic:partition... [version= id=]     fetch NAME|- epoch=E topic:partition...
    join NAME [owned= protocols=range,foo type= instance= id= session= subscription=HEX]
    sync NAME [assign= generation= name= type= instance=]     beat NAME [generation= instance= id=]
    leave NAME... | leave instance=I
"""

from __future__ import annotations

import os
import struct
import sys
from pathlib import Path
from typing import Any

from klamm.wire.codec import encode
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.consumer_group_describe import ConsumerGroupDescribeRequest
from klamm.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from klamm.wire.messages.consumer_protocol import (
    ConsumerProtocolAssignment,
    ConsumerProtocolAssignmentTopicPartition,
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.describe_groups import DescribeGroupsRequest
from klamm.wire.messages.find_coordinator import FindCoordinatorRequest
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol
from klamm.wire.messages.leave_group import LeaveGroupRequest, MemberIdentity
from klamm.wire.messages.list_groups import ListGroupsRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupRequestAssignment

from .raw_client import RawClient, wait_for

FOLDER = Path(__file__).parent / "group_stories"

#: What both brokers are configured with.
CONFIG = {"group.consumer.assignment.interval.ms": "0", "group.initial.rebalance.delay.ms": "0"}

_PASSING = {
    ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    ErrorCode.NOT_COORDINATOR,
}


def parse_partitions(text: str) -> dict[str, list[int]]:
    """`a:0,1;b:2`, or nothing."""
    found = {}
    for part in text.split(";") if text else ():
        topic, _, indexes = part.partition(":")
        found[topic] = [int(index) for index in indexes.split(",")]
    return found


class GroupStory:
    """Runs commands against the broker at `address`; `run` gives what was answered as text."""

    def __init__(self, address: str) -> None:
        self.client = RawClient(address)
        self.mark = "-" + os.urandom(4).hex()  # ends every name, so that a broker can be told a story twice
        self.topics: dict[str, bytes] = {}
        self.epochs: dict[tuple[str, str], int] = {}
        self.classic: dict[tuple[str, str], tuple[str, int]] = {}  # -> member id, generation
        self.group = "g"
        self.ready: set[str] = set()

    def close(self) -> None:
        self.client.close()

    def run(self, command: str) -> str:
        verb, *words = command.split()
        options = dict(word.split("=", 1) for word in words if "=" in word)
        names = [word for word in words if "=" not in word]
        self.group = options.pop("group", self.group)
        self._wait_for_coordinator()
        told: str = getattr(self, "do_" + verb.replace("-", "_"))(names, options)
        return self._plain(told)

    def _plain(self, text: str) -> str:
        for (_, name), (member_id, _) in self.classic.items():
            text = text.replace(member_id, f"<{name}>") if member_id else text
        return text.replace(self.mark, "")

    def _wait_for_coordinator(self) -> None:
        if self.group in self.ready:
            return
        group_id = self.group + self.mark

        def answers() -> bool:
            self.client.request(FindCoordinatorRequest(key=group_id), 2)
            asked = ConsumerGroupHeartbeatRequest(group_id=group_id, member_id="nobody", member_epoch=1)
            return self.client.request(asked, 1).error_code not in _PASSING

        wait_for(answers, f"the coordinator of {self.group}")
        self.ready.add(self.group)

    # --- topics -----------------------------------------------------------------------------------------------------

    def do_topic(self, names: list[str], options: dict[str, str]) -> str:
        for word in names:
            name, _, count = word.partition(":")
            topic = CreatableTopic(name=name + self.mark, num_partitions=int(count), replication_factor=1)
            answer = self.client.request(CreateTopicsRequest(topics=[topic], timeout_ms=10_000), 7).topics[0]
            assert answer.error_code == 0, answer
            self.topics[name] = answer.topic_id
            wait_for(lambda name=name: self._seen_by_groups(name), f"groups to see {name}")
        return ""

    def _seen_by_groups(self, topic: str) -> bool:
        probe = ConsumerGroupHeartbeatRequest(
            group_id=f"probe-{os.urandom(4).hex()}",
            member_id="probe",
            member_epoch=0,
            rebalance_timeout_ms=1000,
            subscribed_topic_names=[topic + self.mark],
            topic_partitions=[],
        )
        self.client.request(FindCoordinatorRequest(key=probe.group_id), 2)
        answer = self.client.request(probe, 1)
        return answer.error_code == 0 and bool(answer.assignment.topic_partitions)

    def _rows(self, partitions: dict[str, list[int]]) -> list[TopicPartitions]:
        return [TopicPartitions(topic_id=self.topics[topic], partitions=rows) for topic, rows in partitions.items()]

    def _told(self, rows: Any) -> str:
        names = {topic_id: name for name, topic_id in self.topics.items()}
        found = {names[row.topic_id]: sorted(row.partitions) for row in rows.topic_partitions}
        return ";".join(f"{name}:{','.join(map(str, found[name]))}" for name in sorted(found)) or "(nothing)"

    # --- members of the new protocol --------------------------------------------------------------------------------

    def do_heartbeat(self, names: list[str], options: dict[str, str]) -> str:
        (name,) = names
        message = ConsumerGroupHeartbeatRequest(
            group_id=self.group + self.mark,
            member_id=options.get("id", name),
            member_epoch=int(options.get("epoch", self.epochs.get((self.group, name), 0))),
            instance_id=options.get("instance"),
            rack_id=options.get("rack"),
            rebalance_timeout_ms=int(options.get("timeout", -1)),
            server_assignor=options.get("assignor"),
        )
        if "topics" in options:
            message.subscribed_topic_names = [topic + self.mark for topic in options["topics"].split(",") if topic]
        if "regex" in options:
            message.subscribed_topic_regex = options["regex"].replace("~", self.mark)
        if "owned" in options:
            message.topic_partitions = self._rows(parse_partitions(options["owned"]))
        version = int(options.get("version", 1))
        answer = self.client.request(message, version)
        if answer.error_code:
            return f"{ErrorCode(answer.error_code).name} {answer.error_message or ''}".rstrip()
        self.epochs[self.group, name] = answer.member_epoch
        who = "" if answer.member_id == name else " id=" + ("(made)" if version == 0 else str(answer.member_id))
        news = "" if answer.assignment is None else " " + self._told(answer.assignment)
        wait = f" wait={answer.heartbeat_interval_ms}"
        return f"NONE epoch={answer.member_epoch}{who}{wait if answer.heartbeat_interval_ms else ''}{news}"

    def do_describe(self, names: list[str], options: dict[str, str]) -> str:
        request = ConsumerGroupDescribeRequest(
            group_ids=[(names[0] if names else self.group) + self.mark], include_authorized_operations=True
        )
        group = self.client.request(request, 1).groups[0]
        if group.error_code:
            return f"{ErrorCode(group.error_code).name} {group.error_message or ''}"
        head = (
            f"{group.group_state} epoch={group.group_epoch} assignment={group.assignment_epoch} {group.assignor_name}"
        )
        lines = [f"{head} operations={group.authorized_operations}"]
        for member in sorted(group.members, key=lambda member: self._plain(member.member_id)):
            subscription = ",".join(sorted(member.subscribed_topic_names)) or "(none)"
            instance = f"/{member.instance_id}" if member.instance_id else ""
            lines.append(
                f"  {member.member_id}{instance} type={member.member_type} epoch={member.member_epoch} "
                f"of {subscription} {member.subscribed_topic_regex or ''} "
                f"has {self._told(member.assignment)} is to have {self._told(member.target_assignment)}"
            )
        return "\n".join(" ".join(line.split()) if line[0] != " " else "  " + " ".join(line.split()) for line in lines)

    def do_until(self, names: list[str], options: dict[str, str]) -> str:
        """Kafka resolves patterns after it has answered."""
        group, epoch = names
        request = ConsumerGroupDescribeRequest(group_ids=[group + self.mark])
        wait_for(lambda: self.client.request(request, 1).groups[0].group_epoch >= int(epoch), f"{group} in {epoch}")
        return ""

    # --- offsets ----------------------------------------------------------------------------------------------------

    def do_commit(self, names: list[str], options: dict[str, str]) -> str:
        who, *places = names
        topics = []
        for place in places:
            topic, index = place.split(":")
            row = OffsetCommitRequestPartition(partition_index=int(index), committed_offset=5, committed_metadata="")
            topics.append(
                OffsetCommitRequestTopic(name=topic + self.mark, topic_id=self.topics[topic], partitions=[row])
            )
        message = OffsetCommitRequest(
            group_id=self.group + self.mark,
            generation_id_or_member_epoch=int(options["epoch"]),
            member_id="" if who == "-" else self._id(who, options),
            topics=topics,
        )
        answer = self.client.request(message, int(options.get("version", 9)))
        return " ".join(ErrorCode(row.error_code).name for topic in answer.topics for row in topic.partitions)

    def do_fetch(self, names: list[str], options: dict[str, str]) -> str:
        who, *places = names
        topics = [
            OffsetFetchRequestTopics(
                name=place.split(":")[0] + self.mark, topic_id=bytes(16), partition_indexes=[int(place.split(":")[1])]
            )
            for place in places
        ]
        asked = OffsetFetchRequestGroup(
            group_id=self.group + self.mark,
            member_id=None if who == "-" else self._id(who, options),
            member_epoch=int(options["epoch"]),
            topics=topics,
        )
        answer = self.client.request(OffsetFetchRequest(groups=[asked]), 9).groups[0]
        offsets = " ".join(str(row.committed_offset) for topic in answer.topics for row in topic.partitions)
        return f"{ErrorCode(answer.error_code).name} {offsets}".rstrip()

    # --- classic members --------------------------------------------------------------------------------------------

    def _id(self, name: str, options: dict[str, str]) -> str:
        return options.get("id", self.classic.get((self.group, name), (name, 0))[0])

    def _generation(self, name: str, options: dict[str, str]) -> int:
        return int(options.get("generation", self.classic.get((self.group, name), ("", 0))[1]))

    def do_join(self, names: list[str], options: dict[str, str]) -> str:
        (name,) = names
        owned = parse_partitions(options.get("owned", ""))
        subscription = ConsumerProtocolSubscription(
            topics=[topic + self.mark for topic in options.get("topics", "t").split(",")],
            owned_partitions=[
                ConsumerProtocolSubscriptionTopicPartition(topic=topic + self.mark, partitions=rows)
                for topic, rows in owned.items()
            ],
        )
        metadata = struct.pack(">h", 1) + encode(subscription, 1)
        if "subscription" in options:
            metadata = bytes.fromhex(options["subscription"])
        message = JoinGroupRequest(
            group_id=self.group + self.mark,
            session_timeout_ms=int(options.get("session", 10_000)),
            rebalance_timeout_ms=10_000,
            member_id=options.get("id", self.classic.get((self.group, name), ("", 0))[0]),
            group_instance_id=options.get("instance"),
            protocol_type=options.get("type", "consumer"),
            protocols=[
                JoinGroupRequestProtocol(name=protocol, metadata=metadata)
                for protocol in options.get("protocols", "range").split(",")
            ],
        )
        answer = self.client.request(message, 9)
        if answer.error_code in (ErrorCode.NONE, ErrorCode.MEMBER_ID_REQUIRED):
            self.classic[self.group, name] = (answer.member_id, answer.generation_id)
        if answer.error_code:
            return ErrorCode(answer.error_code).name
        leads = f" leads {len(answer.members)}" if answer.members else ""
        return f"NONE generation={answer.generation_id} {answer.protocol_type}/{answer.protocol_name}{leads}"

    def do_sync(self, names: list[str], options: dict[str, str]) -> str:
        (name,) = names
        assignments = []
        if "assign" in options:
            rows = [
                ConsumerProtocolAssignmentTopicPartition(topic=topic + self.mark, partitions=indexes)
                for topic, indexes in parse_partitions(options["assign"]).items()
            ]
            assigned = encode(ConsumerProtocolAssignment(assigned_partitions=rows), 1)
            assignments.append(
                SyncGroupRequestAssignment(member_id=self._id(name, {}), assignment=struct.pack(">h", 1) + assigned)
            )
        message = SyncGroupRequest(
            group_id=self.group + self.mark,
            generation_id=self._generation(name, options),
            member_id=self._id(name, options),
            group_instance_id=options.get("instance"),
            protocol_type=options.get("type", "consumer"),
            protocol_name=options.get("name", "range"),
            assignments=assignments,
        )
        answer = self.client.request(message, 5)
        marked = bytes(answer.assignment).replace(self.mark.encode(), b"*").hex()
        return f"{ErrorCode(answer.error_code).name} {marked}".rstrip()

    def do_beat(self, names: list[str], options: dict[str, str]) -> str:
        (name,) = names
        message = HeartbeatRequest(
            group_id=self.group + self.mark,
            generation_id=self._generation(name, options),
            member_id=self._id(name, options),
            group_instance_id=options.get("instance"),
        )
        return ErrorCode(self.client.request(message, 4).error_code).name

    def do_leave(self, names: list[str], options: dict[str, str]) -> str:
        leaving = [MemberIdentity(member_id=self._id(name, options), group_instance_id=None) for name in names]
        if "instance" in options:
            leaving.append(MemberIdentity(member_id="", group_instance_id=options["instance"]))
        answer = self.client.request(LeaveGroupRequest(group_id=self.group + self.mark, members=leaving), 5)
        return " ".join(ErrorCode(row.error_code).name for row in (answer, *answer.members))

    def do_describe_classic(self, names: list[str], options: dict[str, str]) -> str:
        request = DescribeGroupsRequest(groups=[(names[0] if names else self.group) + self.mark])
        group = self.client.request(request, int(options.get("version", 6))).groups[0]
        protocol = f"{group.protocol_type}/{group.protocol_data}"
        said = f"{ErrorCode(group.error_code).name} {group.error_message or ''} {group.group_state} {protocol}"
        return " ".join(f"{said} members={len(group.members)}".split())

    def do_list(self, names: list[str], options: dict[str, str]) -> str:
        filters = {key: value.split(",") for key, value in options.items()}
        message = ListGroupsRequest(states_filter=filters.get("states", []), types_filter=filters.get("types", []))
        mine = [group for group in self.client.request(message, 5).groups if group.group_id.endswith(self.mark)]
        return "\n".join(
            f"{group.group_id} {group.protocol_type or '-'} {group.group_state} {group.group_type}"
            for group in sorted(mine, key=lambda group: str(group.group_id))
        )


def play(path: Path, address: str) -> tuple[str, str]:
    """(the file as it is, as the broker at `address` would have it)."""
    text = path.read_text(encoding="utf-8")
    story = GroupStory(address)
    played = []
    try:
        for block in text.strip("\n").split("\n\n"):
            commands, _, _ = block.partition("\n----")
            lines = [line for line in commands.splitlines() if line and not line.startswith("#")]
            told = [line for line in map(story.run, lines) if line]
            played.append("\n".join([commands, "----", *told]) if lines else block)
    finally:
        story.close()
    return text, "\n\n".join(played) + "\n"


if __name__ == "__main__":
    for written in sorted(FOLDER.glob("*.txt")):
        written.write_text(play(written, sys.argv[1])[1], encoding="utf-8")
