"""A log that is opened in slices: what others see of it meanwhile, and what becomes of one that nobody waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from klamm.storage import checkpoints
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.storage.opening import LogOpening
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, encode_batch

TOPIC_ID = bytes(range(16))
CONFIG = LogConfig(segment_bytes=1_000)
BATCHES = 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The folder of a broker that was killed."""
    folder = DataFolder(str(tmp_path / "data"), node_id=1)
    log = folder.create("t", 0, TOPIC_ID, CONFIG, 1_000)
    for _ in range(BATCHES):
        log.append_as_leader(encode_batch([Record(value=bytes(60))]), leader_epoch=0, now_ms=1_000)
    folder.abandon()
    return tmp_path / "data"


@pytest.fixture
def reopen(path: Path) -> Iterator[Callable[[], DataFolder]]:
    opened: list[DataFolder] = []

    def build() -> DataFolder:
        for folder in opened:
            folder.abandon()
        opened.append(DataFolder(str(path), node_id=1))
        return opened[-1]

    yield build
    for folder in opened:
        folder.abandon()


@pytest.fixture(autouse=True)
def short_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each ends at the first batch."""
    monkeypatch.setattr("klamm.storage.opening.SLICE_S", 0.0)


def begun(folder: DataFolder, steps: int = 0) -> LogOpening:
    opening = folder.begin_opening("t", 0, CONFIG, 1_000)
    assert opening is not None
    for _ in range(steps):
        assert not opening.step()
    return opening


def has_mark(path: Path) -> bool:
    return (path / checkpoints.CLEAN_SHUTDOWN).exists()


def test_an_opening_has_as_many_slices_as_there_are_batches(reopen: Callable[[], DataFolder]) -> None:
    folder = reopen()
    opening = begun(folder, BATCHES)
    assert begun(folder) is opening
    assert folder.get("t", 0) is None
    assert folder.is_opening("t", 0)
    assert opening.step()
    log = folder.open("t", 0, CONFIG, 1_000)
    assert log is opening.result()
    assert (log.log_end_offset, folder.is_opening("t", 0)) == (BATCHES, False)
    assert folder.begin_opening("t", 0, CONFIG, 1_000) is None
    assert folder.begin_opening("u", 0, CONFIG, 1_000) is None


@pytest.mark.parametrize("steps", [0, 1, BATCHES // 2, BATCHES])
def test_who_cannot_wait_has_the_rest_done_at_once(reopen: Callable[[], DataFolder], steps: int) -> None:
    folder = reopen()
    opening = begun(folder, steps)
    changed = LogConfig(segment_bytes=2_000)
    log = folder.open("t", 0, changed, 1_000)
    assert (log.log_end_offset, log.config) == (BATCHES, changed)
    assert opening.step()  # who made slices learns that it is done
    folder.close()


@pytest.mark.parametrize("steps", [0, 1, BATCHES // 2, BATCHES])
def test_a_stop_in_the_middle_of_it_is_no_clean_one(reopen: Callable[[], DataFolder], path: Path, steps: int) -> None:
    folder = reopen()
    begun(folder, steps)
    folder.close()
    assert not has_mark(path)
    assert len(folder.cache.opened()) == 0
    assert reopen().open("t", 0, CONFIG, 1_000).log_end_offset == BATCHES


def test_a_stop_after_it_is_a_clean_one(reopen: Callable[[], DataFolder], path: Path) -> None:
    folder = reopen()
    opening = begun(folder)
    while not opening.step():
        pass
    folder.close()
    assert has_mark(path)
    assert reopen().open("t", 0, CONFIG, 1_000).log_end_offset == BATCHES


def test_what_is_deleted_meanwhile_is_gone(reopen: Callable[[], DataFolder]) -> None:
    folder = reopen()
    opening = begun(folder, 10)
    folder.delete("t", 0)
    assert opening.step()
    assert len(folder.cache.opened()) == 0
    log = folder.create("t", 0, TOPIC_ID, CONFIG, 1_000)
    assert (log.log_end_offset, folder.begin_opening("t", 0, CONFIG, 1_000)) == (0, None)


def test_what_cannot_be_opened_is_told_once_and_tried_again(reopen: Callable[[], DataFolder], path: Path) -> None:
    first = path / "t-0" / f"{0:020d}.log"
    data = first.read_bytes()
    first.write_bytes(data[:16] + b"\x01" + data[17:])  # a message set of magic 1
    folder = reopen()
    assert begun(folder).step()
    with pytest.raises(KafkaError) as refused:
        folder.open("t", 0, CONFIG, 1_000)
    assert refused.value.code == ErrorCode.KAFKA_STORAGE_ERROR
    first.write_bytes(data)
    assert folder.open("t", 0, CONFIG, 1_000).log_end_offset == BATCHES
