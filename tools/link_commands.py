"""`klamm link-commands DIR`: Kafka's scripts by name, each of which runs the klamm command of that name.

A config/ folder comes with them (`kafka_folder.py`), so that the lines of tutorials run as they stand.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from .cli import COMMANDS, OK, FailedError
from .kafka_folder import config_folder, lay

#: The names that Kafka's bin/ has, as far as klamm may have a command of the name.
# fmt: off
_SCRIPTS: Final = frozenset((
    "acls", "cluster", "client-metrics", "configs", "console-consumer", "console-producer",
    "console-share-consumer", "consumer-groups", "consumer-perf-test", "delegation-tokens", "delete-records",
    "dump-log", "e2e-latency", "features", "get-offsets", "groups", "leader-election", "log-dirs",
    "metadata-quorum", "producer-perf-test", "reassign-partitions", "replica-verification", "share-groups",
    "server-start", "server-stop", "storage", "streams-groups", "topics", "transactions", "verifiable-consumer",
    "verifiable-producer",
))
# fmt: on
#: Those of Kafka's scripts that are called as the command is.
_BARE: Final = frozenset(("zookeeper-server-start", "zookeeper-server-stop"))
_MARK: Final = "# Made by klamm link-commands."


def script_of(name: str) -> str:
    """A shell script that runs the command with the Python that runs now."""
    return f'#!/bin/sh\n{_MARK}\nexec {shlex.quote(sys.executable)} -m klamm {name} "$@"\n'


def link(folder: Path) -> list[str]:
    """Writes kafka-NAME.sh and kafka-NAME for every command, and config/; returns the names of the scripts.

    Raises FailedError for a folder that cannot be written, or a file there that klamm did not make.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in sorted((_SCRIPTS | _BARE).intersection(COMMANDS)):
            full_name = name if name in _BARE else f"kafka-{name}"
            for file in (f"{full_name}.sh", full_name):
                path = folder / file
                if path.exists() and _MARK not in path.read_text(encoding="utf-8", errors="replace"):
                    raise FailedError(f"{path} is there already and is not klamm's: it stays as it is")
                temporary = folder / f".{file}.{os.getpid()}"
                temporary.write_text(script_of(name), encoding="utf-8")
                temporary.chmod(0o755)
                temporary.replace(path)
                written.append(file)
        lay(config_folder(folder))
    except OSError as error:
        raise FailedError(f"{error.filename}: {error.strerror}") from None
    return written


def run(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser("klamm link-commands", description=__doc__)
    parser.add_argument("folder", metavar="DIR", type=Path, help="where the scripts go; made if it is not there")
    folder: Path = parser.parse_args(arguments).folder
    written = link(folder)
    print(f"{len(written)} scripts in {folder}, settings in {config_folder(folder)}")
    print(f"for this shell: PATH={shlex.quote(str(folder.resolve()))}:$PATH")
    return OK
