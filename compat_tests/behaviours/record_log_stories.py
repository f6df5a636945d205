"""Writes what a real Kafka tells of the stories of logs into tests/broker/log_stories.

python -m compat_tests.behaviours.record_log_stories SEED...      each on a Kafka of its own; some minutes
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.broker.log_story import CONFIG, FOLDER, LogStory

from ..kafka_peer.peer import RealKafka

#: Until Kafka's broker goes by a new config that it tells already.
PAUSE_S = 0.2


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    for seed in map(int, sys.argv[1:]):
        with tempfile.TemporaryDirectory() as folder, RealKafka(Path(folder), config=CONFIG) as kafka:
            told = LogStory(kafka, seed, None, PAUSE_S).run()
        (FOLDER / f"{seed}.txt").write_text("".join(line + "\n" for line in told))
        print(f"{len(told)} lines of story {seed}")


if __name__ == "__main__":
    main()
