"""Bad bytes by the thousand, and clients that behave badly: the broker sheds them and serves on.

After each: a bystander is answered, the connections' file descriptors are closed, memory is back within bounds, and no
log has grown. One klamm process takes it all; its exit and its log are looked at behind the last test.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat_tests.support import Klamm
from klamm.coordinator.partitioning import partition_for
from klamm.wire.apis import BY_KEY, BY_NAME
from klamm.wire.codec import DecodeError
from klamm.wire.messages.api_versions import ApiVersionsRequest
from klamm.wire.messages.metadata import MetadataRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)

from .process import HAS_PROC, Bystander, Holdings, log_end, open_files
from .raw_client import (
    RawClient,
    SilentError,
    decode_response,
    framed,
    header_bytes,
    request_bytes,
    wait_for,
    wait_for_coordinators,
)
from .steps import batch, create_topic, fetch_request, produce_request, produced

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="no /proc: a process's files and memory cannot be counted")

#: What a client asks for by name must not make topics here.
BROKER_CONFIG = {"auto.create.topics.enable": "false"}
GOLDEN = Path(__file__).resolve().parents[1] / "data" / "golden_messages.jsonl"
MEBIBYTE = 1_048_576
#: Python gives freed memory back in arenas, not in bytes.
#: (glibc keeps up to 32 MB of what was freed once larger pieces were.)
SLACK_BYTES = 32 * MEBIBYTE
#: glibc takes blocks of up to 32 MiB from its heap, and gives back only what is free at the heap's end.
MALLOC_KEEPS_BYTES = 32 * MEBIBYTE
FOREVER_MS = 2**31 - 1
#: Connections opened at once: fewer than wait to be accepted, on machines too that allow 128 (net.core.somaxconn).
AT_ONCE = 40


def golden_requests() -> list[bytes]:
    """Every request of Kafka's golden messages in a version that Kafka 4.3.1 serves, as a frame."""
    found = []
    for line in GOLDEN.read_text().splitlines():
        message = json.loads(line)
        api = BY_NAME.get(message["m"].removesuffix("Request"))
        if message["m"].endswith("Request") and api is not None and message["v"] in api.versions:
            found.append(framed(header_bytes(api, message["v"], 1) + bytes.fromhex(message["hex"])))
    return found


REQUESTS = golden_requests()


class Flooded(NamedTuple):
    """The broker, a topic with records in it, and what the process held before anything bad came."""

    klamm: Klamm
    address: str
    topic: str
    bystander: Bystander
    before: Holdings

    def is_unharmed(self, memory_growth_bytes: int = SLACK_BYTES) -> None:
        assert self.klamm.running
        self.bystander.is_answered()
        assert log_end(self.address, self.topic) == 10
        self.before.are_back(memory_growth_bytes)


@pytest.fixture(scope="module")
def flooded(klamm: Klamm) -> Iterator[Flooded]:
    address = klamm.bootstrap_servers
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        for number in range(10):
            produced(client, topic, batch(b"%d" % number))
    # Codecs are compiled, internal topics made and their logs opened at first use: that is not what a flood may cost.
    wait_for_coordinators(address)
    touch_every_offsets_partition(address, topic)
    for start in range(0, len(REQUESTS), AT_ONCE):
        throw(address, REQUESTS[start : start + AT_ONCE])
    bystander = Bystander(address)
    bystander.is_answered()
    wait_for_quiet(klamm.pid)
    yield Flooded(klamm, address, topic, bystander, Holdings(klamm.pid))
    bystander.close()


def touch_every_offsets_partition(address: str, topic: str) -> None:
    left = {partition_for(f"group-{number}", 50): f"group-{number}" for number in range(1000)}
    assert len(left) == 50
    asked = OffsetCommitRequestPartition(partition_index=0, committed_offset=1, committed_metadata="")
    topics = [OffsetCommitRequestTopic(name=topic, partitions=[asked])]
    with RawClient(address) as client:
        for group in left.values():
            answer = client.request(OffsetCommitRequest(group_id=group, topics=topics), 8)
            assert answer.topics[0].partitions[0].error_code == 0


def wait_for_quiet(pid: int) -> None:
    """Until the connections of the warm-up are closed on the broker's side: twice the same count, a round apart."""
    seen: list[int] = []

    def settled() -> bool:
        seen.append(open_files(pid)[0])
        return len(seen) > 5 and len(set(seen[-5:])) == 1

    wait_for(settled, "the broker to close the warm-up's connections")


def connect(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    sock = socket.create_connection((host, int(port)), timeout=10)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


@contextmanager
def many(flooded: Flooded, count: int) -> Iterator[list[socket.socket]]:
    """So many connections, accepted; those that are still open are closed behind the block."""
    socks: list[socket.socket] = []
    try:
        while len(socks) < count:
            socks.append(connect(flooded.address))
            if len(socks) % AT_ONCE == 0:
                flooded.bystander.is_answered()
        yield socks
    finally:
        for sock in socks:
            sock.close()


def reset(sock: socket.socket) -> None:
    """Closes with a reset in place of a polite end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def throw(address: str, datas: list[bytes], patience_s: float = 0.03) -> list[bytes]:
    """Sends each on a connection of its own, all at once, and hangs up; what came back until then, by connection."""
    socks = [connect(address) for _ in datas]
    answers = [b""] * len(datas)
    try:
        for sock, data in zip(socks, datas, strict=True):
            try:
                sock.sendall(data)
            except ConnectionError:
                pass
        waiting = dict(zip(socks, range(len(socks)), strict=True))
        deadline = time.monotonic() + patience_s
        while waiting and (left_s := deadline - time.monotonic()) > 0:
            for sock in select.select(list(waiting), [], [], left_s)[0]:
                try:
                    part = sock.recv(65_536)
                except ConnectionError:
                    part = b""
                answers[waiting[sock]] += part
                if not part or len(answers[waiting[sock]]) >= 4:
                    del waiting[sock]
    finally:
        for number, sock in enumerate(socks):
            reset(sock) if number % 2 else sock.close()
    return answers


def is_an_answer(request: bytes, answer: bytes) -> None:
    """What was answered, if anything, is a response of the request's API and version."""
    if len(answer) < 4 or len(answer) - 4 < struct.unpack_from(">i", answer)[0]:
        return
    key, version, correlation_id = struct.unpack_from(">hhi", request, 4)
    frame = answer[4 : 4 + struct.unpack_from(">i", answer)[0]]
    assert struct.unpack_from(">i", frame)[0] == correlation_id
    api = BY_KEY[key]
    if api.name == "ApiVersions" and version not in api.versions:
        version = 0
    try:
        decode_response(api, version, frame)
    except DecodeError as error:
        pytest.fail(f"{request.hex()} was answered with {answer.hex()}: {error}")


def mutated(data: bytes, random: Random) -> bytes:
    """The frame with one to four things done to it behind its length, under a length that is right most times."""
    body = bytearray(data[4:])
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(body) + 1)
        match random.randrange(7):
            case 0 if at < len(body):
                body[at] ^= 1 << random.randrange(8)
            case 1 if at < len(body):
                body[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF))
            case 2:
                del body[at:]
            case 3:
                body[at:at] = random.randbytes(random.randint(1, 8))
            case 4:
                del body[at : at + random.randint(1, 8)]
            case 5:
                extreme = random.choice((2**31 - 1, -1, -(2**31), 10_000_000, 0))
                body[at : at + 4] = struct.pack(">i", extreme)
            case 6:
                body[at:at] = body[max(0, at - random.randint(1, 40)) : at]
    length = len(body) if random.random() < 0.9 else random.choice((0, len(body) - 1, len(body) + 1, 2**31 - 1, -1))
    return struct.pack(">i", max(length, -1)) + bytes(body)


# --- bytes ------------------------------------------------------------------------------------------------------------


def test_golden_requests_are_answered_or_closed(flooded: Flooded) -> None:
    for start in range(0, len(REQUESTS), AT_ONCE):
        datas = REQUESTS[start : start + AT_ONCE]
        for request, answer in zip(datas, throw(flooded.address, datas), strict=True):
            is_an_answer(request, answer)
    flooded.is_unharmed()


@pytest.mark.parametrize("seed", range(10))
def test_mutated_requests(flooded: Flooded, seed: int) -> None:
    random = Random(seed)
    for _ in range(25):
        datas = [mutated(random.choice(REQUESTS), random) for _ in range(AT_ONCE)]
        for request, answer in zip(datas, throw(flooded.address, datas), strict=True):
            is_an_answer(request, answer)
        flooded.bystander.is_answered()
    flooded.is_unharmed()


@pytest.mark.parametrize("seed", range(3))
def test_mutated_batches(flooded: Flooded, seed: int) -> None:
    """A byte of a batch is changed under the checksum that it had: none may be stored."""
    random = Random(seed)
    good = batch(b"a" * 50, b"b" * 50)
    with RawClient(flooded.address) as client:
        for _ in range(300):
            wrong = bytearray(good)
            # Behind magic and the checksum: base offset, length and leader epoch are not under it.
            position = random.randrange(21, len(good))
            wrong[position] ^= random.randint(1, 255)
            answer = client.request(produce_request(flooded.topic, bytes(wrong)), random.randint(3, 12))
            assert answer.responses[0].partition_responses[0].error_code != 0
    flooded.is_unharmed()


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=300), frame=st.booleans())
def test_arbitrary_bytes(flooded: Flooded, data: bytes, frame: bool) -> None:
    with RawClient(flooded.address) as client:
        client.send_bytes(framed(data) if frame else data)
        client.finish_sending()
        client.read_until_close()
    flooded.bystander.is_answered()


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    request=st.sampled_from(REQUESTS),
    edits=st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=5)), min_size=1, max_size=4),
    keep=st.floats(0, 1),
)
def test_edited_requests(flooded: Flooded, request: bytes, edits: list[tuple[float, bytes]], keep: float) -> None:
    """Bytes of a valid body are overwritten, and its end is cut off; the client half-closes and waits for the end."""
    body = bytearray(request[4:])
    for where, text in edits:
        at = 8 + int(where * (len(body) - 8))
        body[at : at + len(text)] = text
    with RawClient(flooded.address) as client:
        client.send_bytes(framed(bytes(body[: 8 + int(keep * (len(body) - 8))])))
        client.finish_sending()
        is_an_answer(request, client.read_until_close())
    flooded.bystander.is_answered()


def test_nothing_is_left_of_arbitrary_bytes(flooded: Flooded) -> None:
    flooded.is_unharmed()


def test_counts_that_promise_more_than_there_is_cost_no_memory(flooded: Flooded) -> None:
    """15 MB of the smallest elements, and counts of millions in small bodies: the decoder's bound holds."""
    metadata = BY_NAME["Metadata"]
    empty_names = framed(header_bytes(metadata, 1, 1) + struct.pack(">i", 7_500_000) + bytes(15_000_000))
    groups = framed(header_bytes(BY_NAME["DescribeGroups"], 0, 1) + struct.pack(">i", 7_500_000) + bytes(15_000_000))
    for data in (empty_names, groups):
        with RawClient(flooded.address) as client:
            client.send_bytes(data)
            client.finish_sending()
            client.read_until_close()
    for count in (1_000_000, 100_000_000, 2**31 - 1):
        throw(flooded.address, [framed(header_bytes(metadata, 1, 1) + struct.pack(">i", count))] * 20)
    flooded.is_unharmed()


# --- clients ----------------------------------------------------------------------------------------------------------


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


# --- large frames: last, for malloc keeps some of what they had -------------------------------------------------------


def test_large_frames_that_are_only_announced_take_no_memory(flooded: Flooded) -> None:
    with many(flooded, 20) as socks:
        for sock in socks:
            sock.sendall(struct.pack(">i", 100 * MEBIBYTE) + bytes(1000))
        flooded.bystander.is_answered()
        assert flooded.before.grown_bytes() < SLACK_BYTES
    flooded.is_unharmed()


def test_a_large_frame_that_breaks_off_gives_its_memory_back(flooded: Flooded) -> None:
    for _ in range(3):
        with many(flooded, 1) as (sock,):
            sock.sendall(struct.pack(">i", 100 * MEBIBYTE) + bytes(60 * MEBIBYTE))
            flooded.bystander.is_answered()
    flooded.is_unharmed(MALLOC_KEEPS_BYTES + SLACK_BYTES)
