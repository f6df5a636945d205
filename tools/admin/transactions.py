"""`klamm transactions`: transactions and their producers, shown, ended and searched, as Kafka's TransactionsCommand."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.describe_producers import ProducerState
from ...wire.messages.init_producer_id import InitProducerIdRequest, InitProducerIdResponse
from ..client import Client, ClientError, open_client
from ..client.client import TRANSACTION
from ..client.errors import check, java_line
from .actions import add_json, add_version, parse_or_code, parser_of
from .common import print_json, tab_table
from .transaction_state import (
    describe_producers,
    describe_transaction,
    find_hanging,
    list_transactions,
    partitions_to_search,
    write_abort_marker,
)

EXAMPLES: Final = """\
    klamm transactions --bootstrap-server localhost:9092 list
    klamm transactions --bootstrap-server localhost:9092 describe --transactional-id orders-1
    klamm transactions --bootstrap-server localhost:9092 find-hanging --topic orders
    klamm transactions --bootstrap-server localhost:9092 abort --topic orders --partition 0 --start-offset 4711"""

_ACTIONS: Final = {
    "list": "list transactions",
    "describe": "describe the state of an active transactional-id",
    "describe-producers": "describe the states of active producers for a topic partition",
    "abort": "abort a hanging transaction (requires administrative privileges)",
    "find-hanging": "find hanging transactions",
    "forceTerminateTransaction": "Force abort an ongoing transaction on transactionalId (requires administrative"
    " privileges)",
}

_MINUTE_MS: Final = 60_000


class _FailedError(Exception):
    """str() is what Kafka's command prints before it ends with 1."""


def parser() -> argparse.ArgumentParser:
    """The command line: where the cluster is, an action and its options."""
    found = parser_of("transactions", "This tool analyzes the transactional state of producers.", EXAMPLES)
    found.add_argument("--bootstrap-server", required=True, metavar="host:port", help="host:port,... of brokers")
    found.add_argument("--command-config", metavar="FILE", help="a properties file for the admin client")
    add_version(found)
    add_json(found)
    actions = found.add_subparsers(dest="action", required=True, metavar="COMMAND")
    made = {name: actions.add_parser(name, help=text, description=text) for name, text in _ACTIONS.items()}
    for action in made.values():
        add_json(action, again=True)
    listing = made["list"]
    listing.add_argument("--duration-filter", type=int, default=-1, help="only those older than so many milliseconds")
    listing.add_argument(
        "--transactional-id-pattern", help="only ids that match this regular expression (RE2, KIP-1152)"
    )
    made["describe"].add_argument("--transactional-id", required=True, help="the transactional id")
    for name in ("describe-producers", "abort", "find-hanging"):
        needed = name != "find-hanging"
        made[name].add_argument("--topic", required=needed, help="the topic's name")
        made[name].add_argument("--partition", type=int, required=needed, help="the partition's number")
        if name != "abort":
            made[name].add_argument("--broker-id", type=int, help="the replica to ask; the leader without it")
    made["abort"].add_argument("--start-offset", type=int, help="where the transaction begins; brokers from 3.0 on")
    for name in ("--producer-id", "--producer-epoch", "--coordinator-epoch"):
        made["abort"].add_argument(name, type=int, help="brokers before 3.0 need all three")
    made["find-hanging"].add_argument(
        "--max-transaction-timeout", type=int, default=15, help="minutes that a transaction may take (default: 15)"
    )
    made["forceTerminateTransaction"].add_argument("--transactionalId", required=True, help="the transactional id")
    return found


def _list(client: Client, options: argparse.Namespace) -> int:
    try:
        rows = list_transactions(client, options.duration_filter, options.transactional_id_pattern)
    except ClientError as error:
        raise _failed("Failed to list transactions", error) from None
    if options.json:
        names = ("transactionalId", "coordinator", "producerId", "transactionState")
        print_json([dict(zip(names, row, strict=True)) for row in rows])
        return 0
    return tab_table(("TransactionalId", "Coordinator", "ProducerId", "TransactionState"), rows)


def _describe(client: Client, options: argparse.Namespace) -> int:
    name = options.transactional_id
    try:
        coordinator, row = describe_transaction(client, name)
    except ClientError as error:
        raise _failed(f"Failed to describe transaction state of transactional-id `{name}`", error) from None
    start = row.transaction_start_time_ms if row.transaction_start_time_ms >= 0 else None
    duration = None if start is None else time.time_ns() // 1_000_000 - start
    partitions = [f"{topic.topic}-{index}" for topic in row.topics for index in topic.partitions]
    values = {
        "CoordinatorId": coordinator,
        "TransactionalId": name,
        "ProducerId": row.producer_id,
        "ProducerEpoch": row.producer_epoch,
        "TransactionState": row.transaction_state,
        "TransactionTimeoutMs": row.transaction_timeout_ms,
        "CurrentTransactionStartTimeMs": start,
        "TransactionDurationMs": duration,
        "TopicPartitions": sorted(partitions),
    }
    if options.json:
        print_json({key[0].lower() + key[1:]: value for key, value in values.items()})
        return 0
    values["TopicPartitions"] = ",".join(sorted(partitions))
    return tab_table(tuple(values), [tuple("None" if value is None else value for value in values.values())])


def _describe_producers(client: Client, options: argparse.Namespace) -> int:
    key = (options.topic, options.partition)
    try:
        found = describe_producers(client, [key], options.broker_id)[key]
    except ClientError as error:
        where = "leader" if options.broker_id is None else f"broker {options.broker_id}"
        raise _failed(f"Failed to describe producers for partition {key[0]}-{key[1]} on {where}", error) from None
    if options.json:
        print_json([_producer_json(row) for row in found])
        return 0
    heads = (
        "ProducerId",
        "ProducerEpoch",
        "LatestCoordinatorEpoch",
        "LastSequence",
        "LastTimestamp",
        "CurrentTransactionStartOffset",
    )
    rows = [
        (
            row.producer_id,
            row.producer_epoch,
            row.coordinator_epoch,
            row.last_sequence,
            row.last_timestamp,
            row.current_txn_start_offset if row.current_txn_start_offset >= 0 else "None",
        )
        for row in found
    ]
    return tab_table(heads, rows)


def _producer_json(row: ProducerState) -> dict[str, object]:
    start = row.current_txn_start_offset
    return {
        "producerId": row.producer_id,
        "producerEpoch": row.producer_epoch,
        "latestCoordinatorEpoch": row.coordinator_epoch,
        "lastSequence": row.last_sequence,
        "lastTimestamp": row.last_timestamp,
        "currentTransactionStartOffset": start if start >= 0 else None,
    }


def _abort(client: Client, options: argparse.Namespace) -> int:
    name = f"{options.topic}-{options.partition}"
    if options.start_offset is None and options.producer_id is None:
        raise _FailedError(
            "The transaction to abort must be identified either with --start-offset (for brokers on 3.0 or above) or "
            "with --producer-id, --producer-epoch, and --coordinator-epoch (for older brokers)"
        )
    if options.start_offset is None:
        for option in ("producer_epoch", "coordinator_epoch"):
            if getattr(options, option) is None:
                raise _FailedError(f"Missing required argument --{option.replace('_', '-')}")
        producer_id, epoch, coordinator_epoch = options.producer_id, options.producer_epoch, options.coordinator_epoch
    else:
        key = (options.topic, options.partition)
        try:
            found = describe_producers(client, [key], None)[key]
        except ClientError as error:
            raise _failed(f"Failed to validate producer state for partition {name}", error) from None
        fits = [row for row in found if row.current_txn_start_offset == options.start_offset >= 0]
        if not fits:
            raise _FailedError(
                f"Could not find any open transactions starting at offset {options.start_offset} on partition {name}"
            )
        producer_id, epoch = fits[0].producer_id, fits[0].producer_epoch
        coordinator_epoch = fits[0].coordinator_epoch
    # A producer id that never ended a transaction has coordinator epoch -1; 0 is below every leader's.
    coordinator_epoch = max(0, coordinator_epoch)
    try:
        write_abort_marker(client, (options.topic, options.partition), producer_id, epoch, coordinator_epoch)
    except ClientError as error:
        spec = (
            f"AbortTransactionSpec(topicPartition={name}, producerId={producer_id}, producerEpoch={epoch}, "
            f"coordinatorEpoch={coordinator_epoch})"
        )
        raise _failed(f"Failed to abort transaction {spec}", error) from None
    if options.json:
        print_json({"aborted": {"topic": options.topic, "partition": options.partition, "producerId": producer_id}})
    return 0


def _find_hanging(client: Client, options: argparse.Namespace) -> int:
    if options.topic is None and options.broker_id is None:
        raise _FailedError(
            "The `find-hanging` command requires either --topic or --broker-id to limit the scope of the search"
        )
    if options.partition is not None and options.topic is None:
        raise _FailedError("The --partition argument requires --topic to be provided")
    now_ms = time.time_ns() // 1_000_000
    try:
        keys = partitions_to_search(client, options.topic, options.partition, options.broker_id)
        found = find_hanging(client, keys, options.broker_id, now_ms - options.max_transaction_timeout * _MINUTE_MS)
    except ClientError as error:
        raise _failed("Failed to search for hanging transactions", error) from None
    heads = (
        "Topic",
        "Partition",
        "ProducerId",
        "ProducerEpoch",
        "CoordinatorEpoch",
        "StartOffset",
        "LastTimestamp",
        "Duration(min)",
    )
    rows = [
        (
            *key,
            row.producer_id,
            row.producer_epoch,
            row.coordinator_epoch,
            row.current_txn_start_offset,
            row.last_timestamp,
            (now_ms - row.last_timestamp) // _MINUTE_MS,
        )
        for key, row in found
    ]
    if options.json:
        names = [head.replace("(min)", "Min") for head in heads]
        print_json([{name[0].lower() + name[1:]: cell for name, cell in zip(names, row, strict=True)} for row in rows])
        return 0
    return tab_table(heads, rows)


def _force_terminate(client: Client, options: argparse.Namespace) -> int:
    name = options.transactionalId

    # A new producer with the id fences the old one, and its coordinator aborts what was open (KIP-939).
    request = InitProducerIdRequest(transactional_id=name, transaction_timeout_ms=client.settings.request_timeout_ms)

    def ask() -> None:
        answer = client.by_coordinator(
            name, request, InitProducerIdResponse, lambda found: found.error_code, key_type=TRANSACTION
        )
        check(answer.error_code)

    try:
        # The first answer is CONCURRENT_TRANSACTIONS while the markers of what was open are written.
        client.until(ask, (ErrorCode.CONCURRENT_TRANSACTIONS,))
    except ClientError as error:
        raise _failed(f"Failed to force terminate transactionalId `{name}`", error) from None
    if options.json:
        print_json({"terminated": name})
    return 0


def _failed(message: str, error: ClientError) -> _FailedError:
    return _FailedError(f"{message}: {error}. Enable debug logging for additional detail.")


_ACTS: Final[dict[str, Callable[[Client, argparse.Namespace], int]]] = {
    "list": _list,
    "describe": _describe,
    "describe-producers": _describe_producers,
    "abort": _abort,
    "find-hanging": _find_hanging,
    "forceTerminateTransaction": _force_terminate,
}


def run(arguments: Sequence[str]) -> int:
    options = parse_or_code(parser(), arguments)
    if isinstance(options, int):
        return options
    try:
        with open_client(
            options.bootstrap_server, command_config=options.command_config, client_id="adminclient-1"
        ) as client:
            return _ACTS[options.action](client, options)
    except _FailedError as error:
        print(error, file=sys.stderr)
    except ClientError as error:
        print(f'Exception in thread "main" {java_line(error)}', file=sys.stderr)
    return 1
