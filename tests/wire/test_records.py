"""Record batches, held to 13 batches that Kafka's own classes encoded, and to what damage must come to."""

from __future__ import annotations

import json
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from klamm.wire import batches as b
from klamm.wire import records as r
from klamm.wire.compression import Codec, CompressionError, compress, decompress
from klamm.wire.errors import ErrorCode
from klamm.wire.varint import decode_varint, encode_varint

GOLDEN = [
    json.loads(line)
    for line in (Path(__file__).parent.parent / "data" / "golden_records.jsonl").read_text().splitlines()
]
LEGACY = {"v0-plain", "v0-gzip", "v1-plain", "v1-gzip"}


def as_bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def golden_records(row: dict[str, Any]) -> list[r.Record]:
    return [
        r.Record(
            key=as_bytes(item["key"]),
            value=as_bytes(item["value"]),
            headers=tuple((name, as_bytes(value)) for name, value in item.get("headers", [])),
            timestamp_ms=item["ts"],
            offset=row["baseOffset"] + index,
        )
        for index, item in enumerate(row["records"])
    ]


@pytest.mark.parametrize("row", [row for row in GOLDEN if "records" in row], ids=lambda row: row["k"])
def test_every_golden_batch_decodes(row: dict[str, Any]) -> None:
    expected = golden_records(row)
    if row["k"].startswith("v0"):
        expected = [record._replace(timestamp_ms=-1) for record in expected]
    if "logAppendTime" in row:
        expected = [record._replace(timestamp_ms=row["logAppendTime"]) for record in expected]
    assert list(r.iter_records(bytes.fromhex(row["hex"]))) == expected


@pytest.mark.parametrize(
    "row",
    [row for row in GOLDEN if "records" in row and row["k"] not in LEGACY and "gzip" not in row["k"]],
    ids=lambda row: row["k"],
)
def test_golden_batches_encode_to_the_byte(row: dict[str, Any]) -> None:
    encoded = r.encode_batch(
        golden_records(row),
        base_offset=row["baseOffset"],
        last_offset=row.get("lastOffset"),
        partition_leader_epoch=row.get("partitionLeaderEpoch", -1),
        producer_id=row.get("producerId", -1),
        producer_epoch=row.get("producerEpoch", -1),
        base_sequence=row.get("baseSequence", -1),
        transactional=row["k"] == "v2-transactional",
        log_append_time_ms=row.get("logAppendTime"),
        max_timestamp_ms=1700000000123 if not row["records"] else None,
    )
    assert encoded.hex() == row["hex"]


@pytest.mark.parametrize("commit", [True, False])
def test_end_markers_encode_to_the_byte(commit: bool) -> None:
    row = next(row for row in GOLDEN if row["k"] == ("v2-commit-marker" if commit else "v2-abort-marker"))
    encoded = r.encode_end_txn_marker(
        commit=commit,
        producer_id=row["producerId"],
        producer_epoch=row["producerEpoch"],
        coordinator_epoch=row["coordinatorEpoch"],
        timestamp_ms=row["ts"],
        base_offset=row["baseOffset"],
        partition_leader_epoch=row["partitionLeaderEpoch"],
    )
    assert encoded.hex() == row["hex"]
    (record,) = r.iter_records(encoded)
    assert r.decode_end_txn_marker(record) == (int(commit), 9)
    assert b.parse_header(encoded).is_control
    assert b.parse_header(encoded).is_transactional


def test_append_time_stamp_equals_the_golden_one() -> None:
    plain, stamped = (
        next(bytes.fromhex(row["hex"]) for row in GOLDEN if row["k"] == name)
        for name in ("v2-plain", "v2-logAppendTime")
    )
    batch = bytearray(plain)
    b.set_log_append_time(batch, 1700000009999)
    assert bytes(batch) == stamped


def test_base_offset_and_epoch_are_patched_outside_the_checksum() -> None:
    plain, moved = (
        next(bytes.fromhex(row["hex"]) for row in GOLDEN if row["k"] == name)
        for name in ("v2-plain", "v2-baseOffset1000-epoch7")
    )
    batch = bytearray(plain)
    b.set_base_offset(batch, 1000, 7)
    assert bytes(batch) == moved


any_record = st.builds(
    r.Record,
    key=st.none() | st.binary(max_size=40),
    value=st.none() | st.binary(max_size=300),
    headers=st.lists(st.tuples(st.text(max_size=8), st.none() | st.binary(max_size=8)), max_size=3).map(tuple),
    timestamp_ms=st.integers(0, 2**42),
    offset=st.just(-1),
)


@given(
    records=st.lists(any_record, min_size=1, max_size=8),
    codec=st.sampled_from(list(Codec)),
    base_offset=st.integers(0, 2**60),
    producer=st.tuples(st.integers(-1, 2**62), st.integers(-1, 2**15 - 1), st.integers(-1, 2**31 - 1)),
)
@settings(deadline=None, max_examples=150)
def test_what_is_encoded_is_decoded(
    records: list[r.Record], codec: Codec, base_offset: int, producer: tuple[int, int, int]
) -> None:
    batch = r.encode_batch(
        records,
        base_offset=base_offset,
        codec=codec,
        producer_id=producer[0],
        producer_epoch=producer[1],
        base_sequence=producer[2],
    )
    expected = [record._replace(offset=base_offset + index) for index, record in enumerate(records)]
    assert list(r.iter_records(batch)) == expected
    header = b.parse_header(batch)
    assert header.size_bytes == len(batch)
    assert (header.producer_id, header.producer_epoch, header.base_sequence) == producer
    assert header.last_offset == base_offset + len(records) - 1
    assert header.max_timestamp_ms == max(record.timestamp_ms for record in records)
    keys_only = [record._replace(value=None, headers=()) for record in expected]
    assert list(r.batch_records(batch, skip_values=True)) == keys_only


@given(data=st.data(), codec=st.sampled_from(list(Codec)))
@settings(deadline=None, max_examples=300)
def test_damage_raises_record_error_and_nothing_else(data: st.DataObject, codec: Codec) -> None:
    batch = bytearray(r.encode_batch([r.Record(b"k", b"v" * 50, (("h", b"x"),), 5)] * 4, codec=codec))
    for _ in range(data.draw(st.integers(1, 4))):
        batch[data.draw(st.integers(61, len(batch) - 1))] = data.draw(st.integers(0, 255))
    if data.draw(st.booleans()):
        struct.pack_into(">i", batch, 57, data.draw(st.sampled_from([0, 1, 3, 5, 2**31 - 1])))
    raised: b.RecordError | None = None
    try:
        list(r.batch_records(bytes(batch)))
    except b.RecordError as error:
        raised = error
    assert raised is None or raised.code is ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("row", GOLDEN, ids=lambda row: row["k"])
def test_every_flipped_byte_under_the_checksum_is_found(row: dict[str, Any]) -> None:
    good = bytes.fromhex(row["hex"])
    first_message = good[: struct.unpack_from(">i", good, 8)[0] + 12]
    for position in range(17, len(first_message)):
        batch = bytearray(first_message)
        batch[position] ^= 0x40
        with pytest.raises(b.RecordError) as caught:
            list(r.iter_records(bytes(batch)))
        assert caught.value.code is ErrorCode.CORRUPT_MESSAGE


def test_a_partial_batch_at_the_end_is_left_out() -> None:
    batch = r.encode_batch([r.Record(value=b"a"), r.Record(value=b"b")])
    for cut in range(len(batch)):
        assert [record.value for record in r.iter_records(batch + batch[:cut])] == [b"a", b"b"]
    assert [position for position, _ in b.iter_batches(batch + batch + b"\0" * 11)] == [0, len(batch)]


@pytest.mark.parametrize(
    ("position", "value"), [(16, b"\x03"), (16, b"\xff"), (8, b"\0\0\0\x0d"), (8, b"\xff\xff\xff\xff")]
)
def test_lengths_and_magics_that_no_batch_has(position: int, value: bytes) -> None:
    batch = bytearray(r.encode_batch([r.Record(value=b"a")]))
    batch[position : position + len(value)] = value
    with pytest.raises(b.RecordError) as caught:
        list(r.iter_records(bytes(batch)))
    assert caught.value.code is ErrorCode.CORRUPT_MESSAGE


@pytest.mark.parametrize("codec", [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD])
def test_a_bomb_stops_at_the_limit(codec: Codec) -> None:
    bomb = compress(codec, bytes(8_000_000))
    assert len(decompress(codec, bomb, 8_000_000)) == 8_000_000
    with pytest.raises(CompressionError):
        decompress(codec, bomb, 7_999_999)


def test_a_snappy_block_that_claims_four_gigabytes_takes_no_memory() -> None:
    with pytest.raises(CompressionError):
        decompress(Codec.SNAPPY, b"\xff\xff\xff\xff\x0f" + bytes(20))


def test_snappy_is_read_with_and_without_xerials_framing() -> None:
    import cramjam

    data = b"one block, then " * 5000
    assert decompress(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(data))) == data
    framed = compress(Codec.SNAPPY, data)
    assert framed.startswith(b"\x82SNAPPY\0\0\0\0\1\0\0\0\1")
    assert decompress(Codec.SNAPPY, framed) == data
    for cut in (10, 18, 30, len(framed) - 1):
        with pytest.raises(CompressionError):
            decompress(Codec.SNAPPY, framed[:cut])


@pytest.mark.parametrize("level", [None, 1, 9])
def test_lz4_frames_are_of_independent_blocks(level: int | None) -> None:
    """The Java client refuses any other ("Dependent block stream is unsupported")."""
    for data in (b"", b"a", bytes(range(256)) * 1000, random.Random(1).randbytes(200_000)):
        framed = compress(Codec.LZ4, data, level)
        assert framed[:7] == bytes.fromhex("04224d18604082")
        assert decompress(Codec.LZ4, framed) == data


def test_linked_lz4_blocks_are_read() -> None:
    import cramjam

    data = b"what other clients send, " * 20_000
    assert decompress(Codec.LZ4, bytes(cramjam.lz4.compress(data))) == data


def test_gzip_members_follow_each_other() -> None:
    assert decompress(Codec.GZIP, compress(Codec.GZIP, b"one") + compress(Codec.GZIP, b"two")) == b"onetwo"


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_an_unknown_codec(codec: int) -> None:
    batch = bytearray(r.encode_batch([r.Record(value=b"a")]))
    struct.pack_into(">h", batch, 21, codec)
    with pytest.raises(b.RecordError) as caught:
        list(r.batch_records(bytes(batch)))
    assert caught.value.code is ErrorCode.INVALID_RECORD
    with pytest.raises(CompressionError):
        compress(codec, b"")


@given(st.integers(-(2**63), 2**63 - 1))
def test_varints(value: int) -> None:
    encoded = encode_varint(value)
    assert decode_varint(b"x" + encoded, 1) == (value, 1 + len(encoded))
    with pytest.raises(IndexError):
        decode_varint(encoded[:-1], 0)


def test_a_varint_without_end() -> None:
    with pytest.raises(ValueError, match="10 bytes"):
        decode_varint(b"\xff" * 11, 0)


def test_sequences_wrap() -> None:
    assert b.add_sequence(2**31 - 1, 1) == 0
    assert b.add_sequence(2**31 - 3, 5) == 2
    assert b.parse_header(r.encode_batch([r.Record()] * 3, base_sequence=2**31 - 2)).last_sequence == 0


def test_checksum_of_a_long_view_equals_that_of_bytes() -> None:
    data = bytes(range(256)) * 1000
    assert b.checksum(memoryview(data)) == b.checksum(bytearray(data)) == b.checksum(data)


@given(data=st.data(), name=st.sampled_from(sorted(LEGACY)))
@settings(deadline=None, max_examples=200)
def test_damaged_message_sets_raise_record_error_and_nothing_else(data: st.DataObject, name: str) -> None:
    row = next(row for row in GOLDEN if row["k"] == name)
    message = bytearray.fromhex(row["hex"])
    for _ in range(data.draw(st.integers(1, 4))):
        message[data.draw(st.integers(0, len(message) - 1))] = data.draw(st.integers(0, 255))
    raised: b.RecordError | None = None
    try:
        list(r.iter_records(bytes(message), verify_crc=False))
    except b.RecordError as error:
        raised = error
    assert raised is None or raised.code in (ErrorCode.CORRUPT_MESSAGE, ErrorCode.INVALID_RECORD)
