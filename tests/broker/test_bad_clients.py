"""Clients that vanish, stall, storm, or never read: the broker sheds them and serves on (`flooded.py`)."""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from compat_tests.support import Klamm
from klamm.wire.apis import BY_NAME
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.metadata import MetadataRequest

from .flooded import AT_ONCE, CONFIG, FOREVER_MS, MEBIBYTE, SLACK_BYTES, Flooded, connect, flooding, many, reset
from .process import HAS_PROC, open_files
from .raw_client import (
    RawClient,
    SilentError,
    framed,
    header_bytes,
    request_bytes,
)
from .steps import batch, create_topic, fetch_request, produce_request, produced

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="no /proc: a process's files and memory cannot be counted")

BROKER_CONFIG = CONFIG


@pytest.fixture(scope="module")
def flooded(klamm: Klamm) -> Iterator[Flooded]:
    with flooding(klamm) as found:
        yield found


@pytest.mark.parametrize("how", [socket.socket.close, reset])
def test_clients_that_vanish_in_mid_request(flooded: Flooded, how: Callable[[socket.socket], None]) -> None:
    data = request_bytes(produce_request(flooded.topic, batch(b"a" * 100)), 9)
    with many(flooded, len(data)) as socks:
        for size, sock in enumerate(socks):
            sock.sendall(data[:size])
        flooded.bystander.is_answered()
        for sock in socks:
            how(sock)
        flooded.is_unharmed()


@pytest.mark.parametrize("how", [socket.socket.close, reset])
def test_clients_that_vanish_while_a_fetch_is_parked(flooded: Flooded, how: Callable[[socket.socket], None]) -> None:
    parked = fetch_request({flooded.topic: [(0, 10)]}, min_bytes=1, max_wait_ms=FOREVER_MS)
    data = request_bytes(parked, 12)
    with many(flooded, 100) as socks:
        for sock in socks:
            sock.sendall(data)
        flooded.bystander.is_answered()
        for sock in socks:
            how(sock)
        flooded.is_unharmed()


def test_half_closed_clients_are_closed(flooded: Flooded) -> None:
    requests = [
        b"",
        request_bytes(ApiVersionsRequest(), 0),
        request_bytes(ApiVersionsRequest(), 0)[:-1],
        request_bytes(fetch_request({flooded.topic: [(0, 10)]}, min_bytes=1, max_wait_ms=FOREVER_MS), 12),
    ]
    for data in requests * 10:
        with RawClient(flooded.address) as client:
            client.send_bytes(data)
            client.finish_sending()
            client.read_until_close()
    flooded.is_unharmed()


def test_200_idle_connections(flooded: Flooded) -> None:
    with many(flooded, 200):
        assert open_files(flooded.klamm.pid)[0] == flooded.before.sockets + 200
        flooded.bystander.is_answered()
        assert flooded.before.grown_bytes() < SLACK_BYTES
        with RawClient(flooded.address) as client:
            assert client.request(MetadataRequest(topics=[]), 12).brokers
    flooded.is_unharmed()


def test_a_storm_of_connections(flooded: Flooded) -> None:
    for _ in range(25):
        with many(flooded, AT_ONCE) as socks:
            for sock in socks:
                reset(sock)
        flooded.bystander.is_answered()
    flooded.is_unharmed()


def test_slow_readers_of_a_large_fetch(flooded: Flooded) -> None:
    """800 MB of answers that nobody reads: they stay in the log's file until the socket takes them."""
    topic, _ = create_topic(flooded.address)
    with RawClient(flooded.address) as client:
        large = batch(b"x" * 900_000)
        for _ in range(9):
            produced(client, topic, large)
    request = fetch_request({topic: [(0, 0)]}, partition_max_bytes=50_000_000)
    slow = [RawClient(flooded.address, receive_buffer_bytes=4096) for _ in range(20)]
    try:
        for client in slow:
            for _ in range(5):
                client.send(request, 12)
        for _ in range(20):
            flooded.bystander.is_answered()
        assert flooded.before.grown_bytes() < SLACK_BYTES
        # One of them reads after all, and has every answer.
        for _ in range(5):
            assert len(slow[0].receive().responses[0].partitions[0].records) == 9 * len(large)
    finally:
        for client in slow:
            reset(client.sock)
    flooded.is_unharmed()


def test_a_client_that_asks_and_never_reads(flooded: Flooded) -> None:
    """The broker stops reading from it once its answers do not leave."""
    data = request_bytes(MetadataRequest(topics=None), 12) * 200
    sock = connect(flooded.address)
    sock.setblocking(False)
    sent = 0
    while select.select([], [sock], [], 0.3)[1] and sent < 500 * MEBIBYTE:
        sent += sock.send(data)
        flooded.bystander.is_answered()
    assert sent < 100 * MEBIBYTE, "the broker goes on reading from a client that does not read"
    assert flooded.before.grown_bytes() < 2 * SLACK_BYTES
    reset(sock)
    flooded.is_unharmed(2 * SLACK_BYTES)


def test_one_byte_at_a_time(flooded: Flooded) -> None:
    data = request_bytes(ApiVersionsRequest(), 0)
    clients = [RawClient(flooded.address) for _ in range(50)]
    for byte in data:
        for client in clients:
            client.send_bytes(bytes([byte]))
        flooded.bystander.is_answered()
    for client in clients:
        assert len(client.read_frame()) > 10
        client.close()


def test_a_bad_connection_has_one_log_line(flooded: Flooded) -> None:
    bad = {
        struct.pack(">i", 2**31 - 1): "a frame of 2147483647 bytes",
        struct.pack(">i", -5): "a frame of -5 bytes",
        framed(struct.pack(">hhih", 999, 0, 1, -1)): "API key 999",
        framed(header_bytes(BY_NAME["Metadata"], 99, 1)): "Metadata version 99",
        framed(header_bytes(BY_NAME["Metadata"], 12, 1) + b"\x05"): "MetadataRequest v12",
    }
    for data, told in bad.items():
        seen = flooded.klamm.log_path.stat().st_size
        with RawClient(flooded.address) as client:
            port = client.sock.getsockname()[1]
            client.send_bytes(data)
            assert client.read_until_close() == b""
        with open(flooded.klamm.log_path, "rb") as log:
            log.seek(seen)
            lines = [line for line in log.read().decode().splitlines() if f"127.0.0.1:{port}" in line]
        assert len(lines) == 1
        assert told in lines[0]


def test_a_client_that_says_nothing_more_is_not_answered(flooded: Flooded) -> None:
    """Half a frame is neither answered nor closed: the rest may still come."""
    with RawClient(flooded.address, timeout_s=0.2) as client:
        data = request_bytes(ApiVersionsRequest(), 0)
        client.send_bytes(data[:-1])
        with pytest.raises(SilentError):
            client.read_frame()
        client.timeout_s = 10
        client.send_bytes(data[-1:])
        assert len(client.read_frame()) > 10
