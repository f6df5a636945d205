"""What a leader refuses, with Kafka's error for each (recorded from Apache Kafka 4.3.1)."""

from __future__ import annotations

import struct

import pytest

from klamm.storage.checks import Origin, RecordsRejected, accept
from klamm.storage.config import LogConfig
from klamm.wire.batches import batch_checksum, parse_header, verify_batch
from klamm.wire.compression import Codec
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker, iter_records

from .shorthand import MakeBatch

NOW_MS = 1_700_000_000_000
HOUR_MS = 3_600_000


def patched(batch: bytes, position: int, layout: str, value: int, *, crc: bool = True) -> bytes:
    """The batch with one header field changed, and a right checksum unless told otherwise."""
    out = bytearray(batch)
    struct.pack_into(layout, out, position, value)
    if crc:
        struct.pack_into(">I", out, 17, batch_checksum(out))
    return bytes(out)


def code_of(batch: bytes, origin: Origin = Origin.CLIENT, **config: object) -> ErrorCode:
    with pytest.raises(KafkaError) as caught:
        accept(batch, LogConfig(**config), NOW_MS, origin)  # type: ignore[arg-type]
    return caught.value.code


def rejected(batch: bytes, **config: object) -> RecordsRejected:
    with pytest.raises(RecordsRejected) as caught:
        accept(batch, LogConfig(**config), NOW_MS, Origin.CLIENT)  # type: ignore[arg-type]
    return caught.value


@pytest.mark.behaviour("6")
def test_corrupt_messages(batch: MakeBatch) -> None:
    good = batch(b"a", b"b")
    assert code_of(patched(good, 17, ">I", 7, crc=False)) is ErrorCode.CORRUPT_MESSAGE
    assert code_of(patched(good, 16, ">b", 3)) is ErrorCode.CORRUPT_MESSAGE
    assert code_of(patched(good, 16, ">b", -1)) is ErrorCode.CORRUPT_MESSAGE
    for length in (-1, 0, 13, 14, 48, 49, len(good) - 13):
        assert code_of(patched(good, 8, ">i", length, crc=False)) is ErrorCode.CORRUPT_MESSAGE, length


@pytest.mark.behaviour("6")
def test_invalid_records(batch: MakeBatch) -> None:
    good = batch(b"a", b"b")
    wrong = {
        "no batch": b"",
        "half a batch": good[:-1],
        "a header's half": good[:30],
        "length beyond the data": patched(good, 8, ">i", len(good), crc=False),
        "magic 0": patched(good, 16, ">b", 0),
        "magic 1": patched(good, 16, ">b", 1),
        "two batches": good + good,
        "base offset": patched(good, 0, ">q", 5),
        "last offset delta": patched(good, 23, ">i", 2),
        "negative last offset delta": patched(good, 23, ">i", -1),
        "count": patched(good, 57, ">i", 3),
        "empty": patched(patched(good, 57, ">i", 0), 23, ">i", -1),
        "negative count": patched(good, 57, ">i", -1),
        "producer id without sequence": patched(good, 43, ">q", 9),
        "control": patched(good, 21, ">h", 0x20),
    }
    assert {what: code_of(data).name for what, data in wrong.items()} == dict.fromkeys(wrong, "INVALID_RECORD")


def test_stray_bytes_behind_the_batch_are_dropped(batch: MakeBatch) -> None:
    good = batch(b"a")
    for stray in (b"x", bytes(11), good[:-1]):
        _, stored = accept(good + stray, LogConfig(), NOW_MS, Origin.CLIENT)
        assert bytes(stored) == good


@pytest.mark.behaviour("4")
def test_the_leader_epoch_in_the_batch_does_not_matter(batch: MakeBatch) -> None:
    for epoch in (-1, 0, 99):
        data = batch(b"a", partition_leader_epoch=epoch)
        assert accept(data, LogConfig(), NOW_MS, Origin.CLIENT)[1] is data


@pytest.mark.parametrize("codec", list(Codec))
def test_ordinary_batches_pass_as_they_are(batch: MakeBatch, codec: Codec) -> None:
    for options in ({}, {"producer_id": 5, "producer_epoch": 0, "base_sequence": 0, "transactional": True}):
        data = batch(b"a" * 70_000, codec=codec, **options)
        header, stored = accept(data, LogConfig(), NOW_MS, Origin.CLIENT)
        assert stored is data
        assert header == parse_header(data)


def test_too_large_comes_before_the_checksum_and_after_the_base_offset(batch: MakeBatch) -> None:
    large = patched(batch(b"a" * 100), 17, ">I", 1, crc=False)
    limit = len(large) - 1
    assert code_of(large, max_message_bytes=limit) is ErrorCode.MESSAGE_TOO_LARGE
    assert code_of(large, max_message_bytes=limit + 1) is ErrorCode.CORRUPT_MESSAGE
    assert code_of(patched(large, 0, ">q", 1), max_message_bytes=limit) is ErrorCode.INVALID_RECORD


@pytest.mark.behaviour("5")
def test_the_brokers_own_control_batches_pass() -> None:
    marker = encode_end_txn_marker(
        commit=True, producer_id=1, producer_epoch=1, coordinator_epoch=1, timestamp_ms=NOW_MS
    )
    assert accept(marker, LogConfig(), NOW_MS, Origin.COORDINATOR)[1] is not None
    assert code_of(marker) is ErrorCode.INVALID_RECORD
    assert code_of(marker[:-1] + b"!", Origin.COORDINATOR) is ErrorCode.CORRUPT_MESSAGE


@pytest.mark.behaviour("timestamps-and-keys")
def test_timestamps_too_far_ahead_name_their_records(batch: MakeBatch) -> None:
    for codec in (Codec.NONE, Codec.GZIP):
        data = batch(b"a", b"b", b"c", timestamp_ms=NOW_MS, step_ms=HOUR_MS, codec=codec)
        error = rejected(data)
        assert error.code is ErrorCode.INVALID_TIMESTAMP
        assert error.message == "One or more records have been rejected due to invalid timestamp"
        assert [index for index, _ in error.record_errors] == [2]
        assert f"Timestamp {NOW_MS + 2 * HOUR_MS} of message with offset 2 is out of range" in error.record_errors[0][1]
    accept(batch(b"a", timestamp_ms=NOW_MS + HOUR_MS), LogConfig(), NOW_MS, Origin.CLIENT)
    accept(batch(b"a", timestamp_ms=-1), LogConfig(), NOW_MS, Origin.CLIENT)


def test_timestamps_too_far_back(batch: MakeBatch) -> None:
    data = batch(b"a", b"b", b"c", timestamp_ms=NOW_MS - 2000, step_ms=1000)
    error = rejected(data, message_timestamp_before_max_ms=1000)
    assert error.code is ErrorCode.INVALID_TIMESTAMP
    assert [index for index, _ in error.record_errors] == [0]
    accept(data, LogConfig(message_timestamp_before_max_ms=2000), NOW_MS, Origin.CLIENT)
    accept(batch(b"a", timestamp_ms=-1), LogConfig(message_timestamp_before_max_ms=1), NOW_MS, Origin.CLIENT)


def test_a_header_that_claims_the_far_future_gets_the_true_maximum(batch: MakeBatch) -> None:
    data = batch(b"a", b"b", timestamp_ms=NOW_MS, step_ms=5, max_timestamp_ms=NOW_MS * 2)
    header, stored = accept(data, LogConfig(), NOW_MS, Origin.CLIENT)
    assert header[8] == NOW_MS + 5
    assert [record.timestamp_ms for record in iter_records(stored)] == [NOW_MS, NOW_MS + 5]


@pytest.mark.behaviour("41")
def test_append_time_is_the_brokers(batch: MakeBatch) -> None:
    append_time = LogConfig(message_timestamp_type="LogAppendTime")
    data = batch(b"a", b"b", timestamp_ms=NOW_MS * 3, codec=Codec.ZSTD)
    header, stored = accept(data, append_time, NOW_MS, Origin.CLIENT)
    assert header[8] == NOW_MS
    assert [(record.timestamp_ms, record.value) for record in iter_records(stored)] == [(NOW_MS, b"a"), (NOW_MS, b"b")]
    stamped = batch(b"a", log_append_time_ms=5)
    error = rejected(stamped, message_timestamp_type="LogAppendTime")
    assert error.code is ErrorCode.INVALID_TIMESTAMP
    header, stored = accept(stamped, LogConfig(), NOW_MS, Origin.CLIENT)
    assert not parse_header(stored).is_log_append_time
    assert [record.timestamp_ms for record in iter_records(stored)] == [1000]


def test_markers_too_have_the_time_of_the_append() -> None:
    marker = encode_end_txn_marker(commit=True, producer_id=1, producer_epoch=0, coordinator_epoch=0, timestamp_ms=5)
    header, stored = accept(marker, LogConfig(message_timestamp_type="LogAppendTime"), NOW_MS, Origin.COORDINATOR)
    assert parse_header(stored).is_log_append_time
    assert header[8] == parse_header(stored).max_timestamp_ms == NOW_MS
    assert accept(marker, LogConfig(), NOW_MS, Origin.COORDINATOR)[1] == marker


@pytest.mark.behaviour("timestamps-and-keys")
def test_compacted_topics_need_keys(batch: MakeBatch) -> None:
    for policy in (("compact",), ("compact", "delete")):
        data = batch(b"a", b"b", b"c", b"d", keys=[None, b"k", None, None], codec=Codec.LZ4)
        error = rejected(data, cleanup_policy=policy)
        assert error.code is ErrorCode.INVALID_RECORD
        assert [index for index, _ in error.record_errors] == [0, 2, 3]
        assert error.message is not None
        assert "due to 3 record errors in total" in error.message
    accept(batch(b"a", keys=[b""]), LogConfig(cleanup_policy=("compact",)), NOW_MS, Origin.CLIENT)
    accept(batch(b"a", keys=[None]), LogConfig(cleanup_policy=("compact",)), NOW_MS, Origin.COORDINATOR)


def test_garbage_behind_a_right_checksum(batch: MakeBatch) -> None:
    good = batch(b"a" * 50)
    length, headers = patched(good, 61, ">B", 3), patched(good, len(good) - 1, ">B", 8)
    for data in (length, headers):
        assert accept(data, LogConfig(), NOW_MS, Origin.CLIENT)[1] is data
        assert code_of(data, klamm_validate_records=True) is ErrorCode.INVALID_RECORD
    assert code_of(length, cleanup_policy=("compact",)) is ErrorCode.INVALID_RECORD
    assert code_of(patched(good, 21, ">h", 5)) is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("target", ["uncompressed", "gzip", "snappy", "lz4", "zstd"])
@pytest.mark.parametrize("sent", list(Codec))
def test_compression_type_decides_the_codec(sent: Codec, target: str) -> None:
    records = [Record(b"k%d" % n, b"value " * n, (("h", None),), NOW_MS + n) for n in range(50)]
    batch = encode_batch(records, codec=sent, producer_id=7, producer_epoch=1, base_sequence=3, transactional=True)
    config = LogConfig(compression_type=target)
    header, kept = accept(batch, config, NOW_MS, Origin.CLIENT)
    before, after = parse_header(batch), parse_header(kept)
    assert after.codec == config.target_codec
    verify_batch(kept)
    assert tuple(after) == tuple(header)
    same = ("length", "crc", "attributes")
    assert {name: getattr(after, name) for name in after._fields if name not in same} == {
        name: getattr(before, name) for name in before._fields if name not in same
    }
    assert after.is_transactional
    assert list(iter_records(kept)) == list(iter_records(batch))
    if sent == config.target_codec:
        assert kept is batch


def test_what_grows_beyond_the_limit_by_its_new_codec_is_refused() -> None:
    batch = encode_batch([Record(value=b"x" * 5000, timestamp_ms=NOW_MS)], codec=Codec.GZIP)
    assert code_of(batch, max_message_bytes=1000, compression_type="uncompressed") is ErrorCode.MESSAGE_TOO_LARGE
    # A coordinator's batches are as it made them.
    assert accept(batch, LogConfig(compression_type="zstd"), NOW_MS, Origin.COORDINATOR)[1] is batch


def test_what_does_not_decompress_cannot_change_its_codec() -> None:
    batch = encode_batch([Record(value=b"x" * 500, timestamp_ms=NOW_MS)], codec=Codec.GZIP)
    broken = bytearray(batch)
    broken[70:80] = bytes(10)
    struct.pack_into(">I", broken, 17, batch_checksum(broken))
    assert code_of(bytes(broken), compression_type="zstd") is ErrorCode.INVALID_RECORD
