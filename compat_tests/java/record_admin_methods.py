"""Writes what each method of Kafka's Admin client gives on a real Kafka into admin_methods.json.

    python -m compat_tests.java.record_admin_methods        starts a real Kafka of its own and ends it

The cases stand in AdminTopicCases.java, AdminClusterCases.java and AdminGroupCases.java.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any, Final

from compat_tests.kafka_peer.peer import RealKafka

from .jvm import Program

HERE: Final = Path(__file__).resolve().parent
RECORDED: Final = HERE / "admin_methods.json"
#: What the broker that is asked must be set to.
CONFIG: Final = {
    "node.id": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
}
#: How long Kafka gets, before each case that only reads, until its broker knows what its controller has done.
KAFKA_SETTLES_MS: Final = 300
#: Kafka with its pauses on a loaded machine; klamm needs 4 s.
LIMIT_S: Final = 150.0


def outcomes(program: Program, bootstrap_servers: str, settle_ms: int) -> dict[str, Any]:
    """Case -> outcome, of all cases on a fresh broker."""
    number = program.start("admin_methods", bootstrap=bootstrap_servers, settle_ms=settle_ms)
    found: dict[str, Any] = program.finish(number, LIMIT_S)
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "stderr.log"
        with RealKafka(folder, config=CONFIG) as kafka, Program(HERE, "klamm.compat.Main", log) as program:
            found = outcomes(program, kafka.bootstrap_servers, KAFKA_SETTLES_MS)
    RECORDED.write_text(json.dumps(found, indent=1, sort_keys=False) + "\n")
    print(f"{len(found)} outcomes in {RECORDED.name}")


if __name__ == "__main__":
    main()
