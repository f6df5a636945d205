"""A data folder with all that a check may find fault with, and ways of damaging its files by hand."""

from __future__ import annotations

import shutil
from pathlib import Path

from klamm.storage.checks import Origin
from klamm.storage.config import LogConfig
from klamm.storage.folder import DataFolder
from klamm.wire.batches import batch_checksum, parse_header
from klamm.wire.codec import encode
from klamm.wire.log_records.metadata_topics import PartitionRecord, RemoveTopicRecord, TopicRecord
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker

TOPIC_ID = bytes(range(16))
DIRECTORY_ID = bytes(range(100, 116))
OTHER_ID = bytes(range(50, 66))


def metadata_batch(*records: TopicRecord | PartitionRecord | RemoveTopicRecord) -> bytes:
    values = [bytes((1, record.API_KEY or 0, record.VERSIONS[-1])) for record in records]
    framed = [head + encode(record, head[2]) for head, record in zip(values, records, strict=True)]
    return encode_batch([Record(value=value, timestamp_ms=1) for value in framed])


def topic_records(directory_id: bytes = DIRECTORY_ID, replicas: tuple[int, ...] = (1,)) -> bytes:
    gone = TopicRecord(name="gone", topic_id=OTHER_ID)
    topic = TopicRecord(name="t", topic_id=TOPIC_ID)
    partition = PartitionRecord(
        partition_id=0, topic_id=TOPIC_ID, replicas=list(replicas), directories=[directory_id] * len(replicas)
    )
    return metadata_batch(gone, topic, partition, RemoveTopicRecord(topic_id=OTHER_ID))


def make_folder(path: Path, metadata: bytes) -> None:
    """`t-0` with three segments, two leader epochs, producers and aborted transactions; and `__cluster_metadata-0`."""
    uuids = iter([bytes(16), DIRECTORY_ID])
    folder = DataFolder(str(path), node_id=1, new_uuid=lambda: next(uuids))
    log = folder.create("t", 0, TOPIC_ID, LogConfig(segment_bytes=40_000), 1000)
    for number in range(90):
        transactional = number % 10 < 2
        batch = encode_batch(
            [Record(b"k", b"v" * 600, timestamp_ms=1000 + 7 * number + step) for step in range(2)],
            producer_id=7 if transactional else 8,
            producer_epoch=0,
            base_sequence=2 * (number // 10 * 2 + number % 10)
            if transactional
            else 2 * (number // 10 * 8 + number % 10 - 2),
            transactional=transactional,
        )
        log.append_as_leader(batch, leader_epoch=number // 60, now_ms=1000)
        if number % 10 == 1:
            marker = encode_end_txn_marker(
                commit=number == 1, producer_id=7, producer_epoch=0, coordinator_epoch=0, timestamp_ms=1000
            )
            log.append_as_leader(marker, leader_epoch=number // 60, now_ms=1000, origin=Origin.COORDINATOR)
    assert len(log.segment_offsets) == 3
    of_cluster = folder.create("__cluster_metadata", 0, bytes(15) + b"\1", LogConfig(), 1000)
    of_cluster.append_as_leader(metadata, leader_epoch=1, now_ms=1000, origin=Origin.COORDINATOR)
    folder.close()


def segment(folder: Path, number: int, suffix: str) -> Path:
    """The file with that suffix of the segment with that number of t-0."""
    log = sorted((folder / "t-0").glob("*.log"))[number]
    return log.with_suffix(suffix)


def patch(path: Path, position: int, data: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    path.write_bytes(content)


def flip(path: Path, position: int) -> None:
    patch(path, position, bytes((path.read_bytes()[position] ^ 0x55,)))


def cut(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def grow(path: Path, data: bytes) -> None:
    path.write_bytes(path.read_bytes() + data)


def rewrite(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new, 1))


def reseal(path: Path, position: int, data: bytes) -> None:
    """Changes the first batch of the file at `position` and makes its checksum good again."""
    content = bytearray(path.read_bytes())
    content[position : position + len(data)] = data
    size = parse_header(content).size_bytes
    content[17:21] = batch_checksum(content[:size]).to_bytes(4, "big")
    path.write_bytes(content)


def swap_halves(path: Path, entry_bytes: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[entry_bytes : 2 * entry_bytes] + content[:entry_bytes] + content[2 * entry_bytes :])


def new_metadata(folder: Path, metadata: bytes) -> None:
    """The same folder with other cluster metadata."""
    shutil.rmtree(folder)
    make_folder(folder, metadata)
