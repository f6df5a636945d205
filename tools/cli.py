"""`klamm COMMAND ...`: finds the command and hands over to its module, which is imported only then.

Exit codes of every command: 0 fine, 1 it failed, 2 the command line or configuration is wrong (one line says what to
change).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final, NamedTuple

OK: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2


class UsageError(Exception):
    """The command line or the configuration is wrong. str() is one line that says what to change."""


class FailedError(Exception):
    """The command could not do its work. str() is one line that says why."""


class Command(NamedTuple):
    """`module`: in this folder, with `function(arguments: Sequence[str]) -> int`; `summary`: one line for the help.

    What the module's OPTIONS or parser() say of its options is what shells complete.
    """

    module: str
    summary: str
    function: str = "run"


COMMANDS: Final[dict[str, Command]] = {
    "serve": Command("serve", "run a broker that any Kafka client can talk to"),
    "storage": Command("admin.storage", "ids for clusters, and data folders that bear them"),
    "server-start": Command("start_stop", "a broker as kafka-server-start.sh starts it", "server_start"),
    "server-stop": Command("start_stop", "end the brokers that server-start started", "server_stop"),
    "zookeeper-server-start": Command("start_stop", "nothing, until it is stopped", "zookeeper_start"),
    "zookeeper-server-stop": Command("start_stop", "end that", "zookeeper_stop"),
    "config": Command("config_command", "every config: default, allowed values, what klamm does with it"),
    "link-commands": Command("link_commands", "make kafka-topics.sh and the rest in a folder"),
    "console-producer": Command("console.producer", "lines of standard input become records"),
    "console-consumer": Command("console.consumer", "records of topics on standard output"),
    "get-offsets": Command("admin.get_offsets", "offsets of partitions, by time"),
    "delete-records": Command("admin.delete_records", "delete the records of partitions below an offset"),
    "producer-perf-test": Command("perf.producer", "how fast records can be produced"),
    "consumer-perf-test": Command("perf.consumer", "how fast records can be consumed"),
    "verifiable-producer": Command("perf.verifiable_producer", "numbers as records, and JSON of each that is stored"),
    "verifiable-consumer": Command("perf.verifiable_consumer", "a group's member, and JSON of all that it reads"),
    "topics": Command("admin.topics", "create, list, describe, alter and delete topics"),
    "configs": Command("admin.configs", "configs of topics, brokers, groups, users and clients"),
    "groups": Command("groups.all_groups", "list groups of every type"),
    "client-metrics": Command("admin.client_metrics", "which metrics clients push to the brokers"),
    "consumer-groups": Command("groups.command", "list, describe, reset and delete consumer groups"),
    "transactions": Command(
        "admin.transactions", "transactions and producers: list, describe, abort, find hanging ones"
    ),
    "cluster": Command("admin.cluster", "the cluster's id and endpoints; brokers to forget"),
    "features": Command("admin.features", "levels of the cluster's features, shown and set"),
    "metadata-quorum": Command("admin.metadata_quorum", "who leads the metadata log, and how far its voters are"),
    "leader-election": Command("admin.leader_election", "have partitions elect their leader anew"),
    "log-dirs": Command("admin.log_dirs", "what partitions take on the brokers' disks"),
    "reassign-partitions": Command("admin.reassign", "move replicas between brokers and folders"),
    "dump-log": Command("dump_log", "print what stands in the files of a log, as Kafka's DumpLogSegments does"),
    "log": Command("log_command", "log verify: check every file of a data folder against every other"),
    "wire": Command("wire_command", "look up, decode and encode Kafka's protocol by hand"),
    "completion": Command("completion", "a script that has bash, zsh or fish complete all this"),
}

#: What the help puts above a command and those behind it.
_HEADINGS: Final = {
    "serve": "a broker",
    "console-producer": "records, of any Kafka",
    "topics": "a cluster, of any Kafka",
    "dump-log": "files and bytes",
    "completion": "the shell",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line (default: this process's). Returns the exit code."""
    argv = list(sys.argv[1:] if arguments is None else arguments)
    name = argv[0] if argv else "--help"
    if name in ("-h", "--help", "help"):
        print(_help())
        return OK
    if name == "--version":
        from .. import __version__

        print(f"klamm {__version__}")
        return OK
    command = COMMANDS.get(name)
    if command is None:
        print(f"klamm: there is no command {name!r}{_near(name)}; `klamm --help` lists them", file=sys.stderr)
        return WRONG_USAGE
    module = import_module(f".{command.module}", __package__)
    try:
        code: int = getattr(module, command.function)(argv[1:])
    except UsageError as error:
        print(f"klamm: {error}", file=sys.stderr)
        return WRONG_USAGE
    except FailedError as error:
        print(f"klamm: {error}", file=sys.stderr)
        return FAILED
    except BrokenPipeError:
        # Whoever read the output has had enough (`| head`); Python's own flush at exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except KeyboardInterrupt:
        return FAILED
    return code


def _help() -> str:
    lines = ["usage: klamm COMMAND ...", "", "klamm speaks Apache Kafka's wire protocol."]
    for name, command in COMMANDS.items():
        if name in _HEADINGS:
            lines += ["", f"{_HEADINGS[name]}:"]
        lines.append(f"  {name:<23} {command.summary}")
    lines += ["", "`klamm COMMAND --help` explains a command; `klamm --version` names the version.", ""]
    lines += ["A first minute:", "  klamm serve                    a broker on localhost:9092, data in ./klamm-data"]
    lines += ["  klamm serve --port 0 --ephemeral   on a free port, in a folder that goes with it"]
    return "\n".join(lines)


def _near(name: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    return f" (did you mean {near[0]}?)" if near else ""
