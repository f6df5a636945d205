"""The metadata log is cut behind its snapshots: what goes and when, and that a crash or a loss of power at any step of
it loses nothing that a snapshot has."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest

from klamm.broker import warmer
from klamm.broker.metadata.snapshot_retention import KeptSnapshot, SnapshotId, SnapshotRetention
from klamm.broker.metadata.snapshots import find_snapshots, kept_snapshots
from klamm.broker.metadata_snapshots import CLEAN_INTERVAL_MS
from klamm.storage.files import Files
from tests.coordinator.site import Site as LocalSite
from tests.storage.power import Disk, PowerFiles

from .site import Site

FILES = Files()
METADATA = "__cluster_metadata-0"
KAFKA_CUT = Path(__file__).parents[1] / "data" / "kafka_cut_metadata"
#: Segments of a few records; room for about two snapshots beside them.
SMALL = {"internal_metadata_log_segment_bytes": "600", "metadata_max_retention_bytes": "6000"}
CUTS = int(os.environ.get("KLAMM_POWER_CUTS", "2"))
KEEP = (*(number / CUTS for number in range(CUTS)), 1.0)


def kept(offset: int, size_bytes: int, age_ms: int = 0) -> KeptSnapshot:
    return KeptSnapshot(SnapshotId(offset, 1), size_bytes, 1_000_000 - age_ms)


@pytest.mark.parametrize(
    ("limit_bytes", "limit_ms", "snapshots", "start"),
    [
        (0, 0, [], None),
        (0, 0, [kept(5, 100, 99)], None),  # the newest stays, whatever is asked for
        (350, -1, [kept(5, 100), kept(9, 150)], None),
        (349, -1, [kept(5, 100), kept(9, 150)], 9),
        (-1, -1, [kept(5, 100, 999_999), kept(9, 150)], None),
        (-1, 10, [kept(5, 1, 10), kept(9, 1, 5)], None),
        (-1, 10, [kept(5, 1, 11), kept(9, 1, 5)], 9),
        (0, -1, [kept(5, 1), kept(7, 1), kept(9, 1)], 7),
    ],
)
def test_the_oldest_goes_when_it_is_too_much_or_too_old(
    limit_bytes: int, limit_ms: int, snapshots: list[KeptSnapshot], start: int | None
) -> None:
    found = SnapshotRetention(limit_bytes, limit_ms).next_start(snapshots, log_bytes=100, now_ms=1_000_000)
    assert (found and found.offset) == start


class Cut:
    """What is in the metadata log's folder."""

    def __init__(self, folder: Path) -> None:
        self.snapshots = [snapshot.offset for snapshot in find_snapshots(FILES, str(folder))]
        self.segments = sorted(int(path.stem) for path in folder.glob("*.log"))


def fill(site: LocalSite, prefix: str, count: int = 10) -> None:
    for number in range(count):
        site.create(f"{prefix}{number}")
    site.broker.metadata_snapshots.take_if_changed()
    site.pump()


def clean(site: LocalSite) -> None:
    site.broker.metadata_snapshots.clean()
    site.pump()


def ids(site: LocalSite) -> dict[str, bytes]:
    return {name: topic.topic_id for name, topic in site.broker.catalogue.topics.items()}


def test_by_size(tmp_path: Path) -> None:
    site = LocalSite(tmp_path, **SMALL)
    folder = tmp_path / METADATA
    for prefix in "abc":
        fill(site, prefix)
    before = Cut(folder)
    assert len(before.snapshots) == 3
    assert before.segments[0] == 0
    assert len(before.segments) > 10
    clean(site)
    after = Cut(folder)
    assert after.snapshots == before.snapshots[: len(after.snapshots)]
    assert len(after.snapshots) in (1, 2)
    start = site.broker._metadata_log_files.log_start_offset
    assert start == after.snapshots[-1]
    assert 0 < after.segments[0] <= start
    assert len(after.segments) == 1 or start < after.segments[1]
    topics = ids(site)
    for _ in range(2):
        site.stop()
        site.start()
        assert ids(site) == topics
        assert site.broker._metadata_log_files.log_start_offset == start
    # A broker that knew where the log starts from the names of its segments only, as Kafka does.
    site.stop()
    (tmp_path / "log-start-offset-checkpoint").unlink()
    site.start()
    assert ids(site) == topics
    assert site.broker._metadata_log_files.log_start_offset == after.segments[0]
    site.create("after")
    site.stop()


def test_by_age_as_the_broker_does_it(tmp_path: Path) -> None:
    site = LocalSite(tmp_path, internal_metadata_log_segment_bytes="600", metadata_max_retention_ms="100000")
    site.broker._start_chores()
    fill(site, "a")
    site.advance(90_000)
    fill(site, "b")
    assert len(Cut(tmp_path / METADATA).snapshots) == 2
    while len(Cut(tmp_path / METADATA).snapshots) > 1:
        assert site.now_ms < 1_700_000_000_000 + 100_000 + 3 * CLEAN_INTERVAL_MS
        site.advance(1000)
        site.pump()
    site.advance(10_000_000)
    newest = Cut(tmp_path / METADATA).snapshots[0]
    assert newest >= site.broker._metadata_log_files.log_start_offset
    topics = ids(site)
    site.stop()
    site.start()
    assert ids(site) == topics
    site.stop()


def test_without_limits_all_stays(tmp_path: Path) -> None:
    site = LocalSite(tmp_path, metadata_max_retention_bytes="-1", metadata_max_retention_ms="-1")
    for prefix in "abc":
        fill(site, prefix)
        site.advance(1 << 40)
    clean(site)
    assert len(Cut(tmp_path / METADATA).snapshots) == 3
    assert site.broker._metadata_log_files.log_start_offset == 0
    site.stop()


def test_what_is_not_known_to_be_whole_cuts_nothing(tmp_path: Path) -> None:
    site = LocalSite(tmp_path, **SMALL)
    fill(site, "a")
    fill(site, "b")
    topics = ids(site)
    site.stop()
    newest = find_snapshots(FILES, str(tmp_path / METADATA))[0]
    path = tmp_path / METADATA / newest.file_name
    path.write_bytes(path.read_bytes()[:-1])
    site.start()
    clean(site)
    assert site.broker._metadata_log_files.log_start_offset == 0
    assert len(Cut(tmp_path / METADATA).snapshots) == 2
    site.stop()
    site.start()
    assert ids(site) == topics
    # A new one that is whole lets both go.
    site.broker.metadata_snapshots._retention = SnapshotRetention(0, -1)
    fill(site, "c")
    clean(site)
    assert len(Cut(tmp_path / METADATA).snapshots) == 1
    site.stop()
    site.start()
    assert ids(site).items() > topics.items()
    site.stop()


def test_a_log_that_kafka_cut(tmp_path: Path) -> None:
    # Kafka 4.3.1 with internal.metadata.log.segment.bytes=2500, metadata.log.max.record.bytes.between.snapshots=3000
    # and metadata.max.retention.bytes=9000 for a minute: it starts at 34, and what was removed waits to be unlinked.
    shutil.copytree(KAFKA_CUT, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / METADATA
    assert Cut(folder).segments == [34, 35]
    assert len(list(folder.glob("*.deleted"))) == 2
    site = LocalSite(tmp_path)
    assert site.broker._metadata_log_files.log_start_offset == 34
    topics = ids(site)
    assert topics.keys() == {"cut0", "cut1", "cut2"}
    value = site.broker.catalogue.topics["cut0"].configs["leader.replication.throttled.replicas"]
    assert value == ",".join(f"{partition}:0" for partition in range(200))
    site.create("more")
    clean(site)
    assert list(folder.glob("*.deleted")) == []
    site.stop()
    site.start()
    assert ids(site).keys() == {*topics, "more"}
    site.stop()


def test_what_kafka_left_of_removed_snapshots_goes(tmp_path: Path) -> None:
    site = LocalSite(tmp_path)
    fill(site, "a")
    folder = tmp_path / METADATA
    (folder / f"{7:020d}-{1:010d}.checkpoint.deleted").write_bytes(b"x")
    (folder / f"{8:020d}-{1:010d}-123.checkpoint.part").write_bytes(b"x")
    clean(site)
    assert sorted(path.suffix for path in folder.glob("*checkpoint*")) == ["", ".checkpoint"]  # of leader epochs
    site.stop()


def test_records_since_the_last_snapshot_count_over_restarts(tmp_path: Path) -> None:
    site = LocalSite(tmp_path, metadata_log_max_record_bytes_between_snapshots="8000")
    for number in range(200):
        site.create(f"t{number}")
        if number % 10 == 0:
            site.rounds.clear()  # killed before it could take one
            site.stop()
            site.start()
        if Cut(tmp_path / METADATA).snapshots:
            break
        if number % 10 == 0:
            site.pump()
    assert Cut(tmp_path / METADATA).snapshots
    site.stop()


# --- crashes ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """`created`: topics acknowledged, in their order; `kept`: how many of them a snapshot has."""

    created: tuple[str, ...]
    kept: int


class Operator:
    """Creates topics and has snapshots taken and the log cut, on a disk whose every step is recorded."""

    def __init__(self, path: Path, **config: str) -> None:
        self.told = Told((), 0)
        self.cuts: list[tuple[Disk, Told]] = []
        self.files = PowerFiles(Disk(str(path)))
        self.files.on_change = lambda: self.cuts.append((self.files.disk.copy(), self.told))
        self.site = Site(path, self.files, **SMALL, **config)

    def work(self, prefix: str) -> None:
        for number in range(6):
            name = f"{prefix}{number}"
            self.site.topic(name)
            self.told = Told((*self.told.created, name), self.told.kept)
        snapshots = self.site.broker.metadata_snapshots
        snapshots.take_if_changed()
        self.site.round()
        self.told = Told(self.told.created, len(self.told.created))
        snapshots.clean()
        self.site.round()


def check(site: Site, told: Told, *, exact: bool) -> None:
    found = [name for name in site.broker.catalogue.topics if not name.startswith("__")]
    # One that was on its way may be there.
    assert tuple(found[: len(told.created)]) == told.created[: len(found)]
    assert len(told.created) + 1 >= len(found) >= (len(told.created) if exact else told.kept)
    metadata_log: Any = site.broker._metadata_log_files
    assert metadata_log.log_end_offset == site.broker.catalogue.metadata_offset + 1
    site.topic("one-more")


@pytest.mark.parametrize("durable", [True, False], ids=["each change flushed", "page cache"])
def test_no_crash_loses_what_a_snapshot_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, durable: bool) -> None:
    monkeypatch.setattr(warmer, "start_thread_soon", lambda run, deliver, *_: (run(), deliver(None)))
    config = {"log_flush_interval_messages": "1"} if durable else {}
    operator = Operator(tmp_path / "data", **config)
    for prefix in "abc":
        operator.work(prefix)
    operator.site.kill()
    operator.site.start()
    operator.work("d")
    assert operator.site.broker._metadata_log_files.log_start_offset > 0
    operator.site.kill()
    starts = set()
    step = 1 if CUTS > 2 else 3
    for number, (disk, told) in list(enumerate(operator.cuts))[::step]:
        for keep in KEEP:
            site = Site(tmp_path / "data", PowerFiles(disk.after_cut(Random(number), keep)), **SMALL, **config)
            try:
                check(site, told, exact=durable or keep == 1.0)
            except AssertionError as error:
                raise AssertionError(f"step {number}, keep {keep}: {error}") from error
            finally:
                starts.add(site.broker._metadata_log_files.log_start_offset)
                site.kill()
    assert len(starts) > 2


def test_a_log_that_ends_before_its_snapshot_begins_again_there(tmp_path: Path) -> None:
    site = LocalSite(tmp_path)
    fill(site, "a")
    topics = ids(site)
    site.stop()
    (snapshot,) = find_snapshots(FILES, str(tmp_path / METADATA))
    for name in ("log", "index", "timeindex"):
        path = tmp_path / METADATA / f"{0:020d}.{name}"
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2] if name == "log" else b"")
    (tmp_path / ".kafka_cleanshutdown").unlink(missing_ok=True)
    (tmp_path / "recovery-point-offset-checkpoint").unlink(missing_ok=True)
    site.start()
    assert ids(site) == topics
    assert site.broker._metadata_log_files.log_start_offset == snapshot.offset
    assert Cut(tmp_path / METADATA).segments == [snapshot.offset]
    # What is written now is no other history of the same offsets.
    site.create("b")
    site.stop()
    site.start()
    assert ids(site).keys() == {*topics, "b"}
    assert kept_snapshots(FILES, str(tmp_path / METADATA), {})[0].last_timestamp_ms == 1_700_000_000_000
    site.stop()
