"""Cases of command lines, and how one run of them is made comparable.

{t} is a topic, {g} a group, {f} a file that names it and its partition 0, {NAME} a file of the case itself. What
differs from run to run is masked: names, ids, times, addresses; where Kafka's lines come as its hash tables have them,
all are sorted.
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
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

    `numbers`: figures are measurements or ids, and masked; `files`: name -> content, where {t} and {g} stand too;
    `own_lines`: only lines of output count that name the case's own topic or group.
    """

    name: str
    steps: list[Step]
    setup: list[Step] = []
    numbers: bool = False
    files: Mapping[str, str] = MappingProxyType({})
    own_lines: bool = False


class Ended(NamedTuple):
    """`out`: lines, sorted. `complaint`: the first line of standard error that is not Java's, if the code is not 0."""

    code: int
    out: list[str]
    complaint: str | None


def steps_of(command: str, *arguments: str) -> list[Step]:
    return [Step(command, words) for words in arguments]


def each(name: str, before: list[Step], command: str, *lines: str) -> list[Case]:
    """A case a line, each on a topic of its own."""
    return [Case(f"{name} {number}", [Step(command, line)], before) for number, line in enumerate(lines)]


MADE = [Step("topics", "--create --topic {t} --partitions 2")]
WRITTEN = [Step("console-producer", "--topic {t}", "a\nb\nc\n")]
READ = [Step("console-consumer", "--topic {t} --group {g} --from-beginning --max-messages 2")]
KEYED = "--reader-property parse.key=true --reader-property parse.headers=true --reader-property null.marker=-"
SHOWN = " ".join(f"--formatter-property print.{name}=true" for name in ("key", "headers", "partition", "offset"))


def look(count: int) -> Step:
    """Shows what is in the topic's partition 0; where nothing is to be, a second is enough to see something."""
    end = f"--max-messages {count} --timeout-ms 30000" if count else "--timeout-ms 1000"
    return Step("console-consumer", f"--topic {{t}} --partition 0 --offset earliest {end} {SHOWN}")


# --- one run ----------------------------------------------------------------------------------------------------------


def play(case: Case, run: Run, setup: Run, bootstrap: str, folder: Path) -> list[Ended]:
    """Does the case's steps on names of its own; `setup` is who prepares them."""
    # Names of one length: columns are as wide in every run.
    topic, group = f"topic{secrets.token_hex(4)}", f"group{secrets.token_hex(4)}"
    file = folder / f"{topic}.json"
    row = {"topic": topic, "partition": 0, "offset": 0, "replicas": [1]}
    file.write_text(json.dumps({"partitions": [row], "topics": [{"topic": topic}], "version": 1}))
    names = {"t": topic, "g": group, "f": str(file)}
    for name, content in case.files.items():
        path = folder / f"{topic}.{name}"
        path.write_text(content.replace("{t}", topic).replace("{g}", group), encoding="utf-8")
        names[name] = str(path)
    for step in case.setup:
        told = setup(step.command, _words(step, names, bootstrap), step.stdin)
        assert told.code == 0, (step, told)
    found = []
    for step in case.steps:
        told = run(step.command, _words(step, names, bootstrap), step.stdin)
        if case.own_lines:
            # Whose columns are as wide as the longest name of others.
            lines = (re.sub(" +", " ", line) for line in told.out.splitlines() if topic in line or group in line)
            told = told._replace(out="\n".join(lines))
        found.append(_ended(told, {topic: "TOPIC", group: "GROUP", str(folder): "FOLDER"}, bootstrap, case.numbers))
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
    (re.compile(r'"log_dirs":\["(?:/|FOLDER)[^"]*"\]'), '"log_dirs":["DIR"]'),
    (re.compile(r"(CreateTime:|Timestamp\":)\d+"), r"\1T"),
    (re.compile(r"(Altered client metrics config for )[\w-]{22}\b"), r"\1ID"),
    (re.compile(r"console-consumer-\d+"), "console-consumer-N"),
    (re.compile(r"\d+ ms ago *"), "T ms ago "),
)
_NUMBER = re.compile(r"(?:\b-?\d[\d.:-]*(?: \d\d:\d\d:\d\d:\d+)?|\bNaN\b|\bInfinity\b) *")


def _event(found: re.Match[str]) -> str:
    """An event of the verifiable tools: Jackson's order of fields changes from run to run."""
    masked = {"timestamp": "T", "avg_throughput": "N"}
    fields = json.loads(found[0])
    return json.dumps({name: masked.get(name, fields[name]) for name in fields}, sort_keys=True)


def _ended(told: Told, names: dict[str, str], bootstrap: str, numbers: bool) -> Ended:
    host, _, port = bootstrap.rpartition(":")

    def lines(text: str) -> list[str]:
        for name, word in names.items():
            text = text.replace(name, word)
        for pattern, mask in _MASKS:
            text = pattern.sub(mask, text)
        text = re.sub(rf"\b{re.escape(host)}:{port}\b", "HOST:PORT", text)
        text = re.sub(rf"\b{port}\b *", "PORT ", text)
        text = re.sub(r"^\{.timestamp.:.*\}$", _event, text, flags=re.MULTILINE)
        if numbers:
            text = _NUMBER.sub("N ", text)
        return [line.rstrip() for line in text.split("\n") if not _JAVA.match(line)]

    complaints = lines(told.err) if told.code else []
    if told.err.startswith("usage: ") and told.code:
        # argparse's and argparse4j's last line, behind the name of the program; the one breaks it, the other does not.
        complaints = [" ".join(told.err.split()).partition(": error: ")[2]]
    return Ended(told.code, sorted(lines(told.out)), complaints[0] if complaints else None)
