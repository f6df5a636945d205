"""The files of one partition read and checked against each other. Nothing is changed.

Small files and indexes are read before the log that they speak of: while a broker appends, what they say must be in it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final

from ..wire.batches import BATCH_OVERHEAD
from . import checkpoints
from .batch_walks import walk_batches
from .files import read_file
from .handles import HandleCache
from .producers import ProducerState, SnapshotError
from .reading import ReadingFiles
from .segment import (
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SNAPSHOT_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    file_name,
)
from .verify_findings import Findings
from .verify_indexes import OffsetIndexCheck, TimeIndexCheck, check_aborted
from .verify_log import PartitionCheck, what_is_wrong

#: Files that a broker makes while it works and removes when it is done or started again.
LEFTOVER_SUFFIXES: Final = (".tmp", ".deleted", ".cleaned", ".swap", ".part")
_OPEN_FILES: Final = 8
_OF_RAFT: Final = re.compile(r"quorum-state|bootstrap\.checkpoint|\d{20}-\d{10}\.checkpoint")
_SUFFIXES: Final = (LOG_SUFFIX, INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX, SNAPSHOT_SUFFIX)


@dataclass(frozen=True, slots=True)
class LogRange:
    """Offsets of a partition's log as its files have them; `segments` ascend."""

    segments: list[int]
    log_end_offset: int


class Checker:
    """What the checks of one run share. `moving`: a broker is at work in the folder."""

    def __init__(self, *, moving: bool = False, deep: bool = False, files: ReadingFiles | None = None) -> None:
        self.files = files or ReadingFiles()
        self.cache = HandleCache(self.files, _OPEN_FILES)
        self.findings = Findings()
        self.moving = moving
        self.deep = deep

    def unreadable(self, path: str, error: OSError) -> None:
        """A file that went away under a broker at work is no finding."""
        if not (self.moving and isinstance(error, FileNotFoundError)):
            self.findings.add(path, "unreadable", error.strerror or str(error))

    def read(self, folder: str, shown: str, name: str) -> bytes | None:
        """None if it is not there or cannot be read, the latter being a finding."""
        try:
            return read_file(self.files, os.path.join(folder, name))
        except OSError as error:
            self.unreadable(f"{shown}{name}", error)
            return None


def verify_partition(checker: Checker, folder: str, shown: str, log_start_offset: int = 0) -> LogRange:
    """Checks one partition's folder, named `shown` (with its slash) in findings."""
    findings = checker.findings
    try:
        names = checker.files.names(folder)
    except OSError as error:
        checker.unreadable(shown, error)
        return LogRange([], 0)
    offsets = _check_names(checker, names, shown)
    segments = offsets[LOG_SUFFIX]
    epochs: list[tuple[int, int]] | None = None
    data = checker.read(folder, shown, checkpoints.LEADER_EPOCHS)
    if data is None:
        if not checker.moving:
            findings.add(f"{shown}{checkpoints.LEADER_EPOCHS}", "epoch-missing", "there is none")
    else:
        try:
            epochs = checkpoints.decode_epochs(data) if data else []
        except checkpoints.CheckpointError as error:
            findings.add(f"{shown}{checkpoints.LEADER_EPOCHS}", "checkpoint-format", str(error))
    if not segments:
        findings.add(shown, "log-missing", "has no segment")
        return LogRange([], 0)
    check = PartitionCheck(
        findings,
        epochs=epochs,
        epochs_path=f"{shown}{checkpoints.LEADER_EPOCHS}",
        snapshots=_snapshots(checker, folder, shown, offsets[SNAPSHOT_SUFFIX]),
        first_offset=segments[0],
        log_start_offset=log_start_offset,
        deep=checker.deep,
        moving=checker.moving,
    )
    for number, base_offset in enumerate(segments):
        is_last = number + 1 == len(segments)
        _verify_segment(checker, check, folder, shown, base_offset, is_last)
        if not is_last and check.log_end_offset > segments[number + 1]:
            findings.add(
                f"{shown}{file_name(segments[number + 1], LOG_SUFFIX)}",
                "segment-order",
                f"begins at offset {segments[number + 1]}, the one before ends at {check.log_end_offset}",
            )
    check.end()
    return LogRange(segments, max(check.log_end_offset, segments[-1]))


def _check_names(checker: Checker, names: list[str], shown: str) -> dict[str, list[int]]:
    """Offsets in the files' names by suffix, ascending; files that do not belong here are findings."""
    offsets: dict[str, list[int]] = {suffix: [] for suffix in _SUFFIXES}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)
        if suffix in offsets and len(stem) == 20 and stem.isdigit():
            offsets[suffix].append(int(stem))
        elif name.endswith(LEFTOVER_SUFFIXES):
            if not checker.moving:
                checker.findings.add(f"{shown}{name}", "leftover", "was left behind by an end in the middle of work")
        elif name not in (checkpoints.LEADER_EPOCHS, checkpoints.PARTITION_METADATA) and not _OF_RAFT.fullmatch(name):
            checker.findings.add(f"{shown}{name}", "unknown-file", "no file of a log has this name")
    logs = set(offsets[LOG_SUFFIX])
    for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX):
        for offset in offsets[suffix]:
            if offset not in logs and not checker.moving:
                checker.findings.add(f"{shown}{file_name(offset, suffix)}", "leftover", "an index without its log")
    return offsets


def _snapshots(checker: Checker, folder: str, shown: str, offsets: list[int]) -> dict[int, tuple[str, ProducerState]]:
    found = {}
    for offset in offsets:
        name = file_name(offset, SNAPSHOT_SUFFIX)
        data = checker.read(folder, shown, name)
        if data is None:
            continue
        try:
            found[offset] = (f"{shown}{name}", ProducerState.decode_snapshot(data))
        except SnapshotError as error:
            checker.findings.add(f"{shown}{name}", "snapshot-format", str(error))
    return found


def _verify_segment(
    checker: Checker, check: PartitionCheck, folder: str, shown: str, base_offset: int, is_last: bool
) -> None:
    findings, files = checker.findings, checker.files
    name = file_name(base_offset, LOG_SUFFIX)
    path = f"{shown}{name}"
    indexes: dict[str, bytes | None] = {}
    for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX):
        indexes[suffix] = checker.read(folder, shown, file_name(base_offset, suffix))
        if indexes[suffix] is None and suffix != TRANSACTION_INDEX_SUFFIX and not checker.moving:
            findings.add(f"{shown}{file_name(base_offset, suffix)}", "index-missing", "the log has no such index")
    zeros = is_last and checker.moving
    offsets = OffsetIndexCheck(
        indexes[INDEX_SUFFIX] or b"",
        base_offset,
        f"{shown}{file_name(base_offset, INDEX_SUFFIX)}",
        findings,
        may_have_zeros=zeros,
    )
    times = TimeIndexCheck(
        indexes[TIME_INDEX_SUFFIX] or b"",
        base_offset,
        f"{shown}{file_name(base_offset, TIME_INDEX_SUFFIX)}",
        findings,
        may_have_zeros=zeros,
    )
    aborted = []
    handle = checker.cache.handle(os.path.join(folder, name))
    try:
        size, end = files.size(handle.get()), 0
        for position, header, data in walk_batches(handle, 0, size):
            if header.base_offset < base_offset:
                findings.add(path, "batch-offset", f"batch at byte {position} has offset {header.base_offset}")
            offsets.batch(position, header)
            times.batch(header, data)
            transaction = check.batch(path, position, header, data)
            if transaction is not None:
                aborted.append(transaction)
            end = position + header.size_bytes
        head = files.pread(handle.get(), BATCH_OVERHEAD, end)
    except OSError as error:
        checker.unreadable(path, error)
        return
    finally:
        handle.discard()
    if end < size and not (is_last and checker.moving):
        findings.add(path, "batch-whole", f"no batch at byte {end}: {what_is_wrong(head, size - end)}")
    offsets.end(size)
    if indexes[TIME_INDEX_SUFFIX] is not None:
        times.end(is_last=is_last or checker.moving)
    check_aborted(
        indexes[TRANSACTION_INDEX_SUFFIX] or b"",
        f"{shown}{file_name(base_offset, TRANSACTION_INDEX_SUFFIX)}",
        aborted,
        findings,
        may_lack=checker.moving,
        is_gone=check.is_gone,
        may_be_empty=check.may_be_empty,
    )
