"""What consumer-groups says, as values for --json: the columns of its tables under names of their own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from ..console.member import Key
from .cluster import Group, Listing
from .tables import OffsetRow


def listing(rows: Iterable[Listing]) -> list[dict[str, object]]:
    return [{"group": row.group, "type": row.type, "state": row.state} for row in rows]


def group(found: Group, offsets: Sequence[OffsetRow] | None) -> dict[str, object]:
    """A group with its members, and where `offsets` is there with its offsets."""
    values: dict[str, object] = {
        "group": found.group,
        "state": found.state,
        "assignmentStrategy": found.assignor or None,
        "coordinator": {"id": found.coordinator.id, "host": found.coordinator.host, "port": found.coordinator.port},
        "groupEpoch": found.epoch,
        "targetAssignmentEpoch": found.target_epoch,
        "members": [
            {
                "consumerId": row.member_id,
                "groupInstanceId": row.instance_id or None,
                "host": row.host,
                "clientId": row.client_id,
                "epoch": row.epoch,
                "assignment": _partitions(row.assigned),
                "targetAssignment": _partitions(row.target),
            }
            for row in found.members
        ],
    }
    return values if offsets is None else {**values, "offsets": [_offset(row) for row in offsets]}


def _partitions(keys: Iterable[Key]) -> list[dict[str, object]]:
    return [{"topic": topic, "partition": partition} for topic, partition in sorted(keys)]


def _offset(row: OffsetRow) -> dict[str, object]:
    current = None if row.committed is None else row.committed.offset
    return {
        "topic": row.topic,
        "partition": row.partition,
        "currentOffset": current,
        "leaderEpoch": None if row.committed is None or row.committed.leader_epoch < 0 else row.committed.leader_epoch,
        "logEndOffset": row.end,
        "lag": None if current is None or row.end is None else row.end - current,
        "consumerId": None if row.member_id == "-" else row.member_id,
        "host": None if row.host == "-" else row.host,
        "clientId": None if row.client_id == "-" else row.client_id,
    }


def new_offsets(plans: Mapping[str, Mapping[Key, int]]) -> list[dict[str, object]]:
    """What --reset-offsets did or would do."""
    return [
        {"group": name, "topic": topic, "partition": partition, "newOffset": offset}
        for name, plan in sorted(plans.items())
        for (topic, partition), offset in sorted(plan.items())
    ]


def deleted_offsets(results: Mapping[Key, str | None]) -> list[dict[str, object]]:
    """Each partition with what went wrong; None as partition where none was known."""
    return [
        {"topic": topic, "partition": partition if partition >= 0 else None, "error": error}
        for (topic, partition), error in sorted(results.items())
    ]
