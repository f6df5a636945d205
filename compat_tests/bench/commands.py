"""klamm's commands: how long each takes from start to end on a running broker, and what the perf tests reach."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from .sides import one_broker, say

RUNS = 5
RECORDS = int(2_000_000 * float(os.environ.get("KLAMM_BENCH_SCALE", "1")))
TIMEOUT_S = 600

#: What each command is asked, behind --bootstrap-server where it has that; {log} is a segment that the broker wrote.
LINES = (
    "topics --list",
    "topics --describe",
    "configs --describe --topic t",
    "get-offsets --topic t",
    "log-dirs --describe",
    "consumer-groups --list",
    "groups --list",
    "client-metrics --list",
    "leader-election --election-type preferred --all-topic-partitions",
    "reassign-partitions --list",
    "transactions list",
    "features describe",
    "cluster cluster-id",
    "console-consumer --topic t --from-beginning --max-messages 1",
    "console-consumer --topic t --from-beginning --max-messages 1 --command-property group.protocol=consumer",
    "console-producer --topic t",
    "verifiable-producer --topic t --max-messages 1",
    "consumer-perf-test --topic t --num-records 1",
    "producer-perf-test --topic t --num-records 1 --record-size 1 --throughput -1",
    "dump-log --files {log}",
    "config retention",
    "completion bash",
)
_WITHOUT_BROKER = ("dump-log", "config", "completion")


def run(arguments: list[str]) -> str:
    """klamm's command as a process that may keep its bytecode. Raises CalledProcessError."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-m", "klamm", *arguments],
        input="line\n",
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=True,
    ).stdout


def bench(folder: Path) -> None:
    """Says a table of times, and one of records a second."""
    with one_broker("klamm", folder / "klamm", {}) as broker:
        where = ["--bootstrap-server", broker.bootstrap_servers]
        run(["topics", *where, "--create", "--topic", "t", "--partitions", "3"])
        some = "--topic t --num-records 10 --record-size 9 --throughput -1"
        run(["producer-perf-test", *where, *some.split()])
        logs = sorted(broker.data_dir.rglob("t-[0-2]/*.log"))
        say(f"## Commands\n\nFrom start to end, median of {RUNS}.\n\n| command | ms |\n|---|---|")
        for line in LINES:
            command, *words = line.format(log=logs[0]).split()
            if command not in _WITHOUT_BROKER:
                words = [*words, *where] if command == "cluster" else [*where, *words]
            took = []
            for _ in range(RUNS):
                begin_s = time.perf_counter()
                run([command, *words])
                took.append(time.perf_counter() - begin_s)
            say(f"| `{line}` | {median(took) * 1000:.0f} |")
        run(["topics", *where, "--create", "--topic", "perf", "--partitions", "1"])
        load = f"--topic perf --num-records {RECORDS} --json"
        sent = run(["producer-perf-test", *where, *load.split(), *["--record-size", "100", "--throughput", "-1"]])
        read = run(["consumer-perf-test", *where, *load.split()])
        say(f"\n| {RECORDS} records of 100 bytes | records/s |\n|---|---|")
        say(f"| `producer-perf-test` | {json.loads(sent)['total']['recordsPerSec']:.0f} |")
        say(f"| `consumer-perf-test` | {json.loads(read)['nMsg.sec']:.0f} |")
