"""What a log finds when it opens: which segments there are, where the whole batches end, who its producers were.

After an unclean end that may take a second for a gigabyte; so it is done in steps: generators, which stop after each
batch.

Source: org.apache.kafka.storage.internals.log.LogLoader, LogSegment.recover, ProducerStateManager.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from ..wire.batches import MAGIC, BatchHeader, batch_checksum
from ..wire.errors import ErrorCode, KafkaError
from ..wire.records import batch_records, decode_end_txn_marker
from .batch_walks import WALK_BLOCK_BYTES, walk_headers
from .config import LogConfig
from .files import Files, remove_if_there
from .handles import HandleCache
from .leader_epochs import LeaderEpochCache, load_leader_epochs
from .producers import ProducerState
from .segment import (
    CLEANED_SUFFIX,
    DELETED_SUFFIX,
    INDEX_SUFFIX,
    LOG_SUFFIX,
    SEGMENT_SUFFIXES,
    SNAPSHOT_SUFFIX,
    SWAP_SUFFIX,
    TIME_INDEX_SUFFIX,
    TRANSACTION_INDEX_SUFFIX,
    Segment,
    file_name,
)
from .segments import SegmentList
from .snapshots import NEWEST, Snapshots

#: Left behind by a crash in the middle of a replacement, or before a delayed removal.
_LEFTOVER_SUFFIXES: Final = (".tmp", DELETED_SUFFIX)

Visit = Callable[[Segment, int, BatchHeader], Iterator[None]]


class FolderListing:
    """Base offsets of the segments and offsets of the producer snapshots in a partition's folder, ascending;
    `indexed`, `transactions`: base offsets of the segments that have both indexes, and a transaction index."""

    __slots__ = ("indexed", "segments", "snapshots", "transactions")

    def __init__(self, files: Files, folder: str) -> None:
        """Removes what a crash left behind: temporary files, indexes without their log. Ends a compaction that was
        putting its segment in the place of others."""
        end_swap(files, folder)
        by_suffix: dict[str, list[int]] = {}
        for name in files.names(folder):
            if name.endswith(_LEFTOVER_SUFFIXES):
                remove_if_there(files, os.path.join(folder, name))
                continue
            stem, suffix = os.path.splitext(name)
            if len(stem) == 20 and stem.isdigit():
                by_suffix.setdefault(suffix, []).append(int(stem))
        self.segments = sorted(by_suffix.get(LOG_SUFFIX, []))
        self.snapshots = sorted(by_suffix.get(SNAPSHOT_SUFFIX, []))
        self.indexed = set(by_suffix.get(INDEX_SUFFIX, ())) & set(by_suffix.get(TIME_INDEX_SUFFIX, ()))
        self.transactions = frozenset(by_suffix.get(TRANSACTION_INDEX_SUFFIX, ()))
        logs = set(self.segments)
        for suffix in (INDEX_SUFFIX, TIME_INDEX_SUFFIX, TRANSACTION_INDEX_SUFFIX):
            for base_offset in by_suffix.get(suffix, []):
                if base_offset not in logs:
                    remove_if_there(files, os.path.join(folder, file_name(base_offset, suffix)))


def end_swap(files: Files, folder: str) -> None:
    """Goes back or forward where a compaction was interrupted (LogLoader.removeTempFilesAndCollectSwapFiles).

    While there is a `.cleaned` file, nothing was taken away yet for its segment or later ones: new files go. Else those
    called `.swap` are whole; the old segments of their range that are still there go, then they get their names.
    Raises OSError.
    """
    names = files.names(folder)
    cleaned = [name for name in names if name.endswith(CLEANED_SUFFIX)]
    first_cleaned = min(map(_offset_in_name, cleaned), default=NEWEST)
    swapped = []
    for name in names:
        if name.endswith(SWAP_SUFFIX):
            if _offset_in_name(name) >= first_cleaned:
                remove_if_there(files, os.path.join(folder, name))
            else:
                swapped.append(name)
    # After the `.swap` files: they alone would be taken for whole ones.
    for name in cleaned:
        remove_if_there(files, os.path.join(folder, name))
    swapped.sort(key=lambda name: not name.endswith(LOG_SUFFIX + SWAP_SUFFIX))
    for name in swapped:
        if name.endswith(LOG_SUFFIX + SWAP_SUFFIX):
            base_offset, end_offset = _offset_in_name(name), _end_of(files, os.path.join(folder, name))
            for old in names:
                if old.endswith(SEGMENT_SUFFIXES) and base_offset <= _offset_in_name(old) < max(
                    end_offset, base_offset + 1
                ):
                    remove_if_there(files, os.path.join(folder, old))
    # The log first: without it there, indexes that have their name already would be taken for old ones.
    for name in swapped:
        files.rename(os.path.join(folder, name), os.path.join(folder, name.removesuffix(SWAP_SUFFIX)))


def _offset_in_name(name: str) -> int:
    """-1 for a file of another kind."""
    return int(name[:20]) if name[:20].isdigit() else -1


def _end_of(files: Files, path: str) -> int:
    """The offset behind the last batch of a segment's file; its first one's, from the name, if it has none."""
    cache = HandleCache(files)
    handle = cache.handle(path)
    end_offset = _offset_in_name(os.path.basename(path))
    try:
        for _, header in walk_headers(handle, 0, files.size(handle.get()), WALK_BLOCK_BYTES):
            end_offset = header.last_offset + 1
    finally:
        handle.discard()
    return end_offset


@dataclass(slots=True)
class Recovered:
    """A log as it was found. `segments` may be empty: then there is no log yet, and the rest says nothing."""

    segments: SegmentList
    snapshots: Snapshots
    leader_epochs: LeaderEpochCache
    producers: ProducerState
    log_end_offset: int


def recover_log(
    cache: HandleCache, folder: str, config: LogConfig, trusted_offset: int, *, verify: bool
) -> Generator[None, None, Recovered]:
    """Walks from the segment of `trusted_offset` to the end, and along the producers' batches since their snapshot.

    Where both walks meet they are one. Batches before `trusted_offset` were on the device when the recovery point was
    written; a few of them may be walked again. `verify` compares each batch's checksum; the log ends before the first
    batch that is not whole, and what lies behind it is removed. Stops after each batch. Raises OSError,
    KafkaError(KAFKA_STORAGE_ERROR) for message sets of magic 0 and 1.
    """
    listing = FolderListing(cache.files, folder)
    segments = SegmentList(cache, folder, listing.segments)
    try:
        return (yield from _recover(listing, segments, cache.files, folder, config, trusted_offset, verify=verify))
    except BaseException:  # also where the steps are given up
        for segment in segments.items:
            segment.discard()
        raise


def _recover(
    listing: FolderListing,
    segments: SegmentList,
    files: Files,
    folder: str,
    config: LogConfig,
    trusted_offset: int,
    *,
    verify: bool,
) -> Generator[None, None, Recovered]:
    for segment in segments.items:
        segment.transactions.has_file = segment.base_offset in listing.transactions
    snapshots = Snapshots(files, folder, listing.snapshots)
    leader_epochs = load_leader_epochs(files, folder)
    if leader_epochs is None:  # lost or damaged: each batch knows its epoch
        leader_epochs = LeaderEpochCache()
        for segment in segments.items:
            for _, header in segment.headers():
                leader_epochs.assign(header.partition_leader_epoch, header.base_offset)
                yield
    first = segments.number_of(trusted_offset)
    if verify and segments.bases and segments.bases[first] not in listing.indexed:
        # Who lost an index may have lost its transaction index too: all are made again (LogLoader.loadSegmentFiles).
        trusted_offset = segments.bases[first]
    # What is behind the trusted offset loses its transaction index: the producers must be known as they were there or
    # before, and their later snapshots are made again on the way.
    trusted_from = max(trusted_offset, segments.bases[first]) if verify and segments.bases else NEWEST
    state, snapshot_offset = snapshots.load(trusted_from)
    caught_up = False

    def catch_up(offset: int) -> Iterator[None]:
        nonlocal caught_up
        if not caught_up:
            caught_up = True
            yield from replay_range(state, segments, snapshot_offset, offset)

    def visit(segment: Segment, position: int, header: BatchHeader) -> Iterator[None]:
        yield from catch_up(header.base_offset)
        if header.partition_leader_epoch > leader_epochs.latest:
            leader_epochs.assign(header.partition_leader_epoch, header.base_offset)
        if header.base_offset >= snapshot_offset:
            replay(state, segment, position, header)

    if verify and first:
        segments.items[first - 1].cut_tail()
    log_end_offset = 0
    for number in range(first, len(segments)):
        segment = segments.items[number]
        log_end_offset, cut = yield from recover_segment(
            segment, trusted_offset if number == first else 0, config, verify=verify, visit=visit
        )
        if cut and segments.bases[number + 1 : number + 2] != [log_end_offset]:
            # (Where the next one goes on, what was cut off is the zeros of a preallocated file: a loss of power may
            # have undone that they were cut off before.)
            segments.remove(number + 1, len(segments))
            break
        if number + 1 < len(segments):
            segment.finish()
            if verify:
                yield from catch_up(log_end_offset)
                snapshots.take(segments.bases[number + 1], state)
    if snapshot_offset > log_end_offset:
        state = producers_at(segments, snapshots, log_end_offset)
    else:
        yield from catch_up(log_end_offset)
    return Recovered(segments, snapshots, leader_epochs, state, log_end_offset)


def producers_at(segments: SegmentList, snapshots: Snapshots, log_end_offset: int) -> ProducerState:
    """The producers of a log that ends there: the newest snapshot that fits, and the batches since. Raises OSError."""
    state, snapshot_offset = snapshots.load(log_end_offset)
    for _ in replay_range(state, segments, snapshot_offset, log_end_offset):
        pass
    return state


def replay_range(state: ProducerState, segments: SegmentList, start_offset: int, end_offset: int) -> Iterator[None]:
    """Tells `state` of the batches in [start, end)."""
    for segment, position, header in segments.walk(start_offset, end_offset):
        replay(state, segment, position, header)
        yield


def recover_segment(
    segment: Segment, trusted_offset: int, config: LogConfig, *, verify: bool, visit: Visit
) -> Generator[None, None, tuple[int, bool]]:
    """Walks the batches from `trusted_offset` on, indexes them again, and cuts the file after the last whole one.

    Returns the offset after the last batch, and whether something was cut.
    """
    if verify:
        segment.load_trusted(trusted_offset)
    else:
        segment.load_as_is()
    head = segment.read(0, 17)
    # (Zeros, which a loss of power leaves, are no message: it has a length.)
    if len(head) == 17 and head[16] in (0, 1) and any(head[8:12]):
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"{segment.handle.path} holds message sets of magic 0 or 1")
    entry = segment.offset_index.floor(trusted_offset - 1 - segment.base_offset)
    segment.reset_indexes(entry[0] + 1 if entry else 0)
    if verify:
        segment.transactions.keep_below(trusted_offset)
    end = start = entry[1] if entry else 0
    next_offset = segment.base_offset
    segment.first_timestamp_ms = None
    walk: Iterable[tuple[int, BatchHeader, memoryview | None]]
    if verify:
        walk = segment.batches(start)
    else:
        walk = ((position, header, None) for position, header in segment.headers(start))
    for position, header, batch in walk:
        if header.base_offset < next_offset or header.last_offset_delta < 0 or header.magic != MAGIC:
            break
        if batch is not None and batch_checksum(batch) != header.crc:
            break
        segment.note_batch(
            position, header.size_bytes, header.last_offset, header.max_timestamp_ms, config.index_interval_bytes
        )
        yield from visit(segment, position, header)
        yield
        next_offset = header.last_offset + 1
        end = position + header.size_bytes
    if end == segment.size:
        return next_offset, False
    segment.cut(end)
    segment.transactions.keep_below(next_offset)
    return next_offset, True


def replay(state: ProducerState, segment: Segment, position: int, header: BatchHeader) -> None:
    """Tells `state` of one batch that stands in the log."""
    if header.producer_id < 0:
        return
    if header.is_control:
        for record in batch_records(segment.read(position, header.size_bytes)):
            marker = decode_end_txn_marker(record)
            if marker is not None:
                end_transaction(state, segment, header.base_offset, header, marker)
    else:
        state.record(
            header.producer_id,
            header.producer_epoch,
            header.base_sequence,
            header.base_offset,
            header.last_offset,
            header.max_timestamp_ms,
            header.is_transactional,
        )


def end_transaction(
    state: ProducerState, segment: Segment, offset: int, header: BatchHeader, marker: tuple[int, int]
) -> None:
    """An end marker, (control type, coordinator epoch), stands at `offset` in the segment."""
    aborted = state.end_transaction(header.producer_id, header.producer_epoch, header.max_timestamp_ms, offset, marker)
    if aborted is not None:
        segment.transactions.append(aborted)
