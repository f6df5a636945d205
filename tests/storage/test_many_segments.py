"""Ten thousand segments where a process may open 1,024 files: all are read, looked up and appended to."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.folder import DataFolder
from klamm.storage.segment import LOG_SUFFIX, file_name
from klamm.wire.records import Record, encode_batch, iter_records

PARTITIONS = 4
SEGMENTS = 2_500
LIMIT = 1_024
TIMEOUT_S = 120
TOPIC = "many"
FIRST_MS = 1_000_000


class Counted(Files):
    """Knows how many descriptors are open, and how many were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.open_now = self.most = 0

    def open(self, path: str, *, create: bool = False) -> int:
        fd = super().open(path, create=create)
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        return fd

    def close(self, fd: int) -> None:
        super().close(fd)
        self.open_now -= 1


def value(partition: int, offset: int) -> bytes:
    return b"%d-%d" % (partition, offset)


def one_batch(partition: int, offset: int) -> bytes:
    record = Record(b"k", value(partition, offset), timestamp_ms=FIRST_MS + offset)
    return encode_batch([record], base_offset=offset, partition_leader_epoch=0)


def make(folder: Path) -> None:
    """Partitions of segments with a batch each and no indexes, as an administrator may leave them."""
    for partition in range(PARTITIONS):
        path = folder / f"{TOPIC}-{partition}"
        path.mkdir(parents=True)
        for offset in range(SEGMENTS):
            (path / file_name(offset, LOG_SUFFIX)).write_bytes(one_batch(partition, offset))
        (path / "leader-epoch-checkpoint").write_text("0\n1\n0 0\n")
    ends = "".join(f"{TOPIC} {partition} {SEGMENTS}\n" for partition in range(PARTITIONS))
    (folder / "recovery-point-offset-checkpoint").write_text(f"0\n{PARTITIONS}\n{ends}")
    (folder / ".kafka_cleanshutdown").write_text('{"version":0,"brokerEpoch":-1}')


def use(path: str) -> None:
    """In a process of its own, whose limit is lowered for good."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    files = Counted()
    folder = DataFolder(path, node_id=1, files=files)
    config = LogConfig(retention_ms=-1, segment_bytes=200)
    logs = [folder.open(TOPIC, partition, config, FIRST_MS) for partition in range(PARTITIONS)]
    for log in logs:
        assert (log.log_start_offset, log.log_end_offset) == (0, SEGMENTS)
        assert log.apply_retention(FIRST_MS) == 0
    # The partitions in turn, so that none keeps its files open.
    for offset in range(SEGMENTS):
        for partition, log in enumerate(logs):
            found = log.read(offset, 1_000, max_offset=SEGMENTS)
            assert [record.value for record in iter_records(found.read())] == [value(partition, offset)]
            found.release()
    for partition, log in enumerate(logs):
        log.high_watermark = log.log_end_offset
        for offset in (0, 1, SEGMENTS // 2, SEGMENTS - 1):
            assert log.offset_for_timestamp(FIRST_MS + offset).offset == offset
        assert log.max_timestamp_offset().offset == SEGMENTS - 1
        for offset in range(SEGMENTS, SEGMENTS + 50):
            batch = encode_batch([Record(b"k", value(partition, offset), timestamp_ms=FIRST_MS + offset)])
            assert log.append_as_leader(batch, leader_epoch=0, now_ms=FIRST_MS).base_offset == offset
        log.high_watermark = log.log_end_offset
        assert log.delete_before(SEGMENTS) == SEGMENTS
        assert len(log.segment_offsets) <= 51
    folder.close(sync=False)
    bound = folder.cache.limit
    assert bound <= LIMIT // 2
    # Small files, such as a snapshot while a segment is rolled, are opened beside those of the cache.
    assert files.most <= bound + 2, files.most
    assert files.open_now == 0, files.open_now
    print("all of them")


def test_ten_thousand_segments_with_a_thousand_descriptors(tmp_path: Path) -> None:
    make(tmp_path)
    command = [sys.executable, "-m", "tests.storage.test_many_segments", str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=TIMEOUT_S, env=os.environ.copy())
    assert done.stdout == "all of them\n", done.stderr


if __name__ == "__main__":
    use(sys.argv[1])
