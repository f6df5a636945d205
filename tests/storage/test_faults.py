"""Every change of the disk fails once, every write at every byte; then the log is opened again.

What was acknowledged is there, what was not is there whole or not at all, and offsets do not go back.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.log import Log
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, encode_batch

from .shorthand import everything

CONFIG = LogConfig(segment_bytes=230, index_interval_bytes=60)

#: (operation, argument): rolls, a truncation across segments, a removal, a flush, a new epoch, a clean end.
SCRIPT: list[tuple[str, Any]] = [
    ("append", (b"zero", 1)),
    ("append", (b"one", 1)),
    ("append", (b"two", 1)),
    ("flush", None),
    ("append", (b"three", 1)),
    ("append", (b"four", 2)),
    ("append", (b"five", 2)),
    ("append", (b"six", 2)),
    ("truncate", 2),
    ("append", (b"seven", 3)),
    ("append", (b"eight", 3)),
    ("delete", 3),
    ("append", (b"nine", 3)),
    ("close", None),
]


class Outcome:
    """What a caller of the log knows."""

    def __init__(self) -> None:
        self.values: dict[int, bytes] = {}  # acknowledged
        self.maybe: set[tuple[int, bytes]] = set()  # asked for, and answered with an error
        self.start = 0
        self.latest_start = 0
        self.saved = (0, 0)
        self.sequence = 0
        self.errors: list[ErrorCode] = []


def run(log: Log, outcome: Outcome) -> None:
    for operation, argument in SCRIPT:
        try:
            step(log, outcome, operation, argument)
        except KafkaError as error:
            outcome.errors.append(error.code)


def step(log: Log, outcome: Outcome, operation: str, argument: Any) -> None:
    if operation == "append":
        value, epoch = argument
        data = encode_batch(
            [Record(value=value, timestamp_ms=100)], producer_id=5, producer_epoch=0, base_sequence=outcome.sequence
        )
        end = log.log_end_offset
        try:
            info = log.append_as_leader(data, leader_epoch=epoch, now_ms=100)
        except KafkaError:
            outcome.maybe.add((end, value))
            raise
        outcome.values[info.base_offset] = value
        outcome.sequence += 1
        log.high_watermark = log.log_end_offset
    elif operation == "truncate":
        gone = {offset: value for offset, value in outcome.values.items() if offset >= argument}
        outcome.values = {offset: value for offset, value in outcome.values.items() if offset < argument}
        outcome.maybe |= gone.items()  # until it is done
        log.truncate_to(argument, 100)
        outcome.maybe -= gone.items()
        outcome.sequence = argument
    elif operation == "delete":
        outcome.latest_start = min(argument, log.high_watermark)
        outcome.start = log.delete_before(outcome.latest_start)
    elif operation == "flush":
        log.flush()
        outcome.saved = (log.recovery_point, log.log_start_offset)
    else:
        log.close()


def open_log(folder: Path, files: Files, outcome: Outcome) -> Log:
    def save() -> None:
        outcome.saved = (log.recovery_point, log.log_start_offset)

    log = Log(
        HandleCache(files, 16),
        str(folder),
        CONFIG,
        100,
        recovery_point=outcome.saved[0],
        log_start_offset=outcome.saved[1],
        checkpoint=save,
    )
    return log


def check(folder: Path, outcome: Outcome) -> None:
    """Opens the folder with files that work."""
    log = open_log(folder, Files(), outcome)
    got = dict(everything(log))
    assert outcome.start <= log.log_start_offset <= max(outcome.start, outcome.latest_start)
    for offset, value in outcome.values.items():
        if offset >= log.log_start_offset:
            assert got[offset] == value
    for offset, value in got.items():
        assert outcome.values.get(offset) == value or (offset, value) in outcome.maybe
    assert sorted(got) == list(range(log.log_start_offset, log.log_end_offset))
    # Its producer can go on where the log ends.
    entry = log.producers.entries.get(5)
    assert (entry.last_sequence + 1 if entry else 0) == log.log_end_offset
    assert (
        log.append_as_leader(
            encode_batch([Record(value=b"next")], producer_id=5, producer_epoch=0, base_sequence=log.log_end_offset),
            leader_epoch=9,
            now_ms=100,
        ).base_offset
        == max([*got, log.log_start_offset - 1]) + 1
    )
    log.discard()


@pytest.fixture
def recording(tmp_path: Path, failing_files: Any) -> Any:
    """The script with nothing failing: its steps and writes."""
    folder = tmp_path / "recording"
    outcome = Outcome()
    run(open_log(folder, failing_files, outcome), outcome)
    assert outcome.errors == []
    assert sorted(outcome.values) == [0, 1, 2, 3, 4]
    check(folder, outcome)
    return failing_files


def test_the_script_touches_every_kind_of_file(recording: Any) -> None:
    assert recording.steps > 40
    assert len(recording.written) > 15


@pytest.mark.parametrize("stays_down", [True, False], ids=["the disk is gone", "it fails once"])
def test_every_step_fails(tmp_path: Path, recording: Any, stays_down: bool) -> None:
    for number in range(1, recording.steps + 1):
        fail(tmp_path / str(number), type(recording), number, 0, stays_down)


@pytest.mark.parametrize("stays_down", [True, False], ids=["the disk is gone", "it fails once"])
def test_every_write_is_torn_at_every_byte(tmp_path: Path, recording: Any, stays_down: bool) -> None:
    for number, size in recording.written:
        for tear in range(1, size + 1):
            folder = tmp_path / f"{number}-{tear}"
            fail(folder, type(recording), number, tear, stays_down)
            shutil.rmtree(folder)


def fail(folder: Path, make_files: Callable[[], Any], number: int, tear: int, stays_down: bool) -> None:
    files = make_files()
    files.fail_at, files.tear, files.stays_down = number, tear, stays_down
    outcome = Outcome()
    try:
        log = open_log(folder, files, outcome)
    except KafkaError as error:
        outcome.errors.append(error.code)
    else:
        run(log, outcome)
        if not stays_down and log.failed is None:
            assert dict(everything(log)).items() <= outcome.values.items() | outcome.maybe
        log.discard()
        assert len(log._cache) == 0
    assert set(outcome.errors) == {ErrorCode.KAFKA_STORAGE_ERROR}
    check(folder, outcome)


def test_a_full_disk_refuses_and_recovers_when_there_is_room(tmp_path: Path, failing_files: Any) -> None:
    outcome = Outcome()
    log = open_log(tmp_path / "t-0", failing_files, outcome)
    batch = encode_batch([Record(value=b"x" * 50)])
    log.append_as_leader(batch, leader_epoch=0, now_ms=1)
    size = (tmp_path / "t-0" / f"{0:020d}.log").stat().st_size
    for tear in (0, 1, 60, 100):
        failing_files.fail_at, failing_files.tear, failing_files.stays_down = failing_files.steps + 1, tear, False
        with pytest.raises(KafkaError) as caught:
            log.append_as_leader(batch, leader_epoch=0, now_ms=1)
        assert caught.value.code is ErrorCode.KAFKA_STORAGE_ERROR
        assert (tmp_path / "t-0" / f"{0:020d}.log").stat().st_size == size
        assert log.log_end_offset == 1
    assert log.append_as_leader(batch, leader_epoch=0, now_ms=1).base_offset == 1
    assert len(everything(log)) == 2
    log.discard()
