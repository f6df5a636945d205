"""Where compiled code failed: the field, its index, the byte. Nothing of this runs while all is well.

A compiled codec keeps no account of where it is. When a line of it raises, the traceback tells the line, the line tells
the field (`Compiled.paths`, `Compiled.runs`), and the local variables tell the rest: in a decoder a list grows by its
finished elements, so its length is the index of the one that failed; in an encoder the object at hand stands beside the
list that it is from.
"""

from __future__ import annotations

import struct
from types import FrameType, TracebackType
from typing import Any, NamedTuple

from .compiler import Compiled, FieldError, Fixed

#: struct formats as Kafka's types.
TYPE_NAMES = {
    "b": "int8",
    "h": "int16",
    "H": "uint16",
    "l": "int32",
    "L": "uint32",
    "q": "int64",
    "d": "float64",
    "?": "bool",
}

NULL = "null where this version has no null"


class Blame(NamedTuple):
    """`path`: such as `topics[2].name`, empty for the message as a whole; `position`: the byte in the buffer."""

    path: str
    position: int
    reason: str


def _failed(compiled: Compiled, traceback: TracebackType | None) -> tuple[FrameType, int] | None:
    """The frame of the compiled code in a traceback, and the line at which it stood."""
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == compiled.filename:
            return traceback.tb_frame, traceback.tb_lineno
        traceback = traceback.tb_next
    return None


def blame_decoder(compiled: Compiled, error: Exception) -> Blame:
    """Why and where `error`, raised by a compiled decoder, came about."""
    failed = _failed(compiled, error.__traceback__)
    if failed is None:
        return Blame("", 0, str(error))
    frame, line = failed
    names = frame.f_locals
    path, position = compiled.paths[line - 1], names["p"]
    reason = "the bytes end too soon" if isinstance(error, IndexError | struct.error) else str(error)
    left = len(names["b"]) - position
    for field in compiled.runs.get(line, ()):
        path = field.path
        size = struct.calcsize(">" + field.layout)
        if size > left:
            break
        left -= size
        position += size
    indexes = {name: len(value) for name, value in names.items() if isinstance(value, list)}
    return Blame(path.format_map(indexes), position, reason)


def _index(names: dict[str, Any], items: str) -> int:
    """Which of the list `a<depth>` is at hand as `o<depth + 1>`."""
    at_hand = names.get(f"o{int(items[1:]) + 1}")
    found = names[items]
    every = enumerate(found if isinstance(found, list | tuple) else ())
    return next((index for index, item in every if item is at_hand), 0)


def _unpackable(field: Fixed, value: Any) -> str | None:
    """Why a value has no place in a fixed-width field, or None where it has."""
    try:
        struct.pack(">" + field.layout, value)
    except struct.error:
        if field.expression.startswith("len("):
            return f"a length of {value}, which is more than {TYPE_NAMES[field.layout]} can say"
        if value is None:
            return NULL
        return f"{value!r} is not {TYPE_NAMES[field.layout]}"
    return None


def blame_encoder(compiled: Compiled, error: Exception) -> Blame:
    """Why and where `error`, raised by a compiled encoder, came about."""
    failed = _failed(compiled, error.__traceback__)
    if failed is None:
        return Blame("", 0, _reason(error))
    frame, line = failed
    names = frame.f_locals
    path, reason = compiled.paths[line - 1], _reason(error)
    for field in compiled.runs.get(line, ()):
        wrong = _wrong_in(field, frame)
        if wrong is not None:
            path, reason = wrong
            break
    indexes = {
        name: _index(names, name) for name, value in names.items() if name[0] == "a" and isinstance(value, list | tuple)
    }
    return Blame(path.format_map(indexes), 0, reason)


def _reason(error: Exception) -> str:
    text = str(error)
    if isinstance(error, AttributeError) and error.name == "encode" and error.obj is not None:
        return f"{error.obj!r} is not a string"
    return NULL if "NoneType" in text else text


def _wrong_in(field: Fixed, frame: FrameType) -> tuple[str, str] | None:
    """(path, reason) of what has no place in a field of a run, or None."""
    try:
        # The expressions are the compiler's own: attributes and lengths of what was to be encoded.
        value = eval(field.expression, frame.f_globals, frame.f_locals)
        values = list(enumerate(value)) if field.is_array else []
    except (AttributeError, TypeError) as error:
        return field.path, _reason(error)
    if not field.is_array:
        reason = _unpackable(field, value)
        return None if reason is None else (field.path, reason)
    for index, item in values:
        reason = _unpackable(field, item)
        if reason is not None:
            return f"{field.path}[{index}]", reason
    return None


def refuse_text(part: Any) -> None:
    """Stands in for a part list's `append`, to find the field that is neither bytes nor like them."""
    try:
        memoryview(part)
    except TypeError:
        raise FieldError(f"{type(part).__name__} where bytes belong") from None
