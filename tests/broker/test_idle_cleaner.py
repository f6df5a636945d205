"""Compacted topics that nobody has used since the start are cleaned all the same, and stay closed."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import trio

from klamm.broker.cleaner import cleaner_config, compact
from klamm.broker.idle_retention import LOGS_A_VISIT, PAUSE_MS
from klamm.storage.checks import Origin
from klamm.storage.compaction import CompactionJob
from klamm.storage.log import Log
from klamm.wire.messages.delete_topics import DeleteTopicsRequest
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.records import Record, encode_batch
from tests.coordinator.site import Site
from tests.storage.shorthand import read_records

RECORDS = 40
KEYS = 4


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """`a` and `b` are compacted and dirty, `c` is dirty and not compacted; nobody has touched them since a start."""
    site = Site(tmp_path, log_segment_bytes="1048576")
    for name, policy in (("a", "compact"), ("b", "compact"), ("c", "delete")):
        site.broker.create_topic(name, 1, 1, {"cleanup.policy": policy, "segment.bytes": "1048576"})
        partition = site.broker.partitions.get(name, 0)
        assert partition is not None
        for number in range(RECORDS):
            record = Record(b"%d" % (number % KEYS), bytes(100_000), timestamp_ms=site.now_ms)
            partition.append(encode_batch([record]), site.now_ms, Origin.CLIENT)
    site.stop()
    site.start()
    return site


def look_around(site: Site) -> None:
    site.broker.idle_retention.begin()
    for _ in range(3 // LOGS_A_VISIT + 1):
        site.advance(PAUSE_MS)


async def clean_next(site: Site) -> bool:
    """As the cleaner does, with the loop's part done in between."""
    broker, results = site.broker, []

    async def compact_now(log: Log) -> bool:
        return await compact(log, cleaner_config(broker.config), site.now_ms)

    async def run() -> None:
        results.append(await broker.idle_cleaner.compact_next(compact_now))

    with trio.fail_after(120):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run)
            while not results:
                site.pump()
                await trio.sleep(0.001)
    return results[0]


def size_bytes(site: Site, topic: str) -> int:
    return sum(path.stat().st_size for path in (site.path / f"{topic}-0").glob("*.log"))


async def test_dirty_logs_that_nobody_uses_are_compacted_and_closed(site: Site) -> None:
    assert not await clean_next(site)  # nobody has looked yet
    look_around(site)
    assert await clean_next(site)
    assert set(site.logs.open_logs()) == {("__cluster_metadata", 0)}  # not all of them at once, and none is kept
    assert await clean_next(site)
    assert not await clean_next(site)
    assert [size_bytes(site, topic) > RECORDS * 50_000 for topic in "abc"] == [False, False, True]
    assert list(site.broker.partitions.opened()) == []
    assert set(site.logs.open_logs()) == {("__cluster_metadata", 0)}
    site.logs.checkpoint_compaction()
    assert (site.path / "cleaner-offset-checkpoint").read_text().startswith("0\n2\na 0 ")
    look_around(site)
    assert not await clean_next(site)  # they are clean now
    partition = site.broker.partitions.get("a", 0)
    assert partition is not None
    found = read_records(partition.log)
    active = partition.log.segment_offsets[-1]
    assert {record.key for record in found} == {b"%d" % number for number in range(KEYS)}
    assert len([record for record in found if record.offset < active]) == KEYS
    assert partition.log.log_end_offset == RECORDS
    site.stop()


@pytest.mark.parametrize("what", ["used", "configured", "deleted"])
async def test_a_client_comes_meanwhile(site: Site, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    reached, go_on, run = threading.Event(), threading.Event(), CompactionJob.run

    def wait_and_run(job: CompactionJob) -> None:
        reached.set()
        assert go_on.wait(120)
        run(job)

    monkeypatch.setattr(CompactionJob, "run", wait_and_run)
    look_around(site)
    broker = site.broker
    async with trio.open_nursery() as nursery:
        nursery.start_soon(clean_next, site)
        with trio.fail_after(120):
            while not reached.is_set():
                await trio.sleep(0.001)
        if what == "deleted":
            assert site.ask(DeleteTopicsRequest(topic_names=["a"]), 5).responses[0].error_code == 0
        else:
            if what == "configured":
                configs = [AlterableConfig(name="delete.retention.ms", config_operation=0, value="7")]
                resource = AlterConfigsResource(resource_type=2, resource_name="a", configs=configs)
                answer = site.ask(IncrementalAlterConfigsRequest(resources=[resource]), 1)
                assert answer.responses[0].error_code == 0
            partition = broker.partitions.get("a", 0)
            assert partition is not None
            record = Record(b"new", b"value", timestamp_ms=site.now_ms)
            assert partition.append(encode_batch([record]), site.now_ms, Origin.CLIENT).base_offset == RECORDS
        go_on.set()
    open_logs = set(site.logs.open_logs())
    if what == "deleted":
        assert open_logs == {("__cluster_metadata", 0)}
        assert not (site.path / "a-0").exists()
    else:
        assert open_logs == {("__cluster_metadata", 0), ("a", 0)}
        found = broker.partitions.opened_at("a", 0)
        assert found is not None
        assert read_records(found.log)[-1].key == b"new"
        assert found.log.first_dirty_offset is not None
        assert found.log.config.delete_retention_ms == (7 if what == "configured" else 86_400_000)
        assert found.append(encode_batch([record]), site.now_ms, Origin.CLIENT).base_offset == RECORDS + 1
    site.stop()
