"""The options of `klamm topics`: those of Kafka 4.3's TopicCommand, and names it had before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..console.options import COMMON, ZOOKEEPER, Option, Options, OptionsError
from .common import BOOTSTRAP, COMMAND_CONFIG, JSON

ABOUT: Final = """This tool helps to create, delete, describe, or change a topic.

    klamm topics --bootstrap-server localhost:9092 --create --topic greetings --partitions 3
    klamm topics --bootstrap-server localhost:9092 --describe --topic greetings
    klamm topics --bootstrap-server localhost:9092 --list --exclude-internal"""

OPTIONS: Final = (
    BOOTSTRAP,
    COMMAND_CONFIG,
    Option("list", "flag", "List the names of all topics."),
    Option("create", "flag", "Create a topic."),
    Option("delete", "flag", "Delete topics."),
    Option("alter", "flag", "Add partitions to topics."),
    Option("describe", "flag", "Describe topics and their partitions."),
    Option("topic", "string", "The topic; but for --create it may be a regular expression."),
    Option("topic-id", "string", "The id of the topic to describe."),
    Option("config", "string", "name=value of the topic that is created; may be given several times."),
    Option("delete-config", "string", "Nothing any more, as in Kafka 4; `klamm configs` does it."),
    Option("partitions", "int", "How many partitions; with --create the broker's default without it."),
    Option("replication-factor", "int", "How many replicas; the broker's default without it."),
    Option("replica-assignment", "string", "Broker ids, colons between replicas and commas between partitions."),
    Option("under-replicated-partitions", "flag", "Describe partitions with replicas that are not in sync."),
    Option("unavailable-partitions", "flag", "Describe partitions without a leader that is alive."),
    Option("under-min-isr-partitions", "flag", "Describe partitions with fewer in sync than min.insync.replicas."),
    Option("at-min-isr-partitions", "flag", "Describe partitions with just min.insync.replicas in sync."),
    Option("topics-with-overrides", "flag", "Describe topics with configs of their own."),
    Option("if-exists", "flag", "With --alter, --delete, --describe: no error where the topic is not there."),
    Option("if-not-exists", "flag", "With --create: no error where the topic is there."),
    Option("exclude-internal", "flag", "With --list, --describe: without __consumer_offsets and its like."),
    Option("partition-size-limit-per-response", "int", "The most partitions that one answer may describe.", 2000),
    Option("force", "flag", "Nothing: no question is asked.", old="up to 2.x"),
    ZOOKEEPER,
    JSON,
    *COMMON,
)

ACTIONS: Final = ("create", "alter", "describe", "list", "delete")
REPORTS: Final = (
    "under-replicated-partitions",
    "unavailable-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
)
#: Option -> the actions it goes with; TopicCommand.checkInvalidArgs.
_GOES_WITH: Final = {
    "config": ("create",),
    "delete-config": ("create", "alter", "describe", "list", "delete"),
    "partitions": ("alter", "create"),
    "replication-factor": ("create",),
    "replica-assignment": ("alter", "create"),
    **dict.fromkeys((*REPORTS, "topics-with-overrides"), ("describe",)),
    "if-exists": ("alter", "delete", "describe"),
    "if-not-exists": ("create",),
    "exclude-internal": ("list", "describe"),
}


def check(options: Options) -> str:
    """The action. Raises OptionsError, with TopicCommand's words, for options that do not go together."""
    actions = [name for name in ACTIONS if options.has(name)]
    if len(actions) != 1:
        raise OptionsError("Command must include exactly one action: --list, --describe, --create, --alter or --delete")
    (action,) = actions
    if not (options.has("bootstrap-server") or options.has("zookeeper")):
        raise OptionsError("--bootstrap-server must be specified")
    if action in ("create", "alter", "delete") and not options.has("topic"):
        raise OptionsError('Missing required argument "[topic]"')
    if action == "describe" and options.has("if-exists") and not (options.has("topic") or options.has("topic-id")):
        raise OptionsError("--topic or --topic-id is required to describe a topic")
    if action == "alter":
        if options.has("config"):
            raise OptionsError(
                'Option combination "[[config], [bootstrap-server]]" can\'t be used with option "[alter]"'
                " (To alter topic configurations, the kafka-configs tool can be used.)"
            )
        if not options.has("partitions"):
            raise OptionsError('Missing required argument "[partitions]"')
    for name, places in _GOES_WITH.items():
        if options.has(name) and action not in places:
            _refuse(options, name, (action,))
    if action == "create":
        for name in ("partitions", "replication-factor"):
            _refuse(options, "replica-assignment", (name,))
    for name in REPORTS:
        _refuse(options, name, ("topics-with-overrides",))
    return action


def _refuse(options: Options, name: str, others: Sequence[str]) -> None:
    for other in others:
        if options.has(name) and options.has(other):
            raise OptionsError(f'Option "[{name}]" can\'t be used with option "[{other}]"')
