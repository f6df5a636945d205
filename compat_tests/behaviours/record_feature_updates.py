"""Writes what a real Kafka answers to the requests of tests/data/feature_updates.jsonl into that file.

    python -m compat_tests.behaviours.record_feature_updates      starts a Kafka for each cluster of the table

Its broker hears a moment after its controller has answered: ApiVersions is asked until two answers 0.5 s apart are the
same.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from compat_tests.kafka_peer.peer import RealKafka
from tests.broker.feature_updates import TABLE, Ask, answer_to, clusters, finalized
from tests.broker.raw_client import RawClient


def settled(ask: Ask) -> dict[str, int]:
    """Feature -> level when it no longer changes."""
    _, levels = finalized(ask)
    while True:
        time.sleep(0.5)
        _, again = finalized(ask)
        if again == levels:
            return levels
        levels = again


def main() -> None:
    lines: list[dict[str, object]] = []
    for number, cluster in enumerate(clusters()):
        lines.append({"format": cluster.options})
        with (
            tempfile.TemporaryDirectory() as folder,
            RealKafka(Path(folder) / str(number), format_options=cluster.options) as kafka,
            RawClient(kafka.bootstrap_servers) as client,
        ):
            for step in cluster.steps:
                answer = answer_to(client.request, step)
                lines.append(step | {"answer": answer, "finalized": settled(client.request)})
    TABLE.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    print(f"{len(lines)} lines in {TABLE.name}")


if __name__ == "__main__":
    main()
