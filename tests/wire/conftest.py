"""What the tests of the wire share: the golden vectors, and values made at random from declared rows."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from klamm.wire.declare import ZERO_UUID, Message, Row, Struct

INTEGERS = {
    "int8": (-(2**7), 2**7 - 1),
    "int16": (-(2**15), 2**15 - 1),
    "uint16": (0, 2**16 - 1),
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
TEXTS = ("", "a", "zażółć-1", "\N{MUSICAL SYMBOL G CLEF}", "nul\0", "x" * 126, "x" * 127, "é" * 100)
FLOATS = (0.0, -0.0, 1.5, float("inf"), float("-inf"), 5e-324, 1.7976931348623157e308)
UNKNOWN_TAGS = (60, 127, 128, 16384, 2**31 - 1, 2**32 - 1)


class Golden(NamedTuple):
    """One message that Kafka's own classes encoded: `kind` default, filled or null; `json` Kafka's own form of it, or
    None where Kafka has none."""

    message: str
    version: int
    kind: str
    json: dict[str, Any] | None
    data: bytes


def load_golden() -> list[Golden]:
    folder = Path(__file__).parent.parent / "data"
    files = (folder / "golden_messages.jsonl", folder / "golden_more_messages.jsonl")
    rows = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return [Golden(row["m"], row["v"], row["k"], row.get("j"), bytes.fromhex(row["hex"])) for row in rows]


@pytest.fixture(scope="session")
def golden() -> list[Golden]:
    return load_golden()


class Values:
    """Values of declared structs from one random source: extremes, nulls, empties, tags, unknown tags."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def plain(self, row: Row) -> Any:
        if row.type in INTEGERS:
            low, high = INTEGERS[row.type]
            return self.random.choice((low, high, max(low, -1), 0, 1, self.random.randint(low, high)))
        if row.type == "bool":
            return self.random.random() < 0.5
        if row.type == "float64":
            return self.random.choice(FLOATS)
        if row.type == "uuid":
            return self.random.choice((ZERO_UUID, self.random.randbytes(16)))
        if row.type == "string":
            return self.random.choice(TEXTS)
        return self.random.randbytes(self.random.choice((0, 1, 2, 126, 127, 300)))  # bytes and records

    def one(self, row: Row, version: int, flexible: bool, depth: int) -> Any:
        return self.plain(row) if row.of is None else self.struct(row.of, version, flexible, depth + 1)

    def field(self, row: Row, version: int, flexible: bool, depth: int) -> Any:
        if version in row.nullable and self.random.random() < 0.25:
            return None
        if not row.array:
            return self.one(row, version, flexible, depth)
        sizes = (0, 1, 15, 16, 130) if row.type in INTEGERS and depth < 2 else (0, 1, 2)
        return [self.one(row, version, flexible, depth) for _ in range(self.random.choice(sizes))]

    def struct(self, declared: type[Struct], version: int, flexible: bool, depth: int = 0) -> Struct:
        values: dict[str, Any] = {}
        for row in declared.ROWS:
            given = version in row.versions and (version not in row.tagged or self.random.random() < 0.5)
            if given:
                values[row.name] = self.field(row, version, flexible, depth)
        unknown = None
        if flexible and self.random.random() < 0.3:
            tags = self.random.sample(UNKNOWN_TAGS, self.random.randint(1, 3))
            unknown = {tag: self.random.randbytes(self.random.choice((0, 1, 130))) for tag in tags}
        return declared(**values, unknown_tagged_fields=unknown)

    def message(self, declared: type[Message], version: int) -> Message:
        made = self.struct(declared, version, version in declared.FLEXIBLE)
        assert isinstance(made, Message)
        return made


@pytest.fixture(scope="session")
def values() -> Callable[[int], Values]:
    """`values(seed)` makes values of any declared message."""
    return Values


class Damage:
    """Bytes with something wrong in them, from one random source."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def piece(self) -> bytes:
        return self.random.choice(
            (b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff\x0f", b"\x80", b"\0\0", b"\x01", b"\xff\xff")
        )

    def __call__(self, data: bytes) -> bytes:
        damaged = bytearray(data)
        for _ in range(self.random.randint(1, 4)):
            at = self.random.randint(0, len(damaged))
            end = min(len(damaged), at + self.random.randint(1, 8))
            match self.random.randint(0, 5):
                case 0 if damaged:
                    damaged[min(at, len(damaged) - 1)] ^= 1 << self.random.randint(0, 7)
                case 1:
                    damaged[at:end] = self.random.randbytes(end - at)
                case 2:
                    damaged[at:end] = self.piece()
                case 3:
                    damaged[at:at] = self.piece()
                case 4:
                    del damaged[at:end]
                case _:
                    del damaged[at:]
        return bytes(damaged)


@pytest.fixture(scope="session")
def damage() -> Callable[[int], Damage]:
    """`damage(seed)(data)` is data no longer whole."""
    return Damage
