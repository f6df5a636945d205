"""`klamm log-dirs`: what partitions take on the brokers' disks, as the JSON of Kafka's LogDirsCommand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

from ...wire.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from ..client import ServerError
from ..client.errors import check
from ..console.options import COMMON, Option, Options, OptionsError
from .common import (
    BOOTSTRAP,
    COMMAND_CONFIG,
    JSON,
    CommandError,
    client_of,
    execute,
    print_json,
    print_message_and_trace,
)

ABOUT: Final = """This tool helps to query log directory usage on the specified brokers.

    klamm log-dirs --bootstrap-server localhost:9092 --describe
    klamm log-dirs --bootstrap-server localhost:9092 --describe --topic-list greetings"""

OPTIONS: Final = (
    BOOTSTRAP,
    COMMAND_CONFIG,
    Option("describe", "flag", "REQUIRED: Describe the log directories."),
    Option("topic-list", "string", "Comma separated topics; all without it.", ""),
    Option("broker-list", "string", "Comma separated broker ids; all without it.", ""),
    JSON,
    *COMMON,
)


def _body(options: Options) -> int:
    for name in ("bootstrap-server", "describe"):
        if not options.has(name):
            raise OptionsError(f'Missing required argument "[{name}]"')
    topics = {name for name in options.last("topic-list").split(",") if name}
    wanted = _ids(options.last("broker-list"))
    with client_of(options) as client:
        client.metadata([])
        existing = sorted(client.nodes)
        missing = sorted(wanted.difference(existing))
        if missing:
            raise _NoBrokerError(
                f"ERROR: The given brokers do not exist from --broker-list: {_list(missing)}."
                f" Current existent brokers: {_list(existing)}"
            )
        asked = sorted(wanted) or existing
        if not options.has("json"):
            print("Querying brokers for log directories information")
        brokers = []
        for broker in asked:
            answer = client.node(broker, DescribeLogDirsRequest(topics=None), DescribeLogDirsResponse)
            check(answer.error_code)
            brokers.append({"broker": broker, "logDirs": [_directory(row, topics) for row in answer.results]})
    if not options.has("json"):
        print(f"Received log directory information from brokers {_list(asked)}")
    print_json({"brokers": brokers, "version": 1})
    return 0


class _NoBrokerError(CommandError):
    """Kafka prints this one and no exception."""


def _failure(error: Exception) -> None:
    if isinstance(error, _NoBrokerError):
        print(error, file=sys.stderr)
    else:
        print_message_and_trace(error)


def _ids(text: str) -> set[int]:
    for part in text.split(","):
        if part and not part.strip().lstrip("-").isdigit():
            raise CommandError(f'For input string: "{part}"', "java.lang.NumberFormatException")
    return {int(part) for part in text.split(",") if part}


def _list(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _directory(row: Any, topics: set[str]) -> dict[str, object]:
    error = f"org.apache.kafka.common.errors.{ServerError(row.error_code).java_name}" if row.error_code else None
    partitions = [
        {
            "partition": f"{topic.name}-{partition.partition_index}",
            "size": partition.partition_size,
            "offsetLag": partition.offset_lag,
            "isFuture": partition.is_future_key,
        }
        for topic in sorted(row.topics, key=lambda topic: str(topic.name))
        if not topics or topic.name in topics
        for partition in sorted(topic.partitions, key=lambda partition: int(partition.partition_index))
    ]
    return {"partitions": partitions, "error": error, "logDir": row.log_dir}


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, _failure)
