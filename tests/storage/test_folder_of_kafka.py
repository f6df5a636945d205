"""A folder that Apache Kafka wrote: it opens, and what klamm makes of it is to the byte what Kafka made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.interface import TimestampOffset
from klamm.wire.records import iter_records

from .shorthand import OpenFolder, read_records

KAFKAS_FOLDER = Path(__file__).parent.parent / "data" / "kafka_data_folder"


@pytest.fixture
def kafkas_folder(tmp_path: Path) -> Path:
    """A copy of a folder that Apache Kafka 4.3.1 wrote and closed: 400 idempotent records, one segment."""
    return Path(shutil.copytree(KAFKAS_FOLDER, tmp_path / "data"))


def test_a_folder_that_kafka_wrote_opens(kafkas_folder: Path, open_folder: OpenFolder) -> None:
    folder = open_folder(cluster_id="5L6g3nShT-eMCtK--X86sw")
    assert folder.was_clean
    assert folder.partitions() == [("written-by-kafka", 0)]
    log = folder.open("written-by-kafka", 0, LogConfig(), 1_700_000_100_000)
    assert log.log_end_offset == log.high_watermark == log.recovery_point == 400
    assert [record.key for record in read_records(log)] == [b"k%d" % number for number in range(400)]
    (entry,) = log.producers.entries.values()
    assert (entry.epoch, entry.last_sequence) == (0, 399)
    assert log.leader_epochs.rows == [(0, 0)]
    records = list(iter_records((kafkas_folder / "written-by-kafka-0" / f"{0:020d}.log").read_bytes()))
    latest = max(records, key=lambda record: record.timestamp_ms)
    assert log.max_timestamp_offset() == TimestampOffset(latest.timestamp_ms, latest.offset, 0)
    for wanted in records[::37]:
        first = next(record for record in records if record.timestamp_ms >= wanted.timestamp_ms)
        assert log.offset_for_timestamp(wanted.timestamp_ms) == TimestampOffset(first.timestamp_ms, first.offset, 0)


@pytest.mark.parametrize("lost", ["nothing", "indexes", "everything but the log"])
def test_the_files_made_from_kafkas_log_are_kafkas_to_the_byte(
    kafkas_folder: Path, open_folder: OpenFolder, lost: str
) -> None:
    partition = kafkas_folder / "written-by-kafka-0"
    expected = {path.name: path.read_bytes() for path in partition.iterdir()}
    assert len(expected[f"{0:020d}.index"]) > 8 * 4
    for path in list(partition.iterdir()):
        if (
            "index" in path.name
            if lost == "indexes"
            else lost != "nothing" and path.suffix not in (".log", ".metadata")
        ):
            path.unlink()
    if lost != "nothing":
        (kafkas_folder / ".kafka_cleanshutdown").unlink()
        (kafkas_folder / "recovery-point-offset-checkpoint").unlink()
    folder = open_folder()
    folder.open("written-by-kafka", 0, LogConfig(), 1_700_000_100_000)
    folder.close()
    assert {path.name: path.read_bytes() for path in partition.iterdir()} == expected


def test_indexes_that_kafka_left_open_are_made_again(kafkas_folder: Path, open_folder: OpenFolder) -> None:
    """Kafka maps its indexes at 10 MiB; a kill leaves them so, zeros behind the entries."""
    partition = kafkas_folder / "written-by-kafka-0"
    expected = {path.name: path.read_bytes() for path in partition.iterdir()}
    for suffix in (".index", ".timeindex"):
        with open(partition / f"{0:020d}{suffix}", "r+b") as file:
            file.truncate(10_485_760)
    (kafkas_folder / ".kafka_cleanshutdown").unlink()
    folder = open_folder()
    assert folder.open("written-by-kafka", 0, LogConfig(), 1_700_000_100_000).log_end_offset == 400
    folder.close()
    assert {path.name: path.read_bytes() for path in partition.iterdir()} == expected
