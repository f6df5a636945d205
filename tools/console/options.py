"""Command lines as Kafka's scripts read them: the rules of jopt-simple, which all of them use.

A name may be shortened as long as it stays the only one, `--name=value` and `--name value` are one, a single dash is as
good as two, and words that belong to no option are passed over (which is how several addresses after
`--bootstrap-server` get through). A fault ends in the message, the options and exit code 1, as there.
"""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

#: Where commands go that name no broker but ZooKeeper, or nothing.
DEFAULT_BOOTSTRAP: Final = "localhost:9092"

_INTEGERS: Final[Mapping[str, int]] = {"int": 2**31, "long": 2**63}


class OptionsError(Exception):
    """A command line that Kafka's script would not take. str() is its message; the options are shown with it."""


class ArgumentError(OptionsError):
    """A value that is not of its option's kind: Kafka's commands find out when they ask for it, behind the parser."""


class Option(NamedTuple):
    """`kind`: "flag", "string", "int", "long", or "optional" (a value may follow). `default` is shown and applied.

    `old` says since when and for what another name is there, in the help.
    """

    name: str
    kind: str
    help: str
    default: Any = None
    old: str = ""


COMMON: Final = (
    Option("help", "flag", "Print usage information."),
    Option("version", "flag", "Display Kafka version."),
)

ZOOKEEPER: Final = Option(
    "zookeeper",
    "string",
    "HOST:PORT[/chroot]: the command goes to KLAMM_BOOTSTRAP or localhost:9092 instead.",
    old="2.x",
)


class Options:
    """What a command line says: `has(name)`: it was there; `all(name)`: its values; `last(name)`: or the default."""

    def __init__(self, table: Sequence[Option], values: dict[str, list[Any]]) -> None:
        self._defaults = {option.name: option.default for option in table}
        self._values = values

    def has(self, name: str) -> bool:
        return name in self._values

    def all(self, name: str) -> list[Any]:
        return [value for value in self._values.get(name, []) if value is not None]

    def last(self, name: str) -> Any:
        values = self.all(name)
        return values[-1] if values else self._defaults[name]


def parse(table: Sequence[Option], arguments: Sequence[str]) -> Options:
    """Reads `arguments` by `table`. Raises OptionsError and ArgumentError with jopt-simple's words."""
    by_name = {option.name: option for option in table}
    values: dict[str, list[Any]] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if word == "--":
            break
        if len(word) < 2 or word[0] != "-":
            continue
        name, assigned, value = word.lstrip("-").partition("=")
        option = by_name.get(name) or _shortened(by_name, name)
        found: str | None = None
        if option.kind == "flag":
            if assigned:
                raise OptionsError(f"Option {option.name} does not accept an argument")
        elif assigned:
            found = value
        elif words and (not words[0].startswith("-") or len(words[0]) == 1 or option.kind != "optional"):
            found = words.pop(0)
        elif option.kind != "optional":
            raise OptionsError(f"Option {option.name} requires an argument")
        values.setdefault(option.name, []).append(_typed(option, found))
    return Options(table, values)


def _shortened(by_name: Mapping[str, Option], name: str) -> Option:
    near = [option for option in by_name.values() if name and option.name.startswith(name)]
    if len(near) != 1:
        raise OptionsError(f"{name} is not a recognized option")
    return near[0]


def _typed(option: Option, value: str | None) -> Any:
    if value is None or option.kind not in _INTEGERS:
        return value
    bound = _INTEGERS[option.kind]
    try:
        number = int(value)
    except ValueError:
        number = bound
    if not -bound <= number < bound:
        raise ArgumentError(f"Cannot parse argument '{value}' of option {option.name}")
    return number


def bootstrap(options: Options, *names: str) -> str:
    """The addresses: of the first of `names` that is there, else those that stand for a ZooKeeper.

    Raises OptionsError, with Kafka's words, if nothing says where the broker is.
    """
    for name in names:
        if options.has(name):
            return str(options.last(name))
    if options.has("zookeeper"):
        address = os.environ.get("KLAMM_BOOTSTRAP", DEFAULT_BOOTSTRAP)
        print(f"There is no ZooKeeper: --zookeeper is taken for --bootstrap-server {address}", file=sys.stderr)
        return address
    raise OptionsError(f'Missing required argument "[{names[0]}]"')


def key_values(pairs: Sequence[str]) -> dict[str, str]:
    """`key=value` arguments as Kafka's CommandLineUtils.parseKeyValueArgs reads them. Raises OptionsError."""
    found: dict[str, str] = {}
    for pair in pairs:
        key, assigned, value = pair.partition("=")
        if not assigned or not key:
            raise OptionsError(f"Invalid command line properties: {pair}")
        found[key] = value
    return found


def properties(options: Options, files: Sequence[str], pairs: Sequence[str]) -> dict[str, str]:
    """What the properties files of these options say, and their `key=value` arguments, which win.

    Raises OptionsError, and FailedError for a file that cannot be read.
    """
    found: dict[str, str] = {}
    for path in [path for name in files for path in options.all(name)]:
        from ..client.settings import read_properties  # here, since few command lines name a file

        found.update(read_properties(path))
    return {**found, **key_values([pair for name in pairs for pair in options.all(name)])}


def warn_of_old(options: Options, names: Sequence[tuple[str, str]], sentence: str, *, new_first: bool = False) -> None:
    """Says on stdout, beside --json on stderr, which (old, new) names are old; `sentence` has a {} for each.

    Raises OptionsError if an old and its new name are both there (KIP-1147); commands name them in different orders.
    """
    for old, new in names:
        if options.has(old) and options.has(new):
            first, second = (new, old) if new_first else (old, new)
            raise OptionsError(f"Options --{first} and --{second} cannot be specified together.")
        if options.has(old):
            print(sentence.format(old, new), file=sys.stderr if options.has("json") else sys.stdout)


def usage(about: str, table: Sequence[Option]) -> str:
    """The help: what the command is for, and every option in alphabetical order."""
    lines = [about, ""]
    for option in sorted(table, key=lambda option: option.name):
        value = {"flag": "", "optional": " [VALUE]"}.get(option.kind, f" <{option.kind}>")
        default = "" if option.default is None else f" (default: {option.default})"
        old = f" (of Kafka {option.old}; still taken)" if option.old else ""
        lines.append(f"--{option.name}{value}")
        lines += textwrap.wrap(option.help + default + old, 100, initial_indent="    ", subsequent_indent="    ")
    return "\n".join(lines)


def help_or_version(options: Options, about: str, table: Sequence[Option]) -> bool:
    """Whether the command line asked for the help or the version, which is then printed."""
    if options.has("help"):
        print(usage(about, table))
        return True
    if options.has("version"):
        from ... import __version__

        print(f"4.3.1 (klamm {__version__})")
        return True
    return False


def refuse(message: str, about: str, table: Sequence[Option]) -> int:
    """Prints the message and the options on stderr, as Kafka's CommandLineUtils.printUsageAndExit. Returns 1."""
    print(message, file=sys.stderr)
    print(usage(about, table), file=sys.stderr)
    return 1
