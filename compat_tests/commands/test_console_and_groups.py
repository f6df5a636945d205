"""console-producer, console-consumer and consumer-groups beside Kafka's own classes: the same steps, the same output.

Both commands talk to the same broker, klamm and a real Kafka in turn. What differs from run to run (ids, times) is
masked, and lines are compared in any order where Kafka prints them as its hash tables have them.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from compat_tests.kafka_peer import peer
from compat_tests.support import Broker, unique

# Each step starts two JVMs: on klamm by default, on a real Kafka too with --broker=both.
pytestmark = pytest.mark.skipif(peer.missing() is not None, reason=f"{peer.missing()}")

LIMIT_S = 50

CLASSES = {
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
}

_MASKS = (
    (re.compile(r"The consumer rebalance protocol \(KIP-848\) is production-ready!.*\n"), ""),
    (re.compile(r"(CreateTime:|Timestamp\":)\d+"), r"\1T"),
    (re.compile(r"console-consumer-\d+"), "console-consumer-N"),
)


class Ended(NamedTuple):
    """`counted`: how many messages the consumer says it processed, None where nothing does."""

    code: int
    out: list[str]
    counted: str | None


def run(command: list[str], stdin: str) -> Ended:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=LIMIT_S)
    out = done.stdout
    for pattern, mask in _MASKS:
        out = pattern.sub(mask, out)
    counted = re.search(r"Processed a total of \d+ messages", done.stderr)
    return Ended(done.returncode, sorted(out.split("\n")), None if counted is None else counted[0])


def theirs(command: str, arguments: list[str], stdin: str = "") -> Ended:
    return run(peer.java_command(CLASSES[command], *arguments, jvm=("-Xmx256M", "-XX:TieredStopAtLevel=1")), stdin)


def ours(command: str, arguments: list[str], stdin: str = "") -> Ended:
    return run([sys.executable, "-m", "klamm", command, *arguments], stdin)


def words(text: str, broker: Broker, **names: str) -> list[str]:
    return [*text.format(**names).split(), "--bootstrap-server", broker.bootstrap_servers]


@pytest.mark.klamm_only("Kafka's own help, without a broker")
@pytest.mark.parametrize("command", CLASSES)
def test_every_option_of_kafkas_is_in_the_table_and_taken(broker: Broker, command: str) -> None:
    told = subprocess.run(
        peer.java_command(CLASSES[command], "--help"), capture_output=True, text=True, timeout=LIMIT_S
    )
    options = set(re.findall(r"^--([a-z][a-z.-]*)", told.stdout + told.stderr, re.MULTILINE))
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    section = page.split(f"## `klamm {command}`")[1].split("\n## ")[0]
    assert options - set(re.findall(r"^\| `--([a-z.-]+)` \|", section, re.MULTILINE)) == set()
    help_text = subprocess.run(
        [sys.executable, "-m", "klamm", command, "--help"], capture_output=True, text=True, timeout=LIMIT_S
    ).stdout
    assert options
    assert options - set(re.findall(r"^--([a-z][a-z.-]*)", help_text, re.MULTILINE)) == set()


# --- producer -----------------------------------------------------------------------------------------------------

KEYED = "--reader-property parse.key=true --reader-property parse.headers=true --reader-property null.marker=-"
SHOWN = " ".join(f"--formatter-property print.{name}=true" for name in ("key", "headers", "partition", "offset"))


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [
        ("", "a\nb\r\n\nd"),
        ("--sync --request-required-acks 1", "a\nb\n"),
        ("--compression-codec", "a\nb\n"),
        ("--compression-codec zstd --command-property linger.ms=5", "a\nb\n"),
        ("--producer-property acks=0 --max-partition-memory-bytes 100", "a\nb\n"),
        (KEYED, "h:1,i:-\tk\t-\n-\t-\tv\n"),
        (KEYED + " --reader-property ignore.error=true", "alone\n"),
        ("--property parse.key=true --property key.separator=::", "k::v\n21::w\n"),
        ("--property parse.key=true", "k\tv\nalone\n"),
        ("--reader-property parse.key=true --property parse.key=true", "k\tv\n"),
        ("--nosuch", ""),
        ("--batch-size many", ""),
        ("--compression-codec brotli", "a\n"),
    ],
)
def test_the_producer_writes_what_kafkas_writes(broker: Broker, arguments: str, stdin: str) -> None:
    stored = []
    for produce in (theirs, ours):
        topic = unique("t")
        ended = produce("console-producer", words("--topic {t} " + arguments, broker, t=topic), stdin)
        reading = words("--topic {t} --partition 0 --offset earliest --timeout-ms 3000 " + SHOWN, broker, t=topic)
        stored.append((ended, ours("console-consumer", reading)))
    assert stored[0] == stored[1]


# --- consumer -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        "--topic {t} --from-beginning --max-messages 2",
        "--topic {t} --from-beginning --timeout-ms 4000 " + SHOWN,
        "--topic {t} --from-beginning --max-messages 3 --formatter-property print.timestamp=true"
        " --formatter-property print.epoch=true --formatter-property print.value=false",
        "--topic {t} --partition 0 --offset 1 --max-messages 1",
        "--topic {t} --partition 0 --timeout-ms 2000",
        "--topic {t} --partition 0 --from-beginning --max-messages 1 --property print.key=true"
        " --property key.separator=| --property null.literal=NONE",
        "--include {t} --from-beginning --max-messages 3",
        "--topic {t} --from-beginning --max-messages 1 --isolation-level read_committed"
        " --formatter org.apache.kafka.tools.consumer.NoOpMessageFormatter",
        "--topic {t} --from-beginning --max-messages 1"
        " --formatter org.apache.kafka.tools.consumer.LoggingMessageFormatter",
        "--topic {t} --from-beginning --max-messages 1 --formatter-property print.key=true"
        " --formatter-property key.deserializer=org.apache.kafka.common.serialization.StringDeserializer",
        "--topic {t} --from-beginning --consumer-property auto.offset.reset=latest",
        "--topic {t} --include {t}",
        "--topic {t} --offset 3",
        "--topic {t} --partition 0 --offset soon",
        "--topic {t} --partition 0 --group g",
        "--topic {t} --group g --command-property group.id=h",
    ],
)
def test_the_consumer_shows_what_kafkas_shows(broker: Broker, arguments: str) -> None:
    topic = unique("t")
    ours("console-producer", words("--topic {t} " + KEYED, broker, t=topic), "h:1,i:-\tk\tv\n-\t-\tw\n-\tk\t-\n")
    told = words(arguments, broker, t=topic)
    assert ours("console-consumer", told) == theirs("console-consumer", told)


def test_commits_look_the_same_in_the_topic_of_offsets(broker: Broker) -> None:
    topic, group = unique("t"), unique("g")
    ours("console-producer", words("--topic {t}", broker, t=topic), "a\nb\n")
    ours(
        "console-consumer", words("--topic {t} --group {g} --from-beginning --max-messages 2", broker, t=topic, g=group)
    )
    formatter = "org.apache.kafka.tools.consumer.OffsetsMessageFormatter"
    told = words("--topic __consumer_offsets --from-beginning --timeout-ms 4000 --formatter {f}", broker, f=formatter)
    shown = [produce("console-consumer", told) for produce in (ours, theirs)]
    # No line ends between the objects; Kafka's own consumer adds nothing to them, since it commits nothing.
    objects = [sorted("".join(ended.out).replace("}}}{", "}}}\n{").splitlines()) for ended in shown]
    mine = [[line for line in lines if f'"group":"{group}"' in line] for lines in objects]
    assert mine[0] == mine[1] != []


# --- groups -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
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
    ],
)
def test_groups_are_shown_as_kafkas_command_shows_them(broker: Broker, arguments: str) -> None:
    topic, group = unique("t"), unique("g")
    ours("console-producer", words("--topic {t}", broker, t=topic), "a\nb\nc\n")
    ours(
        "console-consumer", words("--topic {t} --group {g} --from-beginning --max-messages 2", broker, t=topic, g=group)
    )
    told = words(arguments, broker, t=topic, g=group)
    assert ours("consumer-groups", told) == theirs("consumer-groups", told)


@pytest.mark.parametrize(
    "steps",
    [
        ["--reset-offsets --group {g} --topic {t} --shift-by -1 --execute", "--describe --group {g}"],
        ["--delete-offsets --group {g} --topic {t}", "--describe --group {g}"],
        ["--delete --group {g}", "--describe --group {g}"],
    ],
)
def test_groups_are_changed_as_kafkas_command_changes_them(broker: Broker, steps: list[str]) -> None:
    seen = []
    for act in (ours, theirs):
        topic, group = unique("t"), unique("g")
        ours("console-producer", words("--topic {t}", broker, t=topic), "a\nb\nc\n")
        reading = "--topic {t} --group {g} --from-beginning --max-messages 2"
        ours("console-consumer", words(reading, broker, t=topic, g=group))
        ended = [act("consumer-groups", words(step, broker, t=topic, g=group)) for step in steps]
        names = re.compile(rf"\b({topic}|{group})\b *")
        seen.append([(one.code, sorted(names.sub("NAME ", line) for line in one.out)) for one in ended])
    assert seen[0] == seen[1]
