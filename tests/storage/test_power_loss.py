"""The power is cut at each step of a recorded run, and what was not synced is lost in any part; then all is opened.

With flush.messages=1 nothing acknowledged is lost and DeleteRecords stays done; without it nothing flushed is. What was
not acknowledged is there whole or not at all, offsets do not go back, and indexes, leader epochs, producers and aborted
transactions fit the batches that are left.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

import pytest

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.storage.log import Log
from klamm.wire.errors import KafkaError
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker, iter_records

from .power import Disk, PowerFiles
from .shorthand import read_batches

NOW_MS = 1000
TOPIC_ID = bytes(range(16))
PRODUCER, TRANSACTIONAL = 5, 6
DURABLE = LogConfig(segment_bytes=400, index_interval_bytes=100, flush_messages=1)
PAGE_CACHE = LogConfig(segment_bytes=400, index_interval_bytes=100)
PREALLOCATED = replace(DURABLE, preallocate=True)
#: How likely each unsynced page and name is kept: KLAMM_POWER_CUTS ways a step, all and nothing among them.
CUTS = int(os.environ.get("KLAMM_POWER_CUTS", "4"))
KEEP = tuple(number / (CUTS - 1) for number in range(CUTS))
#: Suffixes, and names of files without one.
EVERY_KIND = {
    *(".log", ".index", ".timeindex", ".txnindex", ".snapshot", ".metadata", ".properties", ".tmp"),
    *("leader-epoch-checkpoint", "recovery-point-offset-checkpoint", "log-start-offset-checkpoint"),
    *("replication-offset-checkpoint", ".kafka_cleanshutdown"),
}


@dataclass
class Told:
    """What a caller of the log knows. Offsets to values; `asked`: all that was ever written at an offset."""

    values: dict[int, bytes] = field(default_factory=dict)
    asked: dict[int, bytes] = field(default_factory=dict)
    epochs: dict[int, int] = field(default_factory=dict)
    aborted: list[tuple[int, int, int]] = field(default_factory=list)
    start: int = 0
    asked_start: int = 0


@dataclass(frozen=True)
class Cut:
    """The disk and the knowledge before one step."""

    disk: Disk
    told: Told


class Run:
    """A log that is used in every way, on files whose every step is recorded."""

    def __init__(self, root: str, config: LogConfig) -> None:
        self.config = config
        self.disk = Disk(root)
        self.told = Told()
        self.cuts: list[Cut] = []
        self.sequence = 0
        self.number = 0
        self.epoch = 0

    @property
    def durable(self) -> bool:
        return self.config.flushes_before_ack

    def record(self) -> None:
        self.cuts.append(Cut(self.disk.copy(), copy.deepcopy(self.told)))

    def open(self) -> None:
        files = PowerFiles(self.disk)
        files.on_change = self.record
        self.folder, self.log = open_log(files, self.config)
        if self.durable:
            self.log.flush_data()  # as Partitions does with what a killed process has left
            self.acknowledge(self.log.log_end_offset)
        self.log.high_watermark = self.log.log_end_offset

    def append(self, count: int = 1) -> None:
        for _ in range(count):
            value = b"%d" % self.number
            self.number += 1
            batch = encode_batch(
                [Record(value=value, timestamp_ms=100 + self.number)],
                producer_id=PRODUCER,
                producer_epoch=0,
                base_sequence=self.sequence,
            )
            self.sequence += 1
            self.write(batch, value, Origin.CLIENT)

    def write(self, batch: bytes, value: bytes, origin: Origin) -> int:
        offset = self.log.log_end_offset
        self.told.asked[offset], self.told.epochs[offset] = value, self.epoch
        info = self.log.append_as_leader(batch, leader_epoch=self.epoch, now_ms=NOW_MS, origin=origin)
        assert info.base_offset == offset
        if not self.durable:
            self.log.high_watermark = self.log.log_end_offset
        return offset

    def acknowledge(self, end: int) -> None:
        self.told.values |= {offset: value for offset, value in self.told.asked.items() if offset < end}
        self.log.high_watermark = end

    def commit(self, *, more: int = 0) -> None:
        """A group commit; `more` batches come while the device works."""
        if not self.durable:
            self.append(more)
            return
        job = self.log.begin_data_flush()
        assert job is not None
        self.append(more)
        job.run()
        job.finish()
        self.acknowledge(job.offset)

    def transaction(self, producer_epoch: int) -> None:
        """One that is aborted."""
        batch = encode_batch(
            [Record(value=b"aborted", timestamp_ms=100 + self.number)],
            producer_id=TRANSACTIONAL,
            producer_epoch=producer_epoch,
            base_sequence=0,
            transactional=True,
        )
        first = self.write(batch, b"aborted", Origin.CLIENT)
        marker = encode_end_txn_marker(
            commit=False,
            producer_id=TRANSACTIONAL,
            producer_epoch=producer_epoch,
            coordinator_epoch=0,
            timestamp_ms=100 + self.number,
        )
        last = self.write(marker, b"", Origin.COORDINATOR)
        self.told.aborted.append((TRANSACTIONAL, first, last))

    def flush(self) -> None:
        self.log.flush()
        self.acknowledge(self.log.log_end_offset)
        self.folder.checkpoint()

    def delete_before(self, offset: int) -> None:
        self.told.asked_start = offset
        self.log.delete_before(offset)
        if self.durable:
            self.told.start = offset

    def kill(self) -> None:
        self.folder.abandon()

    def stop(self) -> None:
        self.folder.close()
        self.told.values |= self.told.asked
        self.told.start = self.told.asked_start

    def everything(self) -> None:
        self.open()
        self.append()
        self.commit()
        for _ in range(6):
            self.append()
            self.commit()
        self.append(3)
        self.commit(more=2)
        self.transaction(0)
        self.commit()
        self.flush()
        self.epoch = 2
        self.append(2)
        self.commit(more=1)
        self.delete_before(5)
        self.kill()
        self.open()
        self.transaction(1)
        self.commit()
        self.append(5)
        self.commit()
        self.stop()
        self.open()
        self.append(4)
        self.commit()
        self.delete_before(9)
        self.append()
        self.commit()
        self.kill()
        self.record()


def open_log(files: PowerFiles, config: LogConfig) -> tuple[DataFolder, Log]:
    folder = DataFolder(files.disk.root, node_id=1, cluster_id="c", files=files, new_uuid=lambda: bytes(16))
    try:
        return folder, folder.create("t", 0, TOPIC_ID, config, NOW_MS)
    except BaseException:
        folder.abandon()
        raise


def check(disk: Disk, told: Told, config: LogConfig) -> int:
    """Opens what a cut has left, compares it with what was told, and goes on. Returns the bytes that were read."""
    files = PowerFiles(disk)
    folder, log = open_log(files, config)
    read = files.bytes_read
    try:
        compare(log, told, gaps=not config.flushes_before_ack)
        end = log.log_end_offset
        log.append_as_leader(encode_batch([Record(value=b"next")]), leader_epoch=9, now_ms=NOW_MS)
        folder.close()
        folder, log = open_log(files, config)
        assert folder.was_clean
        assert log.log_end_offset == end + 1
        assert [record.value for record in iter_records(list(read_batches(log))[-1][1])] == [b"next"]
    finally:
        folder.abandon()
    return read


def compare(log: Log, told: Told, *, gaps: bool) -> None:
    """`gaps`: in the page cache a segment or its end may be lost and the next one not, as in Kafka."""
    start, end = log.log_start_offset, log.log_end_offset
    assert told.start <= start
    assert gaps or start <= max(told.start, told.asked_start)
    assert end > max(told.values, default=-1)
    got: dict[int, bytes] = {}
    sequence = -1
    for header, data in read_batches(log):
        offset = header.base_offset
        (record,) = iter_records(data)
        got[offset] = b"" if header.is_control else record.value or b""
        assert header.partition_leader_epoch == told.epochs[offset]
        if not gaps or offset >= told.asked_start:  # a removal may be undone after its epochs are gone
            assert log.leader_epochs.epoch_of(offset) == told.epochs[offset]
        assert log.offset_for_timestamp(header.max_timestamp_ms).offset <= offset
        if header.producer_id == PRODUCER:
            assert header.base_sequence == sequence + 1 or sequence < 0 or gaps
            sequence = header.base_sequence
    assert got == {offset: told.asked[offset] for offset in got}
    safe_from = max(told.start, told.asked_start)
    assert {offset: value for offset, value in told.values.items() if offset >= safe_from}.items() <= got.items()
    assert gaps or list(got) == list(range(start, end))
    if sequence >= 0:
        assert log.producers.entries[PRODUCER].last_sequence == sequence
    expected = [row for row in told.aborted if row[2] in got]
    assert [row[:3] for row in log.aborted_transactions(start, end)] == expected


def run_of(tmp_path: Path, config: LogConfig) -> Run:
    run = Run(str(tmp_path / "data"), config)
    run.everything()
    return run


@pytest.mark.parametrize(
    "config", [DURABLE, PAGE_CACHE, PREALLOCATED], ids=["flush.messages=1", "page cache", "preallocated"]
)
def test_the_power_is_cut_at_every_step(tmp_path: Path, config: LogConfig) -> None:
    run = run_of(tmp_path, config)
    assert len(run.told.values) == run.log.log_end_offset or config is PAGE_CACHE
    assert len(run.cuts) > 150
    names = {name for cut in run.cuts for folder in cut.disk.folders.values() for name in folder.names}
    assert {os.path.splitext(name)[1] or name for name in names} >= EVERY_KIND
    for number, cut in enumerate(run.cuts):
        for seed, keep in enumerate(KEEP):
            left = cut.disk.after_cut(Random(1000 * number + seed), keep)
            try:
                check(left, cut.told, config)
            except (AssertionError, KafkaError) as error:
                raise AssertionError(f"step {number}, seed {seed}, keep {keep}: {error}") from error


@pytest.mark.parametrize("config", [DURABLE, PAGE_CACHE], ids=["flush.messages=1", "page cache"])
def test_the_power_is_cut_again_while_the_log_is_recovered(tmp_path: Path, config: LogConfig) -> None:
    run = run_of(tmp_path, config)
    for number in range(5, len(run.cuts), 12):
        cut = run.cuts[number]
        files = PowerFiles(cut.disk.after_cut(Random(number), 0.5))
        again: list[Disk] = []
        files.on_change = lambda files=files, again=again: again.append(files.disk.copy())  # type: ignore[misc]
        open_log(files, config)[0].abandon()
        for step, disk in enumerate(again):
            check(disk.after_cut(Random(step), 0.5), cut.told, config)


def test_the_model_loses_what_was_not_synced(tmp_path: Path) -> None:
    """Without the flushes the same run loses what it was told: the test can fail."""
    run = Run(str(tmp_path / "data"), DURABLE)
    run.open()
    run.append(3)
    run.acknowledge(3)
    run.kill()
    with pytest.raises((AssertionError, KafkaError)):
        check(run.disk.after_cut(Random(0), 0.0), run.told, DURABLE)


def test_a_start_after_a_crash_reads_from_the_recovery_point_on(tmp_path: Path) -> None:
    config = LogConfig(segment_bytes=1 << 20, index_interval_bytes=4096)
    files = PowerFiles(Disk(str(tmp_path / "data")))
    folder, log = open_log(files, config)
    batch = encode_batch([Record(value=bytes(10_000))])
    for _ in range(300):  # almost three segments
        log.append_as_leader(batch, leader_epoch=0, now_ms=NOW_MS)
    log.flush()
    folder.checkpoint()
    for _ in range(5):
        log.append_as_leader(batch, leader_epoch=0, now_ms=NOW_MS)
    folder.abandon()
    files = PowerFiles(files.disk)
    folder, log = open_log(files, config)
    assert log.log_end_offset == 305
    # Those behind it, the one before it that the index names, and headers, indexes and checkpoints.
    assert files.bytes_read < 20 * len(batch)
    folder.abandon()


def test_a_recovery_point_beyond_what_there_is_is_not_believed(tmp_path: Path) -> None:
    """A checkpoint that belongs to an earlier log of that name, say: all of it is read and compared."""
    files = PowerFiles(Disk(str(tmp_path / "data")))
    folder, log = open_log(files, PAGE_CACHE)
    for _ in range(6):
        log.append_as_leader(encode_batch([Record(value=b"v")]), leader_epoch=0, now_ms=NOW_MS)
    folder.checkpoint()
    folder.abandon()
    top = files.disk.folders[files.disk.root].names
    top["recovery-point-offset-checkpoint"].data[:] = b"0\n1\nt 0 1000\n"
    names = files.disk.folders[log.folder].names
    names["00000000000000000000.log"].data[100] ^= 1  # in its second batch
    folder, log = open_log(PowerFiles(files.disk), PAGE_CACHE)
    assert (log.log_end_offset, log.recovery_point, log.flushed_offset) == (1, 0, 0)
    folder.abandon()
