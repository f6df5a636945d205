"""What schemas are made of: construct's fixed-width numbers, and the handful of classes below, which no lambda, adapter
or condition hides bytes behind. Their plain attributes are what the compilers walk.

Sources: Kafka protocol guide "Protocol Primitive Types"; KIP-482 for compact lengths and tagged fields.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from construct import Bytes, Construct, Flag, FormatField, Renamed, StreamError
from construct import Struct as ConstructStruct
from construct.core import stream_read, stream_write

from .declare import Row, Struct

#: The name under which a struct's tagged fields stand in a parsed container.
TAGS = "_tagged_fields"

#: Kafka's generated code refuses a longer string on both sides, in flexible versions too.
MAX_STRING_BYTES = 32767


class SchemaError(StreamError):  # type: ignore[misc]  # construct is untyped
    """Bytes or values that a schema cannot read or write."""


class UnsignedVarint(Construct):  # type: ignore[misc]
    """A uint32 in base 128, least significant group first, at most five bytes."""

    def _parse(self, stream: Any, context: Any, path: str) -> int:
        value = 0
        for shift in range(0, 35, 7):
            byte: int = stream_read(stream, 1, path)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value > 0xFFFFFFFF:
                    break
                return value
        raise SchemaError("an unsigned varint of more than 32 bits", path=path)

    def _build(self, obj: int, stream: Any, context: Any, path: str) -> int:
        if not 0 <= obj <= 0xFFFFFFFF:
            raise SchemaError(f"{obj} is not a uint32", path=path)
        rest = obj
        while rest >= 0x80:
            stream_write(stream, bytes((rest & 0x7F | 0x80,)), 1, path)
            rest >>= 7
        stream_write(stream, bytes((rest,)), 1, path)
        return obj


COMPACT = UnsignedVarint()


class LengthPrefixed(Construct):  # type: ignore[misc]
    """Text or bytes behind their length.

    `kind`: "string" (UTF-8), "bytes" or "records". `length`: the length's own schema; a compact one holds length + 1.
    Null is length -1, or 0 where compact; like Kafka's readers this one takes any negative length for a null, and puts
    U+FFFD for bytes that are not UTF-8.
    """

    def __init__(self, kind: str, length: Construct, nullable: bool) -> None:
        super().__init__()
        self.kind = kind
        self.length = length
        self.nullable = nullable

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        size = self.length._parsereport(stream, context, path)
        if self.length is COMPACT:
            size -= 1
        if size < 0:
            if self.nullable:
                return None
            raise SchemaError("null where this version has no null", path=path)
        if self.kind == "string" and size > MAX_STRING_BYTES:
            raise SchemaError(f"a string of {size} bytes, which may have {MAX_STRING_BYTES}", path=path)
        data = stream_read(stream, size, path)
        return data.decode("utf-8", "replace") if self.kind == "string" else data

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if obj is None:
            if not self.nullable:
                raise SchemaError("null where this version has no null", path=path)
            size, data = -1, b""
        else:
            data = obj.encode() if self.kind == "string" else bytes(obj)
            size = len(data)
            if self.kind == "string" and size > MAX_STRING_BYTES:
                raise SchemaError(f"a string of {size} bytes, which may have {MAX_STRING_BYTES}", path=path)
        self.length._build(size + 1 if self.length is COMPACT else size, stream, context, path)
        stream_write(stream, data, len(data), path)
        return obj


class ArrayOf(Construct):  # type: ignore[misc]
    """Items behind their count: `length` as for `LengthPrefixed`, `subcon` one item."""

    def __init__(self, subcon: Construct, length: Construct, nullable: bool) -> None:
        super().__init__()
        self.subcon = subcon
        self.length = length
        self.nullable = nullable

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        count = self.length._parsereport(stream, context, path)
        if self.length is COMPACT:
            count -= 1
        if count < 0:
            if self.nullable:
                return None
            raise SchemaError("null where this version has no null", path=path)
        # As in the compiled code: no count is believed that the bytes left cannot hold.
        left = len(stream.getbuffer()) - stream.tell()
        if count * max(1, minimum_size(self.subcon)) > left:
            raise SchemaError(f"{count} elements with {left} bytes left", path=path)
        items: list[Any] = []
        for index in range(count):
            items.append(self.subcon._parsereport(stream, context, f"{path}[{index}]"))
        return items

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if obj is None and not self.nullable:
            raise SchemaError("null where this version has no null", path=path)
        size = -1 if obj is None else len(obj)
        self.length._build(size + 1 if self.length is COMPACT else size, stream, context, path)
        for index, item in enumerate(obj or ()):
            self.subcon._build(item, stream, context, f"{path}[{index}]")
        return obj


class NullableStruct(Construct):  # type: ignore[misc]
    """A struct behind a mark: int8 -1 null, 1 present; inside a tag an unsigned varint 0 null, 1 present (KIP-893).

    Like Kafka's readers this one takes any negative mark for a null, and any other for a struct.
    """

    def __init__(self, subcon: Construct, mark: Construct) -> None:
        super().__init__()
        self.subcon = subcon
        self.mark = mark

    def _parse(self, stream: Any, context: Any, path: str) -> Any:
        mark = self.mark._parsereport(stream, context, path)
        if mark == 0 if self.mark is COMPACT else mark < 0:
            return None
        return self.subcon._parsereport(stream, context, path)

    def _build(self, obj: Any, stream: Any, context: Any, path: str) -> Any:
        if obj is None:
            self.mark._build(0 if self.mark is COMPACT else -1, stream, context, path)
        else:
            self.mark._build(1, stream, context, path)
            self.subcon._build(obj, stream, context, path)
        return obj


class TaggedField(NamedTuple):
    """A field of a tag section: written only when it differs from its default."""

    tag: int
    name: str
    subcon: Construct
    row: Row


class TagSection(Construct):  # type: ignore[misc]
    """The tagged fields that end a struct of a flexible version (KIP-482).

    A count, then for each field the tag, the size and the bytes. They are written with tags ascending; like Kafka's
    readers this one takes them in any order, and the last of a tag that comes twice. In a container it is a dict of
    tag -> value for the known `fields` and tag -> bytes for the unknown ones.
    """

    def __init__(self, fields: tuple[TaggedField, ...]) -> None:
        super().__init__()
        self.fields = fields
        self.flagbuildnone = True

    def _parse(self, stream: Any, context: Any, path: str) -> dict[int, Any]:
        known = {field.tag: field for field in self.fields}
        values: dict[int, Any] = {}
        for _ in range(COMPACT._parsereport(stream, context, path)):
            tag = COMPACT._parsereport(stream, context, path)
            size = COMPACT._parsereport(stream, context, path)
            if tag not in known:
                values[tag] = stream_read(stream, size, path)
                continue
            end = stream.tell() + size
            values[tag] = known[tag].subcon._parsereport(stream, context, f"{path} -> {known[tag].name}")
            if stream.tell() != end:
                raise SchemaError(f"tag {tag} says {size} bytes, but has {size + stream.tell() - end}", path=path)
        return values

    def _build(self, obj: dict[int, Any], stream: Any, context: Any, path: str) -> Any:
        known = {field.tag: field for field in self.fields}
        obj = obj or {}
        COMPACT._build(len(obj), stream, context, path)
        for tag, value in sorted(obj.items()):
            data = known[tag].subcon.build(value) if tag in known else value
            for number in (tag, len(data)):
                COMPACT._build(number, stream, context, path)
            stream_write(stream, data, len(data), path)
        return obj


def layout_of(subcon: Construct) -> str | None:
    """The struct format of a fixed-width subcon, or None."""
    if isinstance(subcon, FormatField):
        return str(subcon.fmtstr)[1:]
    if subcon is Flag or isinstance(subcon, type(Flag)):
        return "?"
    if isinstance(subcon, Bytes):
        return f"{subcon.length}s"
    return None


def minimum_size(subcon: Construct) -> int:
    """The fewest bytes that a value can take: what bounds a count before anything is allocated."""
    layout = layout_of(subcon)
    if layout is not None:
        return struct.calcsize(">" + layout)
    if isinstance(subcon, Renamed):
        return minimum_size(subcon.subcon)
    if isinstance(subcon, LengthPrefixed | ArrayOf):
        return 1 if subcon.length is COMPACT else struct.calcsize(subcon.length.fmtstr)
    if isinstance(subcon, NullableStruct | TagSection):
        return 1
    return sum(minimum_size(inner) for inner in subcon.subcons)


def weight(subcon: Construct) -> int:
    """How many objects a value brings at the least: itself, and the lists and structs of a struct. Items of lists and
    tagged fields come on top."""
    if isinstance(subcon, Renamed | NullableStruct):
        return weight(subcon.subcon)
    if not isinstance(subcon, MessageStruct):
        return 1
    inner = (unnamed(renamed) for renamed in subcon.subcons)
    return 1 + sum(weight(field) for field in inner if isinstance(field, ArrayOf | NullableStruct | MessageStruct))


def has_records(subcon: Construct) -> bool:
    """Whether a field of kind "records" stands anywhere inside."""
    if isinstance(subcon, LengthPrefixed):
        return subcon.kind == "records"
    if isinstance(subcon, Renamed | ArrayOf | NullableStruct):
        return has_records(subcon.subcon)
    if isinstance(subcon, TagSection):
        return any(has_records(field.subcon) for field in subcon.fields)
    return isinstance(subcon, MessageStruct) and any(has_records(inner) for inner in subcon.subcons)


def unnamed(renamed: Construct) -> Construct:
    """The subcon behind its name."""
    return renamed.subcon if isinstance(renamed, Renamed) else renamed


class MessageStruct(ConstructStruct):  # type: ignore[misc]
    """construct's Struct for one declared struct at one version.

    `declared`: the class; `version`; `absent`: rows that this version does not carry. construct gives named subcons in
    the order of the bytes; a `TagSection` named `TAGS` is the last of a flexible one.
    """

    def __init__(self, *subcons: Construct, declared: type[Struct], version: int, absent: tuple[Row, ...]) -> None:
        super().__init__(*subcons)
        self.declared = declared
        self.version = version
        self.absent = absent
