"""Kafka's jars for the suites that hold `klamm.wire` to Kafka's own definitions and codecs.

Those of 4.3.1 are the ones that `kafka_peer` starts a broker from; two more come once from Maven: Kafka Streams, which
has a message of its own, and the clients of 3.9.2, which have the versions that 4.0 removed.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..kafka_peer import peer

STREAMS = f"kafka-streams-{peer.KAFKA_VERSION}.jar"
OLD_CLIENTS = "kafka-clients-3.9.2.jar"
FETCH_TIMEOUT_S = 300.0

_STRING_OR_COMMENT = re.compile(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


def _more_jars() -> Path:
    """The folder of the two jars. Raises PeerUnavailableError."""
    folder = peer.libs_directory().parent / "wire"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs that start together fetch once
        for jar in (STREAMS, OLD_CLIENTS):
            if (folder / jar).exists():
                continue
            artifact, _, version = jar.removesuffix(".jar").rpartition("-")
            command = ["mvn", "-q", "-B", "-Dstyle.color=never", "dependency:copy", f"-DoutputDirectory={folder}"]
            done = subprocess.run(
                [*command, f"-Dartifact=org.apache.kafka:{artifact}:{version}"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=FETCH_TIMEOUT_S,
            )
            if done.returncode:
                raise peer.PeerUnavailableError(f"Maven could not fetch {jar}: " + (done.stdout + done.stderr)[-500:])
    return folder


def current_jars() -> list[Path]:
    """Kafka 4.3.1's jars, Streams' among them. Raises PeerUnavailableError."""
    return [*sorted(peer.fetch_jars().glob("*.jar")), _more_jars() / STREAMS]


def old_clients() -> Path:
    """The clients of 3.9.2. Raises PeerUnavailableError."""
    return _more_jars() / OLD_CLIENTS


def definitions(jars: list[Path]) -> Iterator[dict[str, Any]]:
    """The message JSON files inside of jars."""
    for jar in jars:
        if not jar.name.startswith("kafka"):
            continue
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                folder, _, file = name.rpartition("/")
                if file.endswith(".json") and folder.removeprefix("common/") in ("message", "metadata"):
                    text = archive.read(name).decode()
                    yield json.loads(_STRING_OR_COMMENT.sub(lambda match: match[1] or "", text))
