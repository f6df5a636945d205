"""`klamm verifiable-consumer`: a line of JSON for all that a member of a group gets, reads and commits.

As Kafka's VerifiableConsumer, which system tests count by.

Left out: assignors of the classic protocol other than RangeAssignor; by_duration: as a reset policy (KIP-1106); lines
of polls that bring nothing but markers of transactions; waiting for brokers longer than default.api.timeout.ms.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from types import FrameType
from typing import Final

from ..admin.actions import parse_or_code, parser_of
from ..client import ClientError
from ..client.errors import SettingError, java_line
from ..client.settings import number, read_properties
from ..console.formatters import Shown
from ..console.member import Key
from ..console.signals import on_stop_signals
from ..console.source import Listener, Source, Subscription
from .events import config_path, event, text_of

EXAMPLES: Final = """\
  klamm verifiable-consumer --bootstrap-server localhost:9092 --topic t --group-id g --max-messages 100
  klamm verifiable-consumer --bootstrap-server localhost:9092 --topic t --group-id g --group-protocol consumer"""

RANGE: Final = "org.apache.kafka.clients.consumer.RangeAssignor"
#: How long one poll waits.
_POLL_MS: Final = 500
#: What Kafka's CommitFailedException says.
_NO_MEMBER: Final = (
    "Offset commit cannot be completed since the consumer is not part of an active group for auto partition assignment;"
    " it is likely that the consumer was kicked out of the group."
)


def parser() -> argparse.ArgumentParser:
    about = "Consumes a topic, and prints JSON that says which partitions, records and commits there were."
    found = parser_of("verifiable-consumer", about, EXAMPLES)
    found.add_argument("--bootstrap-server", required=True, help="host:port,... of brokers")
    found.add_argument("--topic", required=True, help="the topic to consume")
    found.add_argument("--group-protocol", default="classic", help="classic or consumer (KIP-848)")
    found.add_argument("--group-remote-assignor", help="the broker's assignor, with the protocol consumer only")
    found.add_argument("--group-id", required=True, help="the group to consume as")
    found.add_argument("--group-instance-id", help="makes it a static member of that name")
    found.add_argument("--max-messages", type=int, default=-1, help="how many; -1 until it is stopped")
    found.add_argument(
        "--session-timeout", type=int, metavar="MS", help="session.timeout.ms, with the protocol classic only"
    )
    found.add_argument("--verbose", action="store_true", help="a line for each record too")
    found.add_argument("--enable-autocommit", action="store_true", help="commit at intervals, not behind each poll")
    found.add_argument(
        "--reset-policy", default="earliest", help="earliest, latest or none, without a committed offset"
    )
    found.add_argument(
        "--assignment-strategy", default=RANGE, help="an assignor of the protocol classic: RangeAssignor"
    )
    found.add_argument("--consumer.config", metavar="FILE", help="the same as --command-config (up to 4.x, KIP-1147)")
    found.add_argument("--command-config", metavar="FILE", help="a properties file for the consumer; options win")
    return found


class _ProtocolError(SettingError):
    java_name = "IllegalArgumentException"
    java_package = "java.lang"


class _UnfitError(SettingError):
    """Settings of which each alone is fine. str() has its reason in a second line."""

    java_name = "KafkaException"
    java_package = "org.apache.kafka.common"

    def __init__(self, reason: str) -> None:
        super().__init__(f"Failed to construct kafka consumer\nCaused by: {reason}")


class _StoppedError(Exception):
    """A signal came while the tool waited."""


class _Signals:
    """`number` of the first signal. It interrupts only a poll: no line is cut, no commit is half done."""

    def __init__(self) -> None:
        self.number = 0
        self._polling = False

    def stop(self, number: int, _frame: FrameType | None) -> None:
        first, self.number = not self.number, self.number or number
        if first and self._polling:
            raise _StoppedError

    def poll(self, source: Source, most: int) -> list[Shown]:
        self._polling = True
        try:
            return [] if self.number else source.poll(_POLL_MS, most)
        finally:
            self._polling = False


def run(arguments: Sequence[str]) -> int:
    """Returns 0, also after a fault as in Kafka, 1 for a wrong command line or setting, 128 and a signal's number."""
    found = parser()
    options = parse_or_code(found, arguments)
    if isinstance(options, int):
        return options
    path = config_path(found, options, "consumer.config")
    if isinstance(path, int):
        return path
    try:
        config = _config(options, read_properties(path) if path else {})
        most = number(config, "max.poll.records", 500, least=1)
        source = Source(config, options.bootstrap_server, _subscription(options), Listener(_assigned, _revoked))
    except SettingError as error:
        print(f'Exception in thread "main" {java_line(error)}', file=sys.stderr)
        return 1
    signals = _Signals()
    with on_stop_signals(signals.stop):
        _consume(source, options, most, signals)
    return 128 + signals.number if signals.number else 0


def _config(options: argparse.Namespace, properties: Mapping[str, str]) -> dict[str, str]:
    """The consumer's properties, over which the options win. Raises SettingError."""
    protocol = options.group_protocol.upper()
    if protocol not in ("CLASSIC", "CONSUMER"):
        raise _ProtocolError(f"No enum constant org.apache.kafka.clients.consumer.GroupProtocol.{protocol}")
    found = {**properties, "group.protocol": protocol, "auto.offset.reset": options.reset_policy}
    if protocol == "CONSUMER":
        found.update({"group.remote.assignor": options.group_remote_assignor} if options.group_remote_assignor else {})
    elif options.assignment_strategy != RANGE:
        raise _UnfitError(f"{options.assignment_strategy}: klamm's members know {RANGE} only")
    if options.session_timeout is not None:
        found["session.timeout.ms"] = str(options.session_timeout)
        if protocol == "CLASSIC" and options.session_timeout <= number(found, "heartbeat.interval.ms", 3000):
            raise _UnfitError("Heartbeat must be set lower than the session timeout")
    if options.group_instance_id is not None:
        found["group.instance.id"] = options.group_instance_id
    return found


def _subscription(options: argparse.Namespace) -> Subscription:
    return Subscription(
        topic=options.topic,
        pattern=None,
        group=options.group_id,
        client_id=f"consumer-{options.group_id}-1",
        reset="earliest",
        commits=options.enable_autocommit,
    )


def _consume(source: Source, options: argparse.Namespace, most: int, signals: _Signals) -> None:
    event("startup_complete", {})
    left = options.max_messages
    with source:
        try:
            while left != 0 and not signals.number:
                polled = signals.poll(source, most)
                if not polled:
                    continue
                offsets, count = _tell(polled, left, options.verbose)
                left = left - count if left > 0 else left
                if not options.enable_autocommit:
                    _commit(source, offsets)
        except _StoppedError:
            pass
        except ClientError as error:
            print(f"ERROR Error during processing, terminating consumer process: \n{java_line(error)}", file=sys.stderr)
        requested = signals.number != 0
        if requested:
            event("shutdown_requested", {})
    event("shutdown_complete", {})
    if not requested:
        # Kafka's hook at the end of its process says so in any case.
        event("shutdown_requested", {})


def _tell(polled: Sequence[Shown], left: int, verbose: bool) -> tuple[dict[Key, int], int]:
    """Prints what a poll brought, up to `left` records (negative: all). Returns the offsets to commit, and how many."""
    rows: dict[Key, list[Shown]] = {}
    for shown in polled:
        rows.setdefault((shown.topic, shown.partition), []).append(shown)
    summaries = []
    offsets: dict[Key, int] = {}
    told = 0
    for (topic, partition), every in rows.items():
        taken = every if left < 0 else every[: left - told]
        if not taken:
            break
        place = {"topic": topic, "partition": partition}
        first, last = taken[0].record.offset, taken[-1].record.offset
        summaries.append({**place, "count": len(taken), "minOffset": first, "maxOffset": last})
        offsets[topic, partition] = last + 1
        told += len(taken)
        for record in (row.record for row in taken if verbose):
            texts = {"key": text_of(record.key), "value": text_of(record.value)}
            event("record_data", {**texts, **place, "offset": record.offset})
    # The count is the poll's, also of records above --max-messages.
    event("records_consumed", {"count": len(polled), "partitions": summaries})
    return offsets, told


def _commit(source: Source, offsets: Mapping[Key, int]) -> None:
    try:
        failure = {} if source.commit(offsets) else {"error": _NO_MEMBER}
    except ClientError as error:
        failure = {"error": str(error)}
    rows = [
        {"topic": topic, "partition": partition, "offset": offset} for (topic, partition), offset in offsets.items()
    ]
    event("offsets_committed", {"offsets": rows, **failure, "success": not failure})


def _assigned(keys: Sequence[Key]) -> None:
    event("partitions_assigned", {"partitions": _places(keys)})


def _revoked(keys: Sequence[Key]) -> None:
    event("partitions_revoked", {"partitions": _places(keys)})


def _places(keys: Sequence[Key]) -> list[dict[str, object]]:
    return [{"topic": topic, "partition": partition} for topic, partition in keys]
