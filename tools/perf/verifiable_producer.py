"""`klamm verifiable-producer`: numbers as records, and a line of JSON for each that is stored or lost.

As Kafka's VerifiableProducer, which system tests count by. A record is never sent twice (retries is 0).
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Final

from ...wire.records import Record
from ..admin.actions import parse_or_code, parser_of
from ..client import Client, ClientError, open_client
from ..client.errors import SettingError, java_line
from ..client.pipeline import Batch
from ..client.producer_settings import pipeline_settings
from ..client.settings import number, read_properties
from ..console.sender import Sender, SenderSettings
from ..console.signals import on_stop_signals
from .events import config_path, event, text_of
from .statistics import now_ms

EXAMPLES: Final = """\
  klamm verifiable-producer --bootstrap-server localhost:9092 --topic t --max-messages 100
  klamm verifiable-producer --bootstrap-server localhost:9092 --topic t --throughput 50 --value-prefix 7"""


class _StoppedError(Exception):
    """A signal; `args[0]` is its number."""


def parser() -> argparse.ArgumentParser:
    about = "Produces increasing integers, and prints JSON that says which were acknowledged and which were not."
    found = parser_of("verifiable-producer", about, EXAMPLES)
    found.add_argument("--bootstrap-server", required=True, help="host:port,... of brokers")
    found.add_argument("--topic", required=True, help="the topic to produce to")
    found.add_argument("--max-messages", type=int, default=-1, help="how many; -1 until it is stopped")
    found.add_argument("--throughput", type=int, default=-1, help="records a second; -1 for as many as can be")
    found.add_argument("--acks", type=int, choices=(0, 1, -1), default=-1, help="who must have a record")
    found.add_argument("--producer.config", metavar="FILE", help="the same as --command-config (up to 4.x, KIP-1147)")
    found.add_argument("--message-create-time", type=int, default=-1, help="ms that the timestamps begin with")
    found.add_argument("--value-prefix", type=int, help="stands before each number, with a dot between")
    found.add_argument("--repeating-keys", type=int, help="keys go from 0 up to this, and again")
    found.add_argument("--command-config", metavar="FILE", help="a properties file for the producer")
    return found


class _Tally:
    """Prints an event for each record, and counts."""

    def __init__(self, topic: str) -> None:
        self.sent = 0
        self.acked = 0
        self._topic = topic

    def done(self, batch: Batch, error: ClientError | None) -> None:
        for index, record in enumerate(batch.records):
            if error is not None:
                self.lost(record, error)
                continue
            self.acked += 1
            place = {
                "offset": batch.base_offset + index if batch.base_offset >= 0 else -1,
                "topic": self._topic,
                "partition": batch.partition,
            }
            event("producer_send_success", {**_texts(record), **place})

    def lost(self, record: Record, error: ClientError) -> None:
        name = f"class {error.java_package}.{error.java_name}"
        event("producer_send_error", {"topic": self._topic, **_texts(record), "exception": name, "message": str(error)})


def _texts(record: Record) -> dict[str, object]:
    return {"key": text_of(record.key), "value": text_of(record.value)}


def _records(options: argparse.Namespace) -> Iterator[Record]:
    prefix = "" if options.value_prefix is None else f"{options.value_prefix}."
    at = 0
    while at != options.max_messages:
        key = None if not options.repeating_keys else b"%d" % (at % options.repeating_keys)
        yield Record(key=key, value=f"{prefix}{at}".encode())
        at += 1


def run(arguments: Sequence[str]) -> int:
    """Returns 0 when all is sent, 1 for a command line or setting that is wrong, 128 and its number after a signal."""
    found = parser()
    options = parse_or_code(found, arguments)
    if isinstance(options, int):
        return options
    path = config_path(found, options, "producer.config")
    if isinstance(path, int):
        return path
    try:
        properties = read_properties(path) if path else {}
        merged = {**properties, "acks": str(options.acks), "retries": "0"}
        settings = SenderSettings(
            batch_bytes=number(merged, "batch.size", 16384),
            linger_ms=number(merged, "linger.ms", 5),
            buffer_bytes=number(merged, "buffer.memory", 33_554_432),
            pipeline=pipeline_settings(merged),
        )
        client = open_client(options.bootstrap_server, properties=properties, client_id="producer-1")
    except SettingError as error:
        print(f'Exception in thread "main" {java_line(error)}', file=sys.stderr)
        return 1
    with on_stop_signals(_stop), client:
        return _produce(client, options, settings)


def _produce(client: Client, options: argparse.Namespace, settings: SenderSettings) -> int:
    tally = _Tally(options.topic)
    sender = Sender(client, options.topic, settings, tally.done)
    code = 0
    begin_s, begin_ms = time.monotonic(), now_ms()
    event("startup_complete", {})
    try:
        for record in _records(options):
            _wait(sender, 0.0 if options.throughput < 0 else begin_s + tally.sent / max(options.throughput, 1e-9))
            created_ms = options.message_create_time
            tally.sent += 1
            try:
                sender.add(record, None if created_ms < 0 else created_ms + now_ms() - begin_ms)
            except ClientError as error:
                tally.lost(record, error)
    except _StoppedError as stopped:
        code = 128 + stopped.args[0]
    sender.flush()
    event("shutdown_complete", {})
    average = tally.acked / max(time.monotonic() - begin_s, 1e-9)
    counts = {"sent": tally.sent, "acked": tally.acked}
    event("tool_data", {**counts, "target_throughput": options.throughput, "avg_throughput": average})
    return code


def _wait(sender: Sender, until_s: float) -> None:
    """Sends what is due until then, and what is due now in any case."""
    while (left_s := until_s - time.monotonic()) > 0:
        due_s = sender.due_s()
        time.sleep(left_s if due_s is None else min(left_s, due_s))
        if due_s is not None and due_s <= left_s:
            sender.flush()
    if sender.due_s() == 0.0:
        sender.flush()


def _stop(sign: int, _frame: FrameType | None) -> None:
    # A second one must not interrupt what is being told.
    signal.signal(sign, signal.SIG_IGN)
    raise _StoppedError(sign)
