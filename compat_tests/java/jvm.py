"""Builds a Maven project of this folder's kind and drives its program over a pipe, a JSON line a command and an answer.

The JVM stays up for a whole test module; the test restarts the broker under it. What the program tells unasked
(records consumed, partitions assigned, acknowledgements) comes as events, and `Program.wait_for` waits for them.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

# The first build on a machine fetches the dependencies.
BUILD_TIMEOUT_S = 540
ANSWER_TIMEOUT_S = 30.0
# Small and quick to start: the clients are asked for behaviour here, not for speed.
JVM = ("-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


def build(project: Path) -> str:
    """Compiles the Maven project into its target/ unless that is newer than its sources; returns the class path.

    Raises RuntimeError with Maven's words when it does not build.
    """
    target = project / "target"
    target.mkdir(exist_ok=True)
    sources = [project / "pom.xml", *sorted(path for path in (project / "src").rglob("*") if path.is_file())]
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in sources)).hexdigest()
    stamp = target / "built-from"
    with open(target / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two test runs that start together build once
        if not stamp.exists() or stamp.read_text() != digest:
            # Offline first: Maven then asks nobody whether what it has is current.
            done = _maven(project, "-o")
            if done.returncode:
                done = _maven(project)
            if done.returncode:
                raise RuntimeError(f"Maven could not build {project.name}:\n{(done.stdout + done.stderr)[-3000:]}")
            stamp.write_text(digest)
    return f"{target / 'classes'}:{target / 'lib'}/*"


def _maven(project: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["mvn", "-q", "-B", *options, "-Dstyle.color=never", "-f", str(project / "pom.xml")]
    return subprocess.run(
        [*command, "process-classes"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=BUILD_TIMEOUT_S,
    )


class ClientError(Exception):
    """The program answered a command with a Java exception: its simple class name and its message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name = name


class Program:
    """A running JVM. Event lines gather in `events`; `log_path` takes its stderr."""

    def __init__(self, project: Path, main_class: str, log_path: Path, arguments: Sequence[str] = ()) -> None:
        self.events: list[dict[str, Any]] = []
        self.log_path = log_path
        self._answers: dict[int, dict[str, Any]] = {}
        self._numbers = itertools.count(1)
        self._news = threading.Condition()
        self._ended = False
        with open(log_path, "ab") as log:
            self._process = subprocess.Popen(
                ["java", *JVM, "-cp", build(project), main_class, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                bufsize=1,
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for text in self._process.stdout:
            line = json.loads(text)
            with self._news:
                if "id" in line:
                    self._answers[line["id"]] = line
                else:
                    self.events.append(line)
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()

    def start(self, command: str, **arguments: Any) -> int:
        """Sends a command and does not wait; `finish` takes the number."""
        number = next(self._numbers)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"id": number, "command": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return number

    def finish(self, number: int, timeout_s: float = ANSWER_TIMEOUT_S) -> Any:
        """The result of a command that was started. Raises ClientError with the program's exception."""
        self.wait_for(lambda: number in self._answers, f"the answer to command {number}", timeout_s)
        answer = self._answers.pop(number)
        if "error" in answer:
            raise ClientError(answer["error"], answer["message"])
        return answer["result"]

    def call(self, command: str, **arguments: Any) -> Any:
        return self.finish(self.start(command, **arguments))

    def wait_for(self, condition: Callable[[], object], what: str, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        """Waits until `condition` holds; it is looked at whenever the program has said something."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            while not condition():
                left_s = deadline - time.monotonic()
                if left_s <= 0 or self._ended:
                    last = "\n".join(str(event)[:300] for event in self.events[-10:])
                    log = self.log_path.read_text(errors="replace")[-3000:]
                    how = "the program ended before" if self._ended else f"waited {timeout_s} s in vain for"
                    raise AssertionError(f"{how} {what}; last events:\n{last}\nits log:\n{log}")
                self._news.wait(left_s)

    def events_of(self, client: str, *kinds: str) -> list[dict[str, Any]]:
        """The events of one client so far, in their order; all kinds when none is named."""
        return [event for event in self.events if event["client"] == client and (not kinds or event["event"] in kinds)]

    def close(self) -> None:
        """Ends the program by ending its stdin, and by force when that does not help."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5)

    def kill(self) -> None:
        """SIGKILL: its clients vanish without a word to the broker."""
        self._process.kill()
        self._process.wait()
        self._reader.join(5)

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
