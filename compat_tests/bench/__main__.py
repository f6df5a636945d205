"""`make bench`: klamm beside a real Kafka in one run on this machine, as Markdown.

Only ratios carry over to other machines. The real Kafka is brought up from its Maven jars (a JDK 17+ and Maven are
needed); without them klamm's own figures are printed alone, and the page says so.

    make bench                      everything
    make bench ARGS="startup small" some of: startup small batches million groups cold
                                    append compaction durable partitions
                                    hundred-million commands

KLAMM_BENCH_SCALE=0.01 makes the last three smaller.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from statistics import median

from ..kafka_peer.peer import free_port, missing, run_class
from . import (
    append_cost,
    cold,
    commands,
    compaction,
    durable,
    groups,
    hundred_million,
    loads,
    partitions,
    request_cost,
    small_requests,
    startup,
)
from .group_load import Load
from .processes import cpu_seconds, resident_mb
from .sides import address, brokers, create_topic, one_after_the_other, one_broker, say

SMALL_REQUESTS = 20_000
#: A JVM is warm after four runs: the fifth is the one that counts.
RUNS = 5
BATCH_RECORDS = 3_000_000
#: A JVM compiles while it serves: it is given as much to warm up on before it is measured.
WARM_UP_RECORDS = 3_000_000
MILLION_RECORDS = 10_000_000
GROUPS = int(os.environ.get("KLAMM_BENCH_GROUPS", "10000"))
GROUP_MEMBERS = 5
HOLD_S = float(os.environ.get("KLAMM_BENCH_HOLD_S", "60"))
COLD_BYTES = int(os.environ.get("KLAMM_BENCH_COLD_BYTES", "8000000000"))
#: More than a device of 50 ms a read gives in the time.
COLD_SLOW_BYTES = 200_000_000


def bench_startup(folder: Path) -> None:
    say("## Start\n\n| klamm on | first Produce s | first Fetch s | memory MB |\n|---|---|---|---|")
    for start in startup.measure(folder, free_port()):
        say(f"| {start.what} | {start.first_produce_s:.3f} | {start.first_fetch_s:.3f} | {start.idle_mb:.1f} |")


def bench_small(folder: Path) -> None:
    say(f"## One record a request\n\n{SMALL_REQUESTS} Produce v9 requests of one 100-byte record, acks=1.\n")
    say("| broker | run | connections | requests/s | p50 us | p99 us | broker cpu us |\n|---|---|---|---|---|---|---|")
    found: dict[tuple[str, int], list[float]] = {}
    with brokers(folder) as running:
        for name, broker in reversed(running):
            create_topic(broker.bootstrap_servers, "small")
            for run in range(1, RUNS + 1):
                for rate in small_requests.measure(address(broker), "small", broker.pid, SMALL_REQUESTS):
                    p50 = "" if rate.p50_us is None else f"{rate.p50_us:.0f}"
                    p99 = "" if rate.p99_us is None else f"{rate.p99_us:.0f}"
                    say(
                        f"| {name} | {run} | {rate.connections} | {rate.requests_per_s:.0f} | {p50} | {p99} "
                        f"| {rate.broker_cpu_us:.0f} |"
                    )
                    found.setdefault((name, rate.connections), []).append(rate.requests_per_s)
    for connections in (1, 16, 64):
        if ("Kafka", connections) in found:
            ratio = median(found["klamm", connections]) / found["Kafka", connections][-1]
            say(f"\n{connections} connections: klamm's median is {ratio:.2f} of the rate of Kafka's fifth run.")


def bench_batches(folder: Path) -> None:
    say(f"## Batches\n\n{BATCH_RECORDS} records of 100 bytes through librdkafka, acks=1, linger 5 ms, one partition.\n")
    say("| broker | what | records/s | broker cpu us a record | memory MB after |\n|---|---|---|---|---|")
    cpu: dict[tuple[str, str], float] = {}
    with brokers(folder) as running:
        for name, broker in running:
            if name == "klamm":
                say(f"| klamm | idle | | | {resident_mb(broker.pid):.1f} |")
            create_topic(broker.bootstrap_servers, "batches")
            create_topic(broker.bootstrap_servers, "warm-up")
            if name == "Kafka":
                loads.produce(broker.bootstrap_servers, "warm-up", broker.pid, WARM_UP_RECORDS, 100)
                loads.consume(broker.bootstrap_servers, "warm-up", broker.pid, WARM_UP_RECORDS)
            steps: list[tuple[str, Callable[[], loads.Cost]]] = [
                ("produce", lambda b=broker: loads.produce(b.bootstrap_servers, "batches", b.pid, BATCH_RECORDS, 100)),
                ("consume", lambda b=broker: loads.consume(b.bootstrap_servers, "batches", b.pid, BATCH_RECORDS)),
            ]
            for what, step in steps:
                cost = step()
                cpu[name, what] = cost.cpu_us_per_record
                say(
                    f"| {name} | {what} | {cost.records_per_s:.0f} | {cost.cpu_us_per_record:.3f} "
                    f"| {resident_mb(broker.pid):.1f} |"
                )
    for what in ("produce", "consume"):
        if ("Kafka", what) in cpu:
            ratio = cpu["klamm", what] / max(cpu["Kafka", what], 1e-9)
            say(f"\n{what}: klamm takes {ratio:.2f} of Kafka's cpu a record.")


def bench_million(folder: Path) -> None:
    say(f"## A million records a second\n\n{MILLION_RECORDS} records of 10 bytes, acks=1, one partition.\n")
    say("| broker | client | records/s | broker cpu s |\n|---|---|---|---|")
    with brokers(folder) as running:
        for name, broker in running:
            create_topic(broker.bootstrap_servers, "million")
            cost = loads.produce(broker.bootstrap_servers, "million", broker.pid, MILLION_RECORDS, 10)
            say(f"| {name} | librdkafka (confluent-kafka) | {cost.records_per_s:.0f} | {cost.broker_cpu_s:.2f} |")
            if missing() is None:
                cpu = cpu_seconds(broker.pid)
                done = run_class(
                    "org.apache.kafka.tools.ProducerPerformance",
                    *("--topic", "million", "--num-records", str(MILLION_RECORDS), "--record-size", "10"),
                    *("--throughput", "-1", "--producer-props", f"bootstrap.servers={broker.bootstrap_servers}"),
                    *("acks=1", "linger.ms=5", "batch.size=262144"),
                    timeout_s=180,
                )
                rate = done.stdout.strip().splitlines()[-1].split(",")[1].split()[0]
                say(f"| {name} | Java, kafka-producer-perf-test | {rate} | {cpu_seconds(broker.pid) - cpu:.2f} |")


def bench_groups(folder: Path) -> None:
    most = groups.raise_limit()
    connections = min(GROUPS, most)
    say(
        f"## Groups that stay\n\n{GROUPS} groups of {GROUP_MEMBERS} members over {connections} connections; "
        f"each member's heartbeat once an interval, for {HOLD_S:.0f} s.\n"
    )
    say("| broker | protocol | interval s | heartbeats/s | broker cpu | us each | p50 ms | p99 ms | memory MB | lost |")
    say("|---|---|---|---|---|---|---|---|---|---|")
    # One broker at a time, and a new one for each protocol: ten thousand idle connections are a load too.
    for kind, interval_s in groups.INTERVAL_S.items():
        for name in ("klamm", "Kafka"):
            if name == "Kafka" and missing() is not None:
                continue
            with one_broker(name, folder / f"{name}-{kind}", groups.BROKER_CONFIG) as broker:
                create_topic(broker.bootstrap_servers, "groups", 2 * GROUP_MEMBERS)
                host, port = address(broker)
                held = groups.measure(
                    Load(
                        *(kind, host, port, broker.pid, "groups"),
                        *(GROUPS, GROUP_MEMBERS, connections, interval_s, HOLD_S),
                    )
                )
            # Answers with errors, answers that never came, and members that their groups no longer have.
            lost = sum(held.errors.values()) + held.sent - held.answered + held.gone
            say(
                f"| {name} | {kind} | {interval_s:.0f} | {held.answered / held.seconds:.0f} "
                f"| {held.broker_cpu_s / held.seconds:.0%} of a core | {held.broker_cpu_s / held.answered * 1e6:.1f} "
                f"| {held.p50_ms:.2f} | {held.p99_ms:.1f} | {held.memory_mb:.0f} | {lost} |"
            )


def bench_cold(folder: Path) -> None:
    say(f"## Beside a backlog\n\nA pair at 200 records/s, alone and beside a consumer of {COLD_BYTES / 1e9:.1f} GB.\n")
    say("| broker | the pair is | backlog's pages | read at | p50 us | p99 us | max us | p99 to alone | memory MB |")
    say("|---|---|---|---|---|---|---|---|---|")
    for name, broker in one_after_the_other(folder):
        for topic in (cold.LIVE, cold.BACKLOG):
            create_topic(broker.bootstrap_servers, topic)
        runs = cold.Runs(address(broker), broker.pid, COLD_BYTES)
        drop = partial(cold.drop_pages, broker.data_dir)
        time_cold(name, runs, {"in memory": lambda: None, "dropped": drop}, (math.inf, cold.MODEST_MB_PER_S))
    with cold.slow_broker(folder / "slow") as (where, pid, drop):
        for topic in (cold.LIVE, cold.BACKLOG):
            create_topic(f"{where[0]}:{where[1]}", topic)
        time_cold("klamm", cold.Runs(where, pid, COLD_SLOW_BYTES), {"50 ms a read": drop}, (math.inf,))


def time_cold(
    broker: str, runs: cold.Runs, pages: Mapping[str, Callable[[], None]], rates_mb_per_s: Iterable[float]
) -> None:
    """`pages`: what is done to those of the backlog beforehand, by its name."""
    for pair, scheduled in (("like others", nullcontext), ("before others", cold.before_others)):
        try:
            with scheduled():
                idle = runs.idle()
                say_cold(broker, pair, "alone", idle, "")
                for rate in rates_mb_per_s:
                    for name, drop in pages.items():
                        found = runs.beside(drop, rate)
                        say_cold(broker, pair, name, found, f"{found.latencies.p99_us / idle.latencies.p99_us:.2f}")
        except (PermissionError, AttributeError):
            say(f"({broker}: this system does not let the pair go before others)")


def say_cold(broker: str, pair: str, pages: str, found: cold.Outcome, ratio: str) -> None:
    times, read = found.latencies, f"{found.read_mb_per_s:.0f} MB/s" if found.read_mb_per_s else ""
    say(
        f"| {broker} | {pair} | {pages} | {read} | {times.p50_us:.0f} | {times.p99_us:.0f} | {times.max_us:.0f} "
        f"| {ratio} | {found.memory_mb:.0f} |"
    )


BENCHES = {
    "startup": bench_startup,
    "small": bench_small,
    "batches": bench_batches,
    "million": bench_million,
    "groups": bench_groups,
    "cold": bench_cold,
    "request": request_cost.bench,
    "append": append_cost.bench,
    "compaction": compaction.bench,
    "durable": durable.bench,
    "partitions": partitions.bench,
    "hundred-million": hundred_million.bench,
    "commands": commands.bench,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("what", nargs="*", choices=[*BENCHES, []], help="which (default: all)")
    wanted = parser.parse_args().what or list(BENCHES)
    for name in wanted:
        with tempfile.TemporaryDirectory(prefix="klamm-bench-") as folder:
            BENCHES[name](Path(folder))
        say()
    return 0


if __name__ == "__main__":
    sys.exit(main())
