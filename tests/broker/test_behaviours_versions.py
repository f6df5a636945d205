"""Versions and connections: lines 1-3 of docs/behaviours.md, and answers in the order of their requests."""

from __future__ import annotations

import struct

import pytest

from klamm.wire.apis import APIS, BY_NAME
from klamm.wire.codec import encode
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.api_versions import ApiVersionsRequest, ApiVersionsResponse
from klamm.wire.messages.metadata import MetadataRequest
from klamm.wire.messages.sasl_authenticate import SaslAuthenticateRequest
from klamm.wire.messages.sasl_handshake import SaslHandshakeRequest

from .raw_client import ClosedError, RawClient, ask, decode_response, framed, header_bytes

API_VERSIONS = BY_NAME["ApiVersions"]
SOFTWARE = {"client_software_name": "raw", "client_software_version": "1.0"}


def api_versions(address: str, version: int) -> ApiVersionsResponse:
    answer = ask(address, ApiVersionsRequest(**SOFTWARE), version)
    assert isinstance(answer, ApiVersionsResponse)
    return answer


def closes(address: str, data: bytes) -> bool:
    """Whether the broker closes the connection without a byte of answer."""
    with RawClient(address) as client:
        client.send_bytes(data)
        return client.read_until_close() == b""


@pytest.mark.behaviour("1")
@pytest.mark.parametrize("version", [5, 6, 99, 32767])
def test_api_versions_above_the_maximum_is_answered_in_v0(address: str, version: int) -> None:
    with RawClient(address) as client:
        client.send_bytes(framed(header_bytes(API_VERSIONS, version, 9) + encode(ApiVersionsRequest(**SOFTWARE), 4)))
        frame = client.read_frame()
        assert struct.unpack_from(">i", frame)[0] == 9
        answer = decode_response(API_VERSIONS, 0, frame)
        assert isinstance(answer, ApiVersionsResponse)
        assert answer.error_code == ErrorCode.UNSUPPORTED_VERSION
        offered = {key.api_key: (key.min_version, key.max_version) for key in answer.api_keys}
        assert offered[API_VERSIONS.key] == (0, 4)
        # The connection stays: the client asks again in a version that was offered.
        assert client.request(ApiVersionsRequest(**SOFTWARE), 4).error_code == ErrorCode.NONE


@pytest.mark.behaviour("1")
def test_the_header_of_an_api_versions_answer_is_never_flexible(address: str) -> None:
    with RawClient(address) as client:
        client.send_bytes(framed(header_bytes(API_VERSIONS, 4, 9) + encode(ApiVersionsRequest(**SOFTWARE), 4)))
        frame = client.read_frame()
    # correlation id, error code, then the compact count of keys: no tag section between them.
    assert struct.unpack_from(">ih", frame) == (9, 0)
    assert frame[6] > 1


@pytest.mark.behaviour("1")
def test_advertised_versions_are_those_of_kafka(address: str) -> None:
    for version in range(5):
        for key in api_versions(address, version).api_keys:
            api = next(api for api in APIS if api.key == key.api_key)
            low = api.versions.start if api.advertised_min is None else api.advertised_min
            high = api.versions.stop - 1
            # Kafka counts its one unstable stable-looking version out: InitProducerId v6 waits for KIP-939.
            if api.name == "InitProducerId":
                high = 5
            assert (key.min_version, key.max_version) == (low, high), api.name


@pytest.mark.behaviour("1")
def test_produce_0_to_2_is_advertised_and_closes_the_connection(address: str) -> None:
    (produce,) = [key for key in api_versions(address, 3).api_keys if key.api_key == 0]
    assert produce.min_version == 0
    for version in range(3):
        body = struct.pack(">hii", 1, 1000, 0)
        assert closes(address, framed(header_bytes(BY_NAME["Produce"], version, 1) + body))


@pytest.mark.behaviour("1")
def test_other_unknown_versions_keys_and_bodies_close_the_connection(address: str) -> None:
    metadata = BY_NAME["Metadata"]
    assert closes(address, framed(header_bytes(metadata, 14, 1) + encode(MetadataRequest(), 13)))
    assert closes(address, framed(header_bytes(metadata, -1, 1) + b"\0\0\0\0"))
    assert closes(address, framed(struct.pack(">hhih", 999, 0, 1, -1)))
    assert closes(address, framed(header_bytes(metadata, 12, 1) + b"\x05\0"))
    assert ask(address, MetadataRequest(topics=[]), 12).brokers


@pytest.mark.behaviour("1")
def test_answers_before_a_bad_request_still_arrive(address: str) -> None:
    with RawClient(address) as client:
        client.send(MetadataRequest(topics=[]), 12)
        client.send(ApiVersionsRequest(**SOFTWARE), 3)
        client.send_bytes(framed(struct.pack(">hhih", 999, 0, 1, -1)))
        assert client.receive().brokers
        assert client.receive().api_keys
        with pytest.raises(ClosedError):
            client.read_frame()


@pytest.mark.behaviour("2")
@pytest.mark.parametrize("field", list(SOFTWARE))
@pytest.mark.parametrize("text", ["", " ", "-a", "a-", ".a", "a.", "a b", "a_b", "ä", "a\n", "a/b", "a+b"])
def test_a_bad_software_name_or_version_is_an_invalid_request(address: str, field: str, text: str) -> None:
    with RawClient(address) as client:
        for version in (3, 4):
            answer = client.request(ApiVersionsRequest(**{**SOFTWARE, field: text}), version)
            assert answer.error_code == ErrorCode.INVALID_REQUEST
            assert answer.api_keys == []
        assert client.request(ApiVersionsRequest(**SOFTWARE), 3).error_code == ErrorCode.NONE


@pytest.mark.behaviour("2")
@pytest.mark.parametrize("text", ["a", "7", "apache-kafka-java", "1.2.3-rc.1", "a--b", "A.-.Z"])
def test_good_software_names(address: str, text: str) -> None:
    answer = ask(address, ApiVersionsRequest(client_software_name=text, client_software_version=text), 3)
    assert answer.error_code == ErrorCode.NONE


@pytest.mark.behaviour("3")
def test_supported_features_from_zero_are_listed_from_v4_on(address: str) -> None:
    old, new = api_versions(address, 3), api_versions(address, 4)
    everything = {feature.name: feature.min_version for feature in new.supported_features}
    assert 0 in everything.values()
    assert [feature.name for feature in old.supported_features] == [name for name, low in everything.items() if low > 0]
    for answer in (old, new):
        levels = {feature.name: feature.max_version_level for feature in answer.finalized_features}
        assert levels["metadata.version"] >= 7
        assert answer.finalized_features_epoch >= 0
        # A level is finalized within what is supported.
        for name, level in levels.items():
            (supported,) = [feature for feature in new.supported_features if feature.name == name]
            assert supported.min_version <= level <= supported.max_version


def test_a_login_over_a_plaintext_listener_is_refused_and_the_connection_stays(address: str) -> None:
    with RawClient(address) as client:
        for version in range(2):
            handshake = client.request(SaslHandshakeRequest(mechanism="PLAIN"), version)
            assert (handshake.error_code, handshake.mechanisms) == (ErrorCode.ILLEGAL_SASL_STATE, [])
        for version in range(3):
            login = client.request(SaslAuthenticateRequest(auth_bytes=b"\0user\0secret"), version)
            assert (login.error_code, login.auth_bytes) == (ErrorCode.ILLEGAL_SASL_STATE, b"")
            assert login.error_message == "SaslAuthenticate request received after successful authentication"
        assert client.request(MetadataRequest(topics=[]), 12).brokers


def test_many_requests_in_one_write_are_answered_in_their_order(address: str) -> None:
    with RawClient(address) as client:
        for number in range(300):
            client.send(MetadataRequest(topics=[]), number % 14) if number % 3 else client.send(
                ApiVersionsRequest(**SOFTWARE), number % 5
            )
        for _ in range(300):
            client.receive()  # compares correlation ids


@pytest.mark.parametrize("pieces", [1, 3, 7])
def test_a_request_may_come_in_pieces(address: str, pieces: int) -> None:
    data = framed(header_bytes(API_VERSIONS, 3, 5) + encode(ApiVersionsRequest(**SOFTWARE), 3))
    with RawClient(address) as client:
        for start in range(0, len(data), pieces):
            client.send_bytes(data[start : start + pieces])
        answer = decode_response(API_VERSIONS, 3, client.read_frame())
        assert isinstance(answer, ApiVersionsResponse)
        assert answer.api_keys
