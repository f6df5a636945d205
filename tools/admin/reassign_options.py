"""The command line of `klamm reassign-partitions`: Kafka's options, and which of them go with which action."""

from __future__ import annotations

from typing import Final

from ..console.options import COMMON, ZOOKEEPER, Option, Options, OptionsError
from .common import JSON

ABOUT: Final = """This tool helps to move topic partitions between replicas.

    klamm reassign-partitions --bootstrap-server localhost:9092 --generate --topics-to-move-json-file topics.json \\
        --broker-list 1,2,3
    klamm reassign-partitions --bootstrap-server localhost:9092 --execute --reassignment-json-file moves.json \\
        --throttle 50000000
    klamm reassign-partitions --bootstrap-server localhost:9092 --verify --reassignment-json-file moves.json
    klamm reassign-partitions --bootstrap-server localhost:9092 --list"""

OPTIONS: Final = (
    Option("bootstrap-server", "string", "The brokers to begin with: HOST1:PORT1,HOST2:PORT2."),
    Option("bootstrap-controller", "string", "The controllers to begin with, for --cancel and --list."),
    Option("command-config", "string", "A properties file for the admin client."),
    Option("generate", "flag", "Print an assignment of the topics' partitions to --broker-list; nothing moves."),
    Option("execute", "flag", "Begin the moves of --reassignment-json-file."),
    Option("verify", "flag", "Say whether these moves are done, and take throttles away when they are."),
    Option("cancel", "flag", "Cancel those of these moves that are under way."),
    Option("list", "flag", "List the partitions that are being moved."),
    Option(
        "reassignment-json-file",
        "string",
        'A file with {"version": 1, "partitions": [{"topic": "t", "partition": 0, "replicas": [1, 2], "log_dirs": '
        '["any", "/data"]}]}; log_dirs may be left out.',
    ),
    Option("topics-to-move-json-file", "string", 'A file with {"version": 1, "topics": [{"topic": "t"}]}.'),
    Option("broker-list", "string", "The brokers that --generate spreads partitions over: 1,2,3."),
    Option("disable-rack-aware", "flag", "Pay no heed to racks."),
    Option("additional", "flag", "Begin these moves beside those that are under way, or change their throttle."),
    Option("disallow-replication-factor-change", "flag", "Refuse moves that change how many replicas there are."),
    Option("throttle", "long", "Bytes a second that moves between brokers may take.", -1),
    Option("replica-alter-log-dirs-throttle", "long", "The same of moves between folders of a broker.", -1),
    Option("timeout", "long", "Milliseconds that moves between folders may take to begin.", 10_000),
    Option("preserve-throttles", "flag", "Leave throttles as they are."),
    ZOOKEEPER,
    JSON,
    *COMMON,
)

ACTIONS: Final = ("generate", "execute", "verify", "cancel", "list")
_REQUIRED: Final = {
    "verify": ("reassignment-json-file",),
    "generate": ("topics-to-move-json-file", "broker-list"),
    "execute": ("reassignment-json-file",),
    "cancel": ("reassignment-json-file",),
    "list": (),
}
_ALLOWED: Final = {
    "verify": ("preserve-throttles",),
    "generate": ("disable-rack-aware",),
    "execute": (
        "additional",
        "throttle",
        "replica-alter-log-dirs-throttle",
        "timeout",
        "disallow-replication-factor-change",
    ),
    "cancel": ("preserve-throttles", "bootstrap-controller"),
    "list": ("bootstrap-controller",),
}
_ALWAYS: Final = ("bootstrap-server", "command-config", "zookeeper", "json", "help", "version")


def action_of(options: Options) -> str:
    """The action that is asked for. Raises OptionsError, with Kafka's words, unless all options go with it."""
    asked = [name for name in ACTIONS if options.has(name)]
    if len(asked) != 1:
        names = ", ".join(f"--{name}" for name in ACTIONS)
        raise OptionsError(f"Command must include exactly one action: {names}")
    (action,) = asked
    for name in _REQUIRED[action]:
        if not options.has(name):
            raise OptionsError(f'Missing required argument "[{name}]"')
    if options.has("bootstrap-server") and options.has("bootstrap-controller"):
        raise OptionsError("Please don't specify both --bootstrap-server and --bootstrap-controller")
    for option in OPTIONS:
        allowed = (action, *_REQUIRED[action], *_ALLOWED[action], *_ALWAYS)
        if options.has(option.name) and option.name not in allowed:
            raise OptionsError(f'Option "[{option.name}]" can\'t be used with action "[{action}]"')
    return action
