"""What the client suites share: brokers as processes with one face, and the sample data they send.

A broker here is a klamm process or a real Kafka; a test sees `Broker` and does not know which.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
START_TIMEOUT_S = 20.0
# The product promises an exit within 5 s of SIGTERM; a loaded machine gets twice that before it counts as a failure.
STOP_TIMEOUT_S = 10.0

_numbers = itertools.count()


class Broker(Protocol):
    """A broker process. stop() and kill() end it, start() brings it back on the same folder and port."""

    @property
    def bootstrap_servers(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def data_dir(self) -> Path: ...
    @property
    def log_path(self) -> Path: ...
    @property
    def running(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def kill(self) -> None: ...
    def restart(self) -> None: ...


class Klamm:
    """One `klamm serve` process: started on construction, answering when the constructor returns.

    directory: holds data/, broker.log and address.json. config: broker settings, given as --set key=value.
    Raises RuntimeError when it does not start in START_TIMEOUT_S, or does not end cleanly on SIGTERM.
    """

    def __init__(self, directory: Path, port: int = 0, config: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        self.port = port
        self.data_dir = directory / "data"
        self.log_path = directory / "broker.log"
        self._address_path = directory / "address.json"
        self._config = dict(config or {})
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
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        if self.running:
            raise RuntimeError("the broker is running already")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._address_path.unlink(missing_ok=True)
        command = [sys.executable, "-m", "klamm", "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--data", str(self.data_dir), "--address-file", str(self._address_path)]
        for key, value in self._config.items():
            command += ["--set", f"{key}={value}"]
        # A KAFKA_* variable of the caller's shell would configure the broker under test.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("KAFKA_")}
        # Without bytecode files each start would compile klamm anew, which nobody's klamm does.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        with open(self.log_path, "ab") as log:
            # Out of reach of the terminal: Ctrl-C in a test run reaches the broker through stop() only.
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        try:
            wait_until(lambda: self._address_path.exists() or not self.running, START_TIMEOUT_S, "klamm's address file")
            if not self.running:
                raise RuntimeError(f"klamm ended with code {self._process.returncode}")
        except (AssertionError, RuntimeError) as error:
            self.kill()
            tail = self.log_path.read_text(errors="replace")[-3000:]
            raise RuntimeError(f"klamm did not start: {error}\n{tail}") from None
        address = json.loads(self._address_path.read_text())
        self.port = address["brokers"][0]["port"]

    def stop(self) -> None:
        """SIGTERM; raises RuntimeError when the broker needs longer than STOP_TIMEOUT_S or its exit code is not 0."""
        if self._process is None:
            return
        process = self._process
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"klamm was still running {STOP_TIMEOUT_S} s after SIGTERM") from None
        finally:
            self.kill()
        if code:
            raise RuntimeError(f"klamm ended with code {code} after SIGTERM")

    def kill(self) -> None:
        """SIGKILL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        self.stop()
        self.start()


def wait_until(condition: Callable[[], object], timeout_s: float, what: str) -> None:
    """Looks every few milliseconds until `condition` holds: for states that nothing announces. Else AssertionError."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s} s in vain for {what}")
        time.sleep(0.01)


def unique(prefix: str) -> str:
    """A topic or group name that no other test of this run has: suites share a broker a module."""
    return f"{prefix}-{os.getpid()}-{next(_numbers)}"


Record = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def sample_records(count: int, label: str = "v", null_headers: bool = True) -> list[Record]:
    """(key, value, headers) of `count` distinct records: compressible, with null and empty keys and values among them.

    A header name comes twice in each, and a header value is null (some clients cannot send that: null_headers=False):
    both are legal and get lost easily.
    """
    records: list[Record] = []
    for number in range(count):
        key = None if number % 7 == 3 else b"" if number % 7 == 5 else b"key-%d" % (number % 5)
        value: bytes | None = f"{label}-{number} ".encode() + b"klamm " * (number % 20)
        if number % 11 == 4:
            value = None if key else b""
        headers: list[tuple[str, bytes | None]] = [("n", b"%d" % number), ("n", b"again"), ("leer", b"")]
        records.append((key, value, [*headers, ("nil", None)] if null_headers else headers))
    return records
