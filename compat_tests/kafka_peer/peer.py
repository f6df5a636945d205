"""A real Apache Kafka 4.3.1 on 127.0.0.1, started from its Maven jars: the oracle klamm is compared with.

From Python:

    with RealKafka(directory, config={"message.max.bytes": "2000000"}) as kafka:
        client(kafka.bootstrap_servers)

From a shell (benchmarks and docs use it; standard library only, so any Python 3.11+ runs it):

    python compat_tests/kafka_peer/peer.py start DIR PORT [key=value...]   returns when it answers; PORT 0 picks one
    python compat_tests/kafka_peer/peer.py pid DIR
    python compat_tests/kafka_peer/peer.py stop DIR
    python compat_tests/kafka_peer/peer.py run CLASS ARGS...               any class of Kafka's jars, for example
        org.apache.kafka.tools.TopicCommand, org.apache.kafka.tools.ProducerPerformance,
        org.apache.kafka.tools.consumer.group.ConsumerGroupCommand, org.apache.kafka.tools.DumpLogSegments

Needs a JDK 17+; Maven fetches the jars once into $KLAMM_KAFKA_LIBS (default ~/.cache/klamm/kafka-4.3.1).
$KLAMM_KAFKA_JVM holds the JVM's options (default -Xmx1G).

Left out: more than one broker, any listener but one PLAINTEXT one.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

HERE = Path(__file__).resolve().parent
KAFKA_VERSION = "4.3.1"
MINIMUM_JAVA = 17
START_TIMEOUT_S = 90.0
STOP_TIMEOUT_S = 30.0
FETCH_JARS_TIMEOUT_S = 600.0
STARTED = b"Kafka Server started"
# Any valid cluster id does; a fixed one keeps two runs on one folder the same cluster.
CLUSTER_ID = "klamm-peer-AAAAAAAAAAA"


class PeerUnavailableError(Exception):
    """This machine cannot run a real Kafka; the message says what is missing."""


def missing() -> str | None:
    """What stops a real Kafka from running here ("no java"), or None. Cheap: fetches nothing."""
    java = shutil.which("java")
    if java is None:
        return "no java"
    banner = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60).stderr
    version = re.search(r'version "(\d+)', banner)
    if version is None or int(version[1]) < MINIMUM_JAVA:
        return f"java is older than {MINIMUM_JAVA}"
    if not _complete_mark().exists() and shutil.which("mvn") is None:
        return "no mvn"
    return None


def libs_directory() -> Path:
    """The folder that Kafka's jars are kept in."""
    configured = os.environ.get("KLAMM_KAFKA_LIBS")
    return Path(configured) if configured else Path.home() / ".cache" / "klamm" / f"kafka-{KAFKA_VERSION}"


def _complete_mark() -> Path:
    return libs_directory() / ".complete"


def fetch_jars() -> Path:
    """Has Maven copy the jars on the first call; returns their folder. Raises PeerUnavailableError."""
    reason = missing()
    if reason:
        raise PeerUnavailableError(reason)
    libs = libs_directory()
    libs.mkdir(parents=True, exist_ok=True)
    with open(libs / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs that start together fetch once
        if not _complete_mark().exists():
            command = ["mvn", "-q", "-B", "-Dstyle.color=never", "-f", str(HERE / "pom.xml")]
            command += ["dependency:copy-dependencies", f"-DoutputDirectory={libs}"]
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=FETCH_JARS_TIMEOUT_S
            )
            if done.returncode:
                raise PeerUnavailableError("Maven could not fetch Kafka's jars: " + (done.stdout + done.stderr)[-500:])
            _complete_mark().touch()
    return libs


def java_command(
    main_class: str, *arguments: str, log_level: str = "WARN", jvm: Sequence[str] | None = None
) -> list[str]:
    """The command line that runs a class of Kafka's jars. Raises PeerUnavailableError."""
    options = list(jvm) if jvm is not None else os.environ.get("KLAMM_KAFKA_JVM", "-Xmx1G").split()
    logging = [f"-Dlog4j2.configurationFile={HERE / 'log4j2.xml'}", f"-Dklamm.peer.log={log_level}"]
    return ["java", *options, *logging, "-cp", f"{fetch_jars()}/*", main_class, *arguments]


def run_class(
    main_class: str, *arguments: str, timeout_s: float = 120, jvm: Sequence[str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs one of Kafka's tools to its end; stdout, stderr and the exit code are in the result."""
    return subprocess.run(
        java_command(main_class, *arguments, jvm=jvm),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_properties(directory: Path, port: int, controller_port: int, config: Mapping[str, str]) -> dict[str, str]:
    """The configuration of a broker that is its own controller; `config` has the last word."""
    return {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "log.dirs": str(directory / "data"),
        # The default waits 3 s for more members before a group's first assignment.
        "group.initial.rebalance.delay.ms": "0",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        **config,
    }


class RealKafka:
    """One Kafka broker process: started on construction, answering when the constructor returns.

    directory: holds server.properties, broker.log, pid and data/; an old one is opened again with what is in it.
    port: of 127.0.0.1; 0 picks a free one, which restarts keep.
    config: further server properties. jvm: options in place of $KLAMM_KAFKA_JVM.
    format_options: more of them for the storage tool, when the folder is new (`--release-version 4.2`).
    Raises PeerUnavailableError when Java or the jars are missing, RuntimeError when the broker does not start.
    """

    def __init__(
        self,
        directory: Path | str,
        port: int = 0,
        config: Mapping[str, str] | None = None,
        jvm: Sequence[str] | None = None,
        format_options: Sequence[str] = (),
    ) -> None:
        self.directory = Path(directory).resolve()
        self.port = port or free_port()
        self.log_path = self.directory / "broker.log"
        self._properties_path = self.directory / "server.properties"
        self._config = dict(config or {})
        self._jvm = jvm
        self._format_options = format_options
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        if self._process is None:
            raise RuntimeError("the broker is not running")
        return self._process.pid

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Starts it on the same folder and port; returns when it answers."""
        if self.running:
            raise RuntimeError("the broker is running already")
        self.directory.mkdir(parents=True, exist_ok=True)
        properties = server_properties(self.directory, self.port, free_port(), self._config)
        self._properties_path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        if not (self.data_dir / "meta.properties").exists():
            self._format()
        with open(self.log_path, "ab") as log:
            seen = log.tell()
            command = java_command("kafka.Kafka", str(self._properties_path), log_level="INFO", jvm=self._jvm)
            # Out of reach of the terminal: Ctrl-C in a test run reaches the broker through stop() only.
            self._process = subprocess.Popen(
                command, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        (self.directory / "pid").write_text(f"{self._process.pid}\n")
        deadline = time.monotonic() + START_TIMEOUT_S
        while STARTED not in self._log_since(seen):
            if not self.running or time.monotonic() > deadline:
                tail = self._log_since(seen)[-3000:].decode(errors="replace")
                self.kill()
                raise RuntimeError(f"Kafka did not start:\n{tail}")
            time.sleep(0.05)

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not end."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                pass
            self.kill()

    def kill(self) -> None:
        """SIGKILL: what a power cut leaves, less what the page cache would lose."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            (self.directory / "pid").unlink(missing_ok=True)

    def restart(self) -> None:
        self.stop()
        self.start()

    def detach(self) -> None:
        """Leaves the broker running when this Python ends; `stop_detached` ends it."""
        self._process = None

    def run_class(self, main_class: str, *arguments: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Runs one of Kafka's tools (see the function of that name)."""
        return run_class(main_class, *arguments, timeout_s=timeout_s, jvm=self._jvm)

    def __enter__(self) -> RealKafka:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _format(self) -> None:
        options = ["-t", CLUSTER_ID, "-c", str(self._properties_path), *self._format_options]
        done = self.run_class("kafka.tools.StorageTool", "format", *options)
        if done.returncode:
            raise RuntimeError(f"Kafka's storage could not be formatted:\n{done.stdout}{done.stderr}")

    def _log_since(self, position: int) -> bytes:
        with open(self.log_path, "rb") as log:
            log.seek(position)
            return log.read()


def stop_detached(directory: Path) -> None:
    """Ends the broker that `start` left running on this folder. Nothing happens when there is none."""
    pid_path = directory / "pid"
    if not pid_path.exists():
        return
    pid = int(pid_path.read_text())
    for sign, patience_s in ((signal.SIGTERM, STOP_TIMEOUT_S), (signal.SIGKILL, 5.0)):
        deadline = time.monotonic() + patience_s
        try:
            os.kill(pid, sign)
            while time.monotonic() < deadline:
                time.sleep(0.05)
                os.kill(pid, 0)
        except ProcessLookupError:
            break
    pid_path.unlink(missing_ok=True)


def main(arguments: Sequence[str]) -> int:
    """The command line; see the head of this file. Returns the exit code."""
    match list(arguments):
        case ["start", directory, port, *pairs] if port.isdigit() and all("=" in pair for pair in pairs):
            kafka = RealKafka(directory, int(port), dict(pair.split("=", 1) for pair in pairs))
            print(kafka.bootstrap_servers)
            kafka.detach()
            return 0
        case ["pid", directory]:
            print((Path(directory) / "pid").read_text().strip())
            return 0
        case ["stop", directory]:
            stop_detached(Path(directory))
            return 0
        case ["run", main_class, *rest]:
            command = java_command(main_class, *rest)
            os.execvp(command[0], command)
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (PeerUnavailableError, RuntimeError) as problem:
        sys.exit(str(problem))
