"""`klamm server-start`, `server-stop` and those of ZooKeeper: what kafka-server-start.sh and its like become.

A server started here holds a lock on a file of its own while it lives, in a folder that only its user can enter; a stop
ends those whose lock is held and nobody else, whatever other processes are called.

Left out: `-name` and `-loggc`, which are for the JVM, are passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

from .cli import FAILED, OK, FailedError, UsageError

#: How long a stop waits for its servers to end, and -daemon for its server to answer.
STOP_TIMEOUT_S: Final = 15.0
START_TIMEOUT_S: Final = 60.0
_POLL_S: Final = 0.02

_NO_ZOOKEEPER: Final = "klamm needs no ZooKeeper: nothing listens here, and the brokers do not look for it"


class StartLine(NamedTuple):
    """A start script's command line. `properties`: the file; `overrides`: key=value of --override."""

    daemon: bool
    properties: str
    overrides: tuple[str, ...]
    address_file: str | None


_USAGE: Final = """\
usage: klamm {name} [-daemon] {file} [--override property=value]*

{about}

  -daemon                      return as soon as it runs, and leave it running; it writes to {log}
                               in $LOG_DIR (default: ./logs)
  --override property=value    optional property that takes the place of one in {file}
  --address-file FILE          klamm's own: written as JSON when clients can connect"""
_ABOUT: Final = {
    "server-start": "Runs a broker with a file of settings; `klamm server-stop` ends it.",
    "zookeeper-server-start": f"Does nothing until it is stopped. {_NO_ZOOKEEPER}.",
}
_LOGS: Final = {"server-start": "kafkaServer.out", "zookeeper-server-start": "zookeeper.out"}
_KINDS: Final = {"server": "kafka", "zookeeper-server": "zookeeper"}


def _parse(name: str, arguments: Sequence[str]) -> StartLine | None:
    """None if the help was asked for and printed. Raises UsageError."""
    words = list(arguments)
    file = "zookeeper.properties" if name.startswith("zookeeper") else "server.properties"
    if "--help" in words:
        print(_USAGE.format(name=name, file=file, about=_ABOUT[name], log=_LOGS[name]))
        return None
    daemon = False
    overrides: list[str] = []
    files: list[str] = []
    address_file = None
    while words:
        word = words.pop(0)
        if word in ("-daemon", "-loggc"):
            daemon = daemon or word == "-daemon"
        elif word in ("-name", "--override", "--address-file"):
            if not words:
                raise UsageError(f"{word} needs a value; see `klamm {name} --help`")
            value = words.pop(0)
            if word == "--override":
                overrides.append(value)
            elif word == "--address-file":
                address_file = value
        elif word.startswith("-"):
            raise UsageError(f"{word} is not an option of {name}; see `klamm {name} --help`")
        else:
            files.append(word)
    if len(files) != 1:
        raise UsageError(f"one {file} is needed; see `klamm {name} --help`")
    return StartLine(daemon, files[0], tuple(overrides), address_file)


# --- who runs -----------------------------------------------------------------------------------------------------


def _registry() -> Path:
    """The folder with a file for each server that runs. Raises FailedError if others could write there."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    path = Path(runtime, "klamm") if runtime else Path(tempfile.gettempdir(), f"klamm-{os.getuid()}")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise FailedError(f"{path}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise FailedError(f"{path} is not a folder that only its user can write to: remove it")
    return path


@contextmanager
def _registered(kind: str, line: StartLine) -> Iterator[None]:
    """This process is a server that a stop of its kind ends. The lock goes with the process, however it ends."""
    path = _registry() / f"{kind}-{os.getpid()}"
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(fd, fcntl.LOCK_EX)
    row = {"pid": os.getpid(), "properties": os.path.abspath(line.properties), "overrides": line.overrides}
    os.ftruncate(fd, 0)
    os.write(fd, json.dumps(row).encode())
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(fd)


def _is_held(path: Path) -> bool:
    """Whether the server of this file is alive; the file of one that is not is removed."""
    try:
        with open(path, "rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        pass
    return False


def _running(kind: str) -> dict[Path, Mapping[str, Any]]:
    found: dict[Path, Mapping[str, Any]] = {}
    for path in sorted(_registry().glob(f"{kind}-*")):
        if _is_held(path):
            try:
                found[path] = json.loads(path.read_bytes())
            except (OSError, ValueError):
                continue  # it ends, or begins, at this moment
    return found


# --- starting -----------------------------------------------------------------------------------------------------


def _start(name: str, arguments: Sequence[str], body: Callable[[StartLine], int]) -> int:
    line = _parse(name, arguments)
    if line is None:
        return OK
    if line.daemon:
        return _start_daemon(name, line)
    with _registered(_KINDS[name.removesuffix("-start")], line):
        return body(line)


def _serve(line: StartLine) -> int:
    from . import serve

    arguments = [line.properties]
    for override in line.overrides:
        arguments += ["--set", override]
    if line.address_file is not None:
        arguments += ["--address-file", line.address_file]
    return serve.run(arguments)


def server_start(arguments: Sequence[str]) -> int:
    """`klamm serve FILE`, which `server-stop` can end."""
    return _start("server-start", arguments, _serve)


def _wait_for_signal(_: StartLine) -> int:
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    print(_NO_ZOOKEEPER, flush=True)
    signal.sigwait(signals)
    return OK


def zookeeper_start(arguments: Sequence[str]) -> int:
    """Prints a line and stays until it is stopped."""
    return _start("zookeeper-server-start", arguments, _wait_for_signal)


def _start_daemon(name: str, line: StartLine) -> int:
    """Starts it out of the terminal's reach; returns when it answers. Raises FailedError with its last line if not."""
    log = Path(os.environ.get("LOG_DIR") or "logs", _LOGS[name])
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        output = open(log, "ab")  # noqa: SIM115  # the child's; closed below
    except OSError as error:
        raise FailedError(f"{log}: {error.strerror}; LOG_DIR names another folder for it") from None
    with tempfile.TemporaryDirectory(prefix="klamm-") as folder, output:
        address_file = line.address_file or os.path.join(folder, "address")
        command = [sys.executable, "-m", "klamm", name, line.properties, "--address-file", address_file]
        for override in line.overrides:
            command += ["--override", override]
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
        kind = _KINDS[name.removesuffix("-start")]
        file = Path(address_file) if kind == "kafka" else _registry() / f"{kind}-{child.pid}"
        deadline = time.monotonic() + START_TIMEOUT_S
        while not file.exists():
            if child.poll() is not None:
                raise FailedError(f"it did not start; {log} says: {_last_line(log)}")
            if time.monotonic() > deadline:
                raise FailedError(f"process {child.pid} is not ready after {START_TIMEOUT_S:.0f} s; see {log}")
            time.sleep(_POLL_S)
    return OK


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"


# --- stopping -----------------------------------------------------------------------------------------------------


def _stop(name: str, kind: str, arguments: Sequence[str]) -> int:
    wanted: dict[str, str] = {}
    for word in arguments:
        option, _, value = word.partition("=")
        if option == "--help":
            print(f"usage: klamm {name} [--node-id=N] [--process-role=broker|controller]\n\n{_STOP_ABOUT}")
            return OK
        if kind != "kafka" or option not in ("--node-id", "--process-role") or not value:
            raise UsageError(f"{word} is not an option of {name}; see `klamm {name} --help`")
        wanted[option] = value
    running = _running(kind)
    if "--node-id" in wanted:
        running = {path: row for path, row in running.items() if _node_id(row) == wanted["--node-id"]}
    if not running or wanted.get("--process-role", "broker") not in ("broker", "controller"):
        print(f"No {kind} server to stop")
        return FAILED
    for row in running.values():
        try:
            os.kill(int(row["pid"]), signal.SIGTERM)
        except ProcessLookupError:
            continue
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while alive := [row["pid"] for path, row in running.items() if _is_held(path)]:
        if time.monotonic() > deadline:
            raise FailedError(f"still running after {STOP_TIMEOUT_S:.0f} s: process {', '.join(map(str, alive))}")
        time.sleep(_POLL_S)
    return OK


_STOP_ABOUT: Final = """\
Ends the servers that this user started with the start script of the same name, and returns when they have ended.
Every klamm is broker and controller, so either role means all of them."""


def _node_id(row: Mapping[str, Any]) -> str | None:
    from ..broker.config import ConfigError, Setting
    from ..broker.config.sources import load

    pairs = [override.partition("=") for override in row["overrides"]]
    try:
        config = load(row["properties"], os.environ, [(key, Setting(value, "--override")) for key, _, value in pairs])
    except ConfigError:
        return None
    return str(config.get("node.id"))


def server_stop(arguments: Sequence[str]) -> int:
    """Ends the brokers that `server-start` started. 1 if there is none, as Kafka's script."""
    return _stop("server-stop", "kafka", arguments)


def zookeeper_stop(arguments: Sequence[str]) -> int:
    """Ends what `zookeeper-server-start` started."""
    return _stop("zookeeper-server-stop", "zookeeper", arguments)
