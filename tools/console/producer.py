"""`klamm console-producer`: lines of standard input become records, as with kafka-console-producer.sh."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from ...wire.records import Record
from ..client import ClientError, open_client
from ..client.errors import SettingError, java_line
from ..client.pipeline import Batch
from ..client.producer_settings import pipeline_settings
from ..client.settings import number
from ..progress import Progress
from .lines import LineError, parse_line
from .lines import settings as line_settings
from .options import Options, OptionsError, bootstrap, help_or_version, parse, properties, refuse, warn_of_old
from .producer_options import ABOUT, OPTIONS, READER
from .sender import Sender, SenderSettings

_READ_BYTES: Final = 65_536

_OLD_NAMES: Final = (
    ("property", "reader-property"),
    ("producer-property", "command-property"),
    ("producer.config", "command-config"),
)

_OLD_NAME: Final = "Warning: --{} is deprecated and will be removed in a future version. Use --{} instead."

#: (property, the options that set it: the first that is given wins, the last one's default counts).
_PROPERTIES: Final = (
    ("acks", "request-required-acks"),
    ("batch.size", "max-partition-memory-bytes", "batch-size"),
    ("linger.ms", "timeout"),
    ("buffer.memory", "max-memory-bytes"),
    ("retries", "message-send-max-retries"),
    ("request.timeout.ms", "request-timeout-ms"),
    ("max.block.ms", "max-block-ms"),
    ("metadata.max.age.ms", "metadata-expiry-ms"),
)


class _LostError(Exception):
    """With --sync the first record that is lost ends the command."""


def run(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 for a command line, a line, or with --sync a record that cannot be used."""
    try:
        options = parse(OPTIONS, arguments)
        if help_or_version(options, ABOUT, OPTIONS):
            return 0
        address = bootstrap(options, "bootstrap-server", "broker-list")
        if not options.has("topic"):
            raise OptionsError('Missing required argument "[topic]"')
        warn_of_old(options, _OLD_NAMES, _OLD_NAME, new_first=True)
        config = properties(options, ("producer.config", "command-config"), ("producer-property", "command-property"))
        reader = line_settings(properties(options, ("reader-config",), ("property", "reader-property")))
        sending = sender_settings(options, config)
        client = open_client(address, properties=_client_properties(options, config), client_id="console-producer")
    except (OptionsError, LineError) as error:
        return refuse(str(error), ABOUT, OPTIONS)
    except SettingError as error:
        print(java_line(error), file=sys.stderr)
        return 1
    if options.last("line-reader") not in (READER, "kafka.tools.ConsoleProducer$LineMessageReader"):
        print(f"java.lang.ClassNotFoundException: {options.last('line-reader')}", file=sys.stderr)
        return 1
    sync = options.has("sync")
    topic = str(options.last("topic"))
    lost: list[ClientError] = []

    def on_done(batch: Batch, error: ClientError | None) -> None:
        if options.has("json"):
            from .json_lines import acknowledged  # here, since few command lines want it

            _print_bytes(acknowledged(topic, batch, error))
        if error is not None:
            for record in batch.records:
                on_error(record, error)

    def on_error(record: Record, error: ClientError) -> None:
        lost.append(error)
        if not sync:
            _log_lost(topic, record, error)

    def add(record: Record) -> None:
        try:
            sender.add(record)
            if sync:
                sender.flush()
        except ClientError as error:
            if options.has("json"):
                from .json_lines import refused

                _print_bytes(refused(topic, error))
            on_error(record, error)

    # Who types sees the lines; who pipes millions sees how many there were.
    with client, Progress("lines", off=sys.stdin.isatty()) as progress:
        sender = Sender(client, topic, sending, on_done)
        number = 0
        try:
            for line in _lines(sender, quiet=options.has("json")):
                number += 1
                add(parse_line(line, number, reader))
                progress.tick(number)
                if sync and lost:
                    raise _LostError
        except LineError as error:
            print(f"org.apache.kafka.common.KafkaException: {error}", file=sys.stderr)
            return 1
        except _LostError:
            print(java_line(lost[0]), file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130
        finally:
            sender.flush()
    return 0


def _print_bytes(lines: bytes) -> None:
    sys.stdout.buffer.write(lines)
    sys.stdout.buffer.flush()


def _log_lost(topic: str, record: Record, error: ClientError) -> None:
    """The line of org.apache.kafka.clients.producer.internals.ErrorLoggingCallback."""
    key = "null" if record.key is None else f"{len(record.key)} bytes"
    value = "null" if record.value is None else f"{len(record.value)} bytes"
    now = time.strftime("%Y-%m-%d %H:%M:%S")
    print(
        f"[{now},000] ERROR Error when sending message to topic {topic} with key: {key}, value: {value} with error:"
        f" (org.apache.kafka.clients.producer.internals.ErrorLoggingCallback)\n{java_line(error)}",
        file=sys.stderr,
    )


def _lines(sender: Sender, *, quiet: bool) -> Iterator[str]:
    """Lines of standard input, without their ends; what waits is sent whenever its time has come. `quiet`: unasked."""
    prompt = asks = sys.stdin.isatty() and sys.stdout.isatty() and not quiet
    descriptor = sys.stdin.fileno()
    left = b""
    while True:
        if prompt:
            print(">", end="", flush=True)
        if not select.select([descriptor], [], [], sender.due_s())[0]:
            sender.flush()
            prompt = False
            continue
        prompt = asks
        data = os.read(descriptor, _READ_BYTES)
        if not data:
            break
        # As java.io.BufferedReader: a line ends with \n, \r or both.
        left += data
        held = b"\r" if left.endswith(b"\r") else b""
        lines = left[: len(left) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        left = lines.pop() + held
        for line in lines:
            yield line.decode(errors="surrogateescape")
        if sender.due_s() == 0.0:
            sender.flush()
    if left:
        yield left.rstrip(b"\r").decode(errors="surrogateescape")


# --- settings -----------------------------------------------------------------------------------------------------


def sender_settings(options: Options, config: Mapping[str, str]) -> SenderSettings:
    """What the options say, else the producer's configuration, else the options' defaults. Raises OptionsError,
    SettingError."""
    merged = dict(config)
    for key, *names in _PROPERTIES:
        given = [name for name in names if options.has(name)]
        if given or key not in merged:
            merged[key] = str(options.last(given[0] if given else names[-1]))
    if options.has("compression-codec"):
        merged["compression.type"] = options.last("compression-codec") or "gzip"
    if "transactional.id" in config:
        raise OptionsError("transactional.id: lines of standard input are no transaction")
    found = SenderSettings(
        batch_bytes=number(merged, "batch.size", 16384),
        linger_ms=number(merged, "linger.ms", 1000),
        buffer_bytes=number(merged, "buffer.memory", 33_554_432),
        pipeline=pipeline_settings(merged),
    )
    if options.has("max-partition-memory-bytes"):
        print(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0."
            " Use --batch-size instead.",
            file=sys.stderr if options.has("json") else sys.stdout,
        )
    return found


def _client_properties(options: Options, config: Mapping[str, str]) -> dict[str, str]:
    """The connection's part of the configuration."""
    found = dict(config)
    for key, name in (("retry.backoff.ms", "retry-backoff-ms"), ("request.timeout.ms", "request-timeout-ms")):
        if options.has(name) or key not in found:
            found[key] = str(options.last(name))
    return found
