"""From a construct schema to straight-line Python.

The compiler walks the subcons of a `MessageStruct` and writes one function that decodes, or one that encodes, the whole
message: nested structs become nested loops, runs of fixed-width fields one `struct` call. What it writes is meant to be
read (`klamm wire source Produce 9`). Nothing that came over the network reaches `exec`: the source is made from
declarations only.

Each line of the source knows which field it is for. When a line fails, `codec.py` finds the field and the byte from
the traceback, so that nothing is spent on them while all is well.

Names in the source: `b` the buffer, `e` its length, `p` the position, `n` a length or count, `o<depth>` an object,
`a<depth>` a list, `t` the elements so far; `w` appends a piece of output.
"""

from __future__ import annotations

import struct as struct_module
from collections.abc import Callable
from typing import Any, NamedTuple

from construct import Construct

from .declare import Row, Struct
from .schema import (
    COMPACT,
    ArrayOf,
    LengthPrefixed,
    MessageStruct,
    NullableStruct,
    TagSection,
    layout_of,
    minimum_size,
    unnamed,
)
from .uvarint import UVARINTS, encode_uvarint, uvarint_tail

#: How many array elements a request may hold in all. A decoded element costs ~0.5 us and ~100 bytes: without a bound, a
#: frame of 15 MB of empty structs would stall every other connection for seconds. Kafka has no such limit.
MAX_REQUEST_ELEMENTS = 100_000
#: The same for what a peer that was asked sends back, and for records of our own logs.
MAX_ELEMENTS = 10_000_000


class FieldError(ValueError):
    """A field cannot be decoded or encoded; raised by compiled code and turned into one error by `codec.py`."""


class Compiled(NamedTuple):
    """`source` as text; `run` the function; `paths[line - 1]` the field path of each line."""

    source: str
    run: Callable[..., Any]
    paths: list[str]
    filename: str


class _Source:
    """Lines with their indentation and field path, and the constants that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.paths: list[str] = []
        self.indent = 1
        self.path = ""
        self.scope: dict[str, Any] = {"FieldError": FieldError, "new": object.__new__}
        self.fixed: list[tuple[str, str]] = []  # a run of (format, target or expression), not yet written

    def add(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)
        self.paths.append(self.path)

    def constant(self, name: str, value: Any) -> str:
        """A name in the function's scope for a value; the same name again for the same value."""
        candidate, number = name, 1
        while candidate in self.scope and self.scope[candidate] is not value:
            number += 1
            candidate = f"{name}_{number}"
        self.scope[candidate] = value
        return candidate

    def literal(self, row: Row, default: Any) -> str:
        """An expression for a default; fresh for lists, shared for structs."""
        if row.array and default == []:
            return "[]"
        if default is None or isinstance(default, int | float | str | bool):
            return repr(default)
        return self.constant(f"default_{row.name}", default)

    def method(self, verb: str, layout: str) -> str:
        """A struct's bound method as a constant: `pack_hi`, `unpack_hi`; ? of the format reads `x`."""
        packed = struct_module.Struct(">" + layout)
        name = f"{verb}_{layout.replace('?', 'z')}"
        if name not in self.scope:
            self.scope[name] = packed.unpack_from if verb == "unpack" else packed.pack
        return name

    def finish(self, name: str, arguments: str) -> Compiled:
        source = f"def {name}({arguments}):\n" + "\n".join(self.lines) + "\n"
        filename = f"<{name}>"
        scope = self.scope
        exec(compile(source, filename, "exec"), scope)
        return Compiled(source, scope[name], ["", *self.paths], filename)


# --- decoding ---------------------------------------------------------------------------------------------------------


class _Decoder(_Source):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.scope |= {"tail": uvarint_tail, "memoryview": memoryview, "unpack_from": struct_module.unpack_from}

    def flush(self) -> None:
        """Write the run of fixed-width fields as one unpack."""
        if not self.fixed:
            return
        layout = "".join(fmt for fmt, _ in self.fixed)
        targets = [target for _, target in self.fixed]
        self.fixed = []
        names = ", ".join(targets) + ("," if len(targets) == 1 else "")
        self.add(f"{names} = {self.method('unpack', layout)}(b, p)")
        self.add(f"p += {struct_module.calcsize('>' + layout)}")

    def length(self, length: Construct) -> str:
        """Read a length or count into `n`; returns the expression of the real length (compact ones hold one more)."""
        if length is COMPACT:
            self.flush()
            self.varint("n")
            return "n - 1"
        self.fixed.append((length.fmtstr[1:], "n"))
        self.flush()
        return "n"

    def varint(self, name: str) -> None:
        self.add(f"{name} = b[p]")
        self.add("p += 1")
        self.add(f"if {name} > 127:")
        self.add(f"    {name}, p = tail(b, {name}, p)")

    def null_check(self, length: Construct, nullable: bool, target: str) -> None:
        """After a length: null into the target, or refuse; leaves an open `else` block where it is nullable."""
        null = "n == 0" if length is COMPACT else "n == -1"
        if nullable:
            self.add(f"if {null}:")
            self.add(f"    {target} = None")
            self.add("else:")
            self.indent += 1
            if length is not COMPACT:
                self.add("if n < 0:")
                self.add("    raise FieldError(f'a length of {n}')")
        else:
            self.add("if n < 1:" if length is COMPACT else "if n < 0:")
            self.add("    raise FieldError('null, or a negative length')")

    def value(self, subcon: Construct, target: str, depth: int) -> None:
        layout = layout_of(subcon)
        if layout is not None:
            self.fixed.append((layout, target))
        elif isinstance(subcon, LengthPrefixed):
            self.text(subcon, target)
        elif isinstance(subcon, ArrayOf):
            self.array(subcon, target, depth)
        elif isinstance(subcon, NullableStruct):
            self.nullable(subcon, target, depth)
        else:
            self.struct(subcon, depth + 1)
            self.flush()
            self.add(f"{target} = o{depth + 1}")

    def text(self, subcon: LengthPrefixed, target: str) -> None:
        size = self.length(subcon.length)
        self.null_check(subcon.length, subcon.nullable, target)
        self.add(f"q = p + {size}")
        self.add("if q > e:")
        self.add(f"    raise FieldError(f'a length of {{{size}}} with {{e - p}} bytes left')")
        read = {"string": "b[p:q].decode()", "bytes": "bytes(b[p:q])", "records": "memoryview(b)[p:q].toreadonly()"}
        self.add(f"{target} = {read[subcon.kind]}")
        self.add("p = q")
        if subcon.nullable:
            self.indent -= 1

    def array(self, subcon: ArrayOf, target: str, depth: int) -> None:
        self.length(subcon.length)
        self.null_check(subcon.length, subcon.nullable, target)
        if subcon.length is COMPACT:
            self.add("n -= 1")
        item = subcon.subcon
        self.add(f"if n * {max(1, minimum_size(item))} > e - p:")
        self.add("    raise FieldError(f'{n} elements with {e - p} bytes left')")
        self.add("t += n")
        self.add(f"if t > {self.limit}:")
        self.add(f"    raise FieldError('more than {self.limit} elements')")
        layout = layout_of(item)
        if layout is not None and layout[-1] != "s":
            self.add(f"{target} = list(unpack_from(f'>{{n}}{layout}', b, p))")
            self.add(f"p += n * {struct_module.calcsize('>' + layout)}")
        else:
            self.add(f"{target} = a{depth} = []")
            self.add("for _ in range(n):")
            self.indent += 1
            path, self.path = self.path, f"{self.path}[{{a{depth}}}]"
            if isinstance(item, MessageStruct):
                self.struct(item, depth + 1)
            else:
                self.value(item, f"o{depth + 1}", depth)
            self.flush()
            self.add(f"a{depth}.append(o{depth + 1})")
            self.path = path
            self.indent -= 1
        if subcon.nullable:
            self.indent -= 1

    def nullable(self, subcon: NullableStruct, target: str, depth: int) -> None:
        if subcon.mark is COMPACT:
            self.flush()
            self.varint("n")
            null = "n == 0"
        else:
            self.fixed.append(("b", "n"))
            self.flush()
            null = "n == -1"
        self.add(f"if {null}:")
        self.add(f"    {target} = None")
        self.add("elif n < 1:")
        self.add("    raise FieldError(f'{n} marks neither a struct nor its absence')")
        self.add("else:")
        self.indent += 1
        self.struct(subcon.subcon, depth + 1)
        self.flush()
        self.add(f"{target} = o{depth + 1}")
        self.indent -= 1

    def struct(self, subcon: MessageStruct, depth: int) -> None:
        declared = subcon.declared
        self.flush()
        this = f"o{depth}"
        self.add(f"{this} = new({self.constant(declared.__name__, declared)})")
        for row in subcon.absent:
            self.add(f"{this}.{row.name} = {self.literal(row, declared.default_of(row))}")
        path = self.path
        for renamed in subcon.subcons:
            inner = unnamed(renamed)
            if isinstance(inner, TagSection):
                self.flush()
                self.path = path
                self.tags(inner, declared, depth)
            else:
                self.path = f"{path}.{renamed.name}" if path else renamed.name
                self.value(inner, f"{this}.{renamed.name}", depth)
        self.path = path
        if not any(isinstance(unnamed(renamed), TagSection) for renamed in subcon.subcons):
            self.flush()
            self.add(f"{this}.unknown_tagged_fields = None")

    def tags(self, section: TagSection, declared: type[Struct], depth: int) -> None:
        this = f"o{depth}"
        for field in section.fields:
            self.add(f"{this}.{field.name} = {self.literal(field.row, declared.default_of(field.row))}")
        self.add(f"{this}.unknown_tagged_fields = None")
        count, tag, last, end = f"k{depth}", f"g{depth}", f"l{depth}", f"z{depth}"
        self.add(f"{count} = b[p]")
        self.add("p += 1")
        self.add(f"if {count}:")
        self.indent += 1
        self.add(f"if {count} > 127:")
        self.add(f"    {count}, p = tail(b, {count}, p)")
        self.add(f"{last} = -1")
        self.add(f"for _ in range({count}):")
        self.indent += 1
        self.varint(tag)
        self.varint("n")
        self.add(f"{end} = p + n")
        self.add(f"if {tag} <= {last} or {end} > e:")
        self.add(f"    raise FieldError(f'tag {{{tag}}} of {{n}} bytes after tag {{{last}}}')")
        self.add(f"{last} = {tag}")
        path = self.path
        for field in section.fields:
            self.add(f"if {tag} == {field.tag}:")
            self.indent += 1
            self.path = f"{path}.{field.name}" if path else field.name
            self.value(field.subcon, f"{this}.{field.name}", depth)
            self.flush()
            self.add(f"if p != {end}:")
            self.add(f"    raise FieldError(f'the tagged field ends {{p - {end}}} bytes behind its size')")
            self.add("continue")
            self.path = path
            self.indent -= 1
        self.add("t += 1")
        self.add(f"if t > {self.limit}:")
        self.add(f"    raise FieldError('more than {self.limit} elements')")
        self.add(f"if {this}.unknown_tagged_fields is None:")
        self.add(f"    {this}.unknown_tagged_fields = {{}}")
        self.add(f"{this}.unknown_tagged_fields[{tag}] = bytes(b[p:{end}])")
        self.add(f"p = {end}")
        self.indent -= 2


def compile_decoder(schema: MessageStruct, limit: int) -> Compiled:
    """`decode(b, p) -> (object, end)`. Raises one of `codec.DECODE_FAILURES`."""
    source = _Decoder(limit)
    source.add("e = len(b)")
    source.add("t = 0")
    source.struct(schema, 0)
    source.flush()
    source.add("return o0, p")
    return source.finish(f"decode_{schema.declared.__name__}_v{schema.version}", "b, p")


# --- encoding ---------------------------------------------------------------------------------------------------------


class _Encoder(_Source):
    def __init__(self) -> None:
        super().__init__()
        self.scope |= {"UVARINTS": UVARINTS, "uvarint": encode_uvarint, "pack": struct_module.pack}

    def flush(self) -> None:
        """Write the run of fixed-width fields as one pack."""
        if not self.fixed:
            return
        layout = "".join(fmt for fmt, _ in self.fixed)
        values = ", ".join(value for _, value in self.fixed)
        self.fixed = []
        self.add(f"w({self.method('pack', layout)}({values}))")

    def length(self, length: Construct, size: str) -> None:
        """Write a length or count that stands in the expression `size`."""
        if length is COMPACT:
            self.add(f"n = {size} + 1")
            self.flush()
            self.add("w(UVARINTS[n] if n < 128 else uvarint(n))")
        else:
            self.fixed.append((length.fmtstr[1:], size))
            self.flush()

    def null(self, length: Construct) -> str:
        """The bytes of a null."""
        return repr(b"\0" if length is COMPACT else b"\xff" * struct_module.calcsize(length.fmtstr))

    def value(self, subcon: Construct, source: str, depth: int) -> None:
        layout = layout_of(subcon)
        if layout is not None and layout[-1] == "s":
            # struct would cut or pad bytes of another length without a word.
            self.flush()
            self.add(f"s = {source}")
            self.add(f"if len(s) != {layout[:-1]}:")
            self.add(f"    raise FieldError(f'{{len(s)}} bytes, not {layout[:-1]}')")
            self.add("w(s)")
        elif layout is not None:
            self.fixed.append((layout, source))
        elif isinstance(subcon, LengthPrefixed):
            self.nullable(subcon, source, lambda: self.text(subcon))
        elif isinstance(subcon, ArrayOf):
            self.nullable(subcon, source, lambda: self.array(subcon, depth))
        elif isinstance(subcon, NullableStruct):
            self.flush()
            self.add(f"o{depth + 1} = {source}")
            self.add(f"if o{depth + 1} is None:")
            self.add(f"    w({self.null(subcon.mark)})")
            self.add("else:")
            self.indent += 1
            self.add("w(b'\\x01')")
            self.struct(subcon.subcon, depth + 1)
            self.flush()
            self.indent -= 1
        else:
            self.flush()
            self.add(f"o{depth + 1} = {source}")
            self.struct(subcon, depth + 1)

    def nullable(self, subcon: LengthPrefixed | ArrayOf, source: str, write: Callable[[], None]) -> None:
        """`s` is the value; where it may be null, null is written here and `write` writes the rest."""
        if not subcon.nullable:
            self.add(f"s = {source}")
            write()
            return
        self.flush()
        self.add(f"s = {source}")
        self.add("if s is None:")
        self.add(f"    w({self.null(subcon.length)})")
        self.add("else:")
        self.indent += 1
        write()
        self.flush()
        self.indent -= 1

    def text(self, subcon: LengthPrefixed) -> None:
        if subcon.kind == "string":
            self.add("s = s.encode()")
        self.length(subcon.length, "len(s)")
        self.add("w(s)")

    def array(self, subcon: ArrayOf, depth: int) -> None:
        self.length(subcon.length, "len(s)")
        item = subcon.subcon
        layout = layout_of(item)
        if layout is not None and layout[-1] != "s":
            self.add(f"w(pack(f'>{{len(s)}}{layout}', *s))")
            return
        path, self.path = self.path, f"{self.path}[]"
        self.add(f"for o{depth + 1} in s:")
        self.indent += 1
        if isinstance(item, MessageStruct):
            self.struct(item, depth + 1)
        else:
            self.value(item, f"o{depth + 1}", depth + 1)
        self.flush()
        self.indent -= 1
        self.path = path

    def struct(self, subcon: MessageStruct, depth: int) -> None:
        declared = subcon.declared
        path, this = self.path, f"o{depth}"
        empty = len(self.lines)
        for row in subcon.absent:
            if not row.ignorable:
                self.path = f"{path}.{row.name}" if path else row.name
                self.flush()
                self.add(f"if {this}.{row.name} != {self.literal(row, declared.default_of(row))}:")
                self.add(f"    raise FieldError('version {subcon.version} cannot carry a value here')")
        for renamed in subcon.subcons:
            inner = unnamed(renamed)
            if isinstance(inner, TagSection):
                self.flush()
                self.path = path
                self.tags(inner, declared, depth)
            else:
                self.path = f"{path}.{renamed.name}" if path else renamed.name
                self.value(inner, f"{this}.{renamed.name}", depth)
        self.path = path
        if len(self.lines) == empty and not self.fixed:
            self.add("pass")

    def tags(self, section: TagSection, declared: type[Struct], depth: int) -> None:
        this, path = f"o{depth}", self.path
        if not section.fields:
            self.add(f"if {this}.unknown_tagged_fields:")
            self.add(f"    write_tags(w, list({this}.unknown_tagged_fields.items()))")
            self.add("else:")
            self.add("    w(b'\\0')")
            self.scope["write_tags"] = write_tags
            return
        self.scope |= {"write_tags": write_tags}
        tags, outer, value = f"g{depth}", f"w{depth}", f"v{depth}"
        self.add(f"{tags} = []")
        for field in section.fields:
            self.path = f"{path}.{field.name}" if path else field.name
            default = self.literal(field.row, declared.default_of(field.row))
            self.add(f"{value} = {this}.{field.name}")
            # Identity first: a default struct is shared, and comparing structs is slow.
            same = f"{value} is not {default} and " if default.startswith("default_") else ""
            self.add(f"if {same}{value} != {default}:")
            self.indent += 1
            self.add(f"{outer} = w")
            self.add(f"y{depth} = []")
            self.add(f"w = y{depth}.append")
            self.value(field.subcon, value, depth)
            self.flush()
            self.add(f"w = {outer}")
            self.add(f"{tags}.append(({field.tag}, b''.join(y{depth})))")
            self.indent -= 1
        self.path = path
        self.add(f"if {this}.unknown_tagged_fields:")
        self.add(f"    {tags}.extend({this}.unknown_tagged_fields.items())")
        self.add(f"if {tags}:")
        self.add(f"    write_tags(w, {tags})")
        self.add("else:")
        self.add("    w(b'\\0')")


def write_tags(write: Callable[[bytes], None], tags: list[tuple[int, bytes]]) -> None:
    """A tag section that is not empty: (tag, bytes) in ascending order."""
    tags.sort()
    write(encode_uvarint(len(tags)))
    for tag, data in tags:
        write(encode_uvarint(tag))
        write(encode_uvarint(len(data)))
        write(data)


def compile_encoder(schema: MessageStruct) -> Compiled:
    """`encode(object, append)`: appends pieces of bytes, and objects that stand for records, in order."""
    source = _Encoder()
    source.struct(schema, 0)
    source.flush()
    if not source.lines:
        source.add("pass")
    return source.finish(f"encode_{schema.declared.__name__}_v{schema.version}", "o0, w")
