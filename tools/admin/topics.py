"""`klamm topics`: topics created, listed, described, grown and deleted, as by Kafka's TopicCommand."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence

from ...wire.errors import ErrorCode
from ...wire.messages.create_partitions import (
    CreatePartitionsAssignment,
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreatePartitionsTopic,
)
from ...wire.messages.create_topics import (
    CreatableReplicaAssignment,
    CreatableTopic,
    CreatableTopicConfig,
    CreateTopicsRequest,
    CreateTopicsResponse,
)
from ...wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicsResponse, DeleteTopicState
from ..client import Client
from ..client.errors import SettingError
from ..client.errors import check as check_code
from ..console.options import Options
from .common import CommandError, client_of, execute, java_name, print_json, print_message_and_trace
from .topic_options import ABOUT, OPTIONS, check


def topic_pattern(text: str) -> re.Pattern[str]:
    """A name or a regular expression, where a comma stands for `|` (Kafka's TopicFilter.IncludeList)."""
    try:
        return re.compile(text.strip().replace(",", "|").replace(" ", "").strip("\"'"))
    except re.error:
        raise CommandError(f"{text} is an invalid regex.", "java.lang.RuntimeException") from None


def matching(client: Client, options: Options) -> list[str]:
    """Names of the topics that --topic and --exclude-internal leave, in their order."""
    pattern = topic_pattern(options.last("topic")) if options.has("topic") else None
    internal = {"__consumer_offsets", "__transaction_state", "__share_group_state"}
    return sorted(
        name
        for name in (row.name or "" for row in client.metadata().topics)
        if (pattern is None or pattern.fullmatch(name)) and not (options.has("exclude-internal") and name in internal)
    )


def require(found: Sequence[str], options: Options) -> bool:
    """Whether there is a topic to work on. Raises CommandError if not, unless --if-exists."""
    if not found and options.has("topic") and not options.has("if-exists"):
        raise CommandError(f"Topic '{options.last('topic')}' does not exist as expected")
    return bool(found)


def parse_assignment(text: str) -> list[list[int]]:
    """`1:2,2:1` as the replicas of each partition. Raises CommandError with Kafka's words."""
    try:
        rows = [[int(part.strip()) for part in row.split(":")] for row in text.split(",")]
    except ValueError:
        bad = next(part for part in re.split("[:,]", text) if not part.strip().lstrip("-").isdigit())
        raise CommandError(f'For input string: "{bad}"', "java.lang.NumberFormatException") from None
    for row in rows:
        twice = sorted({replica for replica in row if row.count(replica) > 1})
        if twice:
            raise CommandError(
                "Partition replica lists may not contain duplicate entries: " + ",".join(map(str, twice)),
                "org.apache.kafka.tools.AdminCommandFailedException",
            )
        if len(row) != len(rows[0]):
            raise CommandError(
                f"Partition {rows.index(row)} has different replication factor: {row}",
                "org.apache.kafka.tools.AdminOperationException",
            )
    return rows


def _create(client: Client, options: Options) -> int:
    name = options.last("topic")
    partitions, factor = options.last("partitions"), options.last("replication-factor")
    assignment = parse_assignment(options.last("replica-assignment")) if options.has("replica-assignment") else []
    if not options.has("json") and re.search(r"[._]", name):
        print(
            "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide."
            " To avoid issues it is best to use either, but not both."
        )
    if partitions is not None and partitions < 1:
        raise CommandError("The partitions must be greater than 0")
    if factor is not None and not 1 <= factor <= 32767:
        raise CommandError("The replication factor must be between 1 and 32767 inclusive")
    configs = [_config(pair) for pair in options.all("config")]
    topic = CreatableTopic(
        name=name,
        num_partitions=-1 if assignment or partitions is None else partitions,
        replication_factor=-1 if assignment or factor is None else factor,
        assignments=[CreatableReplicaAssignment(partition_index=i, broker_ids=r) for i, r in enumerate(assignment)],
        configs=configs,
    )
    request = CreateTopicsRequest(topics=[topic], timeout_ms=client.settings.request_timeout_ms)
    row = client.controller(request, CreateTopicsResponse).topics[0]
    if row.error_code == ErrorCode.TOPIC_ALREADY_EXISTS and options.has("if-not-exists"):
        return 0
    check_code(row.error_code, row.error_message)
    if options.has("json"):
        from .topic_describe import id_text

        print_json({"topic": name, "topicId": id_text(row.topic_id), "partitions": row.num_partitions})
    else:
        print(f"Created topic {name}.")
    return 0


def _config(pair: str) -> CreatableTopicConfig:
    name, assigned, value = pair.partition("=")
    if not assigned:
        raise CommandError(
            'requirement failed: Invalid topic config: all configs to be added must be in the format "key=val".'
        )
    return CreatableTopicConfig(name=name.strip(), value=value.strip())


def _alter(client: Client, options: Options) -> int:
    found = matching(client, options)
    if not require(found, options):
        return 0
    if "__consumer_offsets" in found:
        raise CommandError("The number of partitions for the offsets topic cannot be changed.")
    rows = parse_assignment(options.last("replica-assignment")) if options.has("replica-assignment") else None
    counts = {row.name: len(row.partitions) for row in client.metadata(found).topics}
    topics = [
        CreatePartitionsTopic(
            name=name,
            count=options.last("partitions"),
            # The assignment is of all partitions; those that are there already are cut off.
            assignments=None
            if rows is None
            else [CreatePartitionsAssignment(broker_ids=replicas) for replicas in rows[counts.get(name, 0) :]],
        )
        for name in found
    ]
    request = CreatePartitionsRequest(topics=topics, timeout_ms=client.settings.request_timeout_ms)
    for row in client.controller(request, CreatePartitionsResponse).results:
        check_code(row.error_code, row.error_message)
    if options.has("json"):
        print_json([{"topic": name, "partitions": options.last("partitions")} for name in found])
    return 0


def _delete(client: Client, options: Options) -> int:
    found = matching(client, options)
    if not require(found, options):
        return 0

    def request(version: int) -> DeleteTopicsRequest:
        timeout_ms = client.settings.request_timeout_ms
        if version >= 6:
            return DeleteTopicsRequest(topics=[DeleteTopicState(name=name) for name in found], timeout_ms=timeout_ms)
        return DeleteTopicsRequest(topic_names=found, timeout_ms=timeout_ms)

    for row in client.controller(request, DeleteTopicsResponse).responses:
        check_code(row.error_code, row.error_message)
    if options.has("json"):
        print_json(found)
    return 0


def _list(client: Client, options: Options) -> int:
    found = matching(client, options)
    if options.has("json"):
        print_json(found)
    elif found:
        print("\n".join(found))
    return 0


def _body(options: Options) -> int:
    if options.has("delete-config"):
        print(
            "delete-config option is no longer supported and deprecated since version 4.0. The config will be fully"
            " removed in future releases.",
            file=sys.stderr,
        )
    action = check(options)
    with client_of(options) as client:
        if action == "describe":
            from .topic_describe import describe

            return describe(client, options)
        return {"create": _create, "alter": _alter, "delete": _delete, "list": _list}[action](client, options)


def _failure(error: Exception) -> None:
    if isinstance(error, SettingError):
        # Kafka's command makes its client before the part that tells of failures.
        print_message_and_trace(error)
        return
    print(f"Error while executing topic command : {error}")
    print(f"ERROR {java_name(error)}: {error}\n (org.apache.kafka.tools.TopicCommand)", file=sys.stderr)


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, _failure)
