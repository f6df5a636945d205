"""A construct schema as a readable table of its fields: what `klamm wire show` prints.

The table is made from the schema's subcons, which are the definition of the bytes, not from the declared rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from ..wire.declare import ZERO_UUID, Message, Row, Struct
from ..wire.schema import schema
from ..wire.subcons import COMPACT, ArrayOf, MessageStruct, NullableStruct, TagSection, layout_of, minimum_size, unnamed

_FIXED_NAMES = {
    "b": "int8",
    "h": "int16",
    "H": "uint16",
    "l": "int32",
    "L": "uint32",
    "q": "int64",
    "d": "float64",
    "?": "bool",
    "16s": "uuid",
}


class Line(NamedTuple):
    """One field. `depth`: how deep it is nested; `size`: its bytes, with a + where they vary."""

    depth: int
    name: str
    type: str
    null: str
    tag: str
    default: str
    size: str


def type_name(subcon: Any) -> str:
    """The type of a subcon in Kafka's words: `compact string`, `[]Topic`, `int32`."""
    layout = layout_of(subcon)
    if layout is not None:
        return _FIXED_NAMES[layout]
    if isinstance(subcon, NullableStruct):
        return type_name(subcon.subcon)
    if isinstance(subcon, MessageStruct):
        return subcon.declared.__name__
    compact = "compact " if subcon.length is COMPACT else ""
    if isinstance(subcon, ArrayOf):
        return f"{compact}[]{type_name(subcon.subcon).removeprefix('compact ')}"
    return f"{compact}{subcon.kind}"


def _default_text(declared: type[Struct], row: Row) -> str:
    """A default that is not the type's own zero or empty."""
    default = declared.default_of(row)
    if default is None:
        return "null"
    if isinstance(default, Struct) or default == ZERO_UUID or not default:
        return ""
    return repr(default) if isinstance(default, str) else str(default).lower()


def _lines_of(declared: type[Struct], name: str, subcon: Any, tag: str, depth: int) -> Iterator[Line]:
    row = next(row for row in declared.ROWS if row.name == name)
    fixed = layout_of(subcon) is not None
    size = f"{minimum_size(subcon)}{'' if fixed else '+'}"
    null = "null" if isinstance(subcon, NullableStruct) or getattr(subcon, "nullable", False) else ""
    yield Line(depth, name, type_name(subcon), null, tag, _default_text(declared, row), size)
    inner = subcon
    while isinstance(inner, ArrayOf | NullableStruct):
        inner = inner.subcon
    if isinstance(inner, MessageStruct):
        yield from lines(inner, depth + 1)


def lines(layout: MessageStruct, depth: int = 0) -> Iterator[Line]:
    """The fields of a schema in the order of their bytes."""
    for renamed in layout.subcons:
        inner = unnamed(renamed)
        if isinstance(inner, TagSection):
            yield Line(depth, "(tagged fields)", "unsigned varint count", "", "", "", "1+")
            for field in inner.fields:
                yield from _lines_of(layout.declared, field.name, field.subcon, f"tag {field.tag}", depth)
        else:
            yield from _lines_of(layout.declared, renamed.name, inner, "", depth)


def render(message: type[Message], version: int) -> str:
    """The table of one message at one version. Raises ValueError for a version that Kafka never had."""
    layout = schema(message, version)
    flexible = "flexible" if version in message.FLEXIBLE else "not flexible"
    key = "" if message.API_KEY is None else f", {'API' if message.KIND in ('request', 'response') else 'record'} key"
    head = f"{message.__name__} v{version}: {message.KIND}{key}{'' if not key else f' {message.API_KEY}'}, {flexible}"
    table = [("field", "type", "null", "tag", "default", "bytes")]
    table += [
        ("  " * line.depth + line.name, line.type, line.null, line.tag, line.default, line.size)
        for line in lines(layout)
    ]
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    body = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    if len(body) == 1:
        body = ["no fields"]
    return "\n".join([head, *body])
