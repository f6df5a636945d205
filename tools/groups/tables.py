"""The tables of consumer-groups: Kafka's columns and widths, since scripts cut them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

from ..console.member import Key, Offset
from .cluster import Group, Listing

MISSING: Final = "-"


class OffsetRow(NamedTuple):
    """A partition of a group. None where there is none; `end`: the log's end offset."""

    group: str
    topic: str
    partition: int
    committed: Offset | None
    end: int | None
    member_id: str = MISSING
    host: str = MISSING
    client_id: str = MISSING


def _text(value: object) -> str:
    return MISSING if value is None else str(value)


def _line(widths: Sequence[int], cells: Sequence[object]) -> str:
    """Cells padded to their widths, one space between; width 0 is as long as it is."""
    return " ".join(str(cell).ljust(width) for cell, width in zip(cells, widths, strict=True))


def _width(least: int, cells: Iterable[str]) -> int:
    return max([least, *map(len, cells)])


def listing(rows: Collection[Listing], *, types: bool, states: bool) -> list[str]:
    """The groups, with the columns that were asked for."""
    header = ["GROUP", *["TYPE"] * types, *["STATE"] * states]
    widths = [_width(15, (row.group for row in rows)) + 10, *[20] * (len(header) - 1)]
    lines = [_line(widths, header)]
    lines += [_line(widths, [row.group, *[row.type] * types, *[row.state] * states]) for row in rows]
    return lines


def offsets(rows: Sequence[OffsetRow], *, verbose: bool) -> list[str]:
    """CURRENT-OFFSET, LOG-END-OFFSET and LAG of each partition."""
    widths = [
        _width(15, (row.group for row in rows)),
        _width(15, (row.topic for row in rows)),
        *[10, *[15] * (4 if verbose else 3)],
        _width(15, (row.member_id for row in rows)),
        _width(15, (row.host for row in rows)),
        0,
    ]
    epoch = ["LEADER-EPOCH"] if verbose else []
    header = ["GROUP", "TOPIC", "PARTITION", *epoch, "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG"]
    lines = ["", _line(widths, [*header, "CONSUMER-ID", "HOST", "CLIENT-ID"])]
    for row in rows:
        current = None if row.committed is None else row.committed.offset
        lag = None if current is None or row.end is None else row.end - current
        leader_epoch = None if row.committed is None or row.committed.leader_epoch < 0 else row.committed.leader_epoch
        shown = [row.group, row.topic, row.partition, *[_text(leader_epoch)] * verbose]
        shown += [_text(current), _text(row.end), _text(lag), row.member_id, row.host, row.client_id]
        lines.append(_line(widths, shown))
    return lines


def assignment(keys: Iterable[Key]) -> str:
    """topic:0,1;other:0, `-` for nothing."""
    found: dict[str, list[int]] = {}
    for topic, partition in sorted(keys):
        found.setdefault(topic, []).append(partition)
    return ";".join(f"{topic}:{','.join(map(str, rows))}" for topic, rows in sorted(found.items())) or MISSING


def members(group: Group, *, verbose: bool) -> list[str]:
    """The members; instance ids if one has one, UPGRADED if both protocols are spoken."""
    rows = group.members
    static = any(row.instance_id for row in rows)
    mixed = {True, False} <= {row.upgraded for row in rows}
    header: list[str] = []
    widths: list[int] = []
    cells: list[list[object]] = [[] for _ in rows]

    def column(name: str, least: int, values: Sequence[object], grows: bool = True) -> None:
        header.append(name)
        widths.append(_width(least, map(str, values)) if grows else least)
        for cell, value in zip(cells, values, strict=True):
            cell.append(value)

    column("GROUP", 15, [group.group for _ in rows])
    column("CONSUMER-ID", 15, [row.member_id for row in rows])
    if static:
        column("GROUP-INSTANCE-ID", 17, [row.instance_id for row in rows])
    column("HOST", 15, [row.host for row in rows])
    column("CLIENT-ID", 15, [row.client_id for row in rows])
    column("#PARTITIONS", 15, [len(row.assigned) for row in rows], grows=False)
    if verbose:
        column("CURRENT-EPOCH", 15, [_text(row.epoch) for row in rows], grows=False)
        column("CURRENT-ASSIGNMENT", 20, [assignment(row.assigned) for row in rows])
        column("TARGET-EPOCH", 15, [_text(group.target_epoch) for _ in rows], grows=False)
        column("TARGET-ASSIGNMENT", 20, [assignment(row.target) for row in rows])
        if mixed:
            column("UPGRADED", 0, [_text(row.upgraded).lower() for row in rows], grows=False)
    # Kafka's format ends with a space before what verbose adds.
    end = "" if verbose else " "
    return ["", _line(widths, header) + end, *(_line(widths, cell) + end for cell in cells)]


def state(group: Group, *, verbose: bool) -> list[str]:
    """The coordinator, the assignor, the state and how many members."""
    node = group.coordinator
    coordinator = f"{node.host}:{node.port}  ({node.id})"
    header = ["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE"]
    cells: list[object] = [group.group, coordinator, group.assignor or MISSING, group.state]
    widths = [_width(15, [group.group]), _width(25, [coordinator]), 20, 20]
    if verbose:
        header += ["GROUP-EPOCH", "TARGET-ASSIGNMENT-EPOCH"]
        cells += [_text(group.epoch), _text(group.target_epoch)]
        widths += [15, 25]
    return ["", _line([*widths, 0], [*header, "#MEMBERS"]), _line([*widths, 0], [*cells, len(group.members)])]


def new_offsets(plans: Mapping[str, Mapping[Key, int]]) -> list[str]:
    """What --reset-offsets did or would do."""
    keys = [key for plan in plans.values() for key in plan]
    widths = [_width(15, plans), _width(15, (topic for topic, _ in keys)), 10, 0]
    lines = ["", _line(widths, ["GROUP", "TOPIC", "PARTITION", "NEW-OFFSET"])] if plans else []
    for group, plan in sorted(plans.items()):
        lines += [_line(widths, [group, *key, offset]) for key, offset in sorted(plan.items())]
    return lines or [""]


def deleted_offsets(results: Mapping[Key, str | None]) -> list[str]:
    """Each partition (-1: none known) with what went wrong, if anything."""
    widths = [_width(15, (topic for topic, _ in results)), 10, 15]
    lines = ["", _line(widths, ["TOPIC", "PARTITION", "STATUS"])]
    by_text: Callable[[Key], str] = lambda key: f"{key[0]}{key[1]}"  # noqa: E731 - Kafka sorts by this text
    for topic, partition in sorted(results, key=by_text):
        error = results[topic, partition]
        shown = partition if partition >= 0 else MISSING
        lines.append(_line(widths, [topic, shown, "Successful" if error is None else f"Error: {error}"]))
    return lines
