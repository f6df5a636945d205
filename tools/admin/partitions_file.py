"""The JSON files that name partitions: `{"partitions": [{"topic": "t", "partition": 0, ...}]}`."""

from __future__ import annotations

from typing import Any

from .common import CommandError, read_json_file


def read_rows(path: str, *numbers: str) -> list[tuple[str, tuple[int, ...]]]:
    """(topic, the fields `numbers`) of each row in the file. Raises CommandError for a file of another shape."""
    found = read_json_file(path)
    rows = found.get("partitions")
    if not isinstance(rows, list):
        raise CommandError("Missing partitions field", "org.apache.kafka.tools.AdminOperationException")
    if found.get("version", 1) != 1:
        raise CommandError(
            f"Not supported version field value {found['version']}",
            "org.apache.kafka.tools.AdminOperationException",
        )
    return [_row(row, numbers) for row in rows]


def _row(row: Any, numbers: tuple[str, ...]) -> tuple[str, tuple[int, ...]]:
    if isinstance(row, dict) and isinstance(row.get("topic"), str):
        values = [row.get(name) for name in numbers]
        if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
            return row["topic"], tuple(int(value) for value in values if value is not None)
    wanted = ", ".join(("topic", *numbers))
    raise CommandError(
        f"a partition needs the fields {wanted}: {row}", "com.fasterxml.jackson.databind.JsonMappingException"
    )


def duplicates(keys: list[tuple[str, int]]) -> list[str]:
    """`topic-partition` of those that come more than once."""
    return sorted({f"{topic}-{index}" for topic, index in keys if keys.count((topic, index)) > 1})
