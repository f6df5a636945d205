"""Transactions while the disk fails: at every step, and with every write torn. Then the log is opened again.

What read_committed readers are told agrees with the batches that are there: no aborted transaction is forgotten, none
is made up, and an open one is open. KLAMM_TORN_BYTES=1 tears at every byte, not at a few.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, decode_end_txn_marker, encode_batch, encode_end_txn_marker, iter_records

from .shorthand import read_batches

CONFIG = LogConfig(segment_bytes=420, index_interval_bytes=60, retention_ms=-1)
NOW_MS = 100
STRIDE = 1 if os.environ.get("KLAMM_TORN_BYTES") else 23

#: (operation, producer or offset). Aborts in four segments, one of them cut off and made anew, and one left open.
SCRIPT: list[tuple[str, int]] = [
    ("put", 7),
    ("put", 8),
    ("abort", 7),
    ("put", 7),
    ("flush", 0),
    ("commit", 8),
    ("abort", 7),
    ("put", 8),
    ("put", 7),
    ("abort", 8),
    ("flush", 0),
    ("abort", 7),
    ("put", 9),
    ("abort", 9),
    ("truncate", 11),
    ("put", 8),
    ("abort", 9),
    ("abort", 8),
    ("delete", 3),
    ("put", 7),
    ("put", 8),
    ("abort", 8),
    ("close", 0),
]


class Bench:
    """A log on files that may fail, and what its caller knows of it."""

    def __init__(self, folder: Path, files: Files) -> None:
        self.folder = folder
        self.saved = (0, 0)
        #: Acknowledged, by offset; how far the log was ever meant to be cut.
        self.known: dict[int, tuple[int, str]] = {}
        self.start = 0
        self.errors: list[ErrorCode] = []
        self.log = self.open(files)

    def open(self, files: Files) -> Log:
        recovery_point, start = self.saved
        return Log(
            HandleCache(files, 16),
            str(self.folder),
            CONFIG,
            NOW_MS,
            recovery_point=recovery_point,
            log_start_offset=start,
            checkpoint=self.save,
        )

    def save(self) -> None:
        if hasattr(self, "log"):
            self.saved = self.log.recovery_point, self.log.log_start_offset

    def run(self) -> None:
        for operation, argument in SCRIPT:
            try:
                self.step(operation, argument)
            except KafkaError as error:
                self.errors.append(error.code)

    def step(self, operation: str, argument: int) -> None:
        log = self.log
        if operation == "put":
            entry = log.producers.entries.get(argument)
            sequence = 0 if entry is None else entry.last_sequence + 1
            data = encode_batch(
                [Record(b"k", b"v", timestamp_ms=NOW_MS)],
                producer_id=argument,
                producer_epoch=0,
                base_sequence=sequence,
                transactional=True,
            )
            self.known[log.append_as_leader(data, leader_epoch=0, now_ms=NOW_MS).base_offset] = argument, operation
        elif operation in ("abort", "commit"):
            marker = encode_end_txn_marker(
                commit=operation == "commit",
                producer_id=argument,
                producer_epoch=0,
                coordinator_epoch=0,
                timestamp_ms=NOW_MS,
            )
            info = log.append_as_leader(marker, leader_epoch=0, now_ms=NOW_MS, origin=Origin.COORDINATOR)
            self.known[info.base_offset] = argument, operation
        elif operation == "truncate":
            self.known = {offset: what for offset, what in self.known.items() if offset < argument}
            log.truncate_to(argument, NOW_MS)
        elif operation == "delete":
            self.start = min(argument, log.log_end_offset)
            log.delete_before(self.start)
        elif operation == "flush":
            log.flush()
            self.save()
        else:
            log.close()
        log.high_watermark = log.log_end_offset


def told_by_the_batches(log: Log) -> tuple[dict[int, tuple[int, str]], list[tuple[int, int, int]], dict[int, int]]:
    """What lies at each offset, the aborted transactions, and the first offsets of the open ones by producer."""
    what: dict[int, tuple[int, str]] = {}
    aborted: list[tuple[int, int, int]] = []
    begun: dict[int, int] = {}
    for header, data in read_batches(log):
        producer = header.producer_id
        if not header.is_control:
            begun.setdefault(producer, header.base_offset)
            what[header.base_offset] = producer, "put"
            continue
        (record,) = iter_records(data)
        marker = decode_end_txn_marker(record)
        assert marker is not None
        first = begun.pop(producer, None)
        what[header.base_offset] = producer, "commit" if marker[0] else "abort"
        if first is not None and not marker[0]:
            aborted.append((producer, first, header.base_offset))
    return what, aborted, begun


def agree(log: Log, aborted: list[tuple[int, int, int]]) -> None:
    """Of a transaction that began before the start of the log the batches tell the rest only, if there is one."""
    start = log.log_start_offset
    told = [row[:3] for row in log.aborted_transactions(start, log.log_end_offset)]
    whole = {(producer, marker): first for producer, first, marker in told}
    assert [row for row in told if row[1] >= start] == [row for row in aborted if whole[row[0], row[2]] >= start]


def check(bench: Bench) -> None:
    log = bench.open(Files())
    log.high_watermark = log.log_end_offset
    what, aborted, begun = told_by_the_batches(log)
    start, end = log.log_start_offset, log.log_end_offset
    assert start <= bench.start
    assert {offset: known for offset, known in bench.known.items() if offset >= start}.items() <= what.items()
    assert sorted(what) == list(range(start, end))
    agree(log, aborted)
    assert set(begun.values()) <= set(log.producers.open_transactions) | {start}
    if begun:
        assert log.last_stable_offset == max(start, min(log.producers.open_transactions))
    else:
        assert log.last_stable_offset == end
    # What is ended now is told of too, and again after a clean end.
    bench.log = log
    for producer in sorted(begun):
        bench.step("abort", producer)
    bench.saved = log.log_end_offset, log.log_start_offset
    log.close(sync=False)
    again = bench.open(Files())
    again.high_watermark = again.log_end_offset
    agree(again, told_by_the_batches(again)[1])
    assert again.last_stable_offset == again.log_end_offset
    again.discard()


@pytest.fixture
def recording(tmp_path: Path, failing_files: Any) -> Any:
    """The script with nothing failing: its steps and writes."""
    bench = Bench(tmp_path / "recording", failing_files)
    bench.run()
    assert bench.errors == []
    assert len(list(bench.folder.glob("*.txnindex"))) >= 3
    bench.saved = bench.log.recovery_point, bench.log.log_start_offset
    check(bench)
    return failing_files


def fail(folder: Path, make_files: Callable[[], Any], number: int, tear: int, stays_down: bool) -> None:
    files = make_files()
    files.fail_at, files.tear, files.stays_down = number, tear, stays_down
    try:
        bench = Bench(folder, files)
    except KafkaError:
        return  # there is no log yet
    bench.run()
    bench.log.discard()
    assert set(bench.errors) == {ErrorCode.KAFKA_STORAGE_ERROR}
    check(bench)
    shutil.rmtree(folder)


@pytest.mark.parametrize("stays_down", [True, False], ids=["the disk is gone", "it fails once"])
def test_every_step_fails_and_every_write_is_torn(tmp_path: Path, recording: Any, stays_down: bool) -> None:
    for number in range(1, recording.steps + 1):
        fail(tmp_path / str(number), type(recording), number, 0, stays_down)
    for number, size in recording.written:
        for tear in sorted({1, size - 1, size, *range(STRIDE, size, STRIDE)}):
            fail(tmp_path / f"{number}-{tear}", type(recording), number, tear, stays_down)
