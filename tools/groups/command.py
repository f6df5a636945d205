"""`klamm consumer-groups`: lists, describes, resets and deletes, as with kafka-consumer-groups.sh.

As there, what the cluster refuses is said on stdout as `Error: ...` and the exit code is 0 all the same; 1 is for a
command line that is wrong.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Final, TypeVar

from ...wire.errors import ErrorCode, KafkaError
from ..admin.common import print_json
from ..cli import FailedError
from ..client import Client, ClientError, ServerError, open_client
from ..client.errors import failure_line, java_line
from ..console.member import Key, commit_offsets, committed_offsets
from ..console.options import ArgumentError, Options, OptionsError, bootstrap, help_or_version, parse, refuse
from ..console.reader import LATEST, list_offsets
from ..progress import Progress
from . import as_json, reset, tables
from .cluster import (
    Group,
    Listing,
    delete_group,
    delete_offsets,
    describe_group,
    list_groups,
    partitions_of,
)
from .options import ABOUT, OPTIONS, check

T = TypeVar("T")
R = TypeVar("R")

_STATES: Final = {
    name.lower(): name
    for name in ("PreparingRebalance", "CompletingRebalance", "Stable", "Dead", "Empty", "Assigning", "Reconciling")
}
_TYPES: Final = {"classic": "Classic", "consumer": "Consumer"}

_REBALANCING: Final = ("PreparingRebalance", "CompletingRebalance", "Assigning", "Reconciling")
_INACTIVE: Final = ("Empty", "Dead")

#: Errors of a whole group, and of partitions in it, that --delete-offsets tells apart.
_OF_GROUP: Final = (
    *(ErrorCode.INVALID_GROUP_ID, ErrorCode.GROUP_ID_NOT_FOUND),
    *(ErrorCode.GROUP_AUTHORIZATION_FAILED, ErrorCode.NON_EMPTY_GROUP),
)
_OF_PARTITION: Final = (
    *(ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, ErrorCode.TOPIC_AUTHORIZATION_FAILED),
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
)


def run(arguments: Sequence[str]) -> int:
    """Returns 0, or 1 for a command line that is wrong."""
    try:
        options = parse(OPTIONS, arguments)
    except ArgumentError as error:
        print(f"\nError: Executing consumer group command failed due to {error}")
        return 0
    except OptionsError as error:
        return refuse(str(error), ABOUT, OPTIONS)
    try:
        if help_or_version(options, ABOUT, OPTIONS):
            return 0
        if not options.has("validate-regex"):
            address = bootstrap(options, "bootstrap-server")
        warning = check(options)
        if options.has("validate-regex"):
            print(_validate_regex(options.last("validate-regex")))
            return 0
        if warning is not None:
            print(warning, file=sys.stderr)
        timeout = {"default.api.timeout.ms": str(options.last("timeout"))}
        with open_client(address, command_config=options.last("command-config"), properties=timeout) as client:
            _act(client, options)
    except OptionsError as error:
        return refuse(str(error), ABOUT, OPTIONS)
    except ClientError as error:
        _print_error(options, f"Executing consumer group command failed due to {_message(error)}")
        print(java_line(error), file=sys.stderr)
    except FailedError as error:
        _print_error(options, f"Executing consumer group command failed due to {error}")
    return 0


def _act(client: Client, options: Options) -> None:
    actions: dict[str, Callable[[Client, Options], None]] = {
        "list": _list,
        "describe": _describe,
        "delete": _delete,
        "reset-offsets": _reset,
        "delete-offsets": _delete_offsets,
    }
    next(action for name, action in actions.items() if options.has(name))(client, options)


def _message(error: ClientError) -> str:
    """What the command found out itself it says in its own words; an answer is named with its exception."""
    own = isinstance(error, ServerError) and error.message.startswith("The partitions ")
    return str(error) if own else failure_line(error)


def _print_error(options: Options, text: str) -> None:
    """On standard output as Kafka's command; beside JSON on standard error."""
    print(f"\nError: {text}", file=sys.stderr if options.has("json") else sys.stdout)


def _print(lines: Sequence[str]) -> None:
    print("\n".join(lines))


def _groups(client: Client, options: Options) -> list[str]:
    if options.has("all-groups"):
        return [row.group for row in list_groups(client)]
    return list(dict.fromkeys(options.all("group")))


def _validate_regex(regex: str) -> str:
    from ...coordinator.consumer_regex import compile_regex  # here, since no other action needs RE2

    if find_spec("re2") is None:
        raise FailedError("google-re2 is not installed (pip install klamm[regex])")
    try:
        compile_regex(regex)
    except KafkaError as error:
        reason = str(error).rpartition(" is not a valid regular expression: ")[2]
        return f"The regular expression `{regex}` is invalid: {reason}"
    return f"The regular expression `{regex}` is valid."


# --- list and describe --------------------------------------------------------------------------------------------


def _list(client: Client, options: Options) -> None:
    if not options.has("state") and not options.has("type"):
        found = list_groups(client)
        if options.has("json"):
            print_json(as_json.listing(found))
            return
        for row in found:
            print(row.group)
        return
    states = _chosen(options.last("state"), _STATES, "state")
    types = _chosen(options.last("type"), _TYPES, "type")
    rows = [
        row
        for row in list_groups(client, states, [name.lower() for name in types])
        # A broker of before these filters sends all.
        if _fits(row, states, types)
    ]
    if options.has("json"):
        print_json(as_json.listing(rows))
        return
    _print(tables.listing(rows, types=options.has("type"), states=options.has("state")))


def _fits(row: Listing, states: Sequence[str], types: Sequence[str]) -> bool:
    return (not states or row.state in states) and (not types or row.type in types)


def _chosen(text: str | None, names: dict[str, str], what: str) -> list[str]:
    found = [part.strip().lower() for part in (text or "").split(",") if text]
    if not all(part in names for part in found):
        plural = "types" if what == "type" else what
        raise OptionsError(f"Invalid {plural} list '{text}'. Valid {what}s are: {', '.join(names.values())}")
    return [names[part] for part in found]


def _describe(client: Client, options: Options) -> None:
    described = list(_one_by_one(sorted(_groups(client, options)), lambda group: describe_group(client, group)))
    verbose = options.has("verbose")
    if options.has("json"):
        wanted = not options.has("members") and not options.has("state")
        there = [group for group in described if _say_state(options, group)]
        rows_of = _one_by_one(there, lambda group: _offset_rows(client, group) if wanted else None)
        print_json([as_json.group(group, found) for group, found in zip(there, rows_of, strict=True)])
        return
    if options.has("members"):
        for group in described:
            _say_state(options, group)
            _print(tables.members(group, verbose=verbose))
    elif options.has("state"):
        for group in described:
            if _say_state(options, group):
                _print(tables.state(group, verbose=verbose))
    else:
        rows = list(_one_by_one(described, lambda group: _offset_rows(client, group)))
        for group, found in zip(described, rows, strict=True):
            if _say_state(options, group) and found:
                _print(tables.offsets(found, verbose=verbose))


def _one_by_one(groups: Sequence[T], ask: Callable[[T], R]) -> Iterator[R]:
    """The answers, while a terminal shows how many there are: a cluster may have thousands of groups."""
    with Progress("groups", len(groups)) as progress:
        for number, group in enumerate(groups, 1):
            yield ask(group)
            progress.tick(number)


def _say_state(options: Options, group: Group) -> bool:
    """Says what is unusual. False: the group is gone."""
    if group.state == "Dead":
        _print_error(options, f"Consumer group '{group.group}' does not exist.")
    elif group.state == "Empty":
        _to_stderr(f"\nConsumer group '{group.group}' has no active members.")
    elif group.state in _REBALANCING:
        _to_stderr(f"\nWarning: Consumer group '{group.group}' is rebalancing.")
    return group.state != "Dead"


def _to_stderr(text: str) -> None:
    # On a terminal both streams are one: what was printed before stands before.
    sys.stdout.flush()
    print(text, file=sys.stderr, flush=True)


def _offset_rows(client: Client, group: Group) -> list[tables.OffsetRow]:
    committed = committed_offsets(client, group.group)
    members = sorted((row for row in group.members if row.assigned), key=lambda row: -len(row.assigned))
    owned = {key for member in members for key in member.assigned}
    wanted = sorted(owned | set(committed))
    led, errors = partitions_of(client, {topic for topic, _ in wanted})
    for code in errors.values():
        raise ServerError(code)
    ends = list_offsets(client, [key for key in wanted if led.get(key)], LATEST)

    def row(key: Key, *owner: str) -> tables.OffsetRow:
        end = ends[key][0] if key in ends else None
        return tables.OffsetRow(group.group, *key, committed.get(key), end, *owner)

    rows = [
        row(key, member.member_id, member.host, member.client_id)
        for member in members
        for key in sorted(member.assigned)
    ]
    return rows + [row(key) for key in wanted if key not in owned]


# --- reset and delete ---------------------------------------------------------------------------------------------


def _reset(client: Client, options: Options) -> None:
    plans: dict[str, reset.Plan] = {}
    for group in _groups(client, options):
        state = "Dead"
        try:
            state = describe_group(client, group).state
        except ServerError as error:
            # A group that is not there yet may be given offsets.
            if error.code != ErrorCode.GROUP_ID_NOT_FOUND:
                raise
        plans[group] = {}
        if state not in _INACTIVE:
            _print_error(
                options,
                f"Assignments can only be reset if the group '{group}' is inactive, but the current state is {state}.",
            )
            continue
        plans[group] = reset.plan(client, group, options)
        if options.has("execute") and plans[group]:
            commit_offsets(client, group, plans[group])
    if options.has("json"):
        print_json(as_json.new_offsets(plans))
    elif options.has("export"):
        print(reset.to_csv(plans, with_group=len(options.all("group")) != 1))
    else:
        _print(tables.new_offsets(plans))


def _delete(client: Client, options: Options) -> None:
    failed: dict[str, ClientError] = {}
    groups = _groups(client, options)
    for group in groups:
        try:
            delete_group(client, group)
        except ServerError as error:
            failed[group] = error
    if options.has("json"):
        gone = [group for group in groups if group not in failed]
        print_json({"deleted": gone, "failed": {group: java_line(reason) for group, reason in failed.items()}})
        return
    deleted = ", ".join(f"'{group}'" for group in groups if group not in failed)
    if not failed:
        print(f"Deletion of requested consumer groups ({deleted}) was successful.")
        return
    _print_error(options, "Deletion of some consumer groups failed:")
    for group, reason in failed.items():
        print(f"* Group '{group}' could not be deleted due to: {java_line(reason)}")
    if deleted:
        print(f"\nThese consumer groups were deleted successfully: {deleted}")


def _delete_offsets(client: Client, options: Options) -> None:
    group = options.last("group")
    named = [key for text in options.all("topic") if ":" in text for key in reset.parse_partitions(text)]
    whole, unknown = partitions_of(client, [text for text in options.all("topic") if ":" not in text])
    results: dict[Key, str | None] = {(topic, -1): java_line(ServerError(code)) for topic, code in unknown.items()}
    wanted = sorted({*named, *whole})
    first: ServerError | None = None
    try:
        for key, code in delete_offsets(client, group, wanted).items():
            failure = ServerError(code) if code else None
            first = first or failure
            results[key] = None if failure is None else java_line(failure)
    except ServerError as error:
        first = error
        results.update(dict.fromkeys(wanted, java_line(error)))
    if options.has("json"):
        print_json(as_json.deleted_offsets(results))
        return
    if first is None:
        print(f"Request succeeded for deleting offsets from group {group}.")
    elif first.code in _OF_GROUP:
        _print_error(options, str(first))
    elif first.code in _OF_PARTITION:
        _print_error(options, "Encountered some partition-level error, see the follow-up details.")
    else:
        _print_error(options, f"Encountered some unknown error: {first.code.name}")
    _print(tables.deleted_offsets(results))
