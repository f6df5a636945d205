"""Snapshots of the metadata log (KIP-630): `<offset>-<epoch>.checkpoint` beside it, the image as of that offset.

A start reads the newest whole one and the log from there on, so that it does not grow with the log's age. A snapshot
begins and ends with a control record; one that does not end is passed over, as is one that cannot be read. How long
they are kept: `snapshot_retention.py`.
Source: org.apache.kafka.raft.internals.RecordsSnapshotWriter, org.apache.kafka.snapshot.Snapshots.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from ...storage.files import Files, read_file, remove_if_there, replace_file
from ...wire.batches import RecordError, iter_batches, verify_batch
from ...wire.codec import DecodeError, decode_from
from ...wire.declare import Message
from ...wire.errors import KafkaError
from ...wire.log_records.control import SnapshotFooterRecord, SnapshotHeaderRecord
from ...wire.records import batch_records
from .record_versions import LATEST_LEVEL
from .records import decode_control, decode_record, encode_control, encode_records
from .snapshot_retention import KeptSnapshot, SnapshotId

log = logging.getLogger("klamm.metadata")

_NAME: Final = re.compile(r"(\d{20})-(\d{10})\.checkpoint")
#: ControlRecordType.SNAPSHOT_HEADER and SNAPSHOT_FOOTER as keys: int16 version 0, int16 type.
_HEADER_KEY: Final = b"\x00\x00\x00\x03"
_FOOTER_KEY: Final = b"\x00\x00\x00\x04"
#: Snapshots.PARTIAL_SUFFIX and DELETE_SUFFIX
_LEFT_OVER: Final = re.compile(r"\d{20}-\d{10}.*\.checkpoint\.(part|deleted)")
_NEVER_MS: Final = (1 << 63) - 1
#: Records in a batch.
BATCH_RECORDS: Final = 500


def find_snapshots(files: Files, folder: str) -> list[SnapshotId]:
    """Those in the metadata log's folder, the newest first. Raises OSError."""
    found = (_NAME.fullmatch(name) for name in files.names(folder))
    return sorted((SnapshotId(int(match[1]), int(match[2])) for match in found if match), reverse=True)


class Content(NamedTuple):
    """What a snapshot holds. `records`: of an image; `quorum`: control records (key, message), see `quorum_records`;
    `level`: the metadata.version by which they are written."""

    records: Sequence[Message]
    quorum: Sequence[tuple[bytes, Message]] = ()
    level: int = LATEST_LEVEL


def encode_snapshot(content: Content, epoch: int, last_timestamp_ms: int, now_ms: int) -> bytes:
    """A whole snapshot. `last_timestamp_ms`: of the last record in the log that it contains."""
    header = SnapshotHeaderRecord(version=0, last_contained_log_timestamp=last_timestamp_ms)
    parts = [encode_control([(_HEADER_KEY, header), *content.quorum], 0, epoch, now_ms)]
    first, records = 1 + len(content.quorum), content.records
    for start in range(0, len(records), BATCH_RECORDS):
        some = records[start : start + BATCH_RECORDS]
        parts.append(encode_records(some, first + start, epoch, now_ms, content.level))
    footer = SnapshotFooterRecord(version=0)
    parts.append(encode_control([(_FOOTER_KEY, footer)], first + len(records), epoch, now_ms))
    return b"".join(parts)


def write_snapshot(files: Files, folder: str, snapshot: SnapshotId, data: bytes) -> None:
    """Puts it on the device. In any thread. Raises OSError."""
    replace_file(files, os.path.join(folder, snapshot.file_name), data, sync=True)


def kept_snapshots(files: Files, folder: str, known: Mapping[SnapshotId, KeptSnapshot]) -> list[KeptSnapshot]:
    """Those on disk, the oldest first; `known` ones are not read again. In any thread. Raises OSError.

    One that cannot be read counts as a new one: it goes when its successors do.
    """
    found = []
    for snapshot in reversed(find_snapshots(files, folder)):
        if snapshot not in known:
            data = read_file(files, os.path.join(folder, snapshot.file_name)) or b""
            found.append(KeptSnapshot(snapshot, len(data), _last_timestamp_ms(data)))
        else:
            found.append(known[snapshot])
    return found


def _last_timestamp_ms(data: bytes) -> int:
    try:
        for _, header in iter_batches(data):
            (record, *_) = batch_records(data[: header.size_bytes])
            if record.key == _HEADER_KEY:
                return decode_from(SnapshotHeaderRecord, 0, record.value or b"")[0].last_contained_log_timestamp
            break
    except (RecordError, DecodeError, KafkaError):
        pass
    return _NEVER_MS


def remove_before(files: Files, folder: str, offset: int) -> None:
    """Removes the snapshots before this offset, and what Kafka has left of those that it removed or never finished.
    Raises OSError."""
    for name in files.names(folder):
        match = _NAME.fullmatch(name)
        if _LEFT_OVER.fullmatch(name) or (match is not None and int(match[1]) < offset):
            remove_if_there(files, os.path.join(folder, name))


def newest_snapshot(files: Files, folder: str) -> tuple[SnapshotId, list[Message]] | None:
    """The newest that is whole, and its records; None if there is none. Raises OSError."""
    for snapshot in find_snapshots(files, folder):
        try:
            records = decode_snapshot(read_file(files, os.path.join(folder, snapshot.file_name)) or b"")
        except (RecordError, DecodeError, KafkaError) as error:
            log.warning("%s cannot be read: %s", snapshot.file_name, error)
            continue
        if records is not None:
            return snapshot, records
        log.warning("%s has no end", snapshot.file_name)
    return None


def decode_snapshot(data: bytes) -> list[Message] | None:
    """Its records, those of the quorum included; None if it has no end. Raises RecordError, DecodeError, KafkaError."""
    records: list[Message] = []
    view, whole = memoryview(data), False
    for position, header in iter_batches(view):
        batch = view[position : position + header.size_bytes]
        verify_batch(batch)
        for record in batch_records(batch):
            if header.is_control:
                whole = record.key == _FOOTER_KEY
                records += decode_control([record])
            else:
                records.append(decode_record(record.value or b"\0\0\0"))
    return records if whole else None
