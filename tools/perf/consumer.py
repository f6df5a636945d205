"""`klamm consumer-perf-test`: how fast records can be consumed, as Kafka's ConsumerPerformance measures it.

Left out: figures of a JVM's client under --print-metrics.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ..client import ClientError
from ..client.errors import java_line
from ..console.options import (
    COMMON,
    ZOOKEEPER,
    ArgumentError,
    Option,
    Options,
    OptionsError,
    bootstrap,
    help_or_version,
    parse,
    properties,
    refuse,
)
from ..console.source import Source, Subscription
from ..progress import Progress
from .date_format import format_time
from .statistics import MIB, now_ms, print_metrics, ratio, shown

ABOUT: Final = """This tool is used to verify the consumer performance.

    klamm consumer-perf-test --bootstrap-server localhost:9092 --topic greetings --num-records 1000000
    klamm consumer-perf-test --bootstrap-server localhost:9092 --include 'orders-.*' --num-records 100000 \\
        --show-detailed-stats --reporting-interval 1000
    klamm consumer-perf-test --bootstrap-server localhost:9092 --topic greetings --num-records 1000 --timeout 60000 \\
        --group perf --from-latest"""

OPTIONS: Final = (
    Option("bootstrap-server", "string", "REQUIRED: The brokers to begin with: HOST1:PORT1,HOST2:PORT2."),
    Option("topic", "string", "The topic to consume."),
    Option("include", "string", "A regular expression: every topic whose whole name fits is consumed."),
    Option("group", "string", "The group to consume as; a new one without it."),
    Option("fetch-size", "int", "Bytes of a partition in one answer (max.partition.fetch.bytes).", 1024 * 1024),
    Option("from-latest", "flag", "Begin at the end where the group has no offset yet."),
    Option("socket-buffer-size", "int", "Bytes of the socket's receive buffer; the system sizes it.", 2 * 1024 * 1024),
    Option("command-property", "string", "key=value for the consumer."),
    Option("command-config", "string", "A properties file for the consumer; --command-property wins."),
    Option("consumer.config", "string", "The same as --command-config.", old="up to 4.x, KIP-1147"),
    Option("print-metrics", "flag", "Print the consumer's own figures at the end."),
    Option("show-detailed-stats", "flag", "A line for each reporting interval."),
    Option("timeout", "optional", "Milliseconds that may pass without a record.", 10_000),
    Option("num-records", "long", "REQUIRED: How many records to consume."),
    Option("messages", "long", "The same as --num-records.", old="up to 4.x"),
    Option("reporting-interval", "long", "Milliseconds between two detailed lines.", 5_000),
    Option(
        "date-format", "string", "The times in the lines, as java.text.SimpleDateFormat.", "yyyy-MM-dd HH:mm:ss:SSS"
    ),
    Option("hide-header", "flag", "No line of headers."),
    Option("broker-list", "string", "The same as --bootstrap-server.", old="up to 3.x"),
    Option("threads", "int", "Taken and passed over: there is one.", old="up to 3.x"),
    Option("num-fetch-threads", "int", "Taken and passed over: there is one.", old="up to 3.x"),
    ZOOKEEPER,
    Option("json", "flag", "Print the result as one JSON value (klamm's own option)."),
    *COMMON,
)

_MORE_HEADS: Final = ", rebalance.time.ms, fetch.time.ms, fetch.MB.sec, fetch.nMsg.sec"
_HEADS: Final = "start.time, end.time, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec" + _MORE_HEADS
_DETAILED_HEADS: Final = "time, threadId, data.consumed.in.MB, MB.sec, data.consumed.in.nMsg, nMsg.sec" + _MORE_HEADS
#: How long one poll waits.
_POLL_MS: Final = 100


class Mark(NamedTuple):
    """Where a measurement stood: at this time so much had been read, and the group had been joined for so long."""

    at_ms: int
    records: int = 0
    bytes: int = 0
    joined_ms: int = 0


def run(arguments: Sequence[str]) -> int:
    """Returns 0, also when --timeout ended it as in Kafka, 1 for a fault."""
    try:
        options = parse(OPTIONS, arguments)
        if help_or_version(options, ABOUT, OPTIONS):
            return 0
        _check(options)
        address = bootstrap(options, "bootstrap-server", "broker-list")
        config = properties(options, ("consumer.config", "command-config"), ("command-property",))
    except ArgumentError as error:
        # Kafka's command asks for its numbers behind its headers.
        print(_HEADS)
        print(f"{error}\njoptsimple.OptionArgumentConversionException: {error}", file=sys.stderr)
        return 1
    except OptionsError as error:
        return refuse(str(error), ABOUT, OPTIONS)
    try:
        return _measure(options, config, address)
    except (ValueError, OptionsError) as error:
        print(f"{error}\njava.lang.IllegalArgumentException: {error}", file=sys.stderr)
    except ClientError as error:
        print(f"{error}\n{java_line(error)}", file=sys.stderr)
    return 1


def _check(options: Options) -> None:
    for names in (("messages", "num-records"), ("topic", "include")):
        if sum(options.has(name) for name in names) != 1:
            listed = ", ".join(f"[{name}]" for name in names)
            raise OptionsError(f"Exactly one of the following arguments is required: {listed}")
    if options.has("consumer.config") and options.has("command-config"):
        raise OptionsError('Option "[consumer.config]" can\'t be used with option "[command-config]"')
    for old, new in (("messages", "num-records"), ("consumer.config", "command-config")):
        if options.has(old):
            stream = sys.stderr if options.has("json") else sys.stdout
            print(f"Warning: --{old} is deprecated. Use --{new} instead.", file=stream)


def _measure(options: Options, config: Mapping[str, str], address: str) -> int:
    group = options.last("group") or f"perf-consumer-{random.randrange(100_000)}"
    subscription = Subscription(
        topic=options.last("topic"),
        pattern=options.last("include"),
        group=group,
        client_id="perf-consumer-client",
        reset="latest" if options.has("from-latest") else "earliest",
        commits=config.get("enable.auto.commit", "true").lower() == "true",
    )
    wanted = int(options.last("num-records" if options.has("num-records") else "messages"))
    detailed = options.has("show-detailed-stats") and not options.has("json")
    # Options win over files, as in Kafka's command.
    merged = {**config, "max.partition.fetch.bytes": str(options.last("fetch-size"))}
    if not (options.has("hide-header") or options.has("json")):
        print(_DETAILED_HEADS if detailed else _HEADS)
    format_time(options.last("date-format"), 0)
    if options.last("reporting-interval") <= 0:
        raise ValueError("Reporting interval must be greater than 0.")
    begin = Mark(now_ms())
    with Source(merged, address, subscription) as source, Progress("records", wanted, off=detailed) as progress:
        end = _consume(source, begin, wanted, options, detailed, progress)
        client_id = source.client.settings.client_id
    figures = _figures(begin, end)
    if end.records < wanted:
        print(
            "WARNING: Exiting before consuming the expected number of records: timeout "
            f"({options.last('timeout')} ms) exceeded. You can use the --timeout option to increase the timeout.",
            file=sys.stderr if options.has("json") else sys.stdout,
        )
    if options.has("json"):
        print(json.dumps({name: None if value != value else value for name, value in figures.items()}))
        return 0
    if not detailed:
        times = [format_time(options.last("date-format"), mark.at_ms) for mark in (begin, end)]
        print(", ".join([*times, *_cells(figures)]))
    if options.has("print-metrics"):
        metrics = {
            "records-consumed-total": float(end.records),
            "bytes-consumed-total": float(end.bytes),
            "records-consumed-rate": figures["nMsg.sec"],
        }
        print_metrics(metrics, "consumer-fetch-manager-metrics", client_id)
    return 0


def _consume(source: Source, begin: Mark, wanted: int, options: Options, detailed: bool, progress: Progress) -> Mark:
    """Reads until there are `wanted` records, or none has come for --timeout; prints the detailed lines."""
    timeout_ms = int(options.last("timeout"))
    records = size_bytes = 0
    last = begin
    at_ms = came_ms = begin.at_ms
    while records < wanted and at_ms - came_ms <= timeout_ms:
        found = source.poll(_POLL_MS)
        at_ms = now_ms()
        if found:
            came_ms = at_ms
        records += len(found)
        progress.tick(records)
        for shown_ in found:
            size_bytes += len(shown_.record.key or b"") + len(shown_.record.value or b"")
        if found and at_ms - last.at_ms >= options.last("reporting-interval"):
            mark = Mark(at_ms, records, size_bytes, int(source.joined_s * 1000))
            if detailed:
                cells = [format_time(options.last("date-format"), at_ms), "0", *_cells(_figures(last, mark))]
                print(", ".join(cells), flush=True)
            last = mark
    return Mark(now_ms(), records, size_bytes, int(source.joined_s * 1000))


def _figures(begin: Mark, end: Mark) -> dict[str, float]:
    """Kafka's columns: totals up to `end`, rates between the two."""
    elapsed_ms = end.at_ms - begin.at_ms
    joined_ms = end.joined_ms - begin.joined_ms
    fetched_ms = elapsed_ms - joined_ms
    mib, records = (end.bytes - begin.bytes) / MIB, end.records - begin.records
    return {
        "data.consumed.in.MB": end.bytes / MIB,
        "MB.sec": ratio(mib, elapsed_ms / 1000),
        "data.consumed.in.nMsg": end.records,
        "nMsg.sec": ratio(records, elapsed_ms / 1000),
        "rebalance.time.ms": joined_ms,
        "fetch.time.ms": fetched_ms,
        "fetch.MB.sec": ratio(mib, fetched_ms / 1000),
        "fetch.nMsg.sec": ratio(records, fetched_ms / 1000),
    }


def _cells(figures: Mapping[str, float]) -> list[str]:
    return [str(value) if isinstance(value, int) else shown(value, 4) for value in figures.values()]
