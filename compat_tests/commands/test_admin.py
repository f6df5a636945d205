"""The administrators' commands beside Kafka's own classes: the same steps on one broker, the same output and codes.

Each step runs twice, once by Kafka's class and once by klamm's command, on topics of its own, on klamm and on a real
Kafka. Ids, times and Java's stacks are masked; lines are compared in any order.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from compat_tests.kafka_peer import peer
from compat_tests.support import Broker, unique

pytestmark = [pytest.mark.skipif(peer.missing() is not None, reason=f"no real Kafka: {peer.missing()}")]

LIMIT_S = 50
JVM = ("-Xmx256M", "-XX:TieredStopAtLevel=1")
DOCS = Path(__file__).resolve().parents[2] / "docs" / "commands.md"

CLASSES = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "configs": "kafka.admin.ConfigCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "features": "org.apache.kafka.tools.FeatureCommand",
}
SUBCOMMANDS = {
    "cluster": ("cluster-id", "unregister", "list-endpoints"),
    "features": ("describe", "upgrade", "downgrade", "disable", "version-mapping", "feature-dependencies"),
}

#: T is the topic, F a file that names its partition 0. {command: [arguments]}
STEPS = {
    "topics": [
        "--create --topic T --partitions 2 --replication-factor 1 --config retention.ms=60000",
        "--create --topic T",
        "--create --topic T --if-not-exists",
        "--create --topic T.x --partitions 0",
        "--create --topic T/x",
        "--create --topic Tx --replication-factor 3",
        "--create --topic Tx --replica-assignment 1,1:1",
        "--describe --topic T",
        "--describe --topic T --at-min-isr-partitions",
        "--describe --topic T --topics-with-overrides",
        "--alter --topic T --partitions 3",
        "--alter --topic T --partitions 2",
        "--alter --topic T",
        "--list --topic T.*",
        "--list --partitions 3",
        "--describe --topic-id abc",
        "--delete --topic T",
        "--delete --topic T --if-exists",
        "--delete --topic T",
        "--list --create",
    ],
    "get-offsets": [
        "--topic T",
        "--topic T --time earliest",
        "--topic T --time -3",
        "--topic T --time soon",
        "--topic-partitions T:1-",
        "--topic-partitions T --topic T",
        "--topic T-none",
        "--topic T --partitions x",
    ],
    "delete-records": ["--offset-json-file F", "", "--offset-json-file /none"],
    "log-dirs": ["--describe --topic-list T", "--describe --broker-list 77", ""],
    "leader-election": [
        "--election-type preferred --topic T --partition 0",
        "--election-type unclean --path-to-json-file F",
        "--election-type preferred --topic T-none --partition 0",
        "--election-type preferred",
        "--all-topic-partitions",
        "--election-type preferred --topic T",
    ],
    "configs": [
        "--describe --topic T",
        "--alter --topic T --add-config retention.ms=5000,cleanup.policy=[compact,delete]",
        "--describe --entity-type topics --entity-name T",
        "--alter --topic T --delete-config retention.ms",
        "--alter --topic T --add-config nonsense=1",
        "--alter --topic T --add-config retention.ms=soon",
        "--alter --topic T-none --add-config retention.ms=1",
        "--describe --topic T-none",
        "--alter --user T --add-config producer_byte_rate=20000000",
        "--describe --user T",
        "--alter --client T --add-config nonsense=1",
        "--describe",
        "--alter --topic T",
        "--describe --entity-type cats",
    ],
    "cluster": ["cluster-id", "list-endpoints", "list-endpoints --include-fenced-brokers", "unregister --id 77"],
    "features": [
        "describe",
        "upgrade --feature group.version=1",
        "upgrade --feature nonsense=1",
        "upgrade",
        "version-mapping",
        "version-mapping --release-version 3.9",
        "feature-dependencies --feature eligible.leader.replicas.version=1",
    ],
}

_JAVA = re.compile(
    r"\s+(at |\.\.\. |Suppressed)|Caused by|\[20\d\d-|ERROR |WARN |\s\(org|\s*$|([a-z]+\.)+\w*(Exception|Error)\b"
)
_MASKS = (
    (re.compile(r"TopicId: \S{22}"), "TopicId: ID"),
    (re.compile(r"Epoch: \d+"), "Epoch: N"),
    (re.compile(r'\{"partition":"[^}]*\},?'), ""),
)


class Ended(NamedTuple):
    """`complaint`: the first line of standard error that is not Java's, if the code is not 0."""

    code: int
    out: list[str]
    complaint: str | None


def run(command: Sequence[str], topic: str) -> Ended:
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)

    def lines(text: str) -> list[str]:
        for pattern, mask in _MASKS:
            text = pattern.sub(mask, text)
        return [line.replace(topic, "T").rstrip() for line in text.split("\n") if not _JAVA.match(line)]

    complaints = lines(done.stderr) if done.returncode else []
    return Ended(done.returncode, sorted(lines(done.stdout)), complaints[0] if complaints else None)


# On klamm by default, on a real Kafka too with --broker=both: each step starts a JVM.
@pytest.mark.bounded(150)
@pytest.mark.parametrize("command", STEPS)
def test_the_same_steps_end_alike(broker: Broker, command: str, tmp_path: Path) -> None:
    runs: dict[str, list[Ended]] = {}
    for who, start in (
        ("Kafka", peer.java_command(CLASSES[command], jvm=JVM)),
        ("klamm", [sys.executable, "-m", "klamm", command]),
    ):
        topic = unique("admin")
        where = ["--bootstrap-server", broker.bootstrap_servers]
        if command in ("get-offsets", "delete-records", "log-dirs", "leader-election", "configs"):
            made = [sys.executable, "-m", "klamm", "topics", *where, "--create", "--topic", topic, "--partitions", "2"]
            assert run(made, topic).code == 0
        file = tmp_path / "partitions.json"
        file.write_text(json.dumps({"partitions": [{"topic": topic, "partition": 0, "offset": 0}], "version": 1}))
        runs[who] = []
        for step in STEPS[command]:
            # "T" stands for itself only where no letter is before it.
            words = [re.sub(r"^T", topic, word) if word != "F" else str(file) for word in step.split()]
            ordered = [*words, *where] if command == "cluster" else [*where, *words]
            runs[who].append(run([*start, *ordered], topic))
    for step, theirs, ours in zip(STEPS[command], runs["Kafka"], runs["klamm"], strict=True):
        assert ours == theirs, step


def options_of(help_text: str) -> set[str]:
    """Names of the options in a help of jopt-simple's, or of argparse4j's."""
    found = re.findall(r"^--([a-z][a-z.-]+)", help_text, re.MULTILINE)
    found += re.findall(r"^  (?:-\w, )?--([a-z-]+)(?: [A-Z_]+)?(?:,|\s|$)", help_text, re.MULTILINE)
    return set(found)


@pytest.mark.bounded(90)
@pytest.mark.parametrize("command", CLASSES)
def test_the_docs_name_every_option_of_kafkas(command: str) -> None:
    helps = [["--help"], *([name, "--help"] for name in SUBCOMMANDS.get(command, ()))]
    done = [peer.run_class(CLASSES[command], *words, jvm=JVM) for words in helps]
    options = {name for one in done for name in options_of(one.stdout + one.stderr)}
    assert len(options) > 4
    text = DOCS.read_text(encoding="utf-8")
    named = set(re.findall(rf"^\| {command} \| `--([a-z.-]+)` \| [a-z]", text, re.MULTILINE))
    assert options - named == set()
