"""Topics that nobody has used since the start lose what is too old, and stay closed."""

from __future__ import annotations

from pathlib import Path

from klamm.broker.idle_retention import LOGS_A_VISIT, PAUSE_MS
from klamm.storage.checks import Origin
from klamm.wire.records import Record, encode_batch
from tests.coordinator.site import Site

DAY_MS = 86_400_000
TOPICS = 2 * LOGS_A_VISIT + 1


def test_old_records_of_idle_topics_go(tmp_path: Path) -> None:
    site = Site(tmp_path, log_retention_ms=str(DAY_MS))
    for number in range(TOPICS):
        site.create(f"t{number}")
        partition = site.broker.partitions.get(f"t{number}", 0)
        assert partition is not None
        batch = encode_batch([Record(value=b"v", timestamp_ms=site.now_ms)])
        partition.append(batch, site.now_ms, Origin.CLIENT)
    site.stop()
    site.start()
    idle = site.broker.idle_retention
    for days, expected in ((0, "0"), (2, "1")):
        site.advance(days * DAY_MS)
        idle.begin()
        for _ in range(TOPICS // LOGS_A_VISIT + 1):
            site.advance(PAUSE_MS)
        for number in range(TOPICS):
            assert [path.name for path in tmp_path.glob(f"t{number}-0/*.log")] == [f"{expected:0>20}.log"]
        assert list(site.broker.partitions.opened()) == []
        assert set(site.logs.open_logs()) == {("__cluster_metadata", 0)}
    partition = site.broker.partitions.get("t0", 0)
    assert partition is not None
    assert (partition.log.log_start_offset, partition.log.log_end_offset) == (1, 1)
    site.stop()
