"""`klamm get-offsets`: the offsets of partitions by time, as Kafka's GetOffsetShell prints them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.list_offsets import (
    ListOffsetsPartition,
    ListOffsetsRequest,
    ListOffsetsResponse,
    ListOffsetsTopic,
)
from ..client import Client, ServerError, UnsupportedError
from ..client.errors import java_line
from ..console.options import COMMON, Option, Options, OptionsError, parse
from .common import BOOTSTRAP, COMMAND_CONFIG, JSON, CommandError, client_of, execute, print_json

ABOUT: Final = """An interactive shell for getting topic-partition offsets.

    klamm get-offsets --bootstrap-server localhost:9092 --topic greetings
    klamm get-offsets --bootstrap-server localhost:9092 --topic-partitions 'gree.*:0-3' --time earliest"""

OPTIONS: Final = (
    BOOTSTRAP,
    Option("broker-list", "string", "The same as --bootstrap-server.", old="up to 3.x"),
    Option("topic", "string", "A topic, or a regular expression of topics; all without it."),
    Option("topic-partitions", "string", "TOPIC:N, TOPIC:N-M, TOPIC:N-, TOPIC:-M or TOPIC, comma separated."),
    Option("partitions", "string", "Comma separated partition ids; all without it."),
    Option(
        "time",
        "string",
        "A timestamp in ms, -1 or latest, -2 or earliest, -3 or max-timestamp, -4 or earliest-local, "
        "-5 or latest-tiered, -6 or earliest-pending-upload.",
        "latest",
    ),
    Option("exclude-internal-topics", "flag", "Without __consumer_offsets and its like."),
    COMMAND_CONFIG,
    Option("offsets", "string", "Taken and passed over: the old shell's number of offsets.", old="up to 2.x"),
    Option("max-wait-ms", "string", "Taken and passed over.", old="up to 2.x"),
    JSON,
    *COMMON,
)

_TIMES: Final = {
    "latest": -1,
    "earliest": -2,
    "max-timestamp": -3,
    "earliest-local": -4,
    "latest-tiered": -5,
    "earliest-pending-upload": -6,
}
_LEAST_VERSIONS: Final = {-3: 7, -4: 8, -5: 9, -6: 11}
_RULE: Final = re.compile(r"([^:,]*)(?::(?:([0-9]*)|(?:([0-9]*)-([0-9]*))))?")

Wanted = Callable[[str, int], bool]


def parse_time(text: str) -> int:
    """The timestamp that ListOffsets takes. Raises CommandError."""
    try:
        return _TIMES[text] if text in _TIMES else int(text)
    except ValueError:
        raise CommandError(
            f"Malformed time argument {text}. Please use -1 or latest / -2 or earliest / -3 or max-timestamp / -4 or "
            "earliest-local / -5 or latest-tiered / -6 or earliest-pending-upload, or a specified long format timestamp"
        ) from None


def parse_rules(text: str) -> Wanted:
    """`--topic-partitions` as a predicate. Raises CommandError for a rule that is none."""
    rules: list[tuple[re.Pattern[str], int, int]] = []
    for part in text.split(","):
        found = _RULE.fullmatch(part)
        if found is None:
            raise CommandError(f"Invalid rule specification: {part}")
        topic, only, low, high = found.groups()
        if only:
            bounds = (int(only), int(only) + 1)
        else:
            bounds = (int(low) if low else 0, int(high) if high else 2**31)
        rules.append((_pattern(topic), *bounds))
    return lambda topic, index: any(rule.fullmatch(topic) and low <= index < high for rule, low, high in rules)


def parse_filter(topic: str | None, partitions: str) -> Wanted:
    """`--topic` and `--partitions` as a predicate. Raises CommandError."""
    pattern = _pattern(topic or "")
    try:
        numbers = {int(part) for part in partitions.split(",") if part}
    except ValueError:
        raise CommandError(
            f"--partitions expects a comma separated list of numeric partition ids, but received: {partitions}"
        ) from None
    return lambda name, index: bool(pattern.fullmatch(name)) and (not numbers or index in numbers)


def _pattern(text: str) -> re.Pattern[str]:
    """A topic's name or expression, where a comma stands for `|`, as Kafka's TopicFilter.IncludeList has it."""
    try:
        return re.compile(text.strip().replace(",", "|").replace(" ", "").strip("\"'") or ".*")
    except re.error as error:
        raise CommandError(f"{text} is an invalid regex.", "java.lang.RuntimeException") from error


def offsets(client: Client, wanted: Wanted, timestamp: int, exclude_internal: bool) -> dict[tuple[str, int], int]:
    """Offsets of the partitions that are wanted; -1 where there is none. Raises CommandError when none fits."""
    answer = client.metadata()
    chosen: dict[int, dict[str, list[int]]] = {}
    found: dict[tuple[str, int], int] = {}
    some = False
    for topic in answer.topics:
        name = topic.name or ""
        if topic.error_code or (exclude_internal and topic.is_internal):
            continue
        for row in topic.partitions:
            if not wanted(name, row.partition_index):
                continue
            some = True
            if row.leader_id in client.nodes:
                chosen.setdefault(row.leader_id, {}).setdefault(name, []).append(row.partition_index)
            else:
                _skip(name, row.partition_index, ServerError(ErrorCode.LEADER_NOT_AVAILABLE))
    if not some:
        raise CommandError("Could not match any topic-partitions with the specified filters")
    for leader, topics in chosen.items():
        for name, index, error, offset in _ask(client, leader, topics, timestamp):
            if error:
                _skip(name, index, ServerError(error))
            else:
                found[name, index] = offset
    return found


def _ask(client: Client, leader: int, topics: dict[str, list[int]], timestamp: int) -> list[tuple[str, int, int, int]]:
    def request(version: int) -> ListOffsetsRequest:
        if version < _LEAST_VERSIONS.get(timestamp, 0):
            raise UnsupportedError(f"The broker has no ListOffsets version that knows the time {timestamp}")
        rows = [
            ListOffsetsTopic(
                name=name,
                partitions=[ListOffsetsPartition(partition_index=index, timestamp=timestamp) for index in indexes],
            )
            for name, indexes in topics.items()
        ]
        return ListOffsetsRequest(replica_id=-1, topics=rows, timeout_ms=client.settings.api_timeout_ms)

    answer = client.node(leader, request, ListOffsetsResponse)
    return [
        (topic.name, row.partition_index, row.error_code, row.offset)
        for topic in answer.topics
        for row in topic.partitions
    ]


def _skip(topic: str, index: int, error: ServerError) -> None:
    print(f"Skip getting offsets for topic-partition {topic}-{index} due to error: {java_line(error)}", file=sys.stderr)


def _body(options: Options) -> int:
    rules, topic = options.last("topic-partitions"), options.last("topic")
    if rules is not None and (options.has("topic") or options.has("partitions")):
        raise CommandError("--topic-partitions cannot be used with --topic or --partitions")
    wanted = parse_rules(rules) if rules is not None else parse_filter(topic, options.last("partitions") or "")
    timestamp = parse_time(options.last("time"))
    with client_of(options, "bootstrap-server", "broker-list") as client:
        found = offsets(client, wanted, timestamp, options.has("exclude-internal-topics"))
    # Kafka sorts by name and partition, and prints no line where there is no offset.
    rows = [(topic, index, offset) for (topic, index), offset in sorted(found.items()) if offset >= 0]
    if options.has("json"):
        print_json([{"topic": topic, "partition": index, "offset": offset} for topic, index, offset in rows])
    else:
        for topic, index, offset in rows:
            print(f"{topic}:{index}:{offset}")
    return 0


def _failure(error: Exception) -> None:
    print(f"Error occurred: {error}", file=sys.stderr)


def run(arguments: Sequence[str]) -> int:
    try:
        parse(OPTIONS, arguments)
    except OptionsError as error:
        # Kafka's command has its parser where it tells of failures.
        _failure(error)
        return 1
    return execute(ABOUT, OPTIONS, arguments, _body, _failure)
