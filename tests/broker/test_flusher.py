"""Rolled segments get to the device while the loop goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from klamm.broker.flusher import INTERVAL_MS, flush, flush_when_due
from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.folder import DataFolder
from klamm.storage.log import Log
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, encode_batch

NOW_MS = 1_000


class Device(Files):
    """Counts what it was asked to sync, and by which thread; fails when told to."""

    def __init__(self) -> None:
        super().__init__()
        self.threads: list[int] = []
        self.broken = False

    def sync(self, fd: int) -> None:
        self.threads.append(threading.get_ident())
        if self.broken:
            raise OSError(5, "no such luck")


class OpenPartitions:
    """`Partitions` as the flusher sees them."""

    def __init__(self, *logs: Log) -> None:
        self._logs = logs

    def opened(self) -> Iterator[OpenPartitions]:
        for log in self._logs:
            self.log = log
            yield self


@pytest.fixture
def device() -> Device:
    return Device()


@pytest.fixture
def rolled(tmp_path: Path, device: Device) -> Iterator[Log]:
    """A log of two segments, the first of them complete."""
    folder = DataFolder(str(tmp_path), node_id=1, files=device)
    log = folder.create("t", 0, bytes(16), LogConfig(segment_bytes=300), NOW_MS)
    batch = encode_batch([Record(value=bytes(200), timestamp_ms=NOW_MS)])
    for _ in range(2):
        log.append_as_leader(batch, leader_epoch=0, now_ms=NOW_MS)
    assert len(log.segment_offsets) == 2
    device.threads.clear()
    yield log
    folder.abandon()


async def test_a_roll_is_flushed_in_a_worker_thread(
    rolled: Log, device: Device, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    assert rolled.has_unflushed_segments
    nursery.start_soon(flush_when_due, OpenPartitions(rolled), lambda: NOW_MS)
    while rolled.has_unflushed_segments:
        await trio.sleep(INTERVAL_MS / 1000)
    assert device.threads
    assert threading.get_ident() not in device.threads
    assert rolled.recovery_point > 0
    flushed = len(device.threads)
    await trio.sleep(5 * INTERVAL_MS / 1000)
    assert len(device.threads) == flushed


async def test_flush_ms_is_seen_to_and_changes_while_the_log_is_open(
    tmp_path: Path, device: Device, autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    folder = DataFolder(str(tmp_path), node_id=1, files=device)
    log = folder.create("t", 0, bytes(16), LogConfig(), NOW_MS)
    batch = encode_batch([Record(timestamp_ms=NOW_MS)])
    now_ms = NOW_MS
    nursery.start_soon(flush_when_due, OpenPartitions(log), lambda: now_ms, 10)
    for flush_ms in (5000, 100):
        log.configure(LogConfig(flush_ms=flush_ms))
        log.append_as_leader(batch, leader_epoch=0, now_ms=now_ms)
        assert not log.flush_is_due(now_ms + flush_ms - 1)
        now_ms += flush_ms
        while log.recovery_point < log.log_end_offset:
            await trio.sleep(0.01)
        assert log.last_flush_ms == now_ms
    assert log.log_end_offset == 2
    folder.abandon()


async def test_a_device_that_fails_fails_the_log(rolled: Log, device: Device) -> None:
    device.broken = True
    await flush(rolled, NOW_MS)
    assert rolled.recovery_point == 0
    with pytest.raises(KafkaError) as caught:
        rolled.append_as_leader(encode_batch([Record(timestamp_ms=NOW_MS)]), leader_epoch=0, now_ms=NOW_MS)
    assert caught.value.code == ErrorCode.KAFKA_STORAGE_ERROR
