"""The starter of a real Kafka keeps its promises: it starts, keeps its data over stop and kill -9, and runs tools."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from . import peer

TOPIC_COMMAND = "org.apache.kafka.tools.TopicCommand"


def test_given_configuration_has_the_last_word() -> None:
    properties = peer.server_properties(Path("/d"), 9092, 9093, {"node.id": "7", "num.partitions": "3"})
    assert (properties["node.id"], properties["num.partitions"]) == ("7", "3")
    assert properties["listeners"] == "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"


def test_bad_command_line_is_refused_with_the_usage() -> None:
    done = subprocess.run(
        [sys.executable, peer.__file__, "start", "no-port"], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 2
    assert "peer.py start DIR PORT" in done.stderr


@pytest.mark.bounded(180)
def test_topics_survive_stop_and_kill(tmp_path: Path) -> None:
    with peer.RealKafka(tmp_path, config={"num.partitions": "3"}, jvm=("-Xmx512M", "-XX:TieredStopAtLevel=1")) as kafka:
        address = ["--bootstrap-server", kafka.bootstrap_servers]
        created = kafka.run_class(TOPIC_COMMAND, *address, "--create", "--topic", "kept")
        assert created.returncode == 0, created.stderr
        kafka.restart()
        kafka.kill()
        kafka.start()
        described = kafka.run_class(TOPIC_COMMAND, *address, "--describe", "--topic", "kept")
        assert "PartitionCount: 3" in described.stdout
    assert not kafka.running
