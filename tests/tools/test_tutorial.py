"""Lines of tutorials from Kafka 1.0 to 4.3 (`tutorial.sh`), and the scripts that start, stop and format."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from klamm.tools.cli import main

LINES = Path(__file__).with_name("tutorial.sh")
LIMIT_S = 180
Start = Callable[..., Any]

#: The keys of the config/server.properties that Kafka 4.3.1 is shipped with, and their values there.
OF_KAFKA_4_3 = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.quorum.bootstrap.servers": "localhost:9093",
    "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
    "inter.broker.listener.name": "PLAINTEXT",
    "advertised.listeners": "PLAINTEXT://localhost:9092,CONTROLLER://localhost:9093",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": (
        "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL"
    ),
    "num.network.threads": "3",
    "num.io.threads": "8",
    "socket.send.buffer.bytes": "102400",
    "socket.receive.buffer.bytes": "102400",
    "socket.request.max.bytes": "104857600",
    "log.dirs": "/tmp/kraft-combined-logs",
    "num.partitions": "1",
    "num.recovery.threads.per.data.dir": "2",
    "offsets.topic.replication.factor": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "log.retention.hours": "168",
    "log.segment.bytes": "1073741824",
    "log.retention.check.interval.ms": "300000",
}
#: What files of Kafka 0.8 to 3.9 hold.
OLD = {
    "broker.id": "0",
    "listeners": "PLAINTEXT://localhost:9092",
    "host.name": "localhost",
    "port": "9092",
    "zookeeper.connect": "localhost:2181/kafka",
    "zookeeper.connection.timeout.ms": "18000",
    "delete.topic.enable": "true",
    "log.cleaner.enable": "false",
    "log.dirs": "/tmp/kafka-logs",
    "num.partitions": "1",
    "log.message.format.version": "1.0",
    "inter.broker.protocol.version": "1.0",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Home:
    """A folder as Kafka's download is: bin/ and config/, with a port and a /tmp of its own."""

    def __init__(self, folder: Path) -> None:
        self.path, self.tmp, self.port = folder / "kafka", folder / "tmp", free_port()
        self.tmp.mkdir()
        assert main(["link-commands", str(self.path / "bin")]) == 0
        self.config("of-kafka-4.3.properties", OF_KAFKA_4_3)
        self.config("old.properties", OLD)
        for file in (self.path / "config").rglob("*.properties"):
            file.write_text(self.here(file.read_text()))
        runtime = folder / "runtime"
        runtime.mkdir()
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
        self.environment.pop("LOG_DIR", None)
        self.environment |= {"KLAMM_BOOTSTRAP": f"localhost:{self.port}", "XDG_RUNTIME_DIR": str(runtime)}

    def config(self, name: str, content: dict[str, str]) -> None:
        (self.path / "config" / name).write_text("".join(f"{key}={value}\n" for key, value in content.items()))

    def here(self, text: str) -> str:
        """The text with this home's port and folder."""
        return text.replace("9092", str(self.port)).replace("/tmp/", f"{self.tmp}/")

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    laid = Home(tmp_path)
    yield laid
    for kind in ("kafka", "zookeeper"):
        laid.run(f"bin/{kind}-server-stop.sh")


def test_the_lines_of_tutorials_run_as_they_stand(home: Home) -> None:
    lines = home.here(LINES.read_text())
    done = home.run("bash", "-e", "-c", lines)
    assert done.returncode == 0, done.stdout + done.stderr
    sections = dict(re.findall(r"=== (.+)\n((?:(?!===).*\n)*)", done.stdout))
    first = sections["1.0"]
    assert "Created topic test.\ntest\nThis is a message\nThis is another message\n" in first
    assert "PartitionCount: 1\tReplicationFactor: 1" in first
    assert "max.message.bytes=128000" in first
    # One line a command, which says where it goes.
    taken = f"There is no ZooKeeper: --zookeeper is taken for --bootstrap-server localhost:{home.port}\n"
    assert done.stderr.count(taken) == lines.count("--zookeeper ")
    second = sections["2.x"]
    assert second.startswith("klamm needs no ZooKeeper") or "\nklamm needs no ZooKeeper" in second
    assert "PartitionCount: 2\t" in second
    assert "\nk\tv\ng\n" in second
    assert re.search(r"^GROUP +TOPIC +PARTITION +CURRENT-OFFSET +LOG-END-OFFSET +LAG ", second, re.MULTILINE)
    assert len(re.findall(r"^g +quickstart-events [01] +([01]) +\1 +0 ", second, re.MULTILINE)) == 2
    made, described = re.findall(r"^(?:the id is|Cluster ID:) (.+)$", sections["3.x"], re.MULTILINE)
    assert made == described
    last = sections["4.x"]
    assert f"Formatting dynamic metadata voter directory {home.tmp}/kraft-combined-logs" in last
    assert f"Found metadata: {{cluster.id={made}, directory.id=" in last
    assert "\nfirst event\n" in last
    assert re.search(r"^test-consumer-group +quickstart-events +0 +1 +1 +0 ", last, re.MULTILINE)
    log = (home.path / "logs" / "kafkaServer.out").read_text()
    assert "unknown config" not in log
    assert "config zookeeper.connect (config/old.properties) is of an older Kafka" in log


def test_a_stop_ends_those_that_were_started_so_and_nobody_else(home: Home, klamm: Start) -> None:
    other = klamm("serve", "--port", "0", "--ephemeral", XDG_RUNTIME_DIR=home.environment["XDG_RUNTIME_DIR"])
    other.listening()
    nobody = home.run("bin/kafka-server-stop.sh")
    assert (nobody.returncode, nobody.stdout) == (1, "No kafka server to stop\n")
    started = home.run("bin/kafka-server-start.sh", "-daemon", "config/server.properties")
    assert (started.returncode, started.stderr) == (0, "")
    assert home.run("bin/kafka-server-stop.sh", "--node-id=7").returncode == 1
    # The file of a process that is gone ends nobody, whoever has its number now.
    stale = Path(home.environment["XDG_RUNTIME_DIR"], "klamm", f"kafka-{other.pid}")
    stale.write_text(f'{{"pid": {other.pid}}}')
    assert home.run("bin/kafka-server-stop.sh", "--process-role=broker").returncode == 0
    assert not stale.exists()
    # It has ended when the stop returns: the folder is free.
    again = home.run("bin/kafka-server-start.sh", "-daemon", "config/server.properties", "--override", "node.id=1")
    assert again.returncode == 0, again.stderr
    assert home.run("bin/kafka-server-stop.sh", "--node-id=1").returncode == 0
    code, _, _ = other.end(signal.SIGTERM)
    assert code == 0


def test_a_start_in_the_background_that_fails_says_why(home: Home) -> None:
    failed = home.run("bin/kafka-server-start.sh", "-daemon", "config/server.properties", "--override", "node.id=x")
    assert failed.returncode == 1
    assert "Invalid value x for configuration node.id" in failed.stderr
    assert home.run("bin/kafka-server-stop.sh").returncode == 1


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "one server.properties is needed"),
        (["a", "b"], "one server.properties is needed"),
        (["-demon", "a"], "-demon is not an option"),
        (["a", "--override"], "--override needs a value"),
    ],
)
def test_start_lines_that_are_refused(arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["server-start", *arguments]) == 2
    assert problem in capsys.readouterr().err


def test_config_files_that_are_there_stay(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    edited = home.path / "config" / "server.properties"
    edited.write_text("num.partitions=7\n")
    (home.path / "config" / "consumer.properties").unlink()
    assert main(["link-commands", str(home.path / "bin")]) == 0
    assert edited.read_text() == "num.partitions=7\n"
    assert (home.path / "config" / "consumer.properties").exists()


def test_format_and_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The lines and exit codes are those of Kafka's StorageTool."""
    folder, file = tmp_path / "data", tmp_path / "server.properties"
    file.write_text(f"node.id=3\nlog.dirs={folder}\n")

    def storage(*arguments: str) -> tuple[int, str, str]:
        code = main(["storage", *arguments, "-c", str(file)])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    formatted = f"Formatting metadata directory {folder} with metadata.version 4.3-IV0.\n"
    taken = f"Log directory {folder} is already formatted. Use --ignore-formatted to ignore this directory and format"
    assert storage("info") == (1, f"Found problem:\n  {folder} does not exist\n\n", "")
    folder.mkdir()
    problem = f"Found problem:\n  {folder} is not formatted.\n\n"
    assert storage("info") == (1, f"Found log directory:\n  {folder}\n\n{problem}", "")
    assert storage("format", "-t", "MkU3OEVBNTcwNTJENDM2Qk") == (0, formatted, "")
    assert storage("format", "-t", "other") == (1, "", f"{taken} the others.\n")
    passed_over = "All of the log directories are already formatted.\n"
    assert storage("format", "-t", "other", "-g") == (0, passed_over, "")
    code, out, _ = storage("info")
    assert code == 0
    assert out.startswith(f"Found log directory:\n  {folder}\n\nFound metadata: {{cluster.id=MkU3OEVBNTcwNTJENDM2Qk, ")
    assert out.endswith(", node.id=3, version=1}\n\n")
    assert storage("format", "-t", "x", "-g", "-r", "0.8")[0] == 1


def test_all_folders_are_formatted_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As Kafka's StorageTool: the folder of the metadata log first, and by its own kind."""
    a, b, m = (str(tmp_path / name) for name in "abm")
    file = tmp_path / "server.properties"
    file.write_text(f"node.id=3\nlog.dirs={b},{a}\nmetadata.log.dir={m}\n")

    def storage(*arguments: str) -> tuple[int, str]:
        code = main(["storage", *arguments, "-c", str(file)])
        return code, capsys.readouterr().out

    release = "with metadata.version 4.3-IV0."
    lines = [f"Formatting dynamic metadata voter directory {m} {release}"]
    lines += [f"Formatting data directory {folder} {release}" for folder in (a, b)]
    cluster_id = "MkU3OEVBNTcwNTJENDM2Qk"
    assert storage("format", "--standalone", "-t", cluster_id) == (0, "\n".join(lines) + "\n")
    code, out = storage("info")
    assert code == 0
    assert out.startswith(f"Found log directories:\n  {a}\n  {b}\n  {m}\n\n")
    identities = [(tmp_path / name / "meta.properties").read_text() for name in "abm"]
    assert all(f"cluster.id={cluster_id}" in found for found in identities)
    assert len(set(identities)) == 3  # each folder has a directory id of its own
    # A folder that is added later is formatted alone.
    (tmp_path / "a" / "meta.properties").unlink()
    code, out = storage("info")
    assert (code, out.partition("Found problem")[2]) == (1, f":\n  {a} is not formatted.\n\n")
    assert storage("format", "-g", "-t", cluster_id) == (0, f"Formatting data directory {a} {release}\n")


def test_random_uuid(capsys: pytest.CaptureFixture[str]) -> None:
    found = set()
    for _ in range(3):
        assert main(["storage", "random-uuid"]) == 0
        found.add(capsys.readouterr().out.strip())
    assert len(found) == 3
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]{21}", text) for text in found)
