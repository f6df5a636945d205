"""The decoder's half of the compiler: `decode(b, p) -> (object, position behind it)`.

How lenient it is follows Kafka's generated readers: any negative length is a null where there may be one, any mark of a
struct but the null one is a struct, tags come in any order, bytes that are not UTF-8 become U+FFFD. One thing is
stricter: a known tagged field must be as long as it says.
"""

from __future__ import annotations

import struct as struct_module

from construct import Construct

from .compiler import READY_COUNTS, Compiled, FieldError, Fixed, Source
from .declare import Struct
from .subcons import (
    COMPACT,
    MAX_STRING_BYTES,
    ArrayOf,
    LengthPrefixed,
    MessageStruct,
    NullableStruct,
    TagSection,
    has_records,
    layout_of,
    minimum_size,
    unnamed,
    weight,
)
from .uvarint import decode_uvarint, long_uvarint


def wrong_length(size: int, left: int) -> FieldError:
    """Why a length is refused."""
    if 0 <= size <= left:
        return FieldError(f"a string of {size} bytes, which may have {MAX_STRING_BYTES}")
    return FieldError(f"a length of {size} with {left} bytes left" if size >= 0 else "null where there is no null")


def wrong_count(count: int, left: int, limit: int, total: int) -> FieldError:
    """Why a count of elements or tags is refused."""
    if count < 0:
        return FieldError("null where there is no null")
    if total > limit:
        return FieldError(f"more than {limit} objects in one message")
    return FieldError(f"{count} elements with {left} bytes left")


def read_tag(buffer: bytes | bytearray, position: int) -> tuple[int, int, int]:
    """(tag, the end of its bytes, their begin) of the tagged field at `position`."""
    tag, position = decode_uvarint(buffer, position)
    size, position = decode_uvarint(buffer, position)
    if size > len(buffer) - position:
        raise FieldError(f"tag {tag} of {size} bytes with {len(buffer) - position} bytes left")
    return tag, position + size, position


def unknown_tags(
    buffer: bytes | bytearray, position: int, total: int, limit: int
) -> tuple[dict[int, bytes] | None, int, int]:
    """A tag section that is not empty, of a struct that knows no tag: (its fields, the end, the objects so far)."""
    count, position = decode_uvarint(buffer, position)
    total += count
    if total > limit:
        raise wrong_count(count, 0, limit, total)
    found = {}
    for _ in range(count):
        tag, end, position = read_tag(buffer, position)
        found[tag] = bytes(buffer[position:end])
        position = end
    return found or None, position, total  # a count may be 80 00: none at all in two bytes


class _Decoder(Source):
    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.scope |= {
            "new": object.__new__,
            "long_uvarint": long_uvarint,
            "unpack_from": struct_module.unpack_from,
            "wrong_length": wrong_length,
            "wrong_count": wrong_count,
            "read_tag": read_tag,
            "unknown_tags": unknown_tags,
        }

    def flush(self) -> None:
        """Write the run of fixed-width fields as one unpack."""
        if not self.fixed:
            return
        run, self.fixed = self.fixed, []
        layout = "".join(field.layout for field in run)
        targets = ", ".join(field.expression for field in run) + ("," if len(run) == 1 else "")
        self.add_run(f"{targets} = {self.packer('unpack', layout)}(b, p)", run)
        self.add(f"p += {struct_module.calcsize('>' + layout)}")

    def later(self, layout: str, target: str) -> None:
        """One more field for the run."""
        self.fixed.append(Fixed(self.path, layout, target))

    def length(self, length: Construct) -> bool:
        """Read a length into `n`. True where it is compact: then `n` is one more, and `p` its last byte."""
        if length is COMPACT:
            self.flush()
            self.varint("n")
            return True
        self.later(length.fmtstr[1:], "n")
        self.flush()
        return False

    def varint(self, name: str) -> None:
        """Read an unsigned varint, up to its last byte."""
        self.add(f"{name} = b[p]")
        self.add(f"if {name} > 127:")
        self.add(f"    {name}, p = long_uvarint(b, p)")

    def value(self, subcon: Construct, target: str, depth: int) -> None:
        layout = layout_of(subcon)
        if layout is not None:
            self.later(layout, target)
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
        compact = self.length(subcon.length)
        begin, size, left = ("p + 1", "n - 1", "e - p - 1") if compact else ("p", "n", "e - p")
        if subcon.nullable:
            self.add("if n == 0:" if compact else "if n < 0:")
            self.add(f"    {target} = None")
            if compact:
                self.add("    p += 1")
            self.add("else:")
            self.indent += 1
        self.add("q = p + n")
        refused = "q > e" if subcon.nullable else "n < 1 or q > e" if compact else "n < 0 or q > e"
        if compact and subcon.kind == "string":
            refused += f" or n > {MAX_STRING_BYTES + 1}"
        self.add(f"if {refused}:")
        self.add(f"    raise wrong_length({size}, {left})")
        data = f"[{begin}:q]"
        read = {"string": f"b{data}.decode('utf-8', 'replace')", "bytes": f"bytes(b{data})", "records": f"r{data}"}
        self.add(f"{target} = {read[subcon.kind]}")
        self.add("p = q")
        if subcon.nullable:
            self.indent -= 1

    def array(self, subcon: ArrayOf, target: str, depth: int) -> None:
        compact = self.length(subcon.length)
        if compact:
            self.add("p += 1")
        if subcon.nullable:
            self.add("if n == 0:" if compact else "if n < 0:")
            self.add(f"    {target} = None")
            self.add("else:")
            self.indent += 1
        if compact:
            self.add("n -= 1")
        item = subcon.subcon
        smallest = max(1, minimum_size(item))
        heavy = weight(item)
        self.add(f"t += n * {heavy}" if heavy > 1 else "t += n")
        negative = "" if subcon.nullable else "n < 0 or "
        self.add(f"if {negative}t > {self.limit} or n{f' * {smallest}' if smallest > 1 else ''} > e - p:")
        self.add(f"    raise wrong_count(n, e - p, {self.limit}, t)")
        layout = layout_of(item)
        if layout is not None and layout[-1] != "s":
            ready = self.packers("unpack", layout)
            many = f"{ready}[n](b, p) if n < {READY_COUNTS} else unpack_from(f'>{{n}}{layout}', b, p)"
            self.add(f"{target} = list({many})")
            self.add(f"p += n * {smallest}" if smallest > 1 else "p += n")
        else:
            self.add(f"{target} = a{depth} = []")
            self.add("for _ in range(n):")
            self.indent += 1
            path, self.path = self.path, f"{self.path}[{{a{depth}}}]"
            if isinstance(item, MessageStruct):
                self.struct(item, depth + 1)
            else:
                self.value(item, f"o{depth + 1}", depth + 1)
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
            self.add("p += 1")
            null = "n == 0"
        else:
            self.later("b", "n")
            self.flush()
            null = "n < 0"
        self.add(f"if {null}:")
        self.add(f"    {target} = None")
        self.add("else:")
        self.indent += 1
        self.struct(subcon.subcon, depth + 1)
        self.flush()
        self.add(f"{target} = o{depth + 1}")
        self.indent -= 1

    def struct(self, subcon: MessageStruct, depth: int) -> None:
        declared, path = subcon.declared, self.path
        self.flush()
        this = f"o{depth}"
        self.add(f"{this} = new({self.constant(declared.__name__, declared)})")
        for row in subcon.absent:
            self.add(f"{this}.{row.name} = {self.literal(row, declared.default_of(row))}")
        section = None
        for renamed in subcon.subcons:
            inner = unnamed(renamed)
            if isinstance(inner, TagSection):
                section = inner
            else:
                self.path = f"{path}.{renamed.name}" if path else renamed.name
                self.value(inner, f"{this}.{renamed.name}", depth)
        self.flush()
        self.path = path
        if section is None:
            self.add(f"{this}.unknown_tagged_fields = None")
        elif section.fields:
            self.known_tags(section, declared, depth)
        else:
            self.add("if b[p]:")
            self.add(f"    {this}.unknown_tagged_fields, p, t = unknown_tags(b, p, t, {self.limit})")
            self.add("else:")
            self.add(f"    {this}.unknown_tagged_fields = None")
            self.add("    p += 1")

    def known_tags(self, section: TagSection, declared: type[Struct], depth: int) -> None:
        this, path = f"o{depth}", self.path
        for field in section.fields:
            self.add(f"{this}.{field.name} = {self.literal(field.row, declared.default_of(field.row))}")
        self.add(f"{this}.unknown_tagged_fields = None")
        count, tag, end = f"k{depth}", f"g{depth}", f"z{depth}"
        self.varint(count)
        self.add("p += 1")
        self.add(f"if {count}:")
        self.indent += 1
        heavy = max(weight(field.subcon) for field in section.fields)
        self.add(f"t += {count} * {heavy}" if heavy > 1 else f"t += {count}")
        self.add(f"if t > {self.limit}:")
        self.add(f"    raise wrong_count({count}, e - p, {self.limit}, t)")
        self.add(f"for _ in range({count}):")
        self.indent += 1
        self.add(f"{tag}, {end}, p = read_tag(b, p)")
        word = "if"
        for field in section.fields:
            self.add(f"{word} {tag} == {field.tag}:")
            word = "elif"
            self.indent += 1
            self.path = f"{path}.{field.name}" if path else field.name
            self.value(field.subcon, f"{this}.{field.name}", depth)
            self.flush()
            self.indent -= 1
            self.path = path
        self.add("else:")
        self.add(f"    {this}.unknown_tagged_fields = {this}.unknown_tagged_fields or {{}}")
        self.add(f"    {this}.unknown_tagged_fields[{tag}] = bytes(b[p:{end}])")
        self.add(f"    p = {end}")
        self.add(f"if p != {end}:")
        self.add(f"    raise FieldError(f'tag {{{tag}}} ends {{p - {end}}} bytes behind its size')")
        self.indent -= 2


def compile_decoder(schema: MessageStruct, limit: int) -> Compiled:
    """`decode(b, p) -> (object, end)`: `b` bytes or bytearray. Raises one of `codec.DECODE_FAILURES`.

    `limit`: how many objects one message may bring (`schema.weight`).
    """
    source = _Decoder(limit)
    source.add("e = len(b)")
    source.add("t = 0")
    if has_records(schema):
        source.scope["memoryview"] = memoryview
        source.add("r = memoryview(b).toreadonly()")
    source.struct(schema, 0)
    source.add("return o0, p")
    return source.finish(f"decode_{schema.declared.__name__}_v{schema.version}", "b, p")
