"""Folders with what `klamm dump-log` has to read: logs of each kind of record, Kafka's and ours, odd and damaged."""

from __future__ import annotations

import shutil
import struct
from collections.abc import Callable
from pathlib import Path

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.wire.batches import DELETE_HORIZON_FLAG, batch_checksum
from klamm.wire.codec import encode
from klamm.wire.compression import Codec
from klamm.wire.log_records import classic_group, metadata_security, share_state, transaction
from klamm.wire.messages.consumer_protocol import ConsumerProtocolSubscription
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker

DATA = Path(__file__).parent.parent / "data"
KAFKAS_PARTITION = DATA / "kafka_data_folder" / "written-by-kafka-0"
LOG = "00000000000000000000.log"


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


def write_folders(folder: Path) -> None:
    """A folder for each of FILES, one with a partition of Kafka's, and two of ours: with transactions, compacted."""
    for name, content in FILES.items():
        (folder / name).mkdir()
        (folder / name / LOG).write_bytes(content())
    shutil.copytree(KAFKAS_PARTITION, folder / "kafkas")
    data_folder = DataFolder(str(folder / "data"), node_id=1)
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
    (folder / "data" / "t-0").rename(folder / "ours")
    compacted_partition(folder)
    damaged = folder / "damaged"
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
