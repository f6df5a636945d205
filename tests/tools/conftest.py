"""`klamm` as a process: started with any arguments, waited for by the line it prints, always ended."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

#: Longer than anything here takes on a loaded machine; a process that is still there then is killed.
LIMIT_S = 60


class Process:
    """`python -m klamm ARGUMENTS` in `folder`. `variables`: set for it; no KAFKA_* variable of ours reaches it.
    `limits`: what a shell is told before it becomes that process, such as "ulimit -n 64"."""

    def __init__(
        self, folder: Path, arguments: list[str], variables: dict[str, str], limits: str | None = None
    ) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
        shell = [] if limits is None else ["sh", "-c", limits + ' && exec "$@"', "sh"]
        self.process = subprocess.Popen(
            [*shell, sys.executable, "-m", "klamm", *arguments],
            cwd=folder,
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.first_line = ""
        self._limit = threading.Timer(LIMIT_S, self.process.kill)
        self._limit.start()

    @property
    def pid(self) -> int:
        return self.process.pid

    def listening(self) -> str:
        """Waits for the line on stdout and returns the host:port in it."""
        assert self.process.stdout is not None
        self.first_line = self.process.stdout.readline()
        assert self.first_line.startswith("klamm listens on "), self.end()
        return self.first_line.split()[-1]

    def end(self, sign: signal.Signals | None = None) -> tuple[int, str, str]:
        """Sends the signal, if any, and waits: (exit code, the rest of stdout, stderr)."""
        if sign is not None:
            self.process.send_signal(sign)
        out, err = self.process.communicate()
        self._limit.cancel()
        return self.process.returncode, out, err

    def kill(self) -> None:
        self._limit.cancel()
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """klamm(*arguments, limits=None, **variables) -> Process, in the test's own folder."""
    started: list[Process] = []

    def start(*arguments: str, limits: str | None = None, **variables: str) -> Process:
        started.append(Process(tmp_path, [str(argument) for argument in arguments], variables, limits))
        return started[-1]

    yield start
    for process in started:
        process.kill()


@pytest.fixture
def address_of(tmp_path: Path) -> Callable[[str], Any]:
    """address_of(name) -> the content of that address file."""
    return lambda name: json.loads((tmp_path / name).read_text())
