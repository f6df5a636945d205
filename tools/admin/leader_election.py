"""`klamm leader-election`: has partitions elect their leader anew, as Kafka's LeaderElectionCommand."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.elect_leaders import ElectLeadersRequest, ElectLeadersResponse, TopicPartitions
from ..client import Client, ServerError
from ..client.errors import check, java_line
from ..console.options import COMMON, Option, Options, OptionsError
from .common import (
    BOOTSTRAP,
    COMMAND_CONFIG,
    JSON,
    OLD_CONFIG,
    CommandError,
    client_of,
    execute,
    print_json,
    print_message_and_trace,
)
from .partitions_file import duplicates, read_rows

ABOUT: Final = """This tool attempts to elect a new leader for a set of topic partitions. The type of elections \
supported are preferred replicas and unclean replicas.

    klamm leader-election --bootstrap-server localhost:9092 --election-type preferred --all-topic-partitions
    klamm leader-election --bootstrap-server localhost:9092 --election-type unclean --topic greetings --partition 0"""

OPTIONS: Final = (
    BOOTSTRAP,
    COMMAND_CONFIG,
    Option("admin.config", "string", "The same as --command-config.", old="up to 4.x, KIP-1147"),
    Option("election-type", "string", "REQUIRED: preferred, or unclean: also a replica that is not in sync."),
    Option("all-topic-partitions", "flag", "Every partition that needs it."),
    Option("topic", "string", "A topic; --partition says which of its partitions."),
    Option("partition", "int", "The partition of --topic."),
    Option("path-to-json-file", "string", 'A file with {"partitions": [{"topic": "t", "partition": 0}]}.'),
    JSON,
    *COMMON,
)

_TYPES: Final = {"preferred": 0, "unclean": 1}
_WAYS: Final = ("topic", "all-topic-partitions", "path-to-json-file")
_FAILED: Final = "org.apache.kafka.tools.AdminCommandFailedException"

Partition = tuple[str, int]


def elect(
    client: Client, election_type: int, partitions: list[Partition] | None
) -> dict[Partition, ServerError | None]:
    """Partition -> why it elected nobody, or None. `partitions` None: all that need it. Raises ClientError."""
    topics: dict[str, list[int]] = {}
    for topic, index in partitions or []:
        topics.setdefault(topic, []).append(index)
    request = ElectLeadersRequest(
        election_type=election_type,
        topic_partitions=None
        if partitions is None
        else [TopicPartitions(topic=topic, partitions=indexes) for topic, indexes in topics.items()],
        timeout_ms=client.settings.request_timeout_ms,
    )
    answer = client.controller(request, ElectLeadersResponse)
    check(answer.error_code)
    return {
        (row.topic, result.partition_id): ServerError(result.error_code, result.error_message)
        if result.error_code
        else None
        for row in answer.replica_election_results
        for result in row.partition_result
    }


def _partitions(options: Options) -> list[Partition] | None:
    if options.has("topic"):
        return [(options.last("topic"), options.last("partition"))]
    if options.has("all-topic-partitions"):
        return None
    rows = [(topic, numbers[0]) for topic, numbers in read_rows(options.last("path-to-json-file"), "partition")]
    twice = duplicates(rows)
    if twice:
        raise CommandError(f"Replica election data contains duplicate topic partitions: {', '.join(twice)}", _FAILED)
    return rows


def _check(options: Options) -> None:
    missing = [name for name in ("bootstrap-server", "election-type") if not options.has(name)]
    if missing:
        raise CommandError(f"Missing required option(s): {', '.join(missing)}", _FAILED)
    if sum(options.has(name) for name in _WAYS) != 1:
        raise CommandError(f"One and only one of the following options is required: {', '.join(_WAYS)}", _FAILED)
    if options.has("topic") and not options.has("partition"):
        raise CommandError("Missing required option(s): partition", _FAILED)
    if options.has("partition") and not options.has("topic"):
        raise CommandError("Option partition is only allowed if topic is used", _FAILED)
    if options.last("election-type").lower() not in _TYPES:
        raise CommandError(
            f"Cannot parse argument '{options.last('election-type')}' of option election-type",
            "joptsimple.OptionArgumentConversionException",
        )


def _body(options: Options) -> int:
    _check(options)
    if options.has("admin.config") and options.has("command-config"):
        raise OptionsError("Options --admin.config and --command-config cannot be specified together.")
    kind = options.last("election-type").lower()
    path = options.last("command-config") or options.last("admin.config")
    if options.has("admin.config"):
        stream = sys.stderr if options.has("json") else sys.stdout
        print(OLD_CONFIG.format("admin.config"), file=stream)
    partitions = _partitions(options)
    with client_of(options, command_config=path) as client:
        outcome = elect(client, _TYPES[kind], partitions)
    needless = [key for key, error in outcome.items() if error and error.code == ErrorCode.ELECTION_NOT_NEEDED]
    elected = [key for key, error in outcome.items() if error is None]
    failed = {key: error for key, error in outcome.items() if error and key not in needless}
    if options.has("json"):
        print_json(
            {
                "elected": [_name(key) for key in sorted(elected)],
                "notNeeded": [_name(key) for key in sorted(needless)],
                "failed": {_name(key): java_line(error) for key, error in sorted(failed.items())},
            }
        )
        return 1 if failed else 0
    if elected:
        print(f"Successfully completed leader election ({kind.upper()}) for partitions {_names(elected)}")
    if needless:
        print(f"Valid replica already elected for partitions {_names(needless)}")
    for key, error in failed.items():
        print(f"Error completing leader election ({kind.upper()}) for partition: {_name(key)}: {java_line(error)}")
    if failed:
        raise CommandError(f"{len(failed)} replica(s) could not be elected", _FAILED)
    return 0


def _name(partition: Partition) -> str:
    return f"{partition[0]}-{partition[1]}"


def _names(partitions: list[Partition]) -> str:
    return ", ".join(_name(partition) for partition in sorted(partitions))


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, print_message_and_trace)
