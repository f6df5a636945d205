"""`klamm dump-log` prints what Kafka's DumpLogSegments prints of the same files; its own lines where no JDK is."""

from __future__ import annotations

import importlib.util
import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.tools import dump_log
from klamm.tools.dump_log_files import Report
from klamm.tools.log_decoders import compact_json
from klamm.wire.batches import DELETE_HORIZON_FLAG, batch_checksum
from klamm.wire.codec import encode
from klamm.wire.compression import Codec
from klamm.wire.log_records import classic_group, metadata_security, share_state, transaction
from klamm.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker

DATA = Path(__file__).parent.parent / "data"
KAFKAS_PARTITION = DATA / "kafka_data_folder" / "written-by-kafka-0"
PEER = Path(__file__).parent.parent.parent / "compat_tests" / "kafka_peer" / "peer.py"
LOG = "00000000000000000000.log"


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


def coordinator_key(message: object, record_type: int) -> bytes:
    return struct.pack(">h", record_type) + encode(message, 0)  # type: ignore[arg-type]


def coordinator_value(message: object, version: int) -> bytes:
    return struct.pack(">h", version) + encode(message, version)  # type: ignore[arg-type]


def offset_records() -> list[Record]:
    member = classic_group.MemberMetadata(
        member_id="m",
        client_id="c",
        client_host="/127.0.0.1",
        subscription=coordinator_value(ConsumerProtocolSubscription(topics=["t"]), 3),
        assignment=b"\0",
    )
    group = classic_group.GroupMetadataValue(
        protocol_type="consumer", generation=3, protocol="range", leader="m", members=[member]
    )
    key = coordinator_key(classic_group.OffsetCommitKey(group="g", topic="t\n\u00e4", partition=1), 1)
    value = classic_group.OffsetCommitValue(offset=7, leader_epoch=2, metadata="", commit_timestamp=5)
    return [
        Record(key, coordinator_value(value, 4), timestamp_ms=1),
        Record(key, None, timestamp_ms=1),
        Record(coordinator_key(classic_group.GroupMetadataKey(group="g"), 2), coordinator_value(group, 3)),
        Record(b"\x03\xe7rest", b"", timestamp_ms=1),
    ]


def transaction_records() -> list[Record]:
    value = transaction.TransactionLogValue(
        producer_id=9,
        producer_epoch=1,
        transaction_timeout_ms=60_000,
        transaction_status=1,
        transaction_partitions=[transaction.PartitionsSchema(topic="t", partition_ids=[0, 2])],
    )
    key = coordinator_key(transaction.TransactionLogKey(transactional_id="x"), 0)
    return [Record(key, coordinator_value(value, 1)), Record(key, coordinator_value(value, 0))]


def share_records() -> list[Record]:
    key = share_state.ShareSnapshotKey(group_id="s", topic_id=bytes(range(16)), partition=0)
    value = share_state.ShareSnapshotValue(
        snapshot_epoch=1,
        start_offset=5,
        state_batches=[share_state.StateBatch(first_offset=5, last_offset=9, delivery_state=2, delivery_count=1)],
    )
    return [Record(coordinator_key(key, 0), coordinator_value(value, 0))]


def quota_batch() -> bytes:
    """Metadata with a large double, which Java shows with an exponent, and a record of no known type."""
    quota = metadata_security.ClientQuotaRecord(
        entity=[metadata_security.EntityData(entity_type="user", entity_name="a")], key="producer_byte_rate", value=2e7
    )
    value = b"\x01\x0e\x00" + encode(quota, 0)
    return encode_batch([Record(value=value), Record(value=b"\x01\x63\x00\x00")], partition_leader_epoch=3)


def odd_batches() -> bytes:
    """Every codec, headers, a gap, LogAppendTime, a delete horizon, a wrong checksum, and half a batch."""
    out = b""
    for codec in Codec:
        records = [
            Record(b"k", b"v" * 50, (("h1", b"x"), ("h2", None)), timestamp_ms=1000 + codec),
            Record(None, "w\u00e4rme".encode(), timestamp_ms=900),
            Record(b"k", None, timestamp_ms=2000),
        ]
        out += encode_batch(
            records, base_offset=10 * codec, codec=codec, producer_id=4, producer_epoch=1, base_sequence=2**31 - 2
        )
    out += encode_batch([Record(b"k", b"v")], base_offset=60, log_append_time_ms=77)
    horizon = bytearray(encode_batch([Record(b"k", b"v", timestamp_ms=5)], base_offset=61))
    horizon[22] |= DELETE_HORIZON_FLAG
    horizon[17:21] = batch_checksum(horizon).to_bytes(4, "big")
    wrong = bytearray(encode_batch([Record(b"k", b"v")], base_offset=62))
    wrong[17] ^= 1
    return out + bytes(horizon) + bytes(wrong) + encode_batch([Record(b"k", b"half")], base_offset=63)[:-3]


FILES: dict[str, Callable[[], bytes]] = {
    "offsets": lambda: encode_batch(offset_records()),
    "transactions": lambda: encode_batch(transaction_records()),
    "shares": lambda: encode_batch(share_records()),
    "quotas": quota_batch,
    "odd": odd_batches,
    "metadata": (DATA / "kafka_cluster_metadata.log").read_bytes,
}


def compacted_partition(folder: Path) -> None:
    """Thinned and empty batches, gaps, delete horizons, an aborted transaction, indexes made anew."""
    config = LogConfig(cleanup_policy=("compact",), segment_bytes=3000, index_interval_bytes=300)
    data_folder = DataFolder(str(folder / "compacting"), node_id=1)
    log = data_folder.create("t", 0, bytes(range(16)), config, 1000)
    for number in range(60):
        records = [
            Record(b"key-%d" % (number * step % 17), None if number % 8 == 0 else b"v" * 90, timestamp_ms=1000 + number)
            for step in (1, 2, 5)
        ]
        producer = 7 + number % 3
        batch = encode_batch(
            records,
            codec=list(Codec)[number % 5],
            producer_id=producer,
            producer_epoch=0,
            base_sequence=3 * (number // 3),
            transactional=producer == 9,
        )
        log.append_as_leader(batch, leader_epoch=0, now_ms=1000)
        if number == 1:
            once = encode_batch(records, producer_id=6, producer_epoch=0, base_sequence=0)
            log.append_as_leader(once, leader_epoch=0, now_ms=1000)  # stays as an empty batch
        if producer == 9:
            marker = encode_end_txn_marker(
                commit=number % 2 == 0, producer_id=9, producer_epoch=0, coordinator_epoch=0, timestamp_ms=1000
            )
            log.append_as_leader(marker, leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR)
        log.high_watermark = log.log_end_offset
        if number in (30, 50):
            job = log.begin_compaction(1000)
            assert job is not None
            job.run()
            while job.finish():
                job.run()
    data_folder.close()
    (folder / "compacting" / "t-0").rename(folder / "compacted")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for each of FILES, one with a partition of Kafka's, and two of ours: with transactions, compacted."""
    for name, content in FILES.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / LOG).write_bytes(content())
    shutil.copytree(KAFKAS_PARTITION, tmp_path / "kafkas")
    data_folder = DataFolder(str(tmp_path / "data"), node_id=1)
    log = data_folder.create("t", 0, bytes(range(16)), LogConfig(), 1000)
    for number in range(40):
        producer, epoch = 7 + number % 2, number // 2
        batch = encode_batch(
            [Record(b"k", b"v" * 500, timestamp_ms=1000 + number)],
            producer_id=producer,
            producer_epoch=epoch,
            base_sequence=0,
            transactional=True,
        )
        log.append_as_leader(batch, leader_epoch=0, now_ms=1000)
        if number % 2:
            for ended in (8, 7):
                marker = encode_end_txn_marker(
                    commit=ended == 8,
                    producer_id=ended,
                    producer_epoch=epoch + 1,
                    coordinator_epoch=3,
                    timestamp_ms=1000,
                )
                log.append_as_leader(
                    marker, leader_epoch=0, now_ms=1000, origin=Origin.COORDINATOR, transaction_version=2
                )
    data_folder.close()
    (tmp_path / "data" / "t-0").rename(tmp_path / "ours")
    compacted_partition(tmp_path)
    damaged = tmp_path / "damaged"
    shutil.copytree(KAFKAS_PARTITION, damaged)
    index = bytearray((damaged / "00000000000000000000.index").read_bytes())
    index[8:12] = (115).to_bytes(4, "big")
    (damaged / "00000000000000000000.index").write_bytes(index)
    times = bytearray((damaged / "00000000000000000000.timeindex").read_bytes())
    times[7] ^= 1
    times[12:20] = times[0:8]
    times[20:24] = (115).to_bytes(4, "big")
    times[24:32] = bytes(8)
    (damaged / "00000000000000000000.timeindex").write_bytes(times)
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
