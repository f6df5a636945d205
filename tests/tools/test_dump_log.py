"""`klamm dump-log` prints what Kafka's DumpLogSegments prints of the same files; its own lines where no JDK is."""

from __future__ import annotations

import importlib.util
import json
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from klamm.tools import dump_log
from klamm.tools.dump_log_files import Report
from klamm.tools.log_decoders import compact_json
from klamm.wire.records import Record, encode_batch

from .dump_log_folders import LOG, odd_batches, write_folders

PEER = Path(__file__).parent.parent.parent / "compat_tests" / "kafka_peer" / "peer.py"


@pytest.fixture(scope="module")
def kafkas() -> Callable[..., subprocess.CompletedProcess[str]]:
    """kafkas(*arguments): what Kafka's own class makes of them."""
    spec = importlib.util.spec_from_file_location("kafka_peer", PEER)
    assert spec is not None
    assert spec.loader is not None
    module: ModuleType = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if reason := module.missing():
        pytest.skip(f"no real Kafka: {reason}")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(PEER), "run", "org.apache.kafka.tools.DumpLogSegments", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)

    return run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As `write_folders` fills it."""
    write_folders(tmp_path)
    return tmp_path


def files_of(folder: Path, *names: str) -> str:
    paths = [path for name in names for path in sorted((folder / name).iterdir()) if path.stem.isdigit()]
    return ",".join(map(str, paths))


#: Case -> (folders whose files are dumped, options).
CASES = {
    "deep": (("kafkas", "ours", "metadata"), ("--deep-iteration",)),
    "shallow": (("kafkas", "odd"), ()),
    "contents": (("odd", "ours"), ("--print-data-log",)),
    "contents only": (("odd", "ours"), ("--print-data-log", "--skip-record-metadata")),
    "offsets": (("offsets",), ("--offsets-decoder",)),
    "transactions": (("transactions",), ("--transaction-log-decoder",)),
    "shares": (("shares",), ("--share-group-state-decoder",)),
    "metadata": (("metadata", "quotas"), ("--cluster-metadata-decoder",)),
    "wrong decoder": (("odd",), ("--max-bytes", "61")),
    "max bytes": (("kafkas",), ("--max-bytes=3000", "--deep-iteration")),
    "verify": (("kafkas", "ours"), ("--verify-index-only",)),
    "sanity": (("kafkas",), ("--index-sanity-check",)),
    "damaged indexes": (("damaged",), ()),
    "compacted": (("compacted",), ()),
    "compacted, contents": (("compacted",), ("--print-data-log",)),
}


@pytest.mark.parametrize("case", CASES)
def test_the_lines_are_kafkas(
    case: str,
    folder: Path,
    kafkas: Callable[..., subprocess.CompletedProcess[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    names, options = CASES[case]
    arguments = [*options, "--files", files_of(folder, *names)]
    theirs = kafkas(*arguments)
    code = dump_log.run(arguments)
    ours = capsys.readouterr()
    # Kafka's messages for records of unknown types name its own classes.
    pairs = [
        (a, b) for a, b in zip(theirs.stdout.splitlines(), ours.out.splitlines(), strict=True) if "skipping." not in b
    ]
    assert pairs
    assert [a for a, _ in pairs] == [b for _, b in pairs]
    assert sorted(theirs.stderr.splitlines()) == sorted(ours.err.splitlines())
    assert theirs.returncode == code == 0


def dumped(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert dump_log.run(arguments) == 0
    return capsys.readouterr().out.splitlines()


def test_batches_and_records(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = dumped(capsys, "--print-data-log", "--files", str(folder / "odd" / LOG))
    assert lines[1:6] == [
        "Log starting offset: 0",
        "baseOffset: 0 lastOffset: 2 count: 3 baseSequence: 2147483646 lastSequence: 0 producerId: 4 producerEpoch: 1 "
        "partitionLeaderEpoch: -1 isTransactional: false isControl: false deleteHorizonMs: OptionalLong.empty "
        "position: 0 CreateTime: 2000 size: 152 magic: 2 compresscodec: none "
        f"crc: {int.from_bytes(odd_batches()[17:21], 'big')} isvalid: true",
        "| offset: 0 CreateTime: 1000 keySize: 1 valueSize: 50 sequence: 2147483646 headerKeys: [h1,h2] key: k "
        f"payload: {'v' * 50}",
        "| offset: 1 CreateTime: 900 keySize: -1 valueSize: 6 sequence: 2147483647 headerKeys: [] payload: w\u00e4rme",
        "| offset: 2 CreateTime: 2000 keySize: 1 valueSize: -1 sequence: 0 headerKeys: [] key: k",
    ]
    assert any("LogAppendTime: 77 " in line for line in lines)
    assert any("deleteHorizonMs: OptionalLong[5] " in line for line in lines)
    assert len([line for line in lines if line.endswith("isvalid: false")]) == 1
    assert lines[-1].startswith("Found ")
    assert lines[-1].endswith(f" invalid bytes at the end of {LOG}")


def test_indexes_snapshot_and_transactions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = dumped(capsys, "--files", files_of(folder, "kafkas", "ours"))
    assert "offset: 56 position: 4286" in lines
    assert "timestamp: 1700000001446 offset: 56" in lines
    assert (
        "producerId: 0 producerEpoch: 0 coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong.empty lastTimestamp: "
        "1700000010623 firstSequence: 397 lastSequence: 399 lastOffset: 399 offsetDelta: 2 timestamp: 1700000010623"
    ) in lines
    assert "version: 0 producerId: 7 firstOffset: 0 lastOffset: 3 lastStableOffset: 4" in lines


def test_a_compacted_log(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_log.run(["--deep-iteration", "--files", files_of(folder, "compacted")]) == 0
    captured = capsys.readouterr()
    batches = [line for line in captured.out.splitlines() if line.startswith("baseOffset: ")]
    assert any(" count: 0 " in line for line in batches)
    assert any(" count: 1 " in line for line in batches)
    assert any("deleteHorizonMs: OptionalLong[86401000] " in line for line in batches)
    assert all(line.endswith(" isvalid: true") for line in batches)
    # As Kafka's, it takes for damage the gaps, and time index entries of batches that are empty now.
    complaints = [line for line in captured.err.splitlines() if "is followed by" not in line]
    assert {line.partition(":")[0].partition(" in ")[0].strip() for line in complaints} == {
        "Non-consecutive offsets",
        "Found timestamp mismatch",
        "Index timestamp",
    }
    assert all(line.endswith("log timestamp: -1") for line in complaints if "Index timestamp" in line)


def test_decoders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def contents(name: str, option: str) -> list[str]:
        lines = dumped(capsys, option, "--skip-record-metadata", "--files", str(folder / name / LOG))
        return [line for line in lines if line.startswith("| ")]

    key = r'| key: {"type":"1","data":{"group":"g","topic":"t\nä","partition":1}}'
    offsets = contents("offsets", "--offsets-decoder")
    assert offsets[:2] == [
        key + ' payload: {"version":"4","data":{"offset":7,"leaderEpoch":2,"metadata":"","commitTimestamp":5}}',
        key + " payload: <DELETE>",
    ]
    assert '"subscription":{"topics":["t"],"userData":null,' in offsets[2]
    assert '"assignment":"AA=="' in offsets[2]
    assert offsets[3] == "| key: Unknown record type 999 at offset 3, skipping."
    assert (
        '"transactionPartitions":[{"topic":"t","partitionIds":[0,2]}]'
        in contents("transactions", "--transaction-log-decoder")[0]
    )
    assert '"groupId":"s"' in contents("shares", "--share-group-state-decoder")[0]
    assert '"value":2.0E7' in contents("quotas", "--cluster-metadata-decoder")[0]
    assert "Error at 1, skipping." in contents("quotas", "--cluster-metadata-decoder")[1]
    leader = dumped(capsys, "--cluster-metadata-decoder", "--files", str(folder / "metadata" / LOG))[3]
    assert leader.endswith(
        'LeaderChange: {"version":0,"leaderId":1,"voters":[{"voterId":1}],"grantingVoters":[{"voterId":1}]}'
    )


def test_decoder_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / LOG
    path.write_bytes(encode_batch([Record(b"\xff\x00", struct.pack(">q", -5))]))
    decoders = "org.apache.kafka.tools.api."
    arguments = ["--key-decoder-class", f"{decoders}DefaultDecoder", "--value-decoder-class", f"{decoders}LongDecoder"]
    assert dumped(capsys, *arguments, "--files", str(path))[-1].endswith(" key: ff00 payload: -5")


def test_json_has_the_same_values(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(folder / "offsets" / LOG)
    rows = [json.loads(line) for line in dumped(capsys, "--json", "--offsets-decoder", "--files", path)]
    assert [row["kind"] for row in rows] == ["log", "batch", *["record"] * 4]
    assert {row["file"] for row in rows} == {path}
    assert rows[1]["deleteHorizonMs"] is None
    assert rows[1]["isvalid"] is True
    assert rows[2]["key"]["data"]["partition"] == 1
    assert rows[2]["payload"]["data"]["offset"] == 7


def test_damage_is_told_at_the_end(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_log.run(["--files", files_of(folder, "damaged")]) == 0
    complaints = capsys.readouterr().err.splitlines()
    assert "  Index offset: 115, log offset: 116" in complaints
    assert "Indexed offset: 115, found log offset: 116" in complaints
    assert "  Index timestamp: 1700000001447, log timestamp: 1700000001446" in complaints
    assert list(Report().lines()) == []


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "This tool helps to parse a log file"),
        (["--files", "x.log", "--bogus"], "bogus is not a recognized option"),
        (["--files", "x.log", "--value-decoder-class", "my.Decoder"], "my.Decoder"),
        (["--files", "00000000000000000009.log"], "No such file"),
        (["--files", "00000000000000000009.index"], "No such file"),
    ],
)
def test_what_it_cannot_do_ends_with_1(
    arguments: list[str],
    complaint: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert dump_log.run(arguments) == 1
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        (LOG, bytes(100), "Found record size 0 smaller than minimum record overhead (14)"),
        ("00000000000000000000.snapshot", b"\0\1abcdefghij", "crc"),
        ("00000000000000000000.txnindex", b"\0\x05" + bytes(32), "version 5"),
        ("00000000000000000000.checkpoint", b"", "neither"),
    ],
)
def test_damaged_files_end_with_1(
    name: str, content: bytes, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    assert dump_log.run(["--files", str(tmp_path / name)]) == 1
    assert complaint in capsys.readouterr().err


def test_an_unknown_file_is_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert dump_log.run(["--files", str(tmp_path / "notes.txt")]) == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines() == [f"Dumping {tmp_path / 'notes.txt'}"]
    assert captured.err.splitlines() == [f"Ignoring unknown file {tmp_path / 'notes.txt'}"]


def test_compact_json_is_jacksons() -> None:
    assert compact_json({"a": [1, None, True, "\u00e4\n"], "b": 1e7, "c": 0.5}) == (
        '{"a":[1,null,true,"ä\\n"],"b":1.0E7,"c":0.5}'
    )
