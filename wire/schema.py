"""The construct schemas: one `MessageStruct` for each (message, version), made from the declared rows.

A schema is the only definition of the bytes. It can be read (`klamm wire show Produce 9`), inspected (its subcons,
`subcons.py`, carry plain attributes), and interpreted by construct itself, which is slow and exact: `compiler.py` and
its two halves walk the same subcons to write straight-line code, and a property test holds both to the same bytes.
"""

from __future__ import annotations

from typing import Any

from construct import (
    Bytes,
    Construct,
    Container,
    Flag,
    Float64b,
    Int8sb,
    Int16sb,
    Int16ub,
    Int32sb,
    Int32ub,
    Int64sb,
    Renamed,
)

from .declare import Message, Row, Struct
from .subcons import (
    COMPACT,
    TAGS,
    ArrayOf,
    LengthPrefixed,
    MessageStruct,
    NullableStruct,
    SchemaError,
    TaggedField,
    TagSection,
    unnamed,
)

FIXED: dict[str, Construct] = {
    "bool": Flag,
    "int8": Int8sb,
    "int16": Int16sb,
    "uint16": Int16ub,
    "int32": Int32sb,
    "uint32": Int32ub,
    "int64": Int64sb,
    "float64": Float64b,
    "uuid": Bytes(16),
}


def _row_schema(row: Row, version: int, flexible: bool, in_tag: bool) -> Construct:
    nullable = version in row.nullable
    if row.flexible is not None:
        flexible = False  # only "none" occurs: the request header's client id
    if row.of is not None:
        item: Construct = _struct_schema(row.of, version, flexible)
        if nullable and not row.array:
            item = NullableStruct(item, COMPACT if in_tag else Int8sb)
    elif row.type in FIXED:
        item = FIXED[row.type]
    else:
        short = Int16sb if row.type == "string" else Int32sb
        item = LengthPrefixed(row.type, COMPACT if flexible else short, nullable and not row.array)
    if row.array:
        return ArrayOf(item, COMPACT if flexible else Int32sb, nullable)
    return item


def _struct_schema(declared: type[Struct], version: int, flexible: bool) -> MessageStruct:
    subcons: list[Construct] = []
    tagged: list[TaggedField] = []
    absent: list[Row] = []
    for row in declared.ROWS:
        if version not in row.versions:
            absent.append(row)
        elif version in row.tagged and row.tag is not None:
            tagged.append(TaggedField(row.tag, row.name, _row_schema(row, version, flexible, in_tag=True), row))
        else:
            subcons.append(Renamed(_row_schema(row, version, flexible, in_tag=False), row.name))
    if flexible:
        subcons.append(Renamed(TagSection(tuple(sorted(tagged, key=lambda field: field.tag))), TAGS))
    return MessageStruct(*subcons, declared=declared, version=version, absent=tuple(absent))


def make_schema(message: type[Message], version: int) -> MessageStruct:
    """A schema of one's own: `schema` without its memory. Raises ValueError for a version that Kafka never had."""
    if version not in message.VERSIONS and version not in message.LEGACY_VERSIONS:
        raise ValueError(f"{message.__name__} has no version {version}")
    return _struct_schema(message, version, version in message.FLEXIBLE)


_SCHEMAS: dict[tuple[type[Message], int], MessageStruct] = {}


def schema(message: type[Message], version: int) -> MessageStruct:
    """The schema of a message at a version. Raises ValueError for a version that Kafka never had."""
    made = _SCHEMAS.get((message, version))
    if made is None:
        made = _SCHEMAS[message, version] = make_schema(message, version)
    return made


def from_container(subcon: Construct, value: Any) -> Any:
    """What construct parsed, as the declared classes."""
    if value is None:
        return None
    if isinstance(subcon, NullableStruct):
        return from_container(subcon.subcon, value)
    if isinstance(subcon, ArrayOf):
        return [from_container(subcon.subcon, item) for item in value]
    if not isinstance(subcon, MessageStruct):
        return value
    values: dict[str, Any] = {}
    unknown: dict[int, bytes] = {}
    for renamed in subcon.subcons:
        inner = unnamed(renamed)
        if isinstance(inner, TagSection):
            known = {field.tag: field for field in inner.fields}
            for tag, item in value[TAGS].items():
                if tag in known:
                    values[known[tag].name] = from_container(known[tag].subcon, item)
                else:
                    unknown[tag] = item
        else:
            values[renamed.name] = from_container(inner, value[renamed.name])
    return subcon.declared(**values, unknown_tagged_fields=unknown or None)


def to_container(subcon: Construct, value: Any, path: str = "") -> Any:
    """A declared object as construct builds it. Raises SchemaError for a value that the version cannot carry."""
    if value is None:
        return None
    if isinstance(subcon, NullableStruct):
        return to_container(subcon.subcon, value, path)
    if isinstance(subcon, ArrayOf):
        return [to_container(subcon.subcon, item, f"{path}[{index}]") for index, item in enumerate(value)]
    if not isinstance(subcon, MessageStruct):
        return value
    for row in subcon.absent:
        if not row.ignorable and getattr(value, row.name) != subcon.declared.default_of(row):
            raise SchemaError(f"version {subcon.version} cannot carry a value here", path=f"{path} -> {row.name}")
    built = Container()
    for renamed in subcon.subcons:
        inner = unnamed(renamed)
        if isinstance(inner, TagSection):
            tags = dict(value.unknown_tagged_fields or {})
            for field in inner.fields:
                item = getattr(value, field.name)
                if item != subcon.declared.default_of(field.row):
                    tags[field.tag] = to_container(field.subcon, item, f"{path} -> {field.name}")
            built[TAGS] = tags
        else:
            name = renamed.name
            built[name] = to_container(inner, getattr(value, name), f"{path} -> {name}")
    return built
