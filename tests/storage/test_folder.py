"""The data folder: identity, lock, lazily opened partitions, checkpoints, and a folder that Kafka wrote."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from klamm.storage.config import LogConfig
from klamm.storage.files import Files
from klamm.storage.folder import SYNC_AT_ONCE_FROM
from klamm.storage.folder_identity import FolderLockedError, WrongFolderError
from klamm.storage.interface import LogEngine, PartitionLog
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import iter_records

from .shorthand import MakeBatch, OpenFolder, append

TOPIC_ID = bytes(range(16))


def test_the_file_engine_is_an_engine(open_folder: OpenFolder) -> None:
    engine: LogEngine = open_folder()
    log: PartitionLog = engine.create("t", 0, TOPIC_ID, LogConfig(), 1000)
    assert log.log_end_offset == 0
    assert engine.partitions() == [("t", 0)]


def test_identity(open_folder: OpenFolder, tmp_path: Path) -> None:
    folder = open_folder(cluster_id="5L6g3nShT-eMCtK--X86sw")
    directory_id = folder.directory_id
    text = (tmp_path / "data" / "meta.properties").read_text().splitlines()
    assert text[:3] == ["version=1", "node.id=1", "cluster.id=5L6g3nShT-eMCtK--X86sw"]
    folder.close()
    folder = open_folder()
    assert (folder.cluster_id, folder.directory_id) == ("5L6g3nShT-eMCtK--X86sw", directory_id)
    folder.close()
    for options in ({"node_id": 2}, {"cluster_id": "other"}):
        with pytest.raises(WrongFolderError):
            open_folder(**options)
    (tmp_path / "data" / "meta.properties").write_text("version=0\n")
    with pytest.raises(WrongFolderError):
        open_folder()


def test_a_new_cluster_id_is_made_up_and_kept(open_folder: OpenFolder) -> None:
    folder = open_folder()
    made_up = folder.cluster_id
    assert len(made_up) == 22
    folder.abandon()
    assert open_folder().cluster_id == made_up


def test_the_lock_names_its_owner(open_folder: OpenFolder, tmp_path: Path) -> None:
    open_folder()
    with pytest.raises(FolderLockedError) as caught:
        open_folder()
    assert caught.value.pid == os.getpid()
    script = (
        "import sys; from klamm.storage.folder import *; from klamm.storage.folder_identity import *\n"
        "try: DataFolder(sys.argv[1], node_id=1)\n"
        "except FolderLockedError as error: print(error)"
    )
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")], capture_output=True, text=True, timeout=30, check=True
    )
    assert out.stdout.strip() == f"{tmp_path / 'data'} is in use by process {os.getpid()}"


def test_a_closed_folder_is_unlocked(open_folder: OpenFolder) -> None:
    for _ in range(3):
        open_folder().close()


def test_partitions_are_listed_and_opened_at_first_touch(open_folder: OpenFolder, batch: MakeBatch) -> None:
    folder = open_folder()
    for topic, partition in (("a", 0), ("a-1", 0), ("a", 10), ("__consumer_offsets", 49)):
        append(folder.create(topic, partition, TOPIC_ID, LogConfig(), 1000), batch(topic.encode()))
    folder.close()
    folder = open_folder()
    assert folder.partitions() == [("__consumer_offsets", 49), ("a", 0), ("a", 10), ("a-1", 0)]
    assert folder.open_logs() == {}
    assert len(folder.cache) == 0
    assert folder.get("a", 10) is None
    log = folder.open("a", 10, LogConfig(), 1000)
    assert folder.get("a", 10) is folder.open("a", 10, LogConfig(), 1000) is log
    assert log.log_end_offset == log.high_watermark == log.recovery_point == 1
    assert folder.topic_id("a", 0) == TOPIC_ID
    with pytest.raises(KafkaError) as caught:
        folder.open("b", 0, LogConfig(), 1000)
    assert caught.value.code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def test_opening_reads_no_logs(open_folder: OpenFolder, batch: MakeBatch) -> None:
    class Counting(Files):
        opened: list[str] = []

        def open(self, path: str, *, create: bool = False) -> int:
            self.opened.append(os.path.basename(path))
            return super().open(path, create=create)

        def names(self, folder: str) -> list[str]:
            self.opened.append(folder)
            return super().names(folder)

    folder = open_folder()
    for number in range(50):
        append(folder.create("t", number, TOPIC_ID, LogConfig(), 1000), batch(b"x"))
    folder.close()
    Counting.opened.clear()
    folder = open_folder(files=Counting())
    assert len(Counting.opened) < 8
    assert not any(name.endswith((".log", ".index", "-0")) for name in Counting.opened)


@pytest.mark.parametrize("waits", [True, False])
def test_many_logs_are_closed_with_one_wait_for_the_device(
    open_folder: OpenFolder, batch: MakeBatch, waits: bool
) -> None:
    class Counting(Files):
        synced = everything = 0

        def sync(self, fd: int) -> None:
            self.synced += 1

        def sync_everything(self) -> bool:
            self.everything += 1
            return waits

    files = Counting()
    folder = open_folder(files=files)
    for number in range(SYNC_AT_ONCE_FROM):
        append(folder.create("t", number, TOPIC_ID, LogConfig(), 1000), batch(b"x"))
    folder.close()
    assert files.everything == 1
    assert files.synced < SYNC_AT_ONCE_FROM
    folder = open_folder()
    assert folder.was_clean
    logs = [folder.open("t", number, LogConfig(), 1000) for number in range(SYNC_AT_ONCE_FROM)]
    assert {log.recovery_point for log in logs} == {1 if waits else 0}
    assert {log.log_end_offset for log in logs} == {1}


def test_a_partition_is_created_once(open_folder: OpenFolder, batch: MakeBatch) -> None:
    folder = open_folder()
    log = folder.create("t", 0, TOPIC_ID, LogConfig(), 1000)
    append(log, batch(b"x"))
    assert folder.create("t", 0, TOPIC_ID, LogConfig(), 1000) is log
    with pytest.raises(KafkaError) as caught:
        folder.create("t", 0, bytes(16), LogConfig(), 1000)
    assert caught.value.code is ErrorCode.INCONSISTENT_TOPIC_ID


def test_deletion(open_folder: OpenFolder, batch: MakeBatch, tmp_path: Path) -> None:
    folder = open_folder()
    log = folder.create("t", 0, TOPIC_ID, LogConfig(), 1000)
    append(log, batch(b"x"))
    other = folder.create("u" * 249, 0, TOPIC_ID, LogConfig(), 1000)
    append(other, batch(b"y"))
    held = log.read(0, 1000, max_offset=1)
    folder.delete("t", 0)
    folder.delete("t", 0)
    folder.delete("u" * 249, 0)
    assert [record.value for record in iter_records(held.read())] == [b"x"]
    held.release()
    assert len(folder.cache) == 0
    assert folder.partitions() == []
    assert folder.deleted.take_due(0) == []
    assert folder.deleted.take_due(59_999) == []
    condemned = folder.deleted.take_due(60_000)
    assert sorted(condemned) == sorted(str(path) for path in (tmp_path / "data").iterdir() if path.is_dir())
    assert all(len(Path(path).name) <= 255 and path.endswith("-delete") for path in condemned)
    folder.unlink(condemned)
    assert [path.name for path in (tmp_path / "data").iterdir() if path.is_dir()] == []
    with pytest.raises(KafkaError):
        append(log, batch(b"x"))
    log = folder.create("t", 0, TOPIC_ID, LogConfig(), 1000)
    assert append(log, batch(b"z")) == 0


def test_what_a_crash_left_of_a_deletion_is_removed(open_folder: OpenFolder, tmp_path: Path) -> None:
    condemned = tmp_path / "data" / "t-0.0123456789abcdef-delete"
    condemned.mkdir(parents=True)
    (condemned / f"{0:020d}.log").write_bytes(b"x")
    (tmp_path / "data" / "not a partition").mkdir()
    folder = open_folder()
    assert folder.partitions() == []
    assert not condemned.exists()
    assert (tmp_path / "data" / "not a partition").exists()


def test_the_mark_of_a_clean_end(open_folder: OpenFolder, batch: MakeBatch, tmp_path: Path) -> None:
    mark = tmp_path / "data" / ".kafka_cleanshutdown"
    folder = open_folder()
    assert not folder.was_clean
    append(folder.create("t", 0, TOPIC_ID, LogConfig(), 1000), batch(b"x"))
    folder.close()
    assert mark.read_text() == '{"version":0,"brokerEpoch":-1}'
    folder = open_folder()
    assert folder.was_clean
    assert not mark.exists()
    folder.abandon()
    folder = open_folder()
    assert not folder.was_clean
    assert folder.open("t", 0, LogConfig(), 1000).log_end_offset == 1


def test_a_log_that_failed_leaves_no_mark(open_folder: OpenFolder, tmp_path: Path) -> None:
    folder = open_folder()
    folder.create("t", 0, TOPIC_ID, LogConfig(), 1000).failed = "told to"
    folder.close()
    assert not (tmp_path / "data" / ".kafka_cleanshutdown").exists()


def test_checkpoints_keep_what_they_said_of_untouched_partitions(
    open_folder: OpenFolder, batch: MakeBatch, tmp_path: Path
) -> None:
    folder = open_folder()
    for number in range(3):
        log = folder.create("t", number, TOPIC_ID, LogConfig(), 1000)
        for _ in range(5):
            append(log, batch(b"x"))
        log.delete_before(number)
    folder.close()
    folder = open_folder()
    append(folder.open("t", 1, LogConfig(), 1000), batch(b"x"))
    folder.checkpoint()
    texts = {
        name: (tmp_path / "data" / f"{name}-checkpoint").read_text()
        for name in ("recovery-point-offset", "log-start-offset", "replication-offset")
    }
    assert texts == {
        "recovery-point-offset": "0\n3\nt 0 5\nt 1 5\nt 2 5\n",
        "log-start-offset": "0\n2\nt 1 1\nt 2 2\n",
        "replication-offset": "0\n3\nt 0 5\nt 1 6\nt 2 5\n",
    }
    folder.flush()
    assert "t 1 6" in (tmp_path / "data" / "recovery-point-offset-checkpoint").read_text()


def test_the_start_that_delete_records_moved_survives_a_kill(open_folder: OpenFolder, batch: MakeBatch) -> None:
    folder = open_folder()
    log = folder.create("t", 0, TOPIC_ID, LogConfig(), 1000)
    for _ in range(5):
        append(log, batch(b"x"))
    log.delete_before(3)
    folder.abandon()
    assert open_folder().open("t", 0, LogConfig(), 1000).log_start_offset == 3


def test_damaged_checkpoints_cost_a_longer_recovery_only(
    open_folder: OpenFolder, batch: MakeBatch, tmp_path: Path
) -> None:
    folder = open_folder()
    append(folder.create("t", 0, TOPIC_ID, LogConfig(), 1000), batch(b"x"))
    folder.close()
    (tmp_path / "data" / "recovery-point-offset-checkpoint").write_bytes(b"0\n7\n")
    (tmp_path / "data" / ".kafka_cleanshutdown").unlink()
    assert open_folder().open("t", 0, LogConfig(), 1000).log_end_offset == 1


def test_a_thousand_partitions_within_256_descriptors(tmp_path: Path) -> None:
    script = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.wire.records import Record, encode_batch
config = LogConfig(segment_bytes=100)
batch = encode_batch([Record(value=b"x")])
def run(expected, clean):
    folder = DataFolder(sys.argv[1], node_id=1)
    assert folder.was_clean is clean
    for number in range(1000):
        log = folder.create("t", number, bytes(16), config, 1)
        assert log.log_end_offset == expected, (number, log.log_end_offset)
        for _ in range(3):
            log.append_as_leader(batch, leader_epoch=0, now_ms=1)
        assert len(log.segment_offsets) == expected + 3
        assert len(folder.cache) <= 128
    return folder
run(0, False).abandon()
run(3, False).close(sync=False)
run(6, True).abandon()
print("ok")
"""
    out = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")], capture_output=True, text=True, timeout=120, check=False
    )
    assert (out.stdout, out.stderr) == ("ok\n", "")


def test_a_clean_end_does_not_vouch_for_a_log_that_an_unclean_one_left(
    open_folder: OpenFolder, batch: MakeBatch, tmp_path: Path
) -> None:
    folder = open_folder()
    append(folder.create("t", 0, TOPIC_ID, LogConfig(), 1000), batch(b"x"))
    append(folder.open("t", 0, LogConfig(), 1000), batch(b"y"))
    folder.abandon()
    path = tmp_path / "data" / "t-0" / "00000000000000000000.log"
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1  # as a power failure may leave it: the file is long enough, its last page was never written
    path.write_bytes(damaged)
    open_folder().close()  # touches nothing, and ends well
    folder = open_folder()
    assert folder.was_clean
    assert folder.open("t", 0, LogConfig(), 1000).log_end_offset == 1
