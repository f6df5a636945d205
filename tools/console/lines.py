"""Lines of text as records, as org.apache.kafka.tools.LineMessageReader parses them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from ...wire.records import Record


class LineError(Exception):
    """A line, or a setting, that cannot be read. str() is Kafka's message."""


class Settings(NamedTuple):
    """How a line is cut. Names and defaults are the reader's properties with `.` for `_`."""

    parse_key: bool = False
    parse_headers: bool = False
    ignore_error: bool = False
    key_separator: str = "\t"
    headers_delimiter: str = "\t"
    headers_separator: str = ","
    headers_key_separator: str = ":"
    null_marker: str | None = None


_DIFFERENT: Final = (
    ("headers_delimiter", "headers_separator"),
    ("headers_delimiter", "headers_key_separator"),
    ("headers_separator", "headers_key_separator"),
    ("null_marker", "key_separator"),
    ("null_marker", "headers_separator"),
    ("null_marker", "headers_delimiter"),
    ("null_marker", "headers_key_separator"),
)


def settings(properties: Mapping[str, str]) -> Settings:
    """The settings that properties such as `parse.key` say; unknown ones mean nothing, as there.

    Raises LineError where two separators are the same.
    """
    found: dict[str, object] = {}
    for name, default in Settings._field_defaults.items():
        text = properties.get(name.replace("_", "."))
        if text is not None:
            found[name] = text.strip().lower() == "true" if isinstance(default, bool) else text
    made = Settings(**found)  # type: ignore[arg-type]
    for one, other in _DIFFERENT:
        if getattr(made, one) == getattr(made, other):
            raise LineError(f"{one.replace('_', '.')} and {other.replace('_', '.')} may not be equal")
    return made


def parse_line(line: str, number: int, how: Settings) -> Record:
    """The record of a line; `number` counts from 1 and stands in messages. Raises LineError."""
    headers, begin = _part(how.parse_headers, line, 0, how.headers_delimiter, "headers delimiter", number, how)
    key, begin = _part(how.parse_key, line, begin, how.key_separator, "key separator", number, how)
    pairs = ()
    if headers is not None and headers != how.null_marker:
        pairs = tuple(_header(pair, number, how) for pair in re.split(how.headers_separator, headers))  # type: ignore[assignment]
    return Record(key=None if key is None else _bytes(key, how), value=_bytes(line[begin:], how), headers=pairs)


def _part(
    wanted: bool, line: str, begin: int, separator: str, name: str, number: int, how: Settings
) -> tuple[str | None, int]:
    if not wanted:
        return None, begin
    end = line.find(separator, begin)
    if end < 0:
        if how.ignore_error:
            return None, begin
        raise LineError(f"No {name} found on line number {number}: '{line}'")
    return line[begin:end], end + len(separator)


def _header(pair: str, number: int, how: Settings) -> tuple[str, bytes | None]:
    name, separator, value = pair.partition(how.headers_key_separator)
    if not separator:
        if how.ignore_error:
            return pair, None
        raise LineError(f"No header key separator found in pair '{pair}' on line number {number}")
    if name == how.null_marker:
        raise LineError(f"Header keys should not be equal to the null marker '{how.null_marker}' as they can't be null")
    return name, _bytes(value, how)


def _bytes(text: str, how: Settings) -> bytes | None:
    return None if text == how.null_marker else text.encode(errors="surrogateescape")
