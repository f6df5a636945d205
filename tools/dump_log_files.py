"""Every kind of file that `klamm dump-log` reads, as rows of named fields, and the complaints at its end.

Source: org.apache.kafka.tools.DumpLogSegments. What is wrong with a file as a whole is raised as ValueError, where
Kafka ends with an exception.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from ..storage.files import read_file
from ..storage.indexes import OFFSET_ENTRY, TIME_ENTRY
from ..storage.producers import ProducerState, SnapshotError
from ..storage.reading import ReadingFiles
from ..storage.segment import INDEX_SUFFIX, LOG_SUFFIX, SNAPSHOT_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX
from ..wire.batches import (
    BATCH_OVERHEAD,
    DELETE_HORIZON_FLAG,
    LOG_OVERHEAD,
    MAGIC,
    MIN_BATCH_LENGTH,
    BatchHeader,
    add_sequence,
    batch_checksum,
    parse_header,
)
from ..wire.compression import Codec
from ..wire.errors import KafkaError
from ..wire.records import Record, batch_records
from .log_decoders import Decoder, control_fields

CHECKPOINT_SUFFIX: Final = ".checkpoint"
UNLIMITED_BYTES: Final = 2**31 - 1

_CHECKPOINT_NAME: Final = re.compile(r"(\d{20})-(\d{10})\.checkpoint")
_ABORTED: Final = struct.Struct(">hqqqq")
_HEAD_BYTES: Final = 17  # up to the magic


class OptionalLong(NamedTuple):
    """Java's, which Kafka prints as it is."""

    value: int | None

    def __str__(self) -> str:
        return "OptionalLong.empty" if self.value is None else f"OptionalLong[{self.value}]"


class Row(NamedTuple):
    """`kind` and `fields` are the row in JSON; `line` is Kafka's line where that is not the fields."""

    kind: str
    fields: list[tuple[str, Any]]
    line: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line asks for."""

    decoder: Decoder
    deep: bool = False
    contents: bool = False
    skip_metadata: bool = False
    sanity_only: bool = False
    verify_only: bool = False
    max_bytes: int = UNLIMITED_BYTES
    max_message_bytes: int = 5 * 1024 * 1024


@dataclass(slots=True)
class Report:
    """What did not fit, by absolute path, in Kafka's words: it goes to standard error at the end."""

    index_mismatches: dict[str, dict[int, int]] = field(default_factory=dict)
    time_mismatches: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    time_order: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    not_found: dict[str, list[tuple[int, int]]] = field(default_factory=dict)
    gaps: dict[str, dict[int, int]] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        for path, offsets in self.index_mismatches.items():
            yield f"Mismatches in :{path}"
            for indexed, found in sorted(offsets.items(), reverse=True):
                yield f"  Index offset: {indexed}, log offset: {found}"
        for path, pairs in self.time_mismatches.items():
            yield f"Found timestamp mismatch in :{path}"
            yield from (f"  Index timestamp: {indexed}, log timestamp: {found}" for indexed, found in pairs)
        for path, pairs in self.time_order.items():
            yield f"Found out of order timestamp in :{path}"
            for indexed, before in pairs:
                yield f"  Index timestamp: {indexed}, Previously indexed timestamp: {before}"
        for path, pairs in self.not_found.items():
            yield f"The following indexed offsets are not found in :{path}"
            yield from (f"Indexed offset: {indexed}, found log offset: {found}" for indexed, found in pairs)
        for path, offsets in self.gaps.items():
            yield f"Non-consecutive offsets in {path}"
            yield from (f"  {before} is followed by {after}" for before, after in sorted(offsets.items()))


def dump_file(path: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    """The rows of one file. Raises OSError, ValueError."""
    yield Row("file", [], f"Dumping {path}")
    dump = _DUMPS.get(os.path.splitext(path)[1])
    if dump is None:
        yield Row("unknown", [], f"Ignoring unknown file {path}")
        return
    try:
        yield from dump(path, wanted, report)
    except KafkaError as error:
        raise ValueError(str(error)) from error


# --- logs ------------------------------------------------------------------------------------------------------------


def _walk(path: str, start: int = 0, limit_bytes: int | None = None) -> Iterator[tuple[int, bytes]]:
    """(position, bytes) of each whole batch; ends before one that is cut off. Raises ValueError."""
    files = ReadingFiles()
    fd = files.open(path)
    try:
        end = files.size(fd) if limit_bytes is None else min(files.size(fd), start + limit_bytes)
        while start + _HEAD_BYTES < end:
            head = files.pread(fd, _HEAD_BYTES, start)
            length = int.from_bytes(head[8:12], "big", signed=True)
            if length < MIN_BATCH_LENGTH:
                raise ValueError(
                    f"Found record size {length} smaller than minimum record overhead ({MIN_BATCH_LENGTH}) in file "
                    f"{path}."
                )
            if start + LOG_OVERHEAD + length > end:
                return
            if head[16] != MAGIC or length + LOG_OVERHEAD < BATCH_OVERHEAD:
                raise ValueError(f"no record batch of magic 2 at byte {start}")
            yield start, files.pread(fd, LOG_OVERHEAD + length, start)
            start += LOG_OVERHEAD + length
    finally:
        files.close(fd)


def _dump_log(path: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    name = os.path.basename(path)
    if name.endswith(LOG_SUFFIX):
        yield Row("log", [("Log starting offset", int(name.split(".")[0]))])
    elif match := _CHECKPOINT_NAME.fullmatch(name):
        offset, epoch = int(match[1]), int(match[2])
        shown = f"Snapshot end offset: {offset}, epoch: {epoch}"
        yield Row("log", [("Snapshot end offset", offset), ("epoch", epoch)], shown)
    elif name == "bootstrap.checkpoint":
        yield Row("log", [], "KRaft bootstrap snapshot")
    else:
        raise ValueError("neither a segment nor a snapshot of KRaft by its name")
    valid_bytes, before = 0, -1
    for position, batch in _walk(path, 0, wanted.max_bytes):
        header = parse_header(batch)
        yield Row("batch", _batch_fields(header, position, batch))
        if wanted.deep:
            for record in batch_records(batch):
                if record.offset != before + 1:
                    report.gaps.setdefault(os.path.abspath(path), {})[before] = record.offset
                before = record.offset
                yield Row("record", _record_fields(header, record, wanted))
        valid_bytes = position + len(batch)
    trailing = os.path.getsize(path) - valid_bytes
    if trailing > 0 and wanted.max_bytes == UNLIMITED_BYTES:
        yield Row("invalid", [("bytes", trailing)], f"Found {trailing} invalid bytes at the end of {name}")


def _batch_fields(header: BatchHeader, position: int, batch: bytes) -> list[tuple[str, Any]]:
    try:
        codec = Codec(header.codec).name.lower()
    except ValueError:
        raise ValueError(f"Unknown compression type id: {header.codec}") from None
    horizon = header.base_timestamp_ms if header.attributes & DELETE_HORIZON_FLAG else None
    return [
        ("baseOffset", header.base_offset),
        ("lastOffset", header.last_offset),
        ("count", header.records_count),
        ("baseSequence", header.base_sequence),
        ("lastSequence", header.last_sequence),
        ("producerId", header.producer_id),
        ("producerEpoch", header.producer_epoch),
        ("partitionLeaderEpoch", header.partition_leader_epoch),
        ("isTransactional", header.is_transactional),
        ("isControl", header.is_control),
        ("deleteHorizonMs", OptionalLong(horizon)),
        ("position", position),
        (_timestamp_type(header), header.max_timestamp_ms),
        ("size", header.size_bytes),
        ("magic", header.magic),
        ("compresscodec", codec),
        ("crc", header.crc),
        ("isvalid", batch_checksum(batch) == header.crc),
    ]


def _timestamp_type(header: BatchHeader) -> str:
    return "LogAppendTime" if header.is_log_append_time else "CreateTime"


def _record_fields(header: BatchHeader, record: Record, wanted: Wanted) -> list[tuple[str, Any]]:
    fields: list[tuple[str, Any]] = []
    if not wanted.skip_metadata:
        sequence = header.base_sequence
        if sequence >= 0:
            sequence = add_sequence(sequence, record.offset - header.base_offset)
        fields += [
            ("offset", record.offset),
            (_timestamp_type(header), record.timestamp_ms),
            ("keySize", -1 if record.key is None else len(record.key)),
            ("valueSize", -1 if record.value is None else len(record.value)),
            ("sequence", sequence),
            ("headerKeys", [name for name, _ in record.headers]),
        ]
        if header.is_control:
            fields += control_fields(record).items()
    if wanted.contents and not header.is_control:
        key, value = wanted.decoder(record)
        fields += [(name, shown) for name, shown in (("key", key), ("payload", value)) if shown is not None]
    return fields


# --- indexes ---------------------------------------------------------------------------------------------------------


def _entries(path: str, layout: struct.Struct) -> tuple[bytes, list[tuple[int, int]]]:
    data = read_file(ReadingFiles(), path)
    if data is None:
        raise FileNotFoundError(f"{path} (No such file)")
    return data, list(layout.iter_unpack(data[: len(data) // layout.size * layout.size]))


def _in_use(entries: list[tuple[int, int]], offset_column: int) -> Iterator[tuple[int, int]]:
    """Up to the first entry of zeros, which a crash of Kafka leaves behind."""
    for number, entry in enumerate(entries):
        if number and entry[offset_column] == 0:
            return
        yield entry


def _dump_index(path: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    base_offset = int(os.path.basename(path).split(".")[0])
    log_path = os.path.splitext(path)[0] + LOG_SUFFIX
    data, entries = _entries(path, OFFSET_ENTRY)
    if not entries:
        yield Row("empty", [], f"{path} is empty.")
        return
    if wanted.sanity_only:
        yield _sanity("Index file", path, data, OFFSET_ENTRY.size, entries[-1][0] < 0)
        return
    for relative, position in _in_use(entries, 0):
        offset = base_offset + relative
        first = next(_walk(log_path, position, wanted.max_message_bytes), None)
        if first is None:
            raise ValueError(f"no whole batch at byte {position} of {log_path}, which offset {offset} points to")
        found = parse_header(first[1]).last_offset
        if found != offset:
            report.index_mismatches.setdefault(os.path.abspath(path), {})[offset] = found
        if not wanted.verify_only:
            yield Row("index entry", [("offset", offset), ("position", position)])


def _dump_time_index(path: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    base_offset = int(os.path.basename(path).split(".")[0])
    stem, absolute = os.path.splitext(path)[0], os.path.abspath(path)
    data, entries = _entries(path, TIME_ENTRY)
    _, offsets = _entries(stem + INDEX_SUFFIX, OFFSET_ENTRY)
    if wanted.sanity_only:
        damaged = bool(entries) and (entries[-1][0] < entries[0][0] or entries[-1][1] < 0)
        yield _sanity("Time index file", path, data, TIME_ENTRY.size, damaged)
        return
    before, positions = -1, list(_in_use(offsets, 0))
    for timestamp_ms, relative in _in_use(entries, 1):
        offset = base_offset + relative
        start = next((position for entry, position in reversed(positions) if entry <= relative), 0)
        found = next((batch for _, batch in _walk(stem + LOG_SUFFIX, start) if _ends_at(batch, offset)), None)
        header = None if found is None else parse_header(found)
        if found is None or header is None or header.last_offset != offset:
            wrong = -1 if header is None else header.last_offset
            report.not_found.setdefault(absolute, []).append((offset, wrong))
        else:
            largest = max((record.timestamp_ms for record in batch_records(found, skip_values=True)), default=-1)
            if largest != timestamp_ms:
                report.time_mismatches.setdefault(absolute, []).append((timestamp_ms, largest))
            if before >= timestamp_ms:
                report.time_order.setdefault(absolute, []).append((timestamp_ms, before))
        if not wanted.verify_only:
            yield Row("time index entry", [("timestamp", timestamp_ms), ("offset", offset)])
        before = timestamp_ms


def _ends_at(batch: bytes, offset: int) -> bool:
    """Does it end at `offset` or later?"""
    return parse_header(batch).last_offset >= offset


def _sanity(what: str, path: str, data: bytes, entry_bytes: int, damaged: bool) -> Row:
    if len(data) % entry_bytes:
        raise ValueError(
            f"{what} {os.path.abspath(path)} is corrupt, found {len(data)} bytes which is neither positive nor a "
            f"multiple of {entry_bytes}"
        )
    if damaged:
        raise ValueError(f"Corrupt index found, {what.lower()} ({os.path.abspath(path)}) does not end above its start")
    return Row("sane", [], f"{path} passed sanity check.")


def _dump_transactions(path: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    data = read_file(ReadingFiles(), path) or b""
    names = ("version", "producerId", "firstOffset", "lastOffset", "lastStableOffset")
    for values in _ABORTED.iter_unpack(data[: len(data) // _ABORTED.size * _ABORTED.size]):
        if values[0] != 0:
            raise ValueError(f"Unexpected aborted transaction version {values[0]} in transaction index")
        yield Row("aborted transaction", list(zip(names, values, strict=True)))


def _dump_snapshot(path: str, wanted: Wanted, report: Report) -> Iterator[Row]:
    data = read_file(ReadingFiles(), path)
    if data is None:
        raise FileNotFoundError(f"{path} (No such file)")
    try:
        state = ProducerState.decode_snapshot(data)
    except SnapshotError as error:
        raise ValueError(str(error)) from None
    for producer_id, entry in state.entries.items():
        first = None if entry.first_transaction_offset < 0 else entry.first_transaction_offset
        fields: list[tuple[str, Any]] = [
            ("producerId", producer_id),
            ("producerEpoch", entry.epoch),
            ("coordinatorEpoch", entry.coordinator_epoch),
            ("currentTxnFirstOffset", OptionalLong(first)),
            ("lastTimestamp", entry.last_timestamp_ms),
        ]
        if entry.batches:
            batch = entry.batches[0]
            fields += [
                ("firstSequence", batch.first_sequence),
                ("lastSequence", batch.last_sequence),
                ("lastOffset", batch.last_offset),
                ("offsetDelta", batch.offset_delta),
                ("timestamp", batch.timestamp_ms),
            ]
        yield Row("producer", fields)


_DUMPS: Final[dict[str, Callable[[str, Wanted, Report], Iterator[Row]]]] = {
    LOG_SUFFIX: _dump_log,
    CHECKPOINT_SUFFIX: _dump_log,
    INDEX_SUFFIX: _dump_index,
    TIME_INDEX_SUFFIX: _dump_time_index,
    TRANSACTION_INDEX_SUFFIX: _dump_transactions,
    SNAPSHOT_SUFFIX: _dump_snapshot,
}
