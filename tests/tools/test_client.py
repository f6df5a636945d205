"""The commands' client: versions, retries, deadlines, and each request to the broker that must answer it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from klamm.tools.client import ServerError, UnreachableError, UnsupportedError, open_client
from klamm.tools.client.errors import SettingError
from klamm.tools.client.java_names import exception_name
from klamm.tools.client.settings import parse_bootstrap, settings_of
from klamm.wire.errors import ErrorCode
from klamm.wire.frames import ServerStream
from klamm.wire.messages.api_versions import ApiVersion, ApiVersionsResponse
from klamm.wire.messages.describe_cluster import DescribeClusterRequest, DescribeClusterResponse
from klamm.wire.messages.metadata import MetadataResponse, MetadataResponseBroker

QUICK = {"default.api.timeout.ms": "300", "retry.backoff.ms": "5"}


def old_broker(listener: socket.socket, seen: list[tuple[str, int]], cut_first: bool) -> None:
    """Has Metadata up to v4 and ApiVersions up to v1, as Kafka 0.11 has. `cut_first`: ends its first connection."""
    port = listener.getsockname()[1]
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        if cut_first:
            cut_first = False
            connection.close()
            continue
        stream = ServerStream()
        while data := connection.recv(65536):
            if data[4:8] == b"\x00\x12\x00\x04":  # ApiVersions v4: not known here, answered in version 0
                seen.append(("ApiVersions", 4))
                body = b"\x00\x00\x00\x00\x00\x23\x00\x00\x00\x01\x00\x12\x00\x00\x00\x01"
                connection.sendall(len(body).to_bytes(4, "big") + body)
                continue
            for request in stream.feed(data):
                seen.append((request.api.name, request.version))
                if request.api.name == "ApiVersions":
                    rows = [ApiVersion(api_key=3, min_version=0, max_version=4)]
                    rows.append(ApiVersion(api_key=18, min_version=0, max_version=1))
                    connection.sendall(stream.respond(request, ApiVersionsResponse(api_keys=rows)))
                else:
                    row = MetadataResponseBroker(node_id=7, host="127.0.0.1", port=port)
                    connection.sendall(stream.respond(request, MetadataResponse(brokers=[row], controller_id=7)))
        connection.close()


@pytest.fixture
def old(request: pytest.FixtureRequest) -> Any:
    """(host:port, [(API, version) asked for]) of a broker of long ago."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[tuple[str, int]] = []
    threading.Thread(target=old_broker, args=(listener, seen, getattr(request, "param", False)), daemon=True).start()
    yield f"127.0.0.1:{listener.getsockname()[1]}", seen
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def test_an_old_broker_is_asked_in_versions_that_it_has(old: Any) -> None:
    address, seen = old
    with open_client(address) as client:
        client.metadata()
        assert client.nodes[7].port == int(address.split(":")[1])
        with pytest.raises(UnsupportedError, match="does not support DESCRIBECLUSTER"):
            client.any(DescribeClusterRequest(), DescribeClusterResponse)
    assert seen == [("ApiVersions", 4), ("ApiVersions", 1), ("Metadata", 4)]


@pytest.mark.parametrize("old", [True], indirect=True)
def test_a_request_whose_connection_ends_is_sent_again(old: Any, capsys: pytest.CaptureFixture[str]) -> None:
    address, seen = old
    with open_client(address, properties={"retry.backoff.ms": "1"}) as client:
        client.metadata()
    assert seen[-1] == ("Metadata", 4)
    assert "trying again" in capsys.readouterr().err


def test_a_deadline_ends_the_wait_for_a_broker_that_is_not_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with open_client(f"127.0.0.1:{port}", properties=QUICK) as client, pytest.raises(UnreachableError) as caught:
        client.metadata()
    assert "Timed out waiting for a node assignment" in str(caught.value)


def test_a_broker_that_never_answers_is_given_up() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        open_client(f"127.0.0.1:{listener.getsockname()[1]}", properties=QUICK) as client,
        pytest.raises(UnreachableError),
    ):
        client.metadata()


def test_the_next_address_is_asked_when_the_first_is_dead(klamm: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        dead = listener.getsockname()[1]
    address = klamm("serve", "--host", "127.0.0.1", "--port", 0, "--ephemeral").listening()
    with open_client(f"127.0.0.1:{dead},{address}") as client:
        answer = client.metadata()
        assert [row.port for row in answer.brokers] == [int(address.split(":")[1])]
        assert client.coordinator("group") == answer.brokers[0].node_id
        with pytest.raises(ServerError) as caught:
            client.leaders([("nowhere", 0)])
        assert caught.value.java_name == "UnknownTopicOrPartitionException"


def test_addresses_and_settings() -> None:
    assert parse_bootstrap("a:1, b:2 PLAINTEXT://[::1]:3") == [("a", 1), ("b", 2), ("::1", 3)]
    for wrong in ("a", "a:b", ":1", "a:70000", ","):
        with pytest.raises(SettingError):
            parse_bootstrap(wrong)
    assert settings_of({"request.timeout.ms": "7", "client.id": "me"})[:2] == ("me", 7)
    for bad in ({"security.protocol": "SSL"}, {"request.timeout.ms": "soon"}):
        with pytest.raises(SettingError):
            settings_of(bad)


def test_exceptions_are_called_as_kafka_calls_them() -> None:
    assert exception_name(ErrorCode.TOPIC_ALREADY_EXISTS) == "TopicExistsException"
    assert exception_name(ErrorCode.INVALID_TOPIC_EXCEPTION) == "InvalidTopicException"
    assert exception_name(ErrorCode.POLICY_VIOLATION) == "PolicyViolationException"
    assert ServerError(9999).code is ErrorCode.UNKNOWN_SERVER_ERROR
