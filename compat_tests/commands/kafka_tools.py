"""Kafka's own tools, many in one JVM: a step costs milliseconds where a JVM of its own costs a second."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from compat_tests.kafka_peer import peer

HARNESS = Path(__file__).with_name("Harness.java")
JVM = ("-Xmx256M", "-XX:TieredStopAtLevel=1")
#: A step that takes longer has its JVM killed.
LIMIT_S = 60.0

CLASSES = {
    "topics": "org.apache.kafka.tools.TopicCommand",
    "get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "log-dirs": "org.apache.kafka.tools.LogDirsCommand",
    "leader-election": "org.apache.kafka.tools.LeaderElectionCommand",
    "configs": "kafka.admin.ConfigCommand",
    "cluster": "org.apache.kafka.tools.ClusterTool",
    "features": "org.apache.kafka.tools.FeatureCommand",
    "metadata-quorum": "org.apache.kafka.tools.MetadataQuorumCommand",
    "transactions": "org.apache.kafka.tools.TransactionsCommand",
    "reassign-partitions": "org.apache.kafka.tools.reassign.ReassignPartitionsCommand",
    "producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "consumer-perf-test": "org.apache.kafka.tools.ConsumerPerformance",
    "console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "groups": "org.apache.kafka.tools.GroupsCommand",
    "client-metrics": "org.apache.kafka.tools.ClientMetricsCommand",
    "verifiable-producer": "org.apache.kafka.tools.VerifiableProducer",
    "verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "dump-log": "org.apache.kafka.tools.DumpLogSegments",
}

#: Actions that have options of their own, and what must stand before them.
ACTIONS = {
    "cluster": ("cluster-id", "unregister", "list-endpoints"),
    "features": ("describe", "upgrade", "downgrade", "disable", "version-mapping", "feature-dependencies"),
    "metadata-quorum": ("describe", "add-controller", "remove-controller"),
    "transactions": (
        "list",
        "describe",
        "describe-producers",
        "abort",
        "find-hanging",
        "forceTerminateTransaction",
    ),
}
BEFORE_ACTION = dict.fromkeys(("metadata-quorum", "transactions"), ("--bootstrap-server", "127.0.0.1:1"))


class Told(NamedTuple):
    """What a tool did: its exit code, standard output and standard error."""

    code: int
    out: str
    err: str


class KafkaTools:
    """A JVM that runs Kafka's tools, started when it is first asked. Raises peer.PeerUnavailableError without Java."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def run(self, command: str, arguments: Sequence[str], stdin: str = "") -> Told:
        if self._process is None:
            start = peer.java_command("-Dx=y", jvm=JVM)[:-1]
            self._process = subprocess.Popen(
                [*start, str(HARNESS)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        request = {"class": CLASSES[command], "arguments": list(arguments), "stdin": stdin}
        limit = threading.Timer(LIMIT_S, process.kill)
        limit.start()
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        finally:
            limit.cancel()
        if not line:
            self.close()
            raise TimeoutError(f"{command} {' '.join(arguments)}: no answer within {LIMIT_S} s")
        told = Told(**json.loads(line))
        if told.code is None:
            # The tool has ended the JVM: the next one gets another.
            told = told._replace(code=process.wait())
            self.close()
        return told

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> KafkaTools:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
