"""From a construct schema to straight-line Python: what the two compilers share.

`compile_decoder.py` and `compile_encoder.py` walk the subcons of a `MessageStruct` and write one function that decodes,
or encodes, the whole message: nested structs become nested loops, runs of fixed-width fields one `struct` call. What
they write is meant to be read (`klamm wire source Produce 9`). Nothing that came over the network reaches `exec`: the
source is made from declarations only.

Each line of the source knows which field it is for. When a line fails, `blame.py` finds the field and the byte from the
traceback, so that nothing is spent on them while all is well.

Names in the source: `b` the buffer, `e` its length, `p` the position, `n` a length or count, `o<depth>` an object,
`a<depth>` the list whose items are `o<depth + 1>`, `t` the objects so far; `w` appends a piece of output.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from .declare import Row

#: How many objects a request may bring: items of arrays (a struct counts with its lists and structs, `schema.weight`)
#: and tagged fields. Without a bound, a frame of 15 MB of empty structs would stall every other connection for seconds;
#: with it, the dearest request of 4.3.1 takes some 50 ms (`python -m compat_tests.bench.wire --stall` measures
#: all). Kafka has no such limit.
MAX_REQUEST_OBJECTS = 50_000
#: The same for what a peer that was asked sends back, and for records of our own logs.
MAX_OBJECTS = 10_000_000

#: Arrays of fixed-width numbers shorter than this have their struct ready.
READY_COUNTS = 16


class FieldError(ValueError):
    """A field cannot be decoded or encoded; raised by compiled code and turned into one error by `codec.py`."""


class Fixed(NamedTuple):
    """A fixed-width field in a run: its path, its struct format, and where it is read into or what gives its value."""

    path: str
    layout: str
    expression: str
    is_array: bool = False


class Compiled(NamedTuple):
    """`source` as text; `run` the function; `paths[line - 1]` the field path of each line; `runs` the fields of a line
    that holds several."""

    source: str
    run: Callable[..., Any]
    paths: list[str]
    runs: dict[int, list[Fixed]]
    filename: str


class Source:
    """Lines with their indentation and field path, and the constants that they name."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.paths: list[str] = []
        self.runs: dict[int, list[Fixed]] = {}
        self.indent = 1
        self.path = ""
        self.scope: dict[str, Any] = {"FieldError": FieldError}
        self.fixed: list[Fixed] = []  # a run that is not written yet

    def add(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)
        self.paths.append(self.path)

    def add_run(self, text: str, run: list[Fixed]) -> None:
        """A line that holds several fields."""
        self.runs[len(self.lines) + 2] = run  # the next line's number: the first is the `def`
        self.add(text)

    def below(self, name: str) -> str:
        """The path of a field of the struct at hand."""
        return f"{self.path}.{name}" if self.path else name

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

    def packer(self, verb: str, layout: str) -> str:
        """A struct's bound method as a constant: `pack_hi`, `unpack_hi`; ? of the format reads `z`."""
        name = f"{verb}_{layout.replace('?', 'z')}"
        if name not in self.scope:
            self.scope[name] = packer(verb, layout)
        return name

    def packers(self, verb: str, layout: str) -> str:
        """A tuple of bound methods for 0, 1, 2.. items of a format as a constant: `pack_many_i`."""
        name = f"{verb}_many_{layout.replace('?', 'z')}"
        self.scope[name] = packers(verb, layout)
        return name

    def finish(self, name: str, arguments: str) -> Compiled:
        source = f"def {name}({arguments}):\n" + "\n".join(self.lines) + "\n"
        filename = f"<{name}>"
        scope = self.scope
        exec(compile(source, filename, "exec"), scope)
        return Compiled(source, scope[name], ["", *self.paths], self.runs, filename)


@cache
def packer(verb: str, layout: str) -> Callable[..., Any]:
    """`pack` or `unpack_from` of a big-endian format."""
    made = struct.Struct(">" + layout)
    return made.unpack_from if verb == "unpack" else made.pack


@cache
def packers(verb: str, layout: str) -> tuple[Callable[..., Any], ...]:
    """`packer` for each count of items below READY_COUNTS."""
    return tuple(packer(verb, f"{count}{layout}") for count in range(READY_COUNTS))
