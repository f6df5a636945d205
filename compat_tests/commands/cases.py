"""Command lines whose output Kafka's commands and klamm's must share, and how one run of them is made comparable.

{t} is a topic, {g} a group, {f} a file that names it and its partition 0. What differs from run to run is masked:
names, ids, times, addresses; where Kafka's lines come as its hash tables have them, all are sorted.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from compat_tests.commands.kafka_tools import Told

#: (command, arguments, stdin) -> what came of it.
Run = Callable[[str, list[str], str], Told]


class Step(NamedTuple):
    """One command line; `stdin` is what it reads."""

    command: str
    arguments: str
    stdin: str = ""


class Case(NamedTuple):
    """`setup` is done by klamm's commands, `steps` by those that are compared.

    `numbers`: figures are measurements or ids, and masked; `file`: {f} exists.
    """

    name: str
    steps: list[Step]
    setup: list[Step] = []
    numbers: bool = False


class Ended(NamedTuple):
    """`out`: lines, sorted. `complaint`: the first line of standard error that is not Java's, if the code is not 0."""

    code: int
    out: list[str]
    complaint: str | None


def _steps(command: str, *arguments: str) -> list[Step]:
    return [Step(command, words) for words in arguments]


_MADE = [Step("topics", "--create --topic {t} --partitions 2")]
_WRITTEN = [Step("console-producer", "--topic {t}", "a\nb\nc\n")]
_READ = [Step("console-consumer", "--topic {t} --group {g} --from-beginning --max-messages 2")]
_KEYED = "--reader-property parse.key=true --reader-property parse.headers=true --reader-property null.marker=-"
_SHOWN = " ".join(f"--formatter-property print.{name}=true" for name in ("key", "headers", "partition", "offset"))


def _look(count: int) -> Step:
    """Shows what is in the topic's partition 0; where nothing is to be, a second is enough to see something."""
    end = f"--max-messages {count} --timeout-ms 30000" if count else "--timeout-ms 1000"
    return Step("console-consumer", f"--topic {{t}} --partition 0 --offset earliest {end} {_SHOWN}")


_ADMIN = [
    Case(
        "topics",
        _steps(
            "topics",
            "--create --topic {t} --partitions 2 --replication-factor 1 --config retention.ms=60000",
            "--create --topic {t}",
            "--create --topic {t} --if-not-exists",
            "--create --topic {t}.x --partitions 0",
            "--create --topic {t}/x",
            "--create --topic {t}x --replication-factor 3",
            "--create --topic {t}x --replica-assignment 1,1:1",
            "--describe --topic {t}",
            "--describe --topic {t} --at-min-isr-partitions",
            "--describe --topic {t} --topics-with-overrides",
            "--alter --topic {t} --partitions 3",
            "--alter --topic {t} --partitions 2",
            "--alter --topic {t}",
            "--list --topic {t}.*",
            "--list --partitions 3",
            "--describe --topic-id abc",
            "--delete --topic {t}",
            "--delete --topic {t} --if-exists",
            "--delete --topic {t}",
            "--list --create",
        ),
    ),
    Case(
        "get-offsets",
        _steps(
            "get-offsets",
            "--topic {t}",
            "--topic {t} --time earliest",
            "--topic {t} --time -3",
            "--topic {t} --time soon",
            "--topic-partitions {t}:1-",
            "--topic-partitions {t} --topic {t}",
            "--topic {t}-none",
            "--topic {t} --partitions x",
        ),
        _MADE,
    ),
    Case(
        "delete-records",
        _steps("delete-records", "--offset-json-file {f}", "", "--offset-json-file /none"),
        _MADE,
    ),
    Case(
        "log-dirs",
        _steps("log-dirs", "--describe --topic-list {t}", "--describe --broker-list 77", ""),
        _MADE,
    ),
    Case(
        "leader-election",
        _steps(
            "leader-election",
            "--election-type preferred --topic {t} --partition 0",
            "--election-type unclean --path-to-json-file {f}",
            "--election-type preferred --topic {t}-none --partition 0",
            "--election-type preferred",
            "--all-topic-partitions",
            "--election-type preferred --topic {t}",
        ),
        _MADE,
    ),
    Case(
        "configs",
        _steps(
            "configs",
            "--describe --topic {t}",
            "--alter --topic {t} --add-config retention.ms=5000,cleanup.policy=[compact,delete]",
            "--describe --entity-type topics --entity-name {t}",
            "--alter --topic {t} --delete-config retention.ms",
            "--alter --topic {t} --add-config nonsense=1",
            "--alter --topic {t} --add-config retention.ms=soon",
            "--alter --topic {t}-none --add-config retention.ms=1",
            "--describe --topic {t}-none",
            "--alter --user {t} --add-config producer_byte_rate=20000000",
            "--describe --user {t}",
            "--alter --client {t} --add-config nonsense=1",
            "--describe",
            "--alter --topic {t}",
            "--describe --entity-type cats",
        ),
        _MADE,
    ),
    Case(
        "reassign-partitions",
        _steps(
            "reassign-partitions",
            "--list",
            "--generate --topics-to-move-json-file {f} --broker-list 1",
            "--generate --topics-to-move-json-file {f} --broker-list 9",
            "--generate --topics-to-move-json-file {f} --broker-list 1,1",
            "--execute --reassignment-json-file {f} --throttle 100000",
            "--verify --reassignment-json-file {f} --preserve-throttles",
            "--verify --reassignment-json-file {f}",
            "--cancel --reassignment-json-file {f}",
            "--execute --reassignment-json-file {f} --broker-list 1",
            "--execute",
            "--list --cancel",
            "--verify --reassignment-json-file /none",
        ),
        [Step("topics", "--create --topic {t} --partitions 1")],
    ),
    Case(
        "cluster",
        _steps(
            "cluster",
            "cluster-id",
            "list-endpoints",
            "list-endpoints --include-fenced-brokers",
            "unregister --id 77",
        ),
    ),
    Case(
        "features",
        _steps(
            "features",
            "describe",
            "upgrade --feature group.version=1",
            "upgrade --feature nonsense=1",
            "upgrade",
            "version-mapping",
            "version-mapping --release-version 3.9",
            "feature-dependencies --feature eligible.leader.replicas.version=1",
        ),
    ),
]

_TRANSACTIONAL = Step(
    "producer-perf-test",
    "--topic {t} --num-records 10 --record-size 5 --throughput -1 --transactional-id {t}",
)

_MEASURED = [
    Case(
        "transactions",
        _steps(
            "transactions",
            "list --transactional-id-pattern {t}",
            "list --transactional-id-pattern {t} --duration-filter 100000000",
            "describe --transactional-id {t}",
            "describe --transactional-id {t}-none",
            "describe-producers --topic {t} --partition 0",
            "abort --topic {t} --partition 0",
            "abort --topic {t} --partition 0 --producer-id 3",
            "abort --topic {t} --partition 0 --producer-id 3 --producer-epoch 1",
            "abort --topic {t} --partition 0 --start-offset 3",
            "find-hanging",
            "find-hanging --partition 0 --broker-id 1",
            "find-hanging --topic {t}",
            "forceTerminateTransaction --transactionalId {t}",
            "list --transactional-id-pattern {t}",
        ),
        [Step("topics", "--create --topic {t} --partitions 1"), _TRANSACTIONAL],
        numbers=True,
    ),
    Case(
        "producer-perf-test",
        _steps(
            "producer-perf-test",
            "--topic {t} --num-records 20 --record-size 10 --throughput -1",
            "--topic {t} --num-records 20 --payload-monotonic --throughput 1000 --producer-props linger.ms=1 acks=1",
            "--topic {t} --num-records 20 --record-size 10 --throughput -1 --warmup-records 5",
            "--topic {t} --num-records 20 --record-size 10 --throughput -1 --command-config /dev/null",
        ),
        _MADE,
        numbers=True,
    ),
    Case(
        "consumer-perf-test",
        _steps(
            "consumer-perf-test",
            "--topic {t} --num-records 3",
            "--topic {t} --messages 3 --hide-header --date-format yyyy",
            "--topic {t} --num-records 4 --timeout 500",
            "--topic {t} --num-records 4 --timeout 500 --from-latest --show-detailed-stats",
            "--topic {t}",
            "--num-records 3",
            "--topic {t} --include {t} --num-records 3",
            "--topic {t} --num-records 3 --reporting-interval 0",
            "--topic {t} --num-records 3 --consumer.config /dev/null --command-config /dev/null",
        ),
        _WRITTEN,
        numbers=True,
    ),
]


def _each(name: str, before: list[Step], command: str, *lines: str) -> list[Case]:
    """A case a line, each on a topic of its own."""
    return [Case(f"{name} {number}", [Step(command, line)], before) for number, line in enumerate(lines)]


_PRODUCED = [
    Case(f"console-producer {number}", [Step("console-producer", f"--topic {{t}} {arguments}", stdin), _look(count)])
    for number, (count, arguments, stdin) in enumerate(
        [
            (4, "", "a\nb\r\n\nd"),
            (2, "--sync --request-required-acks 1", "a\nb\n"),
            (2, "--compression-codec", "a\nb\n"),
            (2, "--compression-codec zstd --command-property linger.ms=5", "a\nb\n"),
            (2, "--producer-property acks=0 --max-partition-memory-bytes 100", "a\nb\n"),
            (2, _KEYED, "h:1,i:-\tk\t-\n-\t-\tv\n"),
            (1, _KEYED + " --reader-property ignore.error=true", "alone\n"),
            (2, "--property parse.key=true --property key.separator=::", "k::v\n21::w\n"),
            (1, "--property parse.key=true", "k\tv\nalone\n"),
            (0, "--reader-property parse.key=true --property parse.key=true", "k\tv\n"),
            (0, "--nosuch", ""),
            (0, "--batch-size many", ""),
            (0, "--compression-codec brotli", "a\n"),
        ]
    )
]

_CONSUMED = _each(
    "console-consumer",
    [Step("console-producer", "--topic {t} " + _KEYED, "h:1,i:-\tk\tv\n-\t-\tw\n-\tk\t-\n")],
    "console-consumer",
    "--topic {t} --from-beginning --max-messages 2",
    "--topic {t} --from-beginning --max-messages 3 --timeout-ms 30000 " + _SHOWN,
    "--topic {t} --from-beginning --max-messages 3 --formatter-property print.timestamp=true"
    " --formatter-property print.epoch=true --formatter-property print.value=false",
    "--topic {t} --partition 0 --offset 1 --max-messages 1",
    "--topic {t} --partition 0 --timeout-ms 2000",
    "--topic {t} --partition 0 --from-beginning --max-messages 1 --property print.key=true"
    " --property key.separator=| --property null.literal=NONE",
    "--include {t} --from-beginning --max-messages 3",
    "--topic {t} --from-beginning --max-messages 1 --isolation-level read_committed"
    " --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter",
    "--topic {t} --from-beginning --max-messages 1 --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter",
    "--topic {t} --from-beginning --max-messages 1 --formatter-property print.key=true"
    " --formatter-property key.deserializer=org.apache.kafka.common.serialization.StringDeserializer",
    "--topic {t} --from-beginning --consumer-property auto.offset.reset=latest",
    "--topic {t} --include {t}",
    "--topic {t} --offset 3",
    "--topic {t} --partition 0 --offset soon",
    "--topic {t} --partition 0 --group g",
    "--topic {t} --group g --command-property group.id=h",
)

_GROUPS = _each(
    "consumer-groups",
    _WRITTEN + _READ,
    "consumer-groups",
    "--describe --group {g}",
    "--describe --group {g} --offsets --verbose",
    "--describe --group {g} --members",
    "--describe --group {g} --members --verbose",
    "--describe --group {g} --state",
    "--describe --group {g} --state --verbose",
    "--describe --group nosuch",
    "--list --group {g}",
    "--list --state sleeping",
    "--describe",
    "--describe --group {g} --state Stable",
    "--reset-offsets --group {g} --topic {t} --to-earliest",
    "--reset-offsets --group {g} --topic {t} --to-latest --dry-run",
    "--reset-offsets --group {g} --topic {t}:0 --to-offset 99 --dry-run",
    "--reset-offsets --group {g} --all-topics --shift-by -1 --export --dry-run",
    "--reset-offsets --group {g} --topic {t} --to-datetime 2000-01-01T00:00:00.000 --dry-run",
    "--reset-offsets --group {g} --topic {t} --to-datetime 2999-01-01T00:00:00.000 --dry-run",
    "--reset-offsets --group {g} --topic {t} --by-duration P1D --dry-run",
    "--reset-offsets --group nosuch --topic {t} --to-current --dry-run",
    "--reset-offsets --group {g} --topic {t}:9 --to-latest --dry-run",
    "--reset-offsets --group {g} --to-latest --dry-run",
    "--reset-offsets --group {g} --topic {t} --dry-run",
    "--delete --group nosuch",
    "--delete-offsets --group {g} --topic nosuch",
)

_CHANGED = [
    Case(f"consumer-groups changes {number}", _steps("consumer-groups", *lines), _WRITTEN + _READ)
    for number, lines in enumerate(
        [
            ["--reset-offsets --group {g} --topic {t} --shift-by -1 --execute", "--describe --group {g}"],
            ["--delete-offsets --group {g} --topic {t}", "--describe --group {g}"],
            ["--delete --group {g}", "--describe --group {g}"],
        ]
    )
]

CASES = {case.name: case for case in [*_ADMIN, *_MEASURED, *_PRODUCED, *_CONSUMED, *_GROUPS, *_CHANGED]}


_ORDER = "the complaint lists names in the order of a hash table"
#: (case, step) -> why the complaint of klamm's command is another one, on any broker.
COMMANDS_DIFFER: dict[tuple[str, str], str] = {
    ("console-producer 12", "--topic {t} --compression-codec brotli"): "an exception in Kafka, a complaint in klamm",
    ("consumer-groups 8", "--list --state sleeping"): _ORDER,
    ("consumer-groups 9", "--describe"): _ORDER,
    ("consumer-groups 21", "--reset-offsets --group {g} --topic {t} --dry-run"): _ORDER,
}


# --- one run ----------------------------------------------------------------------------------------------------------


def play(case: Case, run: Run, setup: Run, bootstrap: str, folder: Path) -> list[Ended]:
    """Does the case's steps on names of its own; `setup` is who prepares them."""
    # Names of one length: columns are as wide in every run.
    topic, group = f"topic{secrets.token_hex(4)}", f"group{secrets.token_hex(4)}"
    file = folder / f"{topic}.json"
    row = {"topic": topic, "partition": 0, "offset": 0, "replicas": [1]}
    file.write_text(json.dumps({"partitions": [row], "topics": [{"topic": topic}], "version": 1}))
    names = {"t": topic, "g": group, "f": str(file)}
    for step in case.setup:
        told = setup(step.command, _words(step, names, bootstrap), step.stdin)
        assert told.code == 0, (step, told)
    found = []
    for step in case.steps:
        told = run(step.command, _words(step, names, bootstrap), step.stdin)
        found.append(_ended(told, {topic: "TOPIC", group: "GROUP"}, bootstrap, case.numbers))
    return found


def _words(step: Step, names: dict[str, str], bootstrap: str) -> list[str]:
    words = [word.format(**names) for word in step.arguments.split()]
    where = ["--bootstrap-server", bootstrap]
    # Behind an action where the command has such, before the values of --producer-props.
    return [*words, *where] if step.command == "cluster" else [*where, *words]


_JAVA = re.compile(
    r"\s+(at |\.\.\. |Suppressed)|Caused by|\[20\d\d-|ERROR |WARN |\s\(org|\s*$|([a-z]+\.)+\w*(Exception|Error)\b"
    r"|usage: |The consumer rebalance protocol \(KIP-848\)"
)
_MASKS = (
    (re.compile(r"TopicId: \S{22}"), "TopicId: ID"),
    (re.compile(r"Cluster ID: \S+"), "Cluster ID: ID"),
    (re.compile(r"Epoch: \d+"), "Epoch: N"),
    (re.compile(r'\{"partition":"[^}]*\},?'), ""),
    (re.compile(r'"logDir":"[^"]*"'), '"logDir":"DIR"'),
    (re.compile(r'"log_dirs":\["/[^"]*"\]'), '"log_dirs":["DIR"]'),
    (re.compile(r"(CreateTime:|Timestamp\":)\d+"), r"\1T"),
    (re.compile(r"console-consumer-\d+"), "console-consumer-N"),
)
_NUMBER = re.compile(r"(?:\b-?\d[\d.:-]*(?: \d\d:\d\d:\d\d:\d+)?|\bNaN\b|\bInfinity\b) *")


def _ended(told: Told, names: dict[str, str], bootstrap: str, numbers: bool) -> Ended:
    host, _, port = bootstrap.rpartition(":")

    def lines(text: str) -> list[str]:
        for name, word in names.items():
            text = text.replace(name, word)
        for pattern, mask in _MASKS:
            text = pattern.sub(mask, text)
        text = re.sub(rf"\b{re.escape(host)}:{port}\b", "HOST:PORT", text)
        text = re.sub(rf"\b{port}\b *", "PORT ", text)
        if numbers:
            text = _NUMBER.sub("N ", text)
        return [line.rstrip() for line in text.split("\n") if not _JAVA.match(line)]

    complaints = lines(told.err) if told.code else []
    return Ended(told.code, sorted(lines(told.out)), complaints[0] if complaints else None)
