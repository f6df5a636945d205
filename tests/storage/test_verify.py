"""Every kind of damage that is made by hand is found and named; folders that nothing is wrong with have no findings."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from klamm.storage.checkpoints import encode_partition_metadata, encode_properties, encode_uuid
from klamm.storage.config import LogConfig
from klamm.storage.files import read_file
from klamm.storage.folder import DataFolder
from klamm.storage.reading import ReadingFiles
from klamm.storage.verify import verify
from klamm.storage.verify_findings import MAX_EACH, Findings
from klamm.tools import log_command
from klamm.tools.cli import FailedError, UsageError, main
from klamm.wire.log_records.metadata_topics import TopicRecord

from .damaged_folder import (
    DIRECTORY_ID,
    OTHER_ID,
    TOPIC_ID,
    cut,
    flip,
    grow,
    make_folder,
    metadata_batch,
    new_metadata,
    patch,
    reseal,
    rewrite,
    segment,
    swap_halves,
    topic_records,
)

KAFKAS_FOLDER = Path(__file__).parent.parent / "data" / "kafka_data_folder"
Damage = Callable[[Path], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_folder(tmp_path / "data", topic_records())
    return tmp_path / "data"


#: check -> (file, damage). Each must be named among the findings, with that file.
DAMAGES: dict[str, tuple[str, Damage]] = {
    "batch-whole": ("2.log", lambda at: cut(segment(at, 2, ".log"), 5)),
    "batch-whole zeros": ("2.log", lambda at: grow(segment(at, 2, ".log"), bytes(100))),
    "batch-whole magic": ("2.log", lambda at: patch(segment(at, 2, ".log"), 16, b"\1")),
    "batch-crc": ("1.log", lambda at: flip(segment(at, 1, ".log"), 200)),
    "batch-offset": ("1.log", lambda at: patch(segment(at, 1, ".log"), 0, (9).to_bytes(8, "big"))),
    "record-format": ("0.log", lambda at: reseal(segment(at, 0, ".log"), 57, (9).to_bytes(4, "big"))),
    "record-offset": ("0.log", lambda at: reseal(segment(at, 0, ".log"), 65, b"\x06")),
    "segment-order": ("1.log", lambda at: patch(segment(at, 0, ".log"), 23, (9999).to_bytes(4, "big"))),
    "index-missing": ("0.timeindex", lambda at: segment(at, 0, ".timeindex").unlink()),
    "index-size": ("0.index", lambda at: grow(segment(at, 0, ".index"), b"abc")),
    "index-zeros": ("0.index", lambda at: grow(segment(at, 0, ".index"), bytes(16))),
    "index-order": ("0.index", lambda at: swap_halves(segment(at, 0, ".index"), 8)),
    "index-position": ("0.index", lambda at: flip(segment(at, 0, ".index"), 7)),
    "index-position end": ("2.index", lambda at: grow(segment(at, 2, ".index"), struct.pack(">ii", 9999, 99_999_999))),
    "index-offset": ("0.index", lambda at: flip(segment(at, 0, ".index"), 3)),
    "time-index-order": ("0.timeindex", lambda at: swap_halves(segment(at, 0, ".timeindex"), 12)),
    "time-index-offset": ("0.timeindex", lambda at: flip(segment(at, 0, ".timeindex"), 11)),
    "time-index-timestamp": ("0.timeindex", lambda at: flip(segment(at, 0, ".timeindex"), 7)),
    "time-index-end": ("0.timeindex", lambda at: cut(segment(at, 0, ".timeindex"), 12)),
    "txn-index-size": ("1.txnindex", lambda at: grow(segment(at, 1, ".txnindex"), b"a")),
    "txn-index-version": ("1.txnindex", lambda at: patch(segment(at, 1, ".txnindex"), 0, b"\0\7")),
    "txn-index-order": ("1.txnindex", lambda at: swap_halves(segment(at, 1, ".txnindex"), 34)),
    "txn-index-marker": ("1.txnindex", lambda at: flip(segment(at, 1, ".txnindex"), 25)),
    "txn-index-first-offset": ("1.txnindex", lambda at: flip(segment(at, 1, ".txnindex"), 17)),
    "txn-index-missing": ("1.txnindex", lambda at: segment(at, 1, ".txnindex").unlink()),
    "snapshot-format": ("1.snapshot", lambda at: flip(segment(at, 1, ".snapshot"), 30)),
    "snapshot-offset": (
        "00000000000000009999.snapshot",
        lambda at: shutil.copy(segment(at, 1, ".snapshot"), at / "t-0" / "00000000000000009999.snapshot") and None,
    ),
    "snapshot-offset within": (
        "00000000000000000003.snapshot",
        lambda at: shutil.copy(segment(at, 1, ".snapshot"), at / "t-0" / "00000000000000000003.snapshot") and None,
    ),
    "snapshot-producer": (
        "2.snapshot",
        lambda at: shutil.copy(segment(at, 1, ".snapshot"), segment(at, 2, ".snapshot")) and None,
    ),
    "epoch-batch": (
        "leader-epoch-checkpoint",
        lambda at: (at / "t-0" / "leader-epoch-checkpoint").write_text("0\n1\n0 0\n") and None,
    ),
    "epoch-offset": (
        "leader-epoch-checkpoint",
        lambda at: (
            rewrite(at / "t-0" / "leader-epoch-checkpoint", b"0\n2\n", b"0\n3\n")
            or grow(at / "t-0" / "leader-epoch-checkpoint", b"9 9999\n")
        ),
    ),
    "epoch-order": (
        "leader-epoch-checkpoint",
        lambda at: (at / "t-0" / "leader-epoch-checkpoint").write_text("0\n2\n1 130\n0 0\n") and None,
    ),
    "epoch-missing": ("leader-epoch-checkpoint", lambda at: (at / "t-0" / "leader-epoch-checkpoint").unlink()),
    "log-missing": ("t-0/", lambda at: [path.unlink() for path in (at / "t-0").glob("*.log")] and None),
    "leftover index": ("1.index", lambda at: segment(at, 1, ".log").rename(at / "t-0" / "x.deleted") and None),
    "leftover": ("a.tmp", lambda at: (at / "t-0" / "a.tmp").touch()),
    "leftover folder": ("t-1.0123-delete/", lambda at: (at / "t-1.0123-delete").mkdir()),
    "leftover of the folder": (
        "recovery-point-offset-checkpoint.tmp",
        lambda at: (at / "recovery-point-offset-checkpoint.tmp").touch(),
    ),
    "unknown-file": ("notes.txt", lambda at: (at / "t-0" / "notes.txt").touch()),
    "unknown-file of the folder": ("notes.txt", lambda at: (at / "notes.txt").touch()),
    "unknown-file a folder": ("notes/", lambda at: (at / "notes").mkdir()),
    "topic-id": (
        "partition.metadata",
        lambda at: (at / "t-0" / "partition.metadata").write_bytes(encode_partition_metadata(OTHER_ID)) and None,
    ),
    "topic-id-missing": ("partition.metadata", lambda at: (at / "t-0" / "partition.metadata").unlink()),
    "topic-id-format": (
        "partition.metadata",
        lambda at: (at / "t-0" / "partition.metadata").write_text("version: 9") and None,
    ),
    "topic-unknown": (
        "partition.metadata",
        lambda at: new_metadata(at, metadata_batch(TopicRecord(name="u", topic_id=TOPIC_ID))),
    ),
    "partition-unknown": (
        "partition.metadata",
        lambda at: new_metadata(at, metadata_batch(TopicRecord(name="t", topic_id=TOPIC_ID))),
    ),
    "partition-replica": ("partition.metadata", lambda at: new_metadata(at, topic_records(replicas=(2, 3)))),
    "partition-directory": ("partition.metadata", lambda at: new_metadata(at, topic_records(OTHER_ID))),
    "identity": ("meta.properties", lambda at: (at / "meta.properties").unlink()),
    "identity version": ("meta.properties", lambda at: rewrite(at / "meta.properties", b"version=1", b"version=0")),
    "identity node": ("meta.properties", lambda at: rewrite(at / "meta.properties", b"node.id=1", b"node.id=x")),
    "identity cluster": ("meta.properties", lambda at: rewrite(at / "meta.properties", b"cluster.id", b"cluster.it")),
    "identity directory": (
        "meta.properties",
        lambda at: rewrite(at / "meta.properties", b"directory.id=", b"directory.id=x"),
    ),
    "checkpoint-format": (
        "recovery-point-offset-checkpoint",
        lambda at: (at / "recovery-point-offset-checkpoint").write_text("0\n7\n") and None,
    ),
    "checkpoint-offset": (
        "replication-offset-checkpoint",
        lambda at: (at / "replication-offset-checkpoint").write_text("0\n1\nt 0 9999\n") and None,
    ),
    "checkpoint-partition": (
        "log-start-offset-checkpoint",
        lambda at: (at / "log-start-offset-checkpoint").write_text("0\n1\nu 4 1\n") and None,
    ),
}


def findings_of(folder: Path) -> list[tuple[str, str]]:
    findings, moving = verify(str(folder), deep=True)
    assert not moving
    assert all("\n" not in str(finding) for finding in findings)
    return [(finding.check, finding.path) for finding in findings]


def test_an_empty_checkpoint_is_no_finding(folder: Path) -> None:
    """Kafka makes the files before it has offsets to write into them."""
    for name in ("recovery-point", "replication", "log-start"):
        (folder / f"{name}-offset-checkpoint").write_bytes(b"")
    assert findings_of(folder) == []


@pytest.mark.parametrize("case", DAMAGES)
def test_damage_is_found_and_named(case: str, folder: Path) -> None:
    name, damage = DAMAGES[case]
    number, _, suffix = name.partition(".")
    if number in ("0", "1", "2"):
        name = segment(folder, int(number), f".{suffix}").name
    assert findings_of(folder) == []
    damage(folder)
    found = findings_of(folder)
    assert case.split()[0] in [check for check, path in found if path.endswith(name)], found


def test_kafkas_folder_has_no_findings() -> None:
    heard: list[tuple[int, int]] = []
    assert verify(str(KAFKAS_FOLDER), deep=True, on_progress=lambda *at: heard.append(at)) == ([], False)
    assert heard
    assert heard == [(done, len(heard)) for done in range(len(heard))]
    assert verify(str(KAFKAS_FOLDER / "written-by-kafka-0"), deep=True) == ([], False)


def test_a_partition_alone(folder: Path) -> None:
    assert findings_of(folder / "t-0") == []
    flip(segment(folder, 1, ".log"), 200)
    assert ("batch-crc", segment(folder, 1, ".log").name) in findings_of(folder / "t-0")


def test_a_log_whose_beginning_is_deleted_has_no_findings(folder: Path) -> None:
    data_folder = DataFolder(str(folder), node_id=1)
    log = data_folder.open("t", 0, LogConfig(segment_bytes=40_000), 1000)
    log.high_watermark = log.log_end_offset
    log.delete_before(log.segment_offsets[1] + 3)
    data_folder.close()
    assert len(list((folder / "t-0").glob("*.log"))) == 2
    assert findings_of(folder) == []
    assert findings_of(folder / "t-0") == []


def test_nothing_is_written(folder: Path) -> None:
    grow(segment(folder, 2, ".log"), b"torn")
    (folder / "t-0" / "x.tmp").touch()

    def content() -> dict[str, bytes | None]:
        return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}

    before = content()
    verify(str(folder), deep=True)
    assert content() == before
    files = ReadingFiles()
    path = str(folder / "meta.properties")
    fd = files.open(path)
    calls: list[Callable[[], object]] = [
        lambda: files.open(path, create=True),
        lambda: files.pwritev(fd, [b"x"], 0),
        lambda: files.truncate(fd, 0),
        lambda: files.rename(path, path + "x"),
        lambda: files.remove(path),
        lambda: files.make_folder(path + "x"),
        lambda: files.remove_folder(str(folder / "t-0")),
    ]
    for call in calls:
        with pytest.raises(OSError, match="for reading only"):
            call()
    files.close(fd)
    assert content() == before


#: Opens the folder, appends a batch whose last bytes are missing yet, says so, and waits for its stdin to end.
BROKER = """
import sys
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
folder = DataFolder(sys.argv[1], node_id=1)
log = folder.open("t", 0, LogConfig(segment_bytes=40_000), 1000)
with open(f"{sys.argv[1]}/t-0/{log.segment_offsets[-1]:020d}.log", "ab") as file:
    file.write(bytes(30))
print("open", flush=True)
sys.stdin.read()
"""


def test_while_a_broker_runs_the_tail_may_move(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BROKER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        assert verify(str(folder), deep=True) == ([], True)
        assert verify(str(folder / "t-0")) == ([], True)
        assert log_command.run(["verify", str(folder)]) == 0
        assert "may be moving" in capsys.readouterr().err
        flip(segment(folder, 1, ".log"), 200)
        assert [finding.check for finding in verify(str(folder))[0]] == ["batch-crc"]
        process.kill()
        process.wait(timeout=60)
    assert {check for check, _ in findings_of(folder)} == {"batch-crc", "batch-whole"}


def test_findings_are_bounded() -> None:
    findings = Findings()
    for number in range(MAX_EACH + 5):
        findings.add("a.log", "batch-crc", f"batch\n{number}")
    findings.add("b.log", "batch-crc", "another")
    lines = [str(finding) for finding in findings.finish()]
    assert len(lines) == MAX_EACH + 2
    assert lines[0] == "a.log: batch 0 [batch-crc]"
    assert lines[-1] == "a.log: and 5 more of these [batch-crc]"


def test_what_cannot_be_read_is_a_finding(folder: Path) -> None:
    segment(folder, 1, ".log").unlink()
    segment(folder, 0, ".timeindex").unlink()
    segment(folder, 0, ".timeindex").mkdir()
    found = findings_of(folder)
    assert ("unreadable", f"t-0/{segment(folder, 0, '.timeindex').name}") in found


def test_the_command(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log", "verify", str(folder)]) == 0
    assert capsys.readouterr() == ("", "nothing is wrong\n")
    flip(segment(folder, 0, ".index"), 7)
    assert main(["log", "verify", str(folder)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines
    assert all(line.startswith("t-0/00000000000000000000.index: ") for line in lines)
    assert main(["log", "verify", "--json", str(folder)]) == 1
    assert '"check": "index-' in capsys.readouterr().out
    with pytest.raises(FailedError, match="neither a data folder"):
        log_command.run(["verify", str(tmp_path)])
    with pytest.raises(FailedError, match="nowhere"):
        log_command.run(["verify", str(tmp_path / "nowhere")])
    with pytest.raises(UsageError, match="klamm log --help"):
        log_command.run(["mend"])


def test_the_made_folder_is_what_the_checks_need(folder: Path) -> None:
    """The damages speak of these files."""
    assert read_file(ReadingFiles(), str(segment(folder, 1, ".txnindex")))
    assert len(segment(folder, 1, ".txnindex").read_bytes()) >= 2 * 34
    assert len((folder / "t-0" / "leader-epoch-checkpoint").read_text().splitlines()) == 4
    assert encode_properties({"directory.id": encode_uuid(DIRECTORY_ID)}) in (folder / "meta.properties").read_bytes()
    assert os.path.exists(segment(folder, 2, ".snapshot"))


def test_every_check_is_damaged_here_and_in_the_docs() -> None:
    """`unreadable` has a test of its own."""
    root = Path(__file__).parent.parent.parent
    text = "".join(path.read_text() for path in (root / "storage").glob("verify*.py"))
    named = set(re.findall(r'"((?:[a-z]+-)+[a-z]+|identity|leftover)",', text))
    assert named - {"unreadable"} == {case.split()[0] for case in DAMAGES}
    table = (root / "docs" / "commands.md").read_text().split("## `klamm log verify`")[1].split("\n## ")[0]
    assert named | {"unreadable"} == set(re.findall(r"`([a-z-]+)`", table)) - {"leader-epoch-checkpoint", "--deep"}
