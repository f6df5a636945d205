"""Which of the metadata log's snapshots, and with them how much of its beginning, may go. No I/O.

The oldest snapshot goes when log and snapshots together are larger than metadata.max.retention.bytes, or when it is
older than metadata.max.retention.ms, and the log then starts at the next one. The newest stays.
Source: org.apache.kafka.raft.internals.KafkaRaftLog.maybeClean.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class SnapshotId(NamedTuple):
    """All records before `offset` are in it; `epoch`: of the last of them."""

    offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        return f"{self.offset:020d}-{self.epoch:010d}.checkpoint"


class KeptSnapshot(NamedTuple):
    """A snapshot on disk. `last_timestamp_ms`: of the last record of the log that it contains."""

    id: SnapshotId
    size_bytes: int
    last_timestamp_ms: int


class SnapshotRetention(NamedTuple):
    """`bytes` and `ms`: below 0 for no limit."""

    bytes: int
    ms: int

    def next_start(self, snapshots: Sequence[KeptSnapshot], log_bytes: int, now_ms: int) -> SnapshotId | None:
        """The snapshot at which the log is to start when the oldest goes; None if that stays. `snapshots`: the oldest
        first."""
        if len(snapshots) < 2:
            return None
        total = log_bytes + sum(snapshot.size_bytes for snapshot in snapshots)
        too_large = 0 <= self.bytes < total
        too_old = 0 <= self.ms < now_ms - snapshots[0].last_timestamp_ms
        return snapshots[1].id if too_large or too_old else None
