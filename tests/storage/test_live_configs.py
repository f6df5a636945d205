"""Every topic config of a log takes effect on a log that is open: the same question before and after it is changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from klamm.storage.checks import RecordsRejected
from klamm.storage.config import LogConfig
from klamm.storage.log import Log
from klamm.storage.recompression import level_of
from klamm.wire.batches import batch_checksum, parse_header
from klamm.wire.compression import Codec
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, encode_batch, iter_records

NOW_MS = 10_000_000
#: Shown in test_cleanable.py.
OF_COMPACTION = {field.name for field in fields(LogConfig) if field.name.startswith(("min_", "max_comp", "delete_ret"))}
OF_COMPACTION |= {"file_delete_delay_ms"}


def put(
    log: Log, value: bytes = b"v", timestamp_ms: int = NOW_MS, key: bytes | None = b"k", now_ms: int = NOW_MS
) -> None:
    batch = encode_batch([Record(key, value, timestamp_ms=timestamp_ms)])
    log.append_as_leader(batch, leader_epoch=0, now_ms=now_ms)
    log.high_watermark = log.log_end_offset


def refused(log: Log, **record: Any) -> ErrorCode | None:
    try:
        put(log, **record)
    except (KafkaError, RecordsRejected) as error:
        return error.code
    return None


def rolls(log: Log, after_ms: int) -> bool:
    """Does a record so much later begin a new segment?"""
    log.truncate_to(log.log_start_offset, NOW_MS)
    put(log)
    put(log, timestamp_ms=NOW_MS + after_ms, now_ms=NOW_MS + after_ms)
    return len(log.segment_offsets) > 1


def segments_of_ten(log: Log) -> bool:
    """Do ten batches take more than one segment?"""
    count = len(log.segment_offsets)
    for _ in range(10):
        put(log)
    return len(log.segment_offsets) > count


def indexes(log: Log) -> bool:
    """Is there an index entry for one of three batches?"""
    log.truncate_to(log.log_start_offset, NOW_MS)
    for _ in range(3):
        put(log)
    return len(log._segments.items[-1].offset_index) > 0


def last_timestamp(log: Log) -> int:
    put(log, timestamp_ms=NOW_MS - 5)
    found = log.read(log.log_end_offset - 1, 1000, max_offset=log.log_end_offset)
    (record,) = iter_records(found.read())
    found.release()
    return record.timestamp_ms


def last_file_bytes(log: Log) -> int:
    log._roll(NOW_MS)
    put(log)
    size = os.path.getsize(log._active.handle.path)
    return size if size > log.size_bytes else 0


def codec(log: Log) -> int:
    """What a batch that came in gzip is stored in."""
    return parse_header(stored(log)).codec


def stored(log: Log) -> bytes:
    batch = encode_batch([Record(b"k", b"x" * 5000 + bytes(range(256)) * 8)], codec=Codec.GZIP)
    at = log.append_as_leader(batch, leader_epoch=0, now_ms=NOW_MS).base_offset
    log.high_watermark = log.log_end_offset
    found = log.read(at, 100_000, max_offset=log.log_end_offset)
    try:
        return found.read()
    finally:
        found.release()


def retains(log: Log) -> bool:
    """Does retention leave what two segments hold, an hour later?"""
    put(log, timestamp_ms=NOW_MS - 3_600_000)
    log._roll(NOW_MS)
    put(log, timestamp_ms=NOW_MS - 3_600_000)
    return log.apply_retention(NOW_MS) == 0


def is_flushed_by_an_append(log: Log) -> bool:
    batch = encode_batch([Record(value=b"v")], base_offset=log.log_end_offset)
    log.append_as_follower(batch, now_ms=NOW_MS)
    return log.flushed_offset == log.log_end_offset


def is_flushed_before_it_rolls(log: Log) -> bool:
    segments_of_ten(log)
    return log.flushed_offset == log.segment_offsets[-1]


def takes_garbage(log: Log) -> bool:
    """A batch whose checksum is right, and whose record is not one."""
    whole = bytearray(encode_batch([Record(value=b"v", timestamp_ms=NOW_MS)]))
    whole[61:] = b"\xff" * len(whole[61:])
    whole[17:21] = batch_checksum(memoryview(whole)).to_bytes(4, "big")
    try:
        log.append_as_leader(bytes(whole), leader_epoch=0, now_ms=NOW_MS)
    except KafkaError:
        return False
    return True


#: Field -> (other configs that matter, value before, value after, question, answer before, answer after).
TABLE: dict[str, tuple[dict[str, Any], Any, Any, Callable[[Log], object], object, object]] = {
    "cleanup_policy": (
        {},
        ("delete",),
        ("compact",),
        lambda log: refused(log, key=None),
        None,
        ErrorCode.INVALID_RECORD,
    ),
    "compression_type": ({}, "producer", "zstd", codec, Codec.GZIP, Codec.ZSTD),
    "flush_messages": ({}, 1000, 1, is_flushed_by_an_append, False, True),
    "flush_ms": ({}, 5000, 100, lambda log: log.flush_is_due(log.last_flush_ms + 200), False, True),
    "index_interval_bytes": ({}, 4096, 50, indexes, False, True),
    "max_message_bytes": (
        {},
        1000,
        100,
        lambda log: refused(log, value=b"x" * 200),
        None,
        ErrorCode.MESSAGE_TOO_LARGE,
    ),
    "message_timestamp_after_max_ms": (
        {},
        5000,
        100,
        lambda log: refused(log, timestamp_ms=NOW_MS + 1000),
        None,
        ErrorCode.INVALID_TIMESTAMP,
    ),
    "message_timestamp_before_max_ms": (
        {},
        5000,
        100,
        lambda log: refused(log, timestamp_ms=NOW_MS - 1000),
        None,
        ErrorCode.INVALID_TIMESTAMP,
    ),
    "message_timestamp_type": ({}, "CreateTime", "LogAppendTime", last_timestamp, NOW_MS - 5, NOW_MS),
    "preallocate": ({"segment_bytes": 10_000}, False, True, last_file_bytes, 0, 10_000),
    "retention_bytes": ({"retention_ms": -1}, -1, 80, retains, True, False),
    "retention_ms": ({}, 7_200_000, 1000, retains, True, False),
    "segment_bytes": ({}, 10_000, 200, segments_of_ten, False, True),
    "segment_index_bytes": ({"index_interval_bytes": 0}, 10_000, 16, segments_of_ten, False, True),
    # The jitter is drawn when a segment begins: the next one has it.
    "segment_jitter_ms": ({"segment_ms": 1000}, 0, 1000, lambda log: rolls(log, 500), False, True),
    "segment_ms": ({}, 1000, 100, lambda log: rolls(log, 500), False, True),
    "klamm_flush_before_roll": ({"segment_bytes": 200}, False, True, is_flushed_before_it_rolls, False, True),
    "klamm_validate_records": ({}, False, True, takes_garbage, True, False),
}


#: What a level does is for the codec to say: that it is told of the level is shown apart.
LEVELS = {"compression_gzip_level": 1, "compression_lz4_level": 1, "compression_zstd_level": -50}


def test_every_config_of_a_log_is_in_the_table() -> None:
    assert TABLE.keys() | LEVELS.keys() == {field.name for field in fields(LogConfig)} - OF_COMPACTION


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_reaches_the_codec(open_log: Callable[..., Log], name: str) -> None:
    codec = name.split("_")[1]
    log = open_log(compression_type=codec)
    before = level_of(log.config)
    log.configure(replace(log.config, **{name: LEVELS[name]}))
    assert level_of(log.config) == LEVELS[name] != before
    assert parse_header(stored(log)).codec == Codec[codec.upper()]


@pytest.mark.parametrize("name", TABLE)
def test_a_config_takes_effect_on_an_open_log(open_log: Callable[..., Log], name: str) -> None:
    others, before, after, question, answer_before, answer_after = TABLE[name]
    log = open_log(**others, **{name: before}, random_below=lambda limit: limit - 1)
    assert question(log) == answer_before
    log.configure(replace(log.config, **{name: after}))
    assert question(log) == answer_after
