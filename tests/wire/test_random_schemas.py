"""Schemas that nobody wrote, of the leaf kinds: the compiled codecs do what construct's interpreter does."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

from construct import ConstructError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from klamm.wire import codec
from klamm.wire.declare import Message, Row, Struct, int8
from klamm.wire.schema import from_container, schema, to_container

SEEDS = st.integers(0, 2**64 - 1)
PLAIN = ("bool", "int8", "int16", "uint16", "int32", "uint32", "int64", "float64", "uuid", "string", "bytes", "records")
VERSIONS = range(4)
#: `make fuzz` asks for more.
SCHEMAS = int(os.environ.get("KLAMM_FUZZ_SCHEMAS", "250"))


@st.composite
def rows(draw: st.DrawFn, number: int, depth: int, flexible_from: int) -> Row:
    first = draw(st.integers(0, 2))
    versions = f"{first}-{draw(st.integers(first, 3))}"
    array = draw(st.booleans())
    kind = draw(st.sampled_from((*PLAIN, "struct", "struct") if depth < 2 else PLAIN))
    of = draw(structs(f"S{depth}_{number}", depth + 1, flexible_from)) if kind == "struct" else None
    can_be_null = array or kind in ("string", "bytes", "records", "struct")
    nullable = versions if can_be_null and draw(st.booleans()) else "none"
    tag = number if first >= flexible_from and draw(st.booleans()) else None
    default: dict[str, Any] = {}
    if kind == "records":
        # No default of its own: a records field is null unless it is given, so that it must be able to be null.
        nullable = versions
        if not array:
            default = {"default": None}
    elif nullable != "none" and draw(st.booleans()):
        default = {"default": None}
    elif not array and kind == "int32":
        default = {"default": draw(st.sampled_from((-1, 7)))}
    return Row(kind, versions, nullable, array=array, of=of, tag=tag, ignorable=draw(st.booleans()), **default)


@st.composite
def structs(draw: st.DrawFn, name: str, depth: int, flexible_from: int) -> type[Struct]:
    # One field in all versions: a count of elements of no size would be bounded by nothing, so it is refused.
    body = {"always": int8("0+")}
    body |= {f"f{number}": draw(rows(number, depth, flexible_from)) for number in range(draw(st.integers(0, 3)))}
    return type(Struct)(name, (Struct,), body)  # type: ignore[no-any-return]


@st.composite
def messages(draw: st.DrawFn) -> type[Message]:
    flexible_from = draw(st.integers(0, 4))
    body = {f"f{number}": draw(rows(number, 0, flexible_from)) for number in range(draw(st.integers(0, 6)))}
    flexible = f"{flexible_from}+" if flexible_from < 4 else "none"
    return type(Message)("M", (Message,), body, kind="request", versions="0-3", flexible=flexible)  # type: ignore[no-any-return]


def plain(value: Any) -> Any:
    """Values that compare: a float64 that is not a number equals nothing, and views of records are views."""
    if isinstance(value, Struct):
        return [plain(getattr(value, row.name)) for row in value.ROWS] + [plain(value.unknown_tagged_fields)]
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, memoryview):
        return bytes(value)
    return repr(value) if isinstance(value, float) else value


def by_compiled_codec(message: type[Message], version: int, data: bytes) -> tuple[Any, int] | None:
    try:
        return codec.decode_from(message, version, data)
    except codec.DecodeError:
        return None


def by_interpreter(message: type[Message], version: int, data: bytes) -> tuple[Any, int] | None:
    layout = schema(message, version)
    stream = io.BytesIO(data)
    try:
        container = layout.parse_stream(stream)
    except ConstructError:
        return None
    return from_container(layout, container), stream.tell()


@settings(max_examples=SCHEMAS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(message=messages(), seed=SEEDS)
def test_schemas_that_nobody_wrote(
    values: Callable[[int], Any], damage: Callable[[int], Any], message: type[Message], seed: int
) -> None:
    source, spoil = values(seed), damage(seed)
    for version in VERSIONS:
        made = source.message(message, version)
        layout = schema(message, version)
        data = codec.encode(made, version)
        assert layout.build(to_container(layout, made)) == data
        assert codec.decode(message, version, data) == made
        assert from_container(layout, layout.parse(data)) == made
        for damaged in (spoil(data), spoil(data)):
            compiled = by_compiled_codec(message, version, damaged)
            interpreted = by_interpreter(message, version, damaged)
            assert plain(compiled) == plain(interpreted), codec.compiled_decoder(message, version).source
            if compiled is not None:
                again = codec.encode(compiled[0], version)
                assert layout.build(to_container(layout, compiled[0])) == again


@settings(max_examples=SCHEMAS // 2, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(message=messages(), other=messages(), seed=SEEDS)
def test_both_encoders_refuse_the_same(
    values: Callable[[int], Any], message: type[Message], other: type[Message], seed: int
) -> None:
    """Values of one version in another one, which may have no place or no null for them."""
    source = values(seed)
    made = source.message(message, source.random.choice(VERSIONS))
    for version in VERSIONS:
        layout = schema(message, version)
        try:
            compiled: bytes | None = codec.encode(made, version)
        except codec.EncodeError:
            compiled = None
        try:
            interpreted: bytes | None = layout.build(to_container(layout, made))
        except ConstructError:
            interpreted = None
        assert compiled == interpreted
