"""Types of configs and what each accepts: text in, value or Kafka's own error message out.

A row of the tables beside this file is (name, type, default, valid, update, standing). Messages are Kafka's, word for
word: clients show them and tests of clients compare them. Source: org.apache.kafka.common.config.ConfigDef.

Left out: hexadecimal floating point, and whether a Java class exists.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple


class Type(IntEnum):
    """The numbers are those of DescribeConfigs (ConfigEntry.ConfigType); 0 stands for a key that nobody knows."""

    UNKNOWN = 0
    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


BOOLEAN, STRING, INT, SHORT, LONG = Type.BOOLEAN, Type.STRING, Type.INT, Type.SHORT, Type.LONG
DOUBLE, LIST, CLASS, PASSWORD = Type.DOUBLE, Type.LIST, Type.CLASS, Type.PASSWORD

#: When a broker's config may change: at start only, for one broker at run time, or also for the whole cluster.
READ_ONLY, PER_BROKER, CLUSTER_WIDE = "read-only", "per-broker", "cluster-wide"

#: What klamm does with a config: it takes effect, or the reason why it is accepted without one.
HONOURED: Final = ""
NOT_YET: Final = "accepted; it belongs to a part of Kafka that klamm does not have yet"
ONE_LOOP: Final = "accepted without effect: klamm has one event loop and no pools of threads"
ONE_PROCESS: Final = "accepted without effect: the controller lives in the broker's own process"
NO_JVM: Final = "accepted without effect: it names or tunes Java classes"
NO_TIERS: Final = "accepted without effect: klamm has no tiered storage"
FIXED: Final = "accepted without effect: klamm does this in a way of its own"

Value = bool | int | float | str | tuple[str, ...] | None
#: Value -> what is wrong with it, in Kafka's words behind "Invalid value X for configuration Y: ", or None.
Check = Callable[[Any], str | None]


class Valid(NamedTuple):
    """`text`: the allowed values for people, as Kafka's docs write them.

    `check` sees a value that is not null. A list of `distinct` values loses its duplicates before the check, may be
    empty only if `empty`, and has no empty entry.
    """

    text: str
    check: Check
    distinct: bool = False
    empty: bool = True


class Key(NamedTuple):
    """One config. `default`: Kafka's, as text, None for null; `standing`: HONOURED, or why it has no effect."""

    name: str
    type: Type
    default: str | None
    valid: Valid
    update: str
    standing: str
    internal: bool = False

    @property
    def is_sensitive(self) -> bool:
        return self.type is PASSWORD


class InvalidValue(Exception):  # noqa: N818  # Kafka's ConfigException, whose message it carries
    """A text that is no value of its config; str() is Kafka's message."""


def _fine(_: Any) -> None:
    return None


ANY: Final = Valid("", _fine)


def between(low: float | None, high: float | None = None) -> Valid:
    """Kafka's ConfigDef.Range."""

    def check(value: float) -> str | None:
        if low is not None and value < low:
            return f"Value must be at least {low}"
        if high is not None and value > high:
            return f"Value must be no more than {high}"
        return None

    return Valid(f"[{low},...,{high}]" if high is not None else f"[{low},...]", check)


def at_least(low: int) -> Valid:
    return between(low)


def one_of(*names: str) -> Valid:
    """Kafka's ConfigDef.ValidString."""
    message = "String must be one of: " + ", ".join(names)
    return Valid(f"[{', '.join(names)}]", lambda value: None if value in names else message)


def one_of_any_case(*names: str) -> Valid:
    """Kafka's ConfigDef.CaseInsensitiveValidString."""
    message = "String must be one of (case insensitive): " + ", ".join(names)
    return Valid(f"(case insensitive) [{', '.join(names)}]", lambda value: None if value.upper() in names else message)


def list_of(*names: str, empty: bool = False) -> Valid:
    """Kafka's ConfigDef.ValidList.in; without names anyNonDuplicateValues."""
    text = f"[{', '.join(names)}]" if names else "any non-empty value"
    return Valid(text, one_of(*names).check if names else _fine, distinct=True, empty=empty)


def _throttled_replicas(value: tuple[str, ...]) -> str | None:
    if value == ("*",) or all(re.fullmatch("([0-9]+:[0-9]+)?", entry) for entry in value):
        return None
    return (
        "{name} must be the literal '*' or a list of replicas in the following format: "
        "[partitionId]:[brokerId],[partitionId]:[brokerId],..."
    )


def _gzip_level(value: int) -> str | None:
    return None if value == -1 or 1 <= value <= 9 else "Value must be between 1 and 9 or equal to -1"


_DURATION: Final = r"(?i)\+?P(?!$)(\+?\d+D)?(T(?=\+?\d)(\+?\d+H)?(\+?\d+M)?(\+?\d+([.,]\d*)?S)?)?$"


def _offset_reset(value: str) -> str | None:
    duration = value.removeprefix("by_duration:")
    if value in ("earliest", "latest") or (duration != value and "-" not in duration and re.match(_DURATION, duration)):
        return None
    return (
        f"Invalid value `{value}` for configuration {{name}}. The value must be either 'earliest', 'latest' or of the "
        "format 'by_duration:<PnDTnHnMn.nS>'."
    )


def _voters(value: tuple[str, ...]) -> None:
    form = "Each entry should be in the form `{id}@{host}:{port}`."
    for entry in value:
        number, at, address = entry.partition("@")
        if not at:
            raise InvalidValue(f"Invalid configuration value for controller.quorum.voters. {form}")
        if not number.isdecimal():
            raise InvalidValue(f"Failed to parse voter ID as an integer from {entry}")
        if not re.fullmatch(_ADDRESS, address):
            raise InvalidValue(
                f"Failed to parse host name from entry {entry} for the configuration controller.quorum.voters. {form}"
            )


def _bootstrap_servers(value: tuple[str, ...]) -> None:
    for entry in value:
        if not re.fullmatch(_ADDRESS, entry):
            raise InvalidValue(
                f"Failed to parse host name from {entry} for the configuration controller.quorum.bootstrap.servers. "
                'Each entry should be in the form "{host}:{port}"'
            )


#: host:port as Kafka's Utils takes it apart.
_ADDRESS: Final = r"(?:[a-zA-Z0-9+]+://)?\[?[0-9a-zA-Z\-%._:]*\]?:[0-9]+"
VOTERS: Final = Valid("non-empty list", _voters)
BOOTSTRAP_SERVERS: Final = Valid("non-empty list", _bootstrap_servers)
GZIP_LEVELS: Final = Valid("[1,...,9] or -1", _gzip_level)
THROTTLED_REPLICAS: Final = Valid("[partitionId]:[brokerId],[partitionId]:[brokerId],...", _throttled_replicas)
OFFSET_RESET: Final = Valid("[latest, earliest, by_duration:PnDTnHnMn.nS]", _offset_reset)
NON_EMPTY: Final = Valid("non-empty string", lambda value: None if value else "String must be non-empty")
SOME: Final = list_of()
MAYBE_EMPTY: Final = list_of(empty=True)
AT_LEAST_0, AT_LEAST_1 = at_least(0), at_least(1)

#: Java's String.trim: every character up to the blank.
_BLANKS: Final = "".join(map(chr, range(0x21)))
# Compiled at first use (by re itself): start-up compiles none.
_INTEGER: Final = r"[+-]?\d+"
_DECIMAL: Final = r"([+-]?)(?:(NaN|Infinity)|((?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)[fFdD]?)"
_COMMA: Final = r"[ \t\n\v\f\r]*,[ \t\n\v\f\r]*"
#: Characters; beyond it stand only leading zeros, and int() is asked nothing that it takes long over.
_LONGEST_NUMBER: Final = 100
_BITS: Final = {Type.SHORT: 16, Type.INT: 32, Type.LONG: 64}


def parse_text(key: Key, text: str | None) -> Value:
    """The typed value of `text`, and nothing more checked than its type. Raises InvalidValue."""
    if text is None:
        return None
    trimmed = text.strip(_BLANKS)
    kind = key.type
    if kind in _BITS:
        if len(trimmed) <= _LONGEST_NUMBER and re.fullmatch(_INTEGER, trimmed):
            limit = 1 << (_BITS[kind] - 1)
            if -limit <= (number := int(trimmed)) < limit:
                return number
        raise _invalid(key, text, f"Not a number of type {kind.name}")
    if kind is BOOLEAN:
        lower = trimmed.lower()
        if lower in ("true", "false"):
            return lower == "true"
        raise _invalid(key, text, "Expected value to be either true or false")
    if kind is DOUBLE:
        found = re.fullmatch(_DECIMAL, trimmed)
        if found is None:
            raise _invalid(key, text, "Not a number of type DOUBLE")
        return float(found[1] + (found[2] or found[3]))
    if kind is LIST:
        return tuple(re.split(_COMMA, trimmed)) if trimmed else ()
    return trimmed


def parse(key: Key, text: str | None) -> Value:
    """The typed value of a config's text: None, bool, int, float, str or a tuple of str.

    Raises InvalidValue with Kafka's message.
    """
    value = parse_text(key, text)
    if value is None:
        return None
    valid = key.valid
    if valid.distinct:
        assert isinstance(value, tuple)
        value = tuple(dict.fromkeys(value))
        if not value and not valid.empty:
            raise InvalidValue(f"Configuration '{key.name}' must not be empty. Valid values include: {valid.text}")
        for entry in value:
            if not entry:
                raise InvalidValue(f"Configuration '{key.name}' values must not be empty.")
            if (problem := valid.check(entry)) is not None:
                raise _invalid(key, entry, problem)
        return value
    if (problem := valid.check(value)) is not None:
        shown = f"[{', '.join(value)}]" if isinstance(value, tuple) else format_value(value)
        raise _invalid(key, shown, problem)
    return value


def _invalid(key: Key, shown: str | None, problem: str) -> InvalidValue:
    return InvalidValue(f"Invalid value {shown} for configuration {key.name}: {problem.replace('{name}', key.name)}")


def java_integer(text: str) -> int | None:
    """The number that Java's Integer.parseInt reads, None where it throws: a sign may stand before it, no blanks."""
    if len(text) > _LONGEST_NUMBER or re.fullmatch(_INTEGER, text) is None:
        return None
    number = int(text)
    return number if -(1 << 31) <= number < 1 << 31 else None


def format_value(value: Value) -> str | None:
    """The text of a typed value as Kafka writes it (ConfigDef.convertToString)."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ",".join(value)
    return _java_double(value) if isinstance(value, float) else str(value)


def _java_double(value: float) -> str:
    """Java's Double.toString: plain from 1e-3 below 1e7, else with an exponent; always a digit behind the point."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    shortest = repr(abs(value))
    sign = "-" if repr(value)[0] == "-" else ""
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return sign + shortest
    mantissa, _, power = shortest.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(whole) - 1 - (len(whole + fraction) - len(digits))
    return f"{sign}{digits[0]}.{digits[1:].rstrip('0') or '0'}E{exponent}"
