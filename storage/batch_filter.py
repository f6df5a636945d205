"""What of one batch survives a compaction, and the batch without the rest. Pure: bytes in, bytes out.

A batch of which everything stays is copied byte for byte. One that loses records keeps its first and last offset, its
producer, its sequence, its codec and the bytes of the records that stay. A batch with tombstones, or a marker whose
transaction is gone, gets a delete horizon (KIP-534) the first time that it is seen: until then they stay for those who
read behind. Source: Cleaner.cleanInto, Cleaner.shouldRetainRecord, MemoryRecords.filterTo.

Two differences of no meaning to readers: the first timestamp stays in the header when the first record goes (Kafka
moves it, and writes all records anew), and tombstones behind the map's last offset get no horizon yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..wire.batches import (
    BATCH_OVERHEAD,
    COMPRESSION_MASK,
    DELETE_HORIZON_FLAG,
    HEADER,
    LOG_OVERHEAD,
    NO_TIMESTAMP,
    BatchHeader,
    RecordError,
    set_checksum,
    verify_batch,
)
from ..wire.compression import MAX_DECOMPRESSED_BYTES, CompressionError, compress, decompress
from ..wire.errors import ErrorCode
from ..wire.records import encode_batch
from ..wire.varint import decode_varint, encode_varint
from .cleaned_transactions import CleanedTransactions
from .offset_map import DROP, KEEP, TOMBSTONE, OffsetMap
from .pace import RECORDS_AT_ONCE, Pace

#: By producer id: (offset of its newest record or -1 if there is none in its epoch, epoch).
LastRecords = Mapping[int, tuple[int, int]]

_DROPPED: Final = bytes([DROP])
_TOMBSTONE: Final = bytes([TOMBSTONE])


class BatchFilter:
    """One compaction's view: `now_ms` and `delete_retention_ms` for horizons; the batch that ends before `end_offset`
    stays, emptied if need be, so that the log's offsets are not forgotten."""

    def __init__(
        self,
        offsets: OffsetMap,
        transactions: CleanedTransactions,
        last_records: LastRecords,
        *,
        now_ms: int,
        delete_retention_ms: int,
        end_offset: int,
        pace: Pace,
    ) -> None:
        self._offsets = offsets
        self._transactions = transactions
        self._last_records = last_records
        self._now_ms = now_ms
        self._new_horizon_ms = now_ms + delete_retention_ms
        self._end_offset = end_offset
        self._pace = pace

    def filter(self, header: BatchHeader, batch: memoryview) -> memoryview | bytes | None:
        """The batch itself, a smaller one, or None. To be told of all batches in order. Raises RecordError."""
        horizon_ms = header.base_timestamp_ms if header.attributes & DELETE_HORIZON_FLAG else None
        horizon_has_passed = horizon_ms is not None and horizon_ms <= self._now_ms
        if header.is_control:
            is_done = self._transactions.on_marker(header, batch)
            if is_done and horizon_has_passed:
                return self._emptied(header, batch)
            if is_done and horizon_ms is None and header.records_count:
                return thinned(header, batch, bytes([KEEP]) * header.records_count, self._new_horizon_ms, self._pace)
            return batch if header.records_count else self._emptied(header, batch)
        if self._transactions.on_batch(header):
            return self._emptied(header, batch)
        if header.base_offset > self._offsets.latest_offset:
            return batch
        flags = self._flags(header, batch)
        tombstones = flags.count(TOMBSTONE)
        if tombstones and horizon_has_passed:
            flags = flags.replace(_TOMBSTONE, _DROPPED)
            tombstones = 0
        dropped = flags.count(DROP)
        if dropped == len(flags):
            return self._emptied(header, batch)
        if tombstones and horizon_ms is None:
            return thinned(header, batch, flags, self._new_horizon_ms, self._pace)
        return thinned(header, batch, flags, None, self._pace) if dropped else batch

    def _flags(self, header: BatchHeader, batch: memoryview) -> bytes:
        """DROP, KEEP or TOMBSTONE for each record of the batch."""
        if header.records_count == header.last_offset_delta + 1:
            marks = self._offsets.marks(header.base_offset, header.last_offset)
            if marks is not None:
                return marks
        return look_up(header, records_of(header, batch), self._offsets, self._pace)

    def _emptied(self, header: BatchHeader, batch: memoryview) -> memoryview | bytes | None:
        """Nothing of the batch is needed but, for some, that it was there."""
        if not self._is_last_of_its_producer(header) and header.last_offset + 1 != self._end_offset:
            return None
        if not header.records_count:
            return batch
        return encode_batch(
            (),
            base_offset=header.base_offset,
            last_offset=header.last_offset,
            partition_leader_epoch=header.partition_leader_epoch,
            producer_id=header.producer_id,
            producer_epoch=header.producer_epoch,
            base_sequence=header.base_sequence,
            transactional=header.is_transactional,
            control=header.is_control,
            log_append_time_ms=header.max_timestamp_ms if header.is_log_append_time else None,
            max_timestamp_ms=header.max_timestamp_ms,
        )

    def _is_last_of_its_producer(self, header: BatchHeader) -> bool:
        """Its sequence is what the producer's next batch is measured by after a restart."""
        last = self._last_records.get(header.producer_id) if header.producer_id >= 0 else None
        if last is None:
            return False
        offset, epoch = last
        return header.last_offset == offset if offset >= 0 else header.is_control and header.producer_epoch == epoch


def records_of(header: BatchHeader, batch: memoryview) -> bytes:
    """The batch's records, decompressed. Raises RecordError."""
    try:
        return decompress(header.codec, bytes(batch[BATCH_OVERHEAD:]), MAX_DECOMPRESSED_BYTES)
    except CompressionError as error:
        raise RecordError(ErrorCode.INVALID_RECORD, str(error)) from None


def look_up(header: BatchHeader, payload: bytes, offsets: OffsetMap, pace: Pace) -> bytes:
    """A flag for each record, by its key. Raises RecordError."""
    latest_offset, base_offset = offsets.latest_offset, header.base_offset
    flags = bytearray(header.records_count)
    position = done = 0
    try:
        while done < header.records_count:
            stop = min(header.records_count, done + RECORDS_AT_ONCE)
            for number in range(done, stop):
                length, position = decode_varint(payload, position)
                end = position + length
                position += 1  # attributes
                while payload[position] > 127:  # timestamp
                    position += 1
                offset, position = decode_varint(payload, position + 1)
                offset += base_offset
                size, position = decode_varint(payload, position)
                if offset > latest_offset:
                    # A tombstone too: values that it supersedes may still be there, so it must not go yet.
                    flags[number] = KEEP
                elif size >= 0:
                    key_end = position + size
                    if length < 0 or key_end >= end:
                        raise ValueError("key that ends outside its record")
                    if offset >= offsets.get(payload[position:key_end]):
                        flags[number] = TOMBSTONE if payload[key_end] == 1 else KEEP
                position = end
            done = stop
            pace.rest()
        if position != len(payload):
            raise ValueError(f"records end at byte {position} of {len(payload)}")
    except (ValueError, IndexError) as error:
        raise RecordError(ErrorCode.INVALID_RECORD, f"batch at offset {base_offset}: {error}") from None
    return bytes(flags)


def thinned(header: BatchHeader, batch: memoryview, flags: bytes, new_horizon_ms: int | None, pace: Pace) -> bytes:
    """The batch with the records that are not DROP, and with a delete horizon from now on if one is given.

    Their bytes stay; only a new horizon, which takes the place of the base timestamp, changes each one's timestamp
    delta. Raises RecordError, also for a wrong checksum: what is damaged must not get a right one.
    """
    verify_batch(batch)
    payload = records_of(header, batch)
    append_time = header.max_timestamp_ms if header.is_log_append_time else None
    shift = 0 if new_horizon_ms is None else header.base_timestamp_ms - new_horizon_ms
    kept: list[bytes] = []
    largest: int | None = None
    position = done = 0
    run = -1  # where the records begin that stay and are not in `kept` yet
    try:
        while done < len(flags):
            stop = min(len(flags), done + RECORDS_AT_ONCE)
            for flag in flags[done:stop]:
                start = position
                length, position = decode_varint(payload, position)
                end = position + length
                if length < 0 or end > len(payload):
                    raise ValueError("record that ends outside its batch")
                if flag:
                    delta, rest = decode_varint(payload, position + 1)
                    if largest is None or delta > largest:
                        largest = delta
                    if new_horizon_ms is not None:
                        if append_time is not None:
                            delta = append_time - header.base_timestamp_ms
                        body = payload[position : position + 1] + encode_varint(delta + shift) + payload[rest:end]
                        kept.append(encode_varint(len(body)) + body)
                    elif run < 0:
                        run = start
                elif run >= 0:
                    kept.append(payload[run:start])
                    run = -1
                position = end
            done = stop
            pace.rest()
    except (ValueError, IndexError) as error:
        raise RecordError(ErrorCode.INVALID_RECORD, f"batch at offset {header.base_offset}: {error}") from None
    if run >= 0:
        kept.append(payload[run:position])
    records = compress(header.attributes & COMPRESSION_MASK, b"".join(kept))
    max_timestamp = NO_TIMESTAMP if largest is None else header.base_timestamp_ms + largest
    new = header._replace(
        length=BATCH_OVERHEAD - LOG_OVERHEAD + len(records),
        attributes=header.attributes | (0 if new_horizon_ms is None else DELETE_HORIZON_FLAG),
        base_timestamp_ms=header.base_timestamp_ms if new_horizon_ms is None else new_horizon_ms,
        max_timestamp_ms=max_timestamp if append_time is None else append_time,
        records_count=len(flags) - flags.count(DROP),
    )
    out = bytearray(HEADER.pack(*new))
    out += records
    set_checksum(out)
    return bytes(out)
