"""kcat as processes: one command to its end, or one that keeps reading and writing while the test goes on."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from ..support import Broker

TIMEOUT_S = 40
# A person's own ~/.config/kcat.conf has no say in the tests.
ENVIRONMENT = {**os.environ, "HOME": "/nonexistent", "KCAT_CONFIG": os.devnull}


class Line(NamedTuple):
    """One consumed record, as kcat's -J prints it; headers are a flat list: name, value, name, value."""

    partition: int
    offset: int
    key: str | None
    payload: str | None
    headers: list[str | None]
    timestamp: tuple[str, int]


def parse(text: str) -> Line:
    line: dict[str, Any] = json.loads(text)
    timestamp = line["tstype"], line["ts"]
    return Line(line["partition"], line["offset"], line["key"], line["payload"], line.get("headers", []), timestamp)


def kcat(broker: Broker, *arguments: str, stdin: str = "", succeeds: bool = True) -> str:
    """Runs kcat to its end; returns its output, with stderr when it is expected to fail."""
    command = ["kcat", "-b", broker.bootstrap_servers, "-m", "30", *arguments]
    done = subprocess.run(command, input=stdin, env=ENVIRONMENT, capture_output=True, text=True, timeout=TIMEOUT_S)
    assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
    return done.stdout if succeeds else done.stdout + done.stderr


def produce(broker: Broker, topic: str, values: Sequence[str], *arguments: str) -> None:
    kcat(broker, "-P", "-t", topic, *arguments, stdin="".join(f"{value}\n" for value in values))


def whole_log(broker: Broker, topic: str, *arguments: str) -> list[Line]:
    """Every record of the topic, partition by partition mixed, in the order of each."""
    return [parse(text) for text in kcat(broker, "-C", "-t", topic, "-e", "-q", "-J", *arguments).splitlines()]


class Running:
    """A kcat that goes on: `lines` grows as it prints; write() feeds its standard input."""

    def __init__(self, broker: Broker, log: Path, *arguments: str) -> None:
        command = ["kcat", "-b", broker.bootstrap_servers, "-E", "-X", "reconnect.backoff.max.ms=500", *arguments]
        self.lines: list[str] = []
        self._log = open(log, "w")  # noqa: SIM115 - lives as long as the process that writes to it
        self._process = subprocess.Popen(
            command, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self._thread = threading.Thread(target=self._collect, daemon=True)
        self._thread.start()

    def _collect(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self.lines.append(line.rstrip("\n"))

    def write(self, lines: Sequence[str]) -> None:
        assert self._process.stdin
        self._process.stdin.write("".join(f"{line}\n" for line in lines))
        self._process.stdin.flush()

    def finish(self) -> int:
        """Ends its input and waits: a producer delivers what it has, then exits."""
        assert self._process.stdin
        self._process.stdin.close()
        code = self._process.wait(TIMEOUT_S)
        self._thread.join(TIMEOUT_S)
        return code

    def terminate(self) -> int:
        """SIGTERM: a group member commits and leaves."""
        self._process.terminate()
        code = self._process.wait(TIMEOUT_S)
        self._thread.join(TIMEOUT_S)
        return code

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        self._thread.join(TIMEOUT_S)
        for stream in (self._process.stdin, self._process.stdout, self._log):
            if stream and not stream.closed:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
