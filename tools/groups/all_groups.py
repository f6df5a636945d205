"""`klamm groups`: the groups of every type, as Kafka's GroupsCommand lists them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from ...wire.messages.list_groups import ListGroupsRequest, ListGroupsResponse
from ..admin.common import (
    BOOTSTRAP,
    COMMAND_CONFIG,
    JSON,
    CommandError,
    client_of,
    execute,
    print_json,
    print_message_and_trace,
)
from ..client import Client, ClientError
from ..client.errors import check
from ..console.options import COMMON, Option, Options, OptionsError

ABOUT: Final = """This tool helps to list groups of all types.

    klamm groups --bootstrap-server localhost:9092 --list
    klamm groups --bootstrap-server localhost:9092 --list --consumer
    klamm groups --bootstrap-server localhost:9092 --list --group-type classic --protocol connect"""

OPTIONS: Final = (
    BOOTSTRAP,
    COMMAND_CONFIG,
    Option("list", "flag", "List the groups."),
    Option("consumer", "flag", "Consumer groups alone: classic ones of the protocol consumer or of none, too."),
    Option("share", "flag", "Share groups alone."),
    Option("streams", "flag", "Streams groups alone."),
    Option("group-type", "string", "Groups of this type alone: classic, consumer, share or streams."),
    Option("protocol", "string", "Groups of this protocol alone."),
    JSON,
    *COMMON,
)

_TYPES: Final = ("classic", "consumer", "share", "streams")
#: The widths of Kafka's format; a longer group pushes its column.
_WIDTH: Final = 20


class Row(NamedTuple):
    """A group. `type`: `Classic`, `Consumer` and so on, as the command prints it."""

    group: str
    type: str
    protocol: str


def all_groups(client: Client) -> list[Row]:
    """The groups of all brokers, by name. Raises ServerError."""
    found: dict[str, Row] = {}
    client.metadata([])
    for node_id in sorted(client.nodes):
        answer = client.node(node_id, ListGroupsRequest(), ListGroupsResponse)
        check(answer.error_code)
        for row in answer.groups:
            # A broker of before KIP-848 names no types.
            found[row.group_id] = Row(row.group_id, row.group_type.capitalize() or "Classic", row.protocol_type)
    return [found[group] for group in sorted(found)]


def _check(options: Options) -> None:
    """Raises OptionsError and CommandError, with Kafka's words."""
    if not options.has("list"):
        raise OptionsError("Command must include exactly one action: --list.")
    if not options.has("bootstrap-server"):
        raise OptionsError("Missing required option(s) [bootstrap-server]")
    kinds = [name for name in ("consumer", "share", "streams") if options.has(name)]
    for kind in kinds:
        for other in ("consumer", "share", "streams", "group-type", "protocol"):
            if other != kind and options.has(other):
                raise OptionsError(f'Option "[{kind}]" can\'t be used with option "[{other}]"')
    if options.has("group-type") and options.last("group-type").lower() not in _TYPES:
        raise CommandError("--group-type must be a valid group type.")


def _fits(row: Row, options: Options) -> bool:
    if options.has("consumer"):
        return row.type == "Consumer" or (row.type == "Classic" and row.protocol in ("", "consumer"))
    wanted = next((name for name in ("share", "streams") if options.has(name)), options.last("group-type"))
    return (wanted is None or row.type.lower() == wanted.lower()) and options.last("protocol") in (None, row.protocol)


def _body(options: Options) -> int:
    _check(options)
    with client_of(options) as client:
        rows = [row for row in all_groups(client) if _fits(row, options)]
    if options.has("json"):
        print_json([row._asdict() for row in rows])
        return 0
    width = max([_WIDTH, *(len(row.group) for row in rows)])
    print(f"{'GROUP':<{width}} {'TYPE':<{_WIDTH}} {'PROTOCOL':<{_WIDTH}}")
    for row in rows:
        print(f"{row.group:<{width}} {row.type:<{_WIDTH}} {row.protocol:<{_WIDTH}} ")
    return 0


def _failure(error: Exception) -> None:
    if isinstance(error, ClientError):
        print(f"Error while executing groups command : {error}")
    else:
        print_message_and_trace(error)


def run(arguments: Sequence[str]) -> int:
    return execute(ABOUT, OPTIONS, arguments, _body, _failure)
