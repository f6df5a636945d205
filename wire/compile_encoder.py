"""The encoder's half of the compiler: `encode(object, append)` in pieces."""

from __future__ import annotations

import struct as struct_module
from collections.abc import Callable

from construct import Construct

from .compiler import READY_COUNTS, Compiled, Fixed, Source
from .declare import Struct
from .subcons import (
    COMPACT,
    MAX_STRING_BYTES,
    ArrayOf,
    LengthPrefixed,
    MessageStruct,
    NullableStruct,
    TagSection,
    layout_of,
    unnamed,
)
from .uvarint import UVARINTS, encode_uvarint


def write_tags(write: Callable[[bytes], None], tags: list[tuple[int, bytes]]) -> None:
    """A tag section that is not empty: (tag, bytes) in ascending order."""
    tags.sort()
    write(encode_uvarint(len(tags)))
    for tag, data in tags:
        write(encode_uvarint(tag))
        write(encode_uvarint(len(data)))
        write(data)


class _Encoder(Source):
    def __init__(self) -> None:
        super().__init__()
        self.scope |= {
            "UVARINTS": UVARINTS,
            "uvarint": encode_uvarint,
            "pack": struct_module.pack,
            "write_tags": write_tags,
        }

    def flush(self) -> None:
        """Write the run of fixed-width fields as one pack."""
        if not self.fixed:
            return
        run, self.fixed = self.fixed, []
        layout = "".join(field.layout for field in run)
        values = ", ".join(field.expression for field in run)
        self.add_run(f"w({self.packer('pack', layout)}({values}))", run)

    def later(self, layout: str, expression: str) -> None:
        """One more field for the run."""
        self.fixed.append(Fixed(self.path, layout, expression))

    def length(self, length: Construct, size: str) -> None:
        """Write a length or count that stands in the expression `size`."""
        if length is COMPACT:
            self.add(f"n = {size} + 1")
            self.flush()
            self.add("w(UVARINTS[n] if n < 128 else uvarint(n))")
        else:
            self.later(length.fmtstr[1:], size)
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
            self.later(layout, source)
        elif isinstance(subcon, LengthPrefixed):
            self.nullable(subcon, "s", source, lambda: self.text(subcon))
        elif isinstance(subcon, ArrayOf):
            self.nullable(subcon, f"a{depth}", source, lambda: self.array(subcon, depth))
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

    def nullable(self, subcon: LengthPrefixed | ArrayOf, name: str, source: str, write: Callable[[], None]) -> None:
        """The value under `name`; where it may be null, null is written here. `write` writes the rest."""
        if not subcon.nullable:
            self.add(f"{name} = {source}")
            write()
            return
        self.flush()
        self.add(f"{name} = {source}")
        self.add(f"if {name} is None:")
        self.add(f"    w({self.null(subcon.length)})")
        self.add("else:")
        self.indent += 1
        write()
        self.flush()
        self.indent -= 1

    def text(self, subcon: LengthPrefixed) -> None:
        if subcon.kind == "string":
            self.add("s = s.encode()")
            if subcon.length is COMPACT:
                self.add(f"if len(s) > {MAX_STRING_BYTES}:")
                self.add(f"    raise FieldError(f'a string of {{len(s)}} bytes, which may have {MAX_STRING_BYTES}')")
        self.length(subcon.length, "len(s)")
        self.add("w(s)")

    def array(self, subcon: ArrayOf, depth: int) -> None:
        items, item = f"a{depth}", subcon.subcon
        self.length(subcon.length, f"len({items})")
        layout = layout_of(item)
        if layout is not None and layout[-1] != "s":
            ready = self.packers("pack", layout)
            many = (
                f"{ready}[len({items})] if len({items}) < {READY_COUNTS} else struct(f'>{{len({items})}}{layout}').pack"
            )
            self.scope["struct"] = struct_module.Struct
            self.add_run(f"w(({many})(*{items}))", [Fixed(self.path, layout, items, is_array=True)])
            return
        path, self.path = self.path, f"{self.path}[{{{items}}}]"
        self.add(f"for o{depth + 1} in {items}:")
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
                value, default = f"{this}.{row.name}", self.literal(row, declared.default_of(row))
                # Identity first: a default struct is shared, and comparing structs is slow.
                same = f"{value} is not {default} and " if row.of is not None and not row.array else ""
                self.add(f"if {same}{value} != {default}:")
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
            return
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


def compile_encoder(schema: MessageStruct) -> Compiled:
    """`encode(object, append)`: appends pieces of bytes, and objects that stand for records, in order."""
    source = _Encoder()
    source.struct(schema, 0)
    source.flush()
    return source.finish(f"encode_{schema.declared.__name__}_v{schema.version}", "o0, w")
