"""Scenarios of consumer groups as text: `story.py`'s, and what members of KIP-848 say, what time does to them, and what
is written.

    topic NAME PARTITIONS       delete NAME       config GROUP NAME=VALUE
    heartbeat NAME [epoch= topics=a,b regex= owned=a:0,1;b:2 instance= timeout= assignor= version=]
    classic NAME join|sync|heartbeat [owned= rebalance= session=]
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

from klamm.coordinator.embedded_protocol import decode_assignment
from klamm.coordinator.settings import GroupSettings
from klamm.wire.codec import encode
from klamm.wire.errors import ErrorCode
from klamm.wire.log_records import consumer_group as log
from klamm.wire.messages.consumer_group_heartbeat import ConsumerGroupHeartbeatRequest, TopicPartitions
from klamm.wire.messages.consumer_protocol import (
    ConsumerProtocolSubscription,
    ConsumerProtocolSubscriptionTopicPartition,
)
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.join_group import JoinGroupRequest, JoinGroupRequestProtocol, JoinGroupResponse
from klamm.wire.messages.sync_group import SyncGroupRequest, SyncGroupResponse

from .consumer_bench import ConsumerBench, id_of
from .story import Story
from .telling import tell_entry, tell_record, tell_reply


def parse(text: str) -> dict[str, list[int]]:
    """`a:0,1;b:2`, or nothing."""
    pairs = (part.split(":") for part in text.split(";") if part)
    return {topic: [int(index) for index in indexes.split(",")] for topic, indexes in pairs}


class ConsumerStory(Story):
    def __init__(self, settings: GroupSettings | None = None) -> None:
        super().__init__(settings)
        self.bench: ConsumerBench = ConsumerBench(settings)
        self.epochs: dict[str, int] = {}

    # --- commands ---------------------------------------------------------------------------------------------------

    def do_topic(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.topics.put(names[0], int(names[1]))

    def do_delete(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.topics.delete(names[0])

    def do_config(self, names: list[str], options: dict[str, str]) -> None:
        self.bench.topics.configs[names[0]] = {name: int(value) for name, value in options.items()}

    def do_heartbeat(self, names: list[str], options: dict[str, str]) -> None:
        (name,) = names
        joins = name not in self.epochs and "epoch" not in options
        message = ConsumerGroupHeartbeatRequest(
            group_id=self.group,
            member_id=name,
            member_epoch=int(options.get("epoch", self.epochs.get(name, 0))),
            instance_id=options.get("instance"),
            rebalance_timeout_ms=int(options.get("timeout", 60_000 if joins else -1)),
            server_assignor=options.get("assignor"),
            subscribed_topic_regex=options.get("regex"),
            topic_partitions=[] if joins else None,
        )
        if "topics" in options:
            message.subscribed_topic_names = [topic for topic in options["topics"].split(",") if topic]
        if "owned" in options:
            message.topic_partitions = [
                TopicPartitions(topic_id=id_of(topic), partitions=rows)
                for topic, rows in parse(options["owned"]).items()
            ]
        self.bench.ask(message, int(options.get("version", 1)), name)

    def do_classic(self, names: list[str], options: dict[str, str]) -> None:
        name, what = names
        member_id, generation = self.members.get(name, ("", 0))
        if what == "heartbeat":
            beat = HeartbeatRequest(group_id=self.group, generation_id=generation, member_id=member_id)
            self.bench.ask(beat, 4, name)
        elif what == "sync":
            sync = SyncGroupRequest(
                group_id=self.group,
                generation_id=generation,
                member_id=member_id,
                protocol_type="consumer",
                protocol_name="range",
            )
            self.bench.ask(sync, 5, name)
        else:
            owned = [
                ConsumerProtocolSubscriptionTopicPartition(topic=topic, partitions=rows)
                for topic, rows in parse(options.get("owned", "")).items()
            ]
            subscription = ConsumerProtocolSubscription(topics=["t"], owned_partitions=owned)
            metadata = struct.pack(">h", 1) + encode(subscription, 1)
            join = JoinGroupRequest(
                group_id=self.group,
                session_timeout_ms=int(options.get("session", 10_000)),
                rebalance_timeout_ms=int(options.get("rebalance", 60_000)),
                member_id=member_id,
                protocol_type="consumer",
                protocols=[JoinGroupRequestProtocol(name="range", metadata=metadata)],
            )
            self.bench.ask(join, 9, name)

    # --- what came of it --------------------------------------------------------------------------------------------

    def _news(self) -> list[str]:
        bench = self.bench
        lines = [
            f"log {offset}: {tell_entry(bench.log[offset], tell)}" for offset in range(self._logged, len(bench.log))
        ]
        self._logged = len(bench.log)
        for reply in bench.delivered[self._told :]:
            self._remember(reply)
            lines.append(f"{reply.request.client_id} {self._tell_answer(reply)}")
        self._told = len(bench.delivered)
        if bench.parked:
            lines.append(f"({len(bench.parked)} parked, high watermark {bench.high_watermark} of {len(bench.log)})")
        return lines

    def _tell_answer(self, reply: Any) -> str:
        answer = reply.response
        if isinstance(reply.request.message, ConsumerGroupHeartbeatRequest):
            if answer.error_code:
                return f"{ErrorCode(answer.error_code).name} {answer.error_message or ''}".rstrip()
            self.epochs[reply.request.client_id] = answer.member_epoch
            if answer.member_epoch < 0:
                del self.epochs[reply.request.client_id]
            news = "" if answer.assignment is None else f" {places(answer.assignment.topic_partitions)}"
            return f"epoch={answer.member_epoch} wait={answer.heartbeat_interval_ms}{news}"
        if isinstance(answer, JoinGroupResponse) and not answer.error_code:
            return f"JoinGroup NONE generation={answer.generation_id}"
        if isinstance(answer, SyncGroupResponse) and answer.assignment:
            rows = decode_assignment(answer.assignment).assigned_partitions
            return "SyncGroup " + (";".join(f"{row.topic}:{_list(row.partitions)}" for row in rows) or "(nothing)")
        return tell_reply(reply)


def _list(indexes: list[int]) -> str:
    return ",".join(map(str, indexes))


def places(rows: Any) -> str:
    names = {id_of(name): name for name in ("t", "u", "later")}
    return ";".join(sorted(f"{names[row.topic_id]}:{_list(row.partitions)}" for row in rows)) or "(nothing)"


def tell(record: Any) -> str:
    """One record of the log."""
    key, value = record.key, record.value
    if isinstance(key, log.ConsumerGroupMetadataKey):
        return f"group {key.group_id} " + ("gone" if value is None else f"epoch={value.epoch}")
    if isinstance(key, log.ConsumerGroupPartitionMetadataKey):
        return f"group {key.group_id} topics of 4.0 gone"
    if isinstance(key, log.ConsumerGroupTargetAssignmentMetadataKey):
        return "target gone" if value is None else f"target epoch={value.assignment_epoch}"
    if isinstance(key, log.ConsumerGroupRegularExpressionKey):
        stands_for = "gone" if value is None else "is " + (",".join(value.topics) or "(nothing)")
        return f"pattern {key.regular_expression} {stands_for}"
    if isinstance(key, log.ConsumerGroupTargetAssignmentMemberKey):
        return f"target of {key.member_id} " + ("gone" if value is None else places(value.topic_partitions))
    if isinstance(key, log.ConsumerGroupMemberMetadataKey):
        if value is None:
            return f"member {key.member_id} gone"
        kind = "classic " if value.classic_member_metadata else ""
        topics = ",".join(value.subscribed_topic_names) or value.subscribed_topic_regex or "(nothing)"
        return f"{kind}member {key.member_id} of {topics}"
    if isinstance(key, log.ConsumerGroupCurrentMemberAssignmentKey):
        if value is None:
            return f"assignment of {key.member_id} gone"
        state = ("stable", "unrevoked", "unreleased")[value.state]
        revoking = value.partitions_pending_revocation
        gives_up = f" gives up {places(revoking)}" if revoking else ""
        return f"{key.member_id} epoch={value.member_epoch} {state} {places(value.assigned_partitions)}{gives_up}"
    if type(key).__name__ == "GroupMetadataKey":
        if value is None:
            return f"classic group {key.group} gone"
        return f"classic group {key.group} generation={value.generation} members={len(value.members)}"
    return tell_record(record)


def play(path: Path) -> tuple[str, str]:
    """(the file as it is, as it should be)."""
    text = path.read_text(encoding="utf-8")
    story = ConsumerStory()
    played = []
    for block in text.strip("\n").split("\n\n"):
        commands, _, _ = block.partition("\n----")
        lines = [line for line in commands.splitlines() if line and not line.startswith("#")]
        if not lines:
            played.append(block.rstrip("\n"))
            continue
        told = "".join(map(story.run, lines))
        played.append(f"{commands}\n----\n{told}".rstrip("\n"))
    return text, "\n\n".join(played) + "\n"
