"""What the administrators' commands share: how they begin, how they fail, and how they print."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from ..client import Client, ClientError, open_client
from ..console.options import ArgumentError, Option, Options, OptionsError, bootstrap, help_or_version, parse, refuse

JSON: Final = Option("json", "flag", "Print the result as one JSON value (klamm's own option).")
BOOTSTRAP: Final = Option("bootstrap-server", "string", "REQUIRED: The brokers to begin with: HOST1:PORT1,HOST2:PORT2.")
#: What is said of an option that --command-config has taken the place of (KIP-1147).
OLD_CONFIG: Final = (
    "Option --{} has been deprecated and will be removed in a future version. Use --command-config instead."
)
COMMAND_CONFIG: Final = Option("command-config", "string", "A properties file for the admin client.")


class CommandError(Exception):
    """The command cannot do its work. str() is Kafka's message; `java_name` the exception it would have thrown."""

    def __init__(self, message: str, java_name: str = "java.lang.IllegalArgumentException") -> None:
        super().__init__(message)
        self.java_name = java_name


def java_name(error: Exception) -> str:
    """The full name of the exception that Kafka's command would have printed."""
    if isinstance(error, ClientError):
        return f"{error.java_package}.{error.java_name}"
    return getattr(error, "java_name", "java.lang.RuntimeException")


def execute(
    about: str,
    table: Sequence[Option],
    arguments: Sequence[str],
    body: Callable[[Options], int],
    failure: Callable[[Exception], None],
) -> int:
    """Reads the command line, runs `body` and returns its exit code, or 1 after `failure(error)` has printed why.

    A wrong command line is answered by its message and the options, a value of the wrong kind by `failure`; both by 1.
    """
    try:
        options = parse(table, arguments)
        if not arguments:
            raise OptionsError(about.split("\n")[0])
        if help_or_version(options, about, table):
            return 0
        return body(options)
    except ArgumentError as error:
        failure(CommandError(str(error), "joptsimple.OptionArgumentConversionException"))
        return 1
    except OptionsError as error:
        return refuse(str(error), about, table)
    except (ClientError, CommandError) as error:
        failure(error)
        return 1


def client_of(options: Options, *names: str, command_config: str | None = None) -> Client:
    """The client of --bootstrap-server and --command-config. Raises OptionsError, SettingError, FailedError."""
    return open_client(
        bootstrap(options, *(names or ("bootstrap-server",))),
        command_config=command_config or options.last("command-config"),
        client_id="adminclient-1",
    )


def print_message_and_trace(error: Exception) -> None:
    """As Kafka's commands that print the message and the exception; without Java's stack, which says nothing here."""
    print(error, file=sys.stderr)
    print(f"{java_name(error)}: {error}", file=sys.stderr)


def print_json(value: object) -> None:
    """One line of JSON, for programs."""
    print(json.dumps(value, separators=(",", ":"), ensure_ascii=False))


def read_json_file(path: str) -> Any:
    """The content of a JSON file. Raises CommandError, with Kafka's messages."""
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read()
    except OSError:
        raise CommandError(f"Unable to read file {path}", "java.io.IOException") from None
    try:
        found = json.loads(text)
    except ValueError:
        found = None
    if not isinstance(found, Mapping):
        raise CommandError("The input string is not a valid JSON", "org.apache.kafka.tools.AdminOperationException")
    return found


def columns(rows: Sequence[Sequence[str]], widths: Sequence[int] = ()) -> str:
    """Lines with aligned columns, a blank between two. `widths`: the least of each, as Kafka's formats have them."""
    least = [*widths, *[0] * len(rows[0])][: len(rows[0])]
    wide = [max([least[at], *(len(row[at]) for row in rows)]) for at in range(len(rows[0]))]
    return "\n".join(" ".join(cell.ljust(wide[at]) for at, cell in enumerate(row)) for row in rows)


def tab_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> int:
    """Prints aligned columns with a tab behind each, as Kafka's ToolsUtils.prettyPrintTable. Returns 0."""
    table = [list(heads), *([str(cell) for cell in row] for row in rows)]
    wide = [max(len(row[at]) for row in table) for at in range(len(heads))]
    for row in table:
        print("".join(f"{cell.ljust(wide[at])}\t" for at, cell in enumerate(row)))
    return 0
