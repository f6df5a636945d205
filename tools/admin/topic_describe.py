"""`klamm topics --describe`: topics and their partitions in the lines of Kafka's TopicCommand."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from ...coordinator.java_order import string_map_order
from ...wire.errors import ErrorCode
from ...wire.messages.describe_configs import (
    DescribeConfigsRequest,
    DescribeConfigsResource,
    DescribeConfigsResponse,
)
from ...wire.messages.describe_topic_partitions import (
    Cursor,
    DescribeTopicPartitionsRequest,
    DescribeTopicPartitionsResponse,
    TopicRequest,
)
from ...wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
)
from ..client import Client, UnsupportedError
from ..client.errors import check
from ..console.options import Options
from .common import CommandError, print_json
from .topic_options import REPORTS

_TOPIC, _DEFAULT = 2, 5


class Partition(NamedTuple):
    """One partition. `leader` is None without one; `elr` is None where the broker does not tell."""

    partition: int
    leader: int | None
    replicas: list[int]
    isr: list[int]
    elr: list[int] | None
    last_known_elr: list[int] | None
    adding: list[int]
    removing: list[int]

    @property
    def is_under_replicated(self) -> bool:
        """A reassignment's new replicas are not missed yet."""
        return len(self.isr) < len(self.replicas) - len(self.adding)


def id_text(topic_id: bytes) -> str:
    """Kafka's text of a uuid: base64 for URLs, without padding."""
    return base64.urlsafe_b64encode(topic_id).decode().rstrip("=")


def parse_id(text: str) -> bytes:
    """The uuid of such a text. Raises CommandError with Kafka's words."""
    if len(text) > 24:
        raise CommandError(f"Input string with prefix `{text[:24]}` is too long to be decoded as a base64 UUID")
    try:
        found = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise CommandError(f"Illegal base64 text: {text}") from None
    if len(found) != 16:
        raise CommandError(
            f"Input string `{text}` decoded as {len(found)} bytes, which is not equal to the expected 16 bytes of a"
            " base64-encoded UUID"
        )
    return found


def describe(client: Client, options: Options) -> int:
    """Prints what the options ask for. Returns the exit code; raises ClientError, CommandError."""
    from .topics import matching, require

    if options.has("topic-id"):
        wanted = parse_id(options.last("topic-id"))
        names = [row.name or "" for row in client.metadata().topics if row.topic_id == wanted]
        if not names and not options.has("if-exists"):
            raise CommandError(f"TopicId '{options.last('topic-id')}' does not exist as expected")
    else:
        names = matching(client, options)
        require(names, options)
    if not names:
        if options.has("json"):
            print_json([])
        return 0
    moves = _reassignments(client)
    configs = _configs(client, names)
    shown = []
    for name, topic_id, partitions in _topics(client, names, options.last("partition-size-limit-per-response"), moves):
        least = int(configs[name].get("min.insync.replicas", ("1", True))[0] or 1)
        own = [(key, configs[name][key][0]) for key in string_map_order(configs[name]) if not configs[name][key][1]]
        if options.has("topics-with-overrides") and not own:
            continue
        kept = [row for row in partitions if _is_shown(row, options, client, least)]
        if options.has("json"):
            shown.append(_as_json(name, topic_id, own, kept))
            continue
        if not any(options.has(report) for report in REPORTS):
            print(_topic_line(name, topic_id, partitions, own))
        if not options.has("topics-with-overrides"):
            for row in kept:
                print(_partition_line(name, row))
    if options.has("json"):
        print_json([row for row in shown if row["partitions"]])
    return 0


def _is_shown(row: Partition, options: Options, client: Client, least: int) -> bool:
    """With several reports a partition that is in one of them is shown."""
    reports = {
        "under-replicated-partitions": row.is_under_replicated,
        "unavailable-partitions": row.leader is None or row.leader not in client.nodes,
        "under-min-isr-partitions": len(row.isr) < least,
        "at-min-isr-partitions": len(row.isr) == least,
    }
    asked = [name for name in REPORTS if options.has(name)]
    return not asked or any(reports[name] for name in asked)


def _topic_line(name: str, topic_id: bytes, partitions: list[Partition], own: list[tuple[str, str | None]]) -> str:
    factor = len(partitions[0].replicas) - len(partitions[0].adding) if partitions else 0
    configs = ",".join(f"{key}={value}" for key, value in own)
    identity = f"\tTopicId: {id_text(topic_id)}" if any(topic_id) else ""
    return (
        f"Topic: {name}{identity}\tPartitionCount: {len(partitions)}\tReplicationFactor: {factor}\tConfigs: {configs}"
    )


def _partition_line(name: str, row: Partition) -> str:
    def numbers(found: list[int] | None) -> str:
        return "N/A" if found is None else ",".join(map(str, found))

    leader = "none" if row.leader is None else str(row.leader)
    line = f"\tTopic: {name}\tPartition: {row.partition}\tLeader: {leader}\tReplicas: {numbers(row.replicas)}"
    line += f"\tIsr: {numbers(row.isr)}"
    if row.adding or row.removing:
        line += f"\tAdding Replicas: {numbers(row.adding)}\tRemoving Replicas: {numbers(row.removing)}"
    return line + f"\tElr: {numbers(row.elr)}\tLastKnownElr: {numbers(row.last_known_elr)}"


def _as_json(name: str, topic_id: bytes, own: list[tuple[str, str | None]], rows: list[Partition]) -> dict[str, Any]:
    return {
        "topic": name,
        "topicId": id_text(topic_id),
        "configs": dict(own),
        "partitions": [row._asdict() for row in rows],
    }


def _topics(
    client: Client, names: list[str], limit: int, moves: dict[tuple[str, int], tuple[list[int], list[int]]]
) -> list[tuple[str, bytes, list[Partition]]]:
    """Name, id and partitions of the topics, page by page where the broker can, else from its metadata."""
    found: dict[str, tuple[bytes, list[Partition]]] = {}
    try:
        cursor: Cursor | None = None
        while True:
            request = DescribeTopicPartitionsRequest(
                topics=[TopicRequest(name=name) for name in names], response_partition_limit=limit, cursor=cursor
            )
            answer = client.any(request, DescribeTopicPartitionsResponse)
            _collect(answer.topics, found, moves, with_elr=True)
            cursor = answer.next_cursor
            if cursor is None:
                break
            names = [name for name in names if name >= cursor.topic_name]
    except UnsupportedError:
        _collect(client.metadata(names).topics, found, moves, with_elr=False)
    return [(name, *found[name]) for name in sorted(found)]


def _collect(
    topics: list[Any],
    found: dict[str, tuple[bytes, list[Partition]]],
    moves: dict[tuple[str, int], tuple[list[int], list[int]]],
    with_elr: bool,
) -> None:
    for topic in topics:
        if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            continue  # deleted since its name was listed
        check(topic.error_code)
        rows = found.setdefault(topic.name, (topic.topic_id, []))[1]
        for row in sorted(topic.partitions, key=lambda row: int(row.partition_index)):
            adding, removing = moves.get((topic.name, row.partition_index), ([], []))
            leader = row.leader_id if row.leader_id >= 0 else None
            elr = (row.eligible_leader_replicas or []) if with_elr else None
            last = (row.last_known_elr or []) if with_elr else None
            rows.append(
                Partition(row.partition_index, leader, row.replica_nodes, row.isr_nodes, elr, last, adding, removing)
            )


def _reassignments(client: Client) -> dict[tuple[str, int], tuple[list[int], list[int]]]:
    try:
        request = ListPartitionReassignmentsRequest(topics=None, timeout_ms=client.settings.request_timeout_ms)
        answer = client.controller(request, ListPartitionReassignmentsResponse)
    except UnsupportedError:
        return {}
    check(answer.error_code, answer.error_message)
    return {
        (topic.name, row.partition_index): (row.adding_replicas, row.removing_replicas)
        for topic in answer.topics
        for row in topic.partitions
    }


def _configs(client: Client, names: list[str]) -> dict[str, dict[str, tuple[str | None, bool]]]:
    """Topic -> config -> (value, whether it is the default)."""
    resources = [
        DescribeConfigsResource(resource_type=_TOPIC, resource_name=name, configuration_keys=None) for name in names
    ]
    answer = client.any(DescribeConfigsRequest(resources=resources), DescribeConfigsResponse)
    found = {}
    for result in answer.results:
        if result.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            continue
        check(result.error_code, result.error_message)
        found[result.resource_name] = {
            row.name: (None if row.is_sensitive else row.value, row.config_source == _DEFAULT) for row in result.configs
        }
    return {name: found.get(name, {}) for name in names}
