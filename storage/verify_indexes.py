"""Checks of the indexes beside a segment, told of its batches one after the other. No I/O.

Each check is made from a file's bytes, hears `batch` for every batch of the segment in order, and then `end`.
"""

from __future__ import annotations

import itertools
import struct
from collections import deque
from collections.abc import Callable
from typing import Final

from ..wire.batches import BatchHeader, RecordError
from ..wire.records import batch_records
from .indexes import OFFSET_ENTRY, TIME_ENTRY
from .transactions import AbortedTransaction
from .verify_findings import Findings

_ABORTED: Final = struct.Struct(">hqqqq")


def decode_entries(
    data: bytes, layout: struct.Struct, path: str, findings: Findings, *, may_have_zeros: bool
) -> list[tuple[int, int]]:
    """The entries of an index up to its first of zeros only.

    Kafka maps its indexes and fills them up with zeros while the segment is the last one (`may_have_zeros`).
    """
    if len(data) % layout.size:
        findings.add(path, "index-size", f"{len(data)} bytes are no multiple of an entry's {layout.size}")
    entries: list[tuple[int, int]] = list(layout.iter_unpack(data[: len(data) // layout.size * layout.size]))
    used = len(entries)
    while used and entries[used - 1] == (0, 0):
        used -= 1
    if used < len(entries) and not may_have_zeros:
        findings.add(path, "index-zeros", f"{len(entries) - used} entries of zeros at its end")
    return entries[:used]


class OffsetIndexCheck:
    """`.index`: both columns ascend, and each entry points to the start of the batch that ends at its offset."""

    def __init__(
        self, data: bytes, base_offset: int, path: str, findings: Findings, *, may_have_zeros: bool = False
    ) -> None:
        self._base_offset = base_offset
        self._path = path
        self._findings = findings
        entries = decode_entries(data, OFFSET_ENTRY, path, findings, may_have_zeros=may_have_zeros)
        for before, entry in itertools.pairwise(entries):
            if entry[0] <= before[0] or entry[1] <= before[1]:
                findings.add(
                    path,
                    "index-order",
                    f"entry {base_offset + entry[0]} at byte {entry[1]} follows "
                    f"{base_offset + before[0]} at byte {before[1]}",
                )
        self._waiting = deque(sorted(entries, key=lambda entry: entry[1]))

    def batch(self, position: int, header: BatchHeader) -> None:
        waiting = self._waiting
        while waiting and waiting[0][1] <= position:
            offset, pointed = self._base_offset + waiting[0][0], waiting[0][1]
            waiting.popleft()
            if pointed < position:
                self._findings.add(
                    self._path, "index-position", f"offset {offset} points to byte {pointed}, where no batch starts"
                )
            elif offset != header.last_offset:
                self._findings.add(
                    self._path,
                    "index-offset",
                    f"offset {offset} points to byte {pointed}, whose batch ends at offset {header.last_offset}",
                )

    def end(self, size_bytes: int) -> None:
        for relative, pointed in self._waiting:
            self._findings.add(
                self._path,
                "index-position",
                f"offset {self._base_offset + relative} points to byte {pointed}, where no batch starts "
                f"(the log has {size_bytes} bytes)",
            )


class TimeIndexCheck:
    """`.timeindex`: timestamps ascend; each is the largest up to the end of the batch that it names."""

    def __init__(
        self, data: bytes, base_offset: int, path: str, findings: Findings, *, may_have_zeros: bool = False
    ) -> None:
        self._base_offset = base_offset
        self._path = path
        self._findings = findings
        entries = decode_entries(data, TIME_ENTRY, path, findings, may_have_zeros=may_have_zeros)
        for before, entry in itertools.pairwise(entries):
            if entry[0] <= before[0] or entry[1] < before[1]:
                findings.add(
                    path,
                    "time-index-order",
                    f"entry {entry[0]} for offset {base_offset + entry[1]} follows "
                    f"{before[0]} for offset {base_offset + before[1]}",
                )
        self._last_ms = entries[-1][0] if entries else -1
        self._waiting = deque(sorted(entries, key=lambda entry: entry[1]))
        self._largest_ms = -1

    def batch(self, header: BatchHeader, data: memoryview) -> None:
        waiting = self._waiting
        while waiting and self._base_offset + waiting[0][1] <= header.last_offset:
            timestamp_ms, relative = waiting.popleft()
            offset = self._base_offset + relative
            if offset != header.last_offset:
                self._findings.add(
                    self._path, "time-index-offset", f"offset {offset} of timestamp {timestamp_ms} ends no batch"
                )
                continue
            found_ms = _largest_timestamp(header, data)
            if found_ms != timestamp_ms:
                self._findings.add(
                    self._path,
                    "time-index-timestamp",
                    f"timestamp {timestamp_ms} for offset {offset}, whose batch has records up to {found_ms}",
                )
            elif self._largest_ms > timestamp_ms:
                self._findings.add(
                    self._path,
                    "time-index-timestamp",
                    f"timestamp {timestamp_ms} for offset {offset}, before which there is {self._largest_ms}",
                )
        self._largest_ms = max(self._largest_ms, header.max_timestamp_ms)

    def end(self, *, is_last: bool) -> None:
        """`is_last`: batches are still appended, so the largest timestamp need not be in the index yet."""
        for timestamp_ms, relative in self._waiting:
            self._findings.add(
                self._path,
                "time-index-offset",
                f"offset {self._base_offset + relative} of timestamp {timestamp_ms} lies behind the log's end",
            )
        if not is_last and self._last_ms < self._largest_ms:
            self._findings.add(
                self._path,
                "time-index-end",
                f"ends at timestamp {self._last_ms}, the segment has {self._largest_ms}",
            )


def _largest_timestamp(header: BatchHeader, data: memoryview) -> int:
    """By the batch's records; by its header if it has none or cannot be read, which is another check's finding."""
    try:
        stamps = [record.timestamp_ms for record in batch_records(data, skip_values=True)]
    except RecordError:
        stamps = []
    return max(stamps, default=header.max_timestamp_ms)


def check_aborted(
    data: bytes,
    path: str,
    aborted: list[AbortedTransaction],
    findings: Findings,
    *,
    may_lack: bool,
    is_gone: Callable[[int], bool] = lambda _: False,
    may_be_empty: Callable[[AbortedTransaction], bool] = lambda _: False,
) -> None:
    """`.txnindex` against the transactions that the segment's markers abort.

    `may_lack`: entries may still be only in the memory of a broker. `is_gone(offset)`: what was there was compacted
    away, and the index, which is not made anew for that, still names it. `may_be_empty(transaction)`: perhaps none of
    its records are left; compaction takes such a one out.
    """
    if len(data) % _ABORTED.size:
        findings.add(path, "txn-index-size", f"{len(data)} bytes are no multiple of an entry's {_ABORTED.size}")
    wanted = {(entry.producer_id, entry.last_offset): entry for entry in aborted}
    before = -1
    for version, *values in _ABORTED.iter_unpack(data[: len(data) // _ABORTED.size * _ABORTED.size]):
        entry = AbortedTransaction(*values)
        if version != 0:
            findings.add(path, "txn-index-version", f"an entry of version {version}")
            return
        if entry.last_offset <= before:
            findings.add(path, "txn-index-order", f"entry for offset {entry.last_offset} follows {before}")
        before = entry.last_offset
        found = wanted.pop((entry.producer_id, entry.last_offset), None)
        if is_gone(entry.first_offset):
            continue
        if found is None:
            findings.add(
                path,
                "txn-index-marker",
                f"producer {entry.producer_id} has no abort marker of a transaction at offset {entry.last_offset}",
            )
        elif found.first_offset != entry.first_offset:
            findings.add(
                path,
                "txn-index-first-offset",
                f"producer {entry.producer_id}'s transaction up to offset {entry.last_offset} begins at "
                f"{found.first_offset}, not {entry.first_offset}",
            )
    if not may_lack:
        for entry in wanted.values():
            if may_be_empty(entry):
                continue
            findings.add(
                path,
                "txn-index-missing",
                f"producer {entry.producer_id}'s transaction, offsets {entry.first_offset} to {entry.last_offset}, "
                "was aborted and is not in it",
            )
