"""Asks Kafka's own commands once and keeps what they say, so that the tests need no JVM.

    python -m compat_tests.commands.record [CASE ...]

starts a real Kafka, plays the cases (all without a name) with Kafka's classes on it, and writes recorded/cases.json and
recorded/options.json. Needs a JDK 17+, and Maven for the first time.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from compat_tests.commands.cases import CASES
from compat_tests.commands.kafka_tools import ACTIONS, BEFORE_ACTION, CLASSES, KafkaTools
from compat_tests.commands.ours import klamm
from compat_tests.commands.play import play
from compat_tests.kafka_peer import peer

HERE = Path(__file__).resolve().parent
RECORDED_CASES = HERE / "recorded" / "cases.json"
RECORDED_OPTIONS = HERE / "recorded" / "options.json"


def options_of(tools: KafkaTools, command: str) -> list[str]:
    """Names of the command's options and of its actions', without dashes, from its own help."""
    helps = [["--help"]]
    helps += [[*BEFORE_ACTION.get(command, ()), action, "--help"] for action in ACTIONS.get(command, ())]
    found: set[str] = set()
    for words in helps:
        told = tools.run(command, words)
        text = told.out + told.err
        # jopt-simple's lines, and argparse4j's.
        found |= set(re.findall(r"^--([A-Za-z][A-Za-z.-]+)", text, re.MULTILINE))
        found |= set(re.findall(r"^  (?:-\w, )?--([A-Za-z][A-Za-z.-]+)", text, re.MULTILINE))
    return sorted(found)


def main(names: Sequence[str]) -> None:
    cases = json.loads(RECORDED_CASES.read_text(encoding="utf-8")) if RECORDED_CASES.exists() else {}
    with KafkaTools() as tools, tempfile.TemporaryDirectory() as folder:
        options = {command: options_of(tools, command) for command in CLASSES}
        with peer.RealKafka(Path(folder) / "kafka", jvm=("-Xmx512M", "-XX:TieredStopAtLevel=1")) as kafka:
            for case in CASES.values():
                if not names or case.name in names:
                    print(case.name, flush=True)
                    try:
                        ended = play(case, tools.run, klamm, kafka.bootstrap_servers, Path(folder))
                    except TimeoutError as error:
                        print(f"not recorded: {error}", flush=True)
                        continue
                    cases[case.name] = [row._asdict() for row in ended]
    cases = {name: cases[name] for name in CASES if name in cases}
    RECORDED_CASES.write_text(json.dumps(cases, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RECORDED_OPTIONS.write_text(json.dumps(options, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
