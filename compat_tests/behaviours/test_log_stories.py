"""Random lives of partitions: klamm tells what a real Kafka has told, and so does a real Kafka today.

KLAMM_LOG_STORIES=1 asks the real Kafka for all of them, not for the first alone: half a minute each.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from compat_tests.support import Broker
from tests.broker.log_story import CONFIG, FOLDER, play

from ..kafka_peer.peer import RealKafka, missing
from .conftest import JVM
from .record_log_stories import PAUSE_S

SEEDS = sorted(path.stem for path in FOLDER.glob("*.txt"))
ASKED = SEEDS if os.environ.get("KLAMM_LOG_STORIES") else SEEDS[:1]


@pytest.mark.klamm_only("a real Kafka is asked below")
@pytest.mark.bounded(180)
@pytest.mark.parametrize("seed", SEEDS)
def test_klamm_tells_the_same(start_broker: Callable[[Mapping[str, str]], Broker], broker_kind: str, seed: str) -> None:
    written, told = play(FOLDER / f"{seed}.txt", start_broker(CONFIG))
    assert told == written


@pytest.mark.skipif(missing() is not None, reason=f"no real Kafka: {missing()}")
@pytest.mark.bounded(300)
@pytest.mark.parametrize("seed", ASKED)
def test_a_real_kafka_still_tells_it(tmp_path: Path, seed: str) -> None:
    with RealKafka(tmp_path, config=CONFIG, jvm=JVM) as kafka:
        written, told = play(FOLDER / f"{seed}.txt", kafka, PAUSE_S)
    assert told == written
