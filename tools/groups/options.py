"""The options of consumer-groups: those of Kafka 4.3's ConsumerGroupCommand, and which may stand together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ..console.options import COMMON, ZOOKEEPER, Option, Options, OptionsError

ABOUT: Final = """This tool helps to list all consumer groups, describe a consumer group, delete consumer group info, \
or reset consumer group offsets.

    klamm consumer-groups --bootstrap-server localhost:9092 --list
    klamm consumer-groups --bootstrap-server localhost:9092 --describe --group readers
    klamm consumer-groups --bootstrap-server localhost:9092 --reset-offsets --group readers --topic t --to-earliest \\
        --execute"""

OPTIONS: Final = (
    Option("bootstrap-server", "string", "REQUIRED but for --validate-regex: HOST1:PORT1,HOST2:PORT2."),
    Option("list", "flag", "List all groups."),
    Option("describe", "flag", "Describe a group: its offsets and how far they lag behind, members, or state."),
    Option("delete", "flag", "Delete groups that have no members."),
    Option("reset-offsets", "flag", "Move the offsets of groups without members. Without --execute a rehearsal."),
    Option("delete-offsets", "flag", "Delete a group's offsets of topics."),
    Option("validate-regex", "string", "Say whether a regular expression has the syntax of RE2."),
    Option("group", "string", "The group; several for --describe, --delete, --reset-offsets."),
    Option("all-groups", "flag", "All groups."),
    Option("topic", "string", "A topic, or some of its partitions as topic:0,1,2; may be given again."),
    Option("all-topics", "flag", "All topics that the group has offsets of."),
    Option("offsets", "flag", "With --describe: the offsets, which is the default."),
    Option("members", "flag", "With --describe: the members."),
    Option("state", "optional", "With --describe: the state; with --list: the states, of these only (stable,empty)."),
    Option("type", "optional", "With --list: the types, of these only (classic,consumer)."),
    Option("verbose", "flag", "With --describe: more columns."),
    Option("dry-run", "flag", "With --reset-offsets: only show what would be."),
    Option("execute", "flag", "With --reset-offsets: do it."),
    Option("export", "flag", "With --reset-offsets: print the offsets as CSV for --from-file."),
    Option("to-offset", "long", "To this offset."),
    Option("shift-by", "long", "By so many offsets, forwards or backwards."),
    Option("to-datetime", "string", "To the first record of this time or later: YYYY-MM-DDThh:mm:ss.sss"),
    Option("by-duration", "string", "To the first record of this long ago: PnDTnHnMnS"),
    Option("to-earliest", "flag", "To where the log begins."),
    Option("to-latest", "flag", "To where the log ends."),
    Option("to-current", "flag", "To where the group is, or to the end where it has no offset."),
    Option("from-file", "string", "To what a CSV file says: topic,partition,offset or group,topic,partition,offset."),
    Option("timeout", "long", "Milliseconds until a request is given up.", 30_000),
    Option("command-config", "string", "A properties file for the client."),
    Option("json", "flag", "Print the result as one JSON value (klamm's own option)."),
    Option("new-consumer", "flag", "Nothing: there is no other.", old="0.9 to 1.x"),
    ZOOKEEPER,
    *COMMON,
)

ACTIONS: Final = ("list", "describe", "delete", "reset-offsets", "delete-offsets", "validate-regex")
SCENARIOS: Final = (
    *("to-offset", "shift-by", "to-datetime", "by-duration"),
    *("to-earliest", "to-latest", "to-current", "from-file"),
)

#: Option -> the options of which one must be there too.
_ONLY_WITH: Final = {
    "members": ("describe",),
    "verbose": ("describe",),
    "offsets": ("describe",),
    "state": ("describe", "list"),
    "type": ("list",),
}

#: (option, options that may not stand beside it)
_APART: Final = (
    ("group", ("all-groups",)),
    ("group", ("list",)),
    ("topic", ("list", "describe")),
)

_NOTHING_DONE: Final = (
    "WARN: No action will be performed as the --execute option is missing."
    "In a future major release, the default behavior of this command will be to prompt the user before "
    "executing the reset rather than doing a dry run. You should add the --dry-run option explicitly "
    "if you are scripting this command and want to keep the current default behavior without prompting."
)


def check(options: Options) -> str | None:
    """Raises OptionsError as ConsumerGroupCommandOptions does. Returns what it says on stderr, if anything."""
    for name, others in _ONLY_WITH.items():
        if options.has(name) and not any(map(options.has, others)):
            raise OptionsError(f"Option(s) [{name}] are unavailable given other options on the command line")
    warning = None
    if options.has("describe"):
        _needs_group(options, "describe")
        chosen = [name for name in ("members", "offsets", "state") if options.has(name)]
        if len(chosen) > 1:
            raise OptionsError("Option [describe] takes at most one of these options: [members], [offsets], [state]")
        if options.all("state"):
            raise OptionsError("Option [describe] does not take a value for [state]")
    if options.has("delete"):
        _needs_group(options, "delete")
        if options.has("topic"):
            raise OptionsError("The consumer does not support topic-specific offset deletion from a consumer group.")
    if options.has("delete-offsets") and not (options.has("group") and options.has("topic")):
        raise OptionsError("Option [delete-offsets] takes the following options: [topic], [group]")
    if options.has("reset-offsets"):
        if options.has("dry-run") and options.has("execute"):
            raise OptionsError("Option [reset-offsets] only accepts one of [execute] and [dry-run]")
        if not options.has("dry-run") and not options.has("execute"):
            warning = _NOTHING_DONE
        _needs_group(options, "reset-offsets")
        for name in SCENARIOS:
            _apart(options, name, [other for other in SCENARIOS if other != name])
    for name, others in _APART:
        _apart(options, name, others)
    if sum(map(options.has, ACTIONS)) != 1:
        names = ", ".join(f"--{name}" for name in ACTIONS)
        raise OptionsError(f"Command must include exactly one action: {names}")
    return warning


def _needs_group(options: Options, action: str) -> None:
    if not options.has("group") and not options.has("all-groups"):
        raise OptionsError(f"Option [{action}] takes one of these options: [group], [all-groups]")


def _apart(options: Options, name: str, others: Sequence[str]) -> None:
    for other in others:
        if options.has(name) and options.has(other):
            raise OptionsError(f'Option "[{name}]" can\'t be used with option "[{other}]"')
