"""Where a broker's configuration comes from: server.properties, then KAFKA_* variables, then the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from .config import Config, ConfigError, Setting

_PREFIX: Final = "KAFKA_"
#: KAFKA_* variables of Kafka's scripts and images that are no configs (kafka.docker.KafkaDockerWrapper).
_NOT_CONFIGS: Final = frozenset(
    _PREFIX + name
    for name in (
        *("VERSION", "HOME", "DEBUG", "OPTS", "HEAP_OPTS", "GC_LOG_OPTS", "JVM_PERFORMANCE_OPTS"),
        *("JMX_OPTS", "JMX_HOSTNAME", "JMX_PORT"),
        *("LOG4J_OPTS", "LOG4J_ROOT_LOGLEVEL", "LOG4J_LOGGERS", "TOOLS_LOG4J_LOGLEVEL"),
    )
)
_BLANK: Final = " \t\f"
_HEXADECIMAL: Final = frozenset("0123456789abcdefABCDEF")
_ESCAPES: Final = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


def load(
    properties_path: str | None = None,
    environment: Mapping[str, str] | None = None,
    overrides: Iterable[tuple[str, Setting]] = (),
) -> Config:
    """The configuration of these sources; a later one wins. Raises ConfigError, also for a file that cannot be read."""
    given: dict[str, Setting] = {}
    if properties_path is not None:
        for name, text in read_properties(properties_path).items():
            given[name] = Setting(text, properties_path)
    for name, (variable, text) in environment_configs(environment or {}).items():
        given[name] = Setting(text, variable)
    given.update(overrides)
    return Config(given)


def environment_configs(environment: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Config -> (variable, text): KAFKA_ goes, letters become small, ___ a dash, __ an underscore, _ a dot."""
    found = {}
    for variable, text in environment.items():
        if variable.startswith(_PREFIX) and variable not in _NOT_CONFIGS and variable != _PREFIX:
            name = variable[len(_PREFIX) :].lower()
            name = name.replace("___", "-").replace("__", "\0").replace("_", ".").replace("\0", "_")
            found[name] = (variable, text)
    return found


def read_properties(path: str) -> dict[str, str]:
    """A server.properties file. Raises ConfigError."""
    try:
        with open(path, encoding="latin-1", newline="") as file:
            return parse_properties(file.read())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_properties(text: str) -> dict[str, str]:
    """What java.util.Properties reads from `text`; of a name given twice the last counts.

    Raises ValueError for a \\u that no four hexadecimal digits follow.
    """
    found = {}
    for line in _logical_lines(text):
        end = _end_of_name(line)
        rest = line[end:].lstrip(_BLANK)
        if rest[:1] in ("=", ":"):
            rest = rest[1:].lstrip(_BLANK)
        found[_unescape(line[:end])] = _unescape(rest)
    return found


def _logical_lines(text: str) -> list[str]:
    """Lines without comments and blank lines; one that ends with an odd number of \\ goes on in the next."""
    lines = []
    carried: str | None = None
    for natural in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        line = natural.lstrip(_BLANK)
        if carried is None and (not line or line[0] in "#!"):
            continue
        line = (carried or "") + line
        if (len(line) - len(line.rstrip("\\"))) % 2:
            carried = line[:-1]
        else:
            lines.append(line)
            carried = None
    if carried is not None:
        lines.append(carried)
    return lines


def _end_of_name(line: str) -> int:
    """Where the first =, : or blank stands that no \\ escapes."""
    escaped = False
    for place, letter in enumerate(line):
        if not escaped and letter in "=: \t\f":
            return place
        escaped = letter == "\\" and not escaped
    return len(line)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    parts = []
    letters = iter(text)
    for letter in letters:
        if letter == "\\":
            letter = next(letters, "")
            if letter == "u":
                digits = "".join(next(letters, "") for _ in range(4))
                if len(digits) < 4 or not set(digits) <= _HEXADECIMAL:
                    raise ValueError("Malformed \\uxxxx encoding.")
                letter = chr(int(digits, 16))
            else:
                letter = _ESCAPES.get(letter, letter)
        parts.append(letter)
    return "".join(parts)
