"""The Java client's transactions, by version 2 of the protocol: all or nothing, and exactly once through kills."""

from __future__ import annotations

import os
import random
import threading
from collections import Counter
from typing import Any

import pytest

from ..support import unique
from .clients import Client, Java

KILLS = int(os.environ.get("KLAMM_KILLS", "4"))
SEED = int(os.environ.get("KLAMM_KILL_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
PARTITIONS = 3
RECORDS = 1500


def settings(java: Java, **config: Any) -> dict[str, str]:
    quick = {"reconnect.backoff.max.ms": "200", "retry.backoff.ms": "20", "retry.backoff.max.ms": "200"}
    named = {key.replace("_", "."): str(value) for key, value in config.items()}
    return {"bootstrap.servers": java.broker.bootstrap_servers, **quick, **named}


def committed(java: Java, topic: str, partitions: int, count: int) -> list[str]:
    """The values of at least `count` records that a reader of committed records sees."""
    reader = java.consumer(
        partitions=[(topic, number, None) for number in range(partitions)], isolation_level="read_committed"
    )
    found = [(record.value or b"").decode() for record in reader.take(count)]
    java.close_client(reader)
    return found


def test_committed_and_aborted_transactions(java: Java) -> None:
    topic = java.create_topic(partitions=PARTITIONS)
    commits = [number % 3 != 1 for number in range(10)]
    name = unique("tx")
    for label in ("a", "b"):  # the second producer fences the first one
        java.program.call(
            "transact",
            config=settings(java, transactional_id=name),
            topic=topic,
            partitions=PARTITIONS,
            commits=commits,
            label=label,
        )
    kept = {
        f"{label}-{number}-{partition}"
        for label in ("a", "b")
        for number, commit in enumerate(commits)
        for partition in range(PARTITIONS)
        if commit
    }
    found = committed(java, topic, PARTITIONS, len(kept))
    assert sorted(found) == sorted(kept)


@pytest.mark.bounded(60 + 10 * KILLS)
def test_exactly_once_through_kills_of_the_broker(java: Java) -> None:
    rng = random.Random(SEED)
    source, target = java.create_topic(partitions=PARTITIONS), java.create_topic(partitions=2)
    processor = Client(java.program, unique("processor"))
    running = processor.start(
        "process",
        producer=settings(java, transactional_id=unique("tx")),
        consumer=settings(
            java,
            group_id=unique("group"),
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit="false",
            max_poll_records=50,
        ),
        source=source,
        target=target,
    )
    feeder = java.producer(reconnect_backoff_max_ms=200)
    per_kill = RECORDS // (KILLS + 1)
    sent: list[str] = []
    for kill in range(KILLS + 1):
        values = [str(kill * per_kill + number) for number in range(per_kill)]
        so_far = len(processor.events("processed"))
        feeder.send_values(source, values)
        sent += values
        if kill < KILLS:
            java.program.wait_for(
                lambda enough=so_far: len(processor.events("processed")) > enough,  # type: ignore[misc]
                f"a transaction (seed {SEED})",
            )
            threading.Event().wait(rng.random() * 0.2)  # not a wait for anything: the kill comes at a random moment
            java.broker.kill()
            java.broker.start()
    done = {f"{copy}:{value}" for value in sent for copy in (0, 1)}
    found = Counter(committed(java, target, 2, len(done)))
    processor.call("stop_processing")
    java.program.finish(running)
    # Once more, after the processor has ended: nothing came behind.
    found = Counter(committed(java, target, 2, len(done)))
    lost = done - set(found)
    doubled = [value for value, count in found.items() if count > 1]
    partial = [value for value in sent if (f"0:{value}" in found) != (f"1:{value}" in found)]
    assert (len(lost), len(doubled), len(partial)) == (0, 0, 0), f"seed {SEED}"
    assert set(found) == done
