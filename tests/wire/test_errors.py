"""What errors say: the message, the version, the field with its indexes, the byte."""

from __future__ import annotations

import random
from typing import Any

import pytest

from klamm.wire.catalogue import find_message
from klamm.wire.codec import (
    DECODE_FAILURES,
    CodecError,
    DecodeError,
    EncodeError,
    compiled_decoder,
    decode,
    decode_from,
    encode,
    encode_parts,
)
from klamm.wire.messages.describe_topic_partitions import Cursor, DescribeTopicPartitionsRequest
from klamm.wire.messages.fetch import (
    EpochEndOffset,
    FetchableTopicResponse,
    FetchPartition,
    FetchRequest,
    FetchResponse,
    FetchTopic,
    NodeEndpoint,
    PartitionData,
)
from klamm.wire.messages.heartbeat import HeartbeatRequest
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from klamm.wire.messages.offset_fetch import OffsetFetchRequest, OffsetFetchRequestGroup, OffsetFetchRequestTopics
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData


def produce(**partition: Any) -> ProduceRequest:
    """Two topics, the second with two partitions; `partition` goes to the last of them."""
    last = PartitionProduceData(**{"index": 1, "records": b"x", **partition})
    return ProduceRequest(
        topic_data=[
            TopicProduceData(name="a", partition_data=[]),
            TopicProduceData(name="b", partition_data=[PartitionProduceData(records=b"y"), last]),
        ]
    )


def decode_error(message: type[Any], version: int, data: bytes) -> DecodeError:
    with pytest.raises(DecodeError) as caught:
        decode(message, version, data)
    return caught.value


def encode_error(message: Any, version: int) -> EncodeError:
    with pytest.raises(EncodeError) as caught:
        encode(message, version)
    return caught.value


def test_a_decode_error_names_the_element_and_the_byte() -> None:
    data = encode(produce(records=b"0123456789"), 9)
    at = data.index(b"0123456789")
    error = decode_error(ProduceRequest, 9, data[: at + 4])
    assert (error.message, error.version) == ("ProduceRequest", 9)
    assert error.path == "topic_data[1].partition_data[1].records"
    assert error.position == at - 1
    assert "a length of 10 with 4 bytes left" in error.reason
    assert str(error) == (
        f"ProduceRequest v9: topic_data[1].partition_data[1].records at byte {at - 1}: a length of 10 with 4 bytes left"
    )
    assert isinstance(error, CodecError)
    assert isinstance(error, ValueError)


def test_a_decode_error_in_a_run_of_fixed_fields_names_the_one_that_is_cut() -> None:
    data = encode(ProduceRequest(acks=-1, timeout_ms=1), 9)
    # The null transactional id, two bytes of acks, then four of the timeout.
    for end, path, position in ((2, "acks", 1), (4, "timeout_ms", 3)):
        error = decode_error(ProduceRequest, 9, data[:end])
        assert (error.path, error.position, error.reason) == (path, position, "the bytes end too soon")


def test_a_position_counts_from_the_buffer_not_from_the_message() -> None:
    with pytest.raises(DecodeError) as caught:
        decode_from(MetadataRequest, 1, b"\xaa\xbb\0\0\0\x02\0\0\0\x01", 2)
    assert caught.value.path == "topics[1].name"
    assert caught.value.position == 10


def test_bytes_behind_a_message() -> None:
    error = decode_error(MetadataRequest, 1, b"\0\0\0\0xyz")
    assert (error.path, error.position, error.reason) == ("", 4, "3 bytes behind the message")


@pytest.mark.parametrize("data", [b"\0\0\0\x01\xff\xff", b"\0\0\0\x01\x80\0"])
def test_a_null_where_there_is_none(data: bytes) -> None:
    error = decode_error(MetadataRequest, 1, data)
    assert (error.path, error.position) == ("topics[0].name", 6)
    assert "null" in error.reason


def test_an_unsigned_varint_of_more_than_32_bits() -> None:
    for varint in (b"\xff\xff\xff\xff\x1f", b"\x80\x80\x80\x80\x80\0"):
        error = decode_error(HeartbeatRequest, 4, varint + bytes(20))
        assert (error.path, error.position) == ("group_id", 0)
        assert "more than 32 bits" in error.reason


def test_a_string_of_a_flexible_version_is_no_longer_than_one_of_the_others() -> None:
    rest = encode(HeartbeatRequest(), 4)[1:]
    assert decode(HeartbeatRequest, 4, b"\x80\x80\x02" + b"x" * 32767 + rest).group_id == "x" * 32767
    error = decode_error(HeartbeatRequest, 4, b"\x81\x80\x02" + b"x" * 32768 + rest)
    assert (error.path, error.reason) == ("group_id", "a string of 32768 bytes, which may have 32767")


def test_a_tagged_field_that_is_not_as_long_as_it_says() -> None:
    response = FetchResponse(
        responses=[
            FetchableTopicResponse(
                topic="t", partitions=[PartitionData(diverging_epoch=EpochEndOffset(epoch=1, end_offset=2))]
            )
        ]
    )
    data = bytearray(encode(response, 12))
    size = data.index(b"\x01\0\x0d") + 2  # one tagged field, tag 0, 13 bytes
    data[size] += 1
    error = decode_error(FetchResponse, 12, bytes(data) + b"\0")
    assert error.path == "responses[0].partitions[0]"
    assert "tag 0" in error.reason


# What Kafka's own readers take though its writers never write it; each was put to Kafka 4.3.1's generated classes.


def test_tags_in_any_order_and_the_last_of_two() -> None:
    body = encode(HeartbeatRequest(group_id="g", member_id="m"), 4)
    found = decode(HeartbeatRequest, 4, body[:-1] + b"\x03\x05\x01a\x03\x01b\x05\x01c")
    assert found.unknown_tagged_fields == {5: b"c", 3: b"b"}
    assert encode(found, 4) == body[:-1] + b"\x02\x03\x01b\x05\x01c", "written back in ascending order"


def test_any_negative_length_is_a_null_where_there_may_be_one() -> None:
    assert decode(MetadataRequest, 1, b"\xff\xff\xff\xfb").topics is None
    assert decode(ProduceRequest, 3, b"\xff\xfd" + bytes(10)).transactional_id is None


@pytest.mark.parametrize(("mark", "present"), [(b"\xff", False), (b"\xfe", False), (b"\x01", True), (b"\x07", True)])
def test_the_mark_of_a_nullable_struct(mark: bytes, present: bool) -> None:
    cursor = b"\x02a\0\0\0\x05\0" if present else b""
    found = decode(DescribeTopicPartitionsRequest, 0, b"\x01\0\0\0\x01" + mark + cursor + b"\0")
    assert found.cursor == (Cursor(topic_name="a", partition_index=5) if present else None)


def test_bytes_that_are_not_utf_8() -> None:
    body = encode(HeartbeatRequest(group_id="g?", member_id="m"), 4).replace(b"?", b"\xff")
    assert decode(HeartbeatRequest, 4, body).group_id == "g\N{REPLACEMENT CHARACTER}"


# --- encoding --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("message", "version", "path", "reason"),
    [
        (produce(index=2**31), 9, "topic_data[1].partition_data[1].index", "2147483648 is not int32"),
        (produce(index="7"), 9, "topic_data[1].partition_data[1].index", "'7' is not int32"),
        (produce(index=None), 9, "topic_data[1].partition_data[1].index", "null where"),
        (produce(records="text"), 9, "topic_data[1].partition_data[1].records", "str where bytes belong"),
        (ProduceRequest(acks=40000), 9, "acks", "40000 is not int16"),
        (ProduceRequest(timeout_ms=-(2**31) - 1), 9, "timeout_ms", "is not int32"),
        (ProduceRequest(transactional_id="x" * 32768), 3, "transactional_id", "a length of 32768"),
        (ProduceRequest(transactional_id="x" * 32768), 9, "transactional_id", "a string of 32768 bytes"),
        (ProduceRequest(transactional_id="x"), 2, "transactional_id", "version 2 cannot carry"),
        (ProduceRequest(transactional_id=5), 9, "transactional_id", "5 is not a string"),  # type: ignore[arg-type]
        (ProduceRequest(transactional_id="\ud800"), 9, "transactional_id", "surrogates not allowed"),
        (ProduceRequest(topic_data=None), 9, "topic_data", "null where"),  # type: ignore[arg-type]
        (ProduceRequest(topic_data=7), 9, "topic_data", "has no len"),  # type: ignore[arg-type]
        (MetadataRequest(topics=[MetadataRequestTopic(name=None)]), 9, "topics[0].name", "null where"),
        (MetadataRequest(topics=None), 0, "topics", "null where"),
        (FetchRequest(topics=[FetchTopic(topic_id=b"short")]), 13, "topics[0].topic_id", "5 bytes, not 16"),
        (FetchRequest(topics=[FetchTopic(topic_id=None)]), 13, "topics[0].topic_id", "null where"),  # type: ignore[arg-type]
        (
            FetchRequest(topics=[FetchTopic(topic="t", partitions=[FetchPartition(last_fetched_epoch=3)])]),
            11,
            "topics[0].partitions[0].last_fetched_epoch",
            "version 11 cannot carry",
        ),
        (
            FetchResponse(node_endpoints=[NodeEndpoint(node_id=1), NodeEndpoint(node_id=2, port=2**40)]),
            16,
            "node_endpoints[1].port",
            "is not int32",
        ),
        (FetchResponse(node_endpoints=[NodeEndpoint()]), 15, "node_endpoints", "version 15 cannot carry"),
        (
            OffsetFetchRequest(
                groups=[
                    OffsetFetchRequestGroup(
                        group_id="g", topics=[OffsetFetchRequestTopics(name="t", partition_indexes=[0, 1, 2**31, 3])]
                    )
                ]
            ),
            8,
            "groups[0].topics[0].partition_indexes[2]",
            "2147483648 is not int32",
        ),
        (HeartbeatRequest(unknown_tagged_fields={2**32: b""}), 4, "", "is not a uint32"),
    ],
)
def test_an_encode_error_names_the_field(message: Any, version: int, path: str, reason: str) -> None:
    error = encode_error(message, version)
    assert (error.message, error.version, error.path) == (type(message).__name__, version, path)
    assert reason in error.reason
    assert path in str(error)


def test_an_ignorable_field_is_left_out() -> None:
    assert encode(FetchRequest(rack_id="r", session_id=5), 4) == encode(FetchRequest(), 4)


@pytest.mark.parametrize("version", [-1, 99])
def test_a_version_that_kafka_never_had(version: int) -> None:
    with pytest.raises(ValueError, match="has no version"):
        encode(MetadataRequest(), version)
    with pytest.raises(ValueError, match="has no version"):
        decode(MetadataRequest, version, b"")


def test_records_may_be_anything_with_a_length() -> None:
    class FileRange:
        def __len__(self) -> int:
            return 1000

    file_range = FileRange()
    parts: list[Any] = []
    encode_parts(produce(records=file_range), 9, parts)
    at = parts.index(file_range)
    assert parts[at - 1] == b"\xe9\x07", "1001 as an unsigned varint"


# --- truncation ------------------------------------------------------------------------------------------------------


def test_every_truncation_of_every_golden_vector(golden: list[Any]) -> None:
    """Cut anywhere, a message is an error: no message is the beginning of another one of its version."""
    for vector in golden:
        run = compiled_decoder(find_message(vector.message), vector.version).run
        for end in range(len(vector.data)):
            try:
                run(vector.data[:end], 0)
            except DECODE_FAILURES:
                continue
            raise AssertionError(f"{vector.message} v{vector.version} decodes from {end} of {len(vector.data)} bytes")


def test_every_truncation_is_located(golden: list[Any]) -> None:
    chooser = random.Random(1)
    for vector in golden:
        message = find_message(vector.message)
        for end in sorted(chooser.sample(range(len(vector.data)), min(4, len(vector.data)))):
            error = decode_error(message, vector.version, vector.data[:end])
            assert (error.message, error.version) == (vector.message, vector.version)
            assert 0 <= error.position <= end
            assert "{" not in error.path
            assert error.reason
