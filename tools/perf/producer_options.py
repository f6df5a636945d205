"""The command line of `klamm producer-perf-test`: the options of Kafka 4.3's ProducerPerformance."""

from __future__ import annotations

import argparse
from typing import Final

from ..admin.actions import add_json, parser_of

ABOUT: Final = """\
Measures how fast records can be produced. A transactional id, or --transaction-duration-ms, makes transactions. Exactly
one of --record-size, --payload-file and --payload-monotonic says what the records hold."""

EXAMPLES: Final = """\
  klamm producer-perf-test --bootstrap-server localhost:9092 --topic t --num-records 1000000 --record-size 100 \\
      --throughput -1
  klamm producer-perf-test --bootstrap-server localhost:9092 --topic t --num-records 10000 --payload-file lines.txt \\
      --throughput 1000 --command-property acks=1 compression.type=zstd
  klamm producer-perf-test --bootstrap-server localhost:9092 --topic t --num-records 100000 --record-size 100 \\
      --throughput -1 --transaction-duration-ms 500 --warmup-records 10000"""

#: (old, new): KIP-1147.
OLD_NAMES: Final = (("producer-props", "command-property"), ("producer.config", "command-config"))


def parser() -> argparse.ArgumentParser:
    found = parser_of("producer-perf-test", ABOUT, EXAMPLES)
    found.add_argument("--bootstrap-server", help="host:port,... of brokers; wins over bootstrap.servers elsewhere")
    found.add_argument("--topic", required=True, help="the topic to produce to")
    found.add_argument("--num-records", type=int, required=True, help="how many records")
    found.add_argument("--payload-delimiter", default="\\n", help="what stands between payloads in --payload-file")
    found.add_argument("--throughput", type=float, required=True, help="records a second; -1 for as many as can be")
    for name, text in (
        ("command-property", "properties of the producer, such as linger.ms=10; they win over files"),
        ("producer-props", "the same as --command-property (up to 4.x, KIP-1147)"),
    ):
        found.add_argument(f"--{name}", nargs="+", metavar="KEY=VALUE", help=text)
    found.add_argument("--command-config", metavar="FILE", help="a properties file for the producer")
    found.add_argument("--producer.config", metavar="FILE", help="the same as --command-config (up to 4.x, KIP-1147)")
    found.add_argument("--print-metrics", action="store_true", help="the producer's own figures at the end")
    found.add_argument("--transactional-id", help="makes transactions under this id; wins over transactional.id")
    found.add_argument(
        "--transaction-duration-ms", type=int, help="a transaction is committed after so long (3000 with an id)"
    )
    found.add_argument("--warmup-records", type=int, default=0, help="so many records are not part of the steady state")
    found.add_argument("--reporting-interval", type=int, default=5000, help="milliseconds between two lines (5000)")
    payload = found.add_mutually_exclusive_group(required=True)
    payload.add_argument("--record-size", type=int, help="bytes of each record, random capitals")
    payload.add_argument("--payload-file", metavar="FILE", help="UTF-8 text, of whose parts each record is one")
    payload.add_argument("--payload-monotonic", action="store_true", help="each record is its number")
    add_json(found)
    return found


def check(found: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Ends as argparse does, with Kafka's words, where values or options do not go together."""
    values = vars(options)
    for new, old in ((new, old) for old, new in OLD_NAMES):
        if _given(values, new) and _given(values, old):
            found.error(f"--{new} and --{old} cannot be specified together.")
    for name in ("num_records", "record_size", "transaction_duration_ms", "reporting_interval"):
        if values[name] is not None and values[name] <= 0:
            found.error(f"--{name.replace('_', '-')} should be greater than zero.")
    if options.throughput == 0:
        found.error("--throughput of 0 would never end; -1 is without a limit")
    if options.warmup_records >= options.num_records:
        found.error(
            "The value for --warmup-records must be strictly fewer than the number of records in the test, "
            "--num-records."
        )
    where = ("bootstrap-server", "command-property", "producer-props", "producer.config", "command-config")
    if not any(_given(values, name) for name in where):
        found.error(
            "At least one of --bootstrap-server, --command-property, --producer-props, --producer.config or "
            "--command-config must be specified."
        )


def _given(values: dict[str, object], name: str) -> bool:
    return values[name.replace("-", "_")] is not None
