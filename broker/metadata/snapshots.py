"""Snapshots of the metadata log (KIP-630): `<offset>-<epoch>.checkpoint` beside it, the image as of that offset.

A start reads the newest whole one and the log from there on, so that it does not grow with the log's age. A snapshot
begins and ends with a control record; one that does not end is passed over, as is one that cannot be read.
Source: org.apache.kafka.raft.internals.RecordsSnapshotWriter, org.apache.kafka.snapshot.Snapshots.

Left out: the log keeps what stands before its snapshots (metadata.max.retention.bytes, metadata.max.retention.ms).
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from ...storage.files import Files, read_file, remove_if_there, replace_file
from ...wire.batches import RecordError, iter_batches, verify_batch
from ...wire.codec import DecodeError, encode
from ...wire.declare import Message
from ...wire.errors import KafkaError
from ...wire.log_records.control import SnapshotFooterRecord, SnapshotHeaderRecord
from ...wire.records import Record, batch_records, encode_batch
from .records import decode_record, encode_records

log = logging.getLogger("klamm.metadata")

_NAME: Final = re.compile(r"(\d{20})-(\d{10})\.checkpoint")
#: ControlRecordType.SNAPSHOT_HEADER and SNAPSHOT_FOOTER as keys: int16 version 0, int16 type.
_HEADER_KEY: Final = b"\x00\x00\x00\x03"
_FOOTER_KEY: Final = b"\x00\x00\x00\x04"
#: Records in a batch.
BATCH_RECORDS: Final = 500


class SnapshotId(NamedTuple):
    """All records before `offset` are in it; `epoch`: of the last of them."""

    offset: int
    epoch: int

    @property
    def file_name(self) -> str:
        return f"{self.offset:020d}-{self.epoch:010d}.checkpoint"


def find_snapshots(files: Files, folder: str) -> list[SnapshotId]:
    """Those in the metadata log's folder, the newest first. Raises OSError."""
    found = (_NAME.fullmatch(name) for name in files.names(folder))
    return sorted((SnapshotId(int(match[1]), int(match[2])) for match in found if match), reverse=True)


def encode_snapshot(records: Sequence[Message], epoch: int, last_timestamp_ms: int, now_ms: int) -> bytes:
    """A whole snapshot of an image's records. `last_timestamp_ms`: of the last record in the log that it contains."""
    header = SnapshotHeaderRecord(version=0, last_contained_log_timestamp=last_timestamp_ms)
    parts = [_control(_HEADER_KEY, header, 0, epoch, now_ms)]
    for start in range(0, len(records), BATCH_RECORDS):
        parts.append(encode_records(records[start : start + BATCH_RECORDS], 1 + start, epoch, now_ms))
    parts.append(_control(_FOOTER_KEY, SnapshotFooterRecord(version=0), 1 + len(records), epoch, now_ms))
    return b"".join(parts)


def _control(key: bytes, message: Message, offset: int, epoch: int, now_ms: int) -> bytes:
    record = Record(key=key, value=encode(message, 0), timestamp_ms=now_ms)
    return encode_batch([record], base_offset=offset, partition_leader_epoch=epoch, control=True)


def write_snapshot(files: Files, folder: str, snapshot: SnapshotId, data: bytes) -> None:
    """Puts it on the device, then removes the older ones. In any thread. Raises OSError."""
    replace_file(files, os.path.join(folder, snapshot.file_name), data, sync=True)
    for older in find_snapshots(files, folder):
        if older < snapshot:
            remove_if_there(files, os.path.join(folder, older.file_name))


def newest_snapshot(files: Files, folder: str, end_offset: int) -> tuple[SnapshotId, list[Message]] | None:
    """The newest that is whole and not ahead of the log, which ends at `end_offset`, and its records; None if there is
    none. Raises OSError."""
    for snapshot in find_snapshots(files, folder):
        if snapshot.offset > end_offset:
            continue
        try:
            records = _records(read_file(files, os.path.join(folder, snapshot.file_name)) or b"")
        except (RecordError, DecodeError, KafkaError) as error:
            log.warning("%s cannot be read: %s", snapshot.file_name, error)
            continue
        if records is not None:
            return snapshot, records
        log.warning("%s has no end", snapshot.file_name)
    return None


def _records(data: bytes) -> list[Message] | None:
    """None if the snapshot has no end. Raises RecordError, DecodeError, KafkaError."""
    records: list[Message] = []
    view, whole = memoryview(data), False
    for position, header in iter_batches(view):
        batch = view[position : position + header.size_bytes]
        verify_batch(batch)
        for record in batch_records(batch):
            if header.is_control:
                whole = record.key == _FOOTER_KEY
            else:
                records.append(decode_record(record.value or b"\0\0\0"))
    return records if whole else None
