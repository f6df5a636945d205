"""Values of declared messages from one random source: extremes, nulls, tags, unknown tags."""

from __future__ import annotations

import random
from typing import Any

from klamm.wire.declare import ZERO_UUID, Row, Struct

INTEGERS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
TEXTS = ("", "a", "zażółć-1", "\N{MUSICAL SYMBOL G CLEF}", "x" * 127, "é" * 100)


class Values:
    """Values of declared rows from one random source."""

    def __init__(self, seed: int, unknown_tags: bool = True) -> None:
        self.random = random.Random(seed)
        self.unknown_tags = unknown_tags

    def plain(self, row: Row) -> Any:
        pick = self.random.choice
        if row.type in INTEGERS:
            half = 1 << (INTEGERS[row.type] - 1)
            return pick((-half, half - 1, -1, 0, 1, self.random.randrange(-half, half)))
        if row.type in ("uint16", "uint32"):
            return pick((0, 1, (1 << int(row.type[4:])) - 1))
        if row.type == "bool":
            return pick((True, False))
        if row.type == "float64":
            return pick((0.0, -1.5, 1e300))
        if row.type == "uuid":
            return pick((ZERO_UUID, self.random.randbytes(16)))
        if row.type == "string":
            return pick(TEXTS)
        return self.random.randbytes(pick((0, 1, 130)))

    def value(self, row: Row, version: int, flexible: bool) -> Any:
        if version in row.nullable and self.random.random() < 0.25:
            return None
        if row.array:
            return [self.one(row, version, flexible) for _ in range(self.random.choice((0, 1, 2)))]
        return self.one(row, version, flexible)

    def one(self, row: Row, version: int, flexible: bool) -> Any:
        return self.plain(row) if row.of is None else self.struct(row.of, version, flexible)

    def struct(self, declared: type[Struct], version: int, flexible: bool) -> Any:
        given = {
            row.name: self.value(row, version, flexible)
            for row in declared.ROWS
            if version in row.versions and (version not in row.tagged or self.random.random() < 0.5)
        }
        unknown = {9999: b"kept", 2**20: b""} if flexible and self.unknown_tags and self.random.random() < 0.2 else None
        return declared(**given, unknown_tagged_fields=unknown)


def without_key_clashes(struct: Struct) -> None:
    """Kafka keeps arrays with map keys as sets: two elements of one key would be one."""
    for row in struct.ROWS:
        if row.of is None:
            continue
        value = getattr(struct, row.name)
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                without_key_clashes(item)
        keys = [key.name for key in row.of.ROWS if key.map_key]
        if row.array and keys and value:
            kept = {tuple(str(getattr(item, key)) for key in keys): item for item in value}
            setattr(struct, row.name, list(kept.values()))
