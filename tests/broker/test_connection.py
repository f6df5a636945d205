"""A connection on a real socket pair, with a broker that has a reactor and handlers made for the test."""

from __future__ import annotations

import logging
import os
import socket
import struct
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from klamm.broker.api_table import SERVED, Served
from klamm.broker.connection import FRAMES_A_TURN, READ_BYTES, Connection
from klamm.broker.file_slice import FileSlice
from klamm.broker.reactor import Reactor
from klamm.broker.server import bind
from klamm.broker.timers import Timers
from klamm.broker.warmer import Warmer
from klamm.storage.file_range import FileRange
from klamm.storage.files import Files
from klamm.storage.handles import HandleCache
from klamm.storage.pending import Pending
from klamm.wire.codec import decode, encode
from klamm.wire.messages.fetch import FetchableTopicResponse, FetchRequest, FetchResponse, PartitionData
from klamm.wire.messages.heartbeat import HeartbeatRequest, HeartbeatResponse
from klamm.wire.messages.produce import PartitionProduceData, ProduceRequest, TopicProduceData

HEARTBEAT = 12
FETCH = 1
TIMEOUT_S = 10


class FakeBroker:
    """What a connection asks of a broker."""

    def __init__(self) -> None:
        self.max_request_bytes = 10_000_000
        self.requests: defaultdict[int, int] = defaultdict(int)
        self.timers = Timers()
        self.reactor = Reactor(self.timers, self.now_ms)

    def now_ms(self) -> int:
        return 0


class Peer:
    """The client's end: trio's socket, and frames."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = trio.socket.from_stdlib_socket(sock)

    async def send(self, *frames: bytes) -> None:
        data = b"".join(struct.pack(">i", len(frame)) + frame for frame in frames)
        while data:
            data = data[await self.sock.send(data) :]

    async def exactly(self, size: int) -> bytes:
        got = b""
        while len(got) < size:
            more = await self.sock.recv(size - len(got))
            assert more, "the connection was closed"
            got += more
        return got

    async def answer(self) -> tuple[int, bytes]:
        """The correlation id and the body."""
        (size,) = struct.unpack(">i", await self.exactly(4))
        frame = await self.exactly(size)
        return struct.unpack(">i", frame[:4])[0], frame[4:]

    async def closed(self) -> bool:
        try:
            return await self.sock.recv(1) == b""
        except ConnectionResetError:
            return True


def heartbeat(correlation_id: int, group: str = "g", version: int = 3) -> bytes:
    head = struct.pack(">hhih", HEARTBEAT, version, correlation_id, 2) + b"me"
    return head + encode(HeartbeatRequest(group_id=group, generation_id=1, member_id="m"), version)


@pytest.fixture
def handlers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[..., Any]]:
    """Handlers by API name; a test puts its own in."""
    found: dict[str, Callable[..., Any]] = {}
    for name in ("Heartbeat", "Fetch", "Produce"):
        row = Served(name)
        row.handle = lambda request, context, name=name: found[name](request, context)
        monkeypatch.setitem(SERVED, row.api.key, row)
    return found


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connected TCP pair on loopback: the broker's end (not blocking) and the client's."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    ours.setblocking(False)
    client.setblocking(False)
    yield ours, client
    ours.close()
    client.close()


@pytest.fixture
async def served(
    nursery: trio.Nursery, pair: tuple[socket.socket, socket.socket]
) -> tuple[FakeBroker, Connection, Peer]:
    broker = FakeBroker()
    listener = SimpleNamespace(name="PLAINTEXT", connections=set())
    connection = Connection(broker, pair[0], listener)  # type: ignore[arg-type]
    nursery.start_soon(broker.reactor.run)
    return broker, connection, Peer(pair[1])


async def test_answers_come_in_the_order_of_the_requests(handlers: dict[str, Any], served: Any) -> None:
    _, _, peer = served
    handlers["Heartbeat"] = lambda request, context: HeartbeatResponse(error_code=len(request.group_id))
    with trio.fail_after(TIMEOUT_S):
        await peer.send(*(heartbeat(number, "g" * (number % 7)) for number in range(FRAMES_A_TURN * 3 + 1)))
        for number in range(FRAMES_A_TURN * 3 + 1):
            correlation_id, body = await peer.answer()
            assert correlation_id == number
            assert decode(HeartbeatResponse, 3, body).error_code == number % 7


async def test_a_frame_may_come_in_any_pieces(handlers: dict[str, Any], served: Any) -> None:
    _, _, peer = served
    handlers["Heartbeat"] = lambda request, context: HeartbeatResponse(error_code=5)
    frame = heartbeat(1)
    whole = struct.pack(">i", len(frame)) + frame
    with trio.fail_after(TIMEOUT_S):
        for byte in whole:
            await peer.sock.send(bytes((byte,)))
            await trio.testing.wait_all_tasks_blocked()
        assert (await peer.answer())[0] == 1


async def test_a_frame_larger_than_a_read_is_put_together(handlers: dict[str, Any], served: Any) -> None:
    _, _, peer = served
    records = os.urandom(3 * READ_BYTES)
    seen: list[bytes] = []

    def produce(request: ProduceRequest, context: Any) -> None:
        seen.append(bytes(request.topic_data[0].partition_data[0].records))

    handlers["Produce"] = produce
    handlers["Heartbeat"] = lambda request, context: HeartbeatResponse()
    data = TopicProduceData(name="t", partition_data=[PartitionProduceData(index=0, records=records)])
    request = encode(ProduceRequest(acks=0, topic_data=[data]), 7)
    with trio.fail_after(TIMEOUT_S):
        await peer.send(struct.pack(">hhih", 0, 7, 1, -1) + request, heartbeat(2))
        assert (await peer.answer())[0] == 2
    assert seen == [records]


async def test_later_requests_wait_for_a_pending_answer(handlers: dict[str, Any], served: Any) -> None:
    _, connection, peer = served
    waiting: list[Pending[HeartbeatResponse]] = []

    def handle(request: HeartbeatRequest, context: Any) -> Any:
        if request.group_id != "slow":
            return HeartbeatResponse(error_code=1)
        waiting.append(Pending())
        return waiting[0]

    handlers["Heartbeat"] = handle
    with trio.fail_after(TIMEOUT_S):
        await peer.send(heartbeat(1, "slow"), heartbeat(2))
        await trio.testing.wait_all_tasks_blocked()
        await peer.send(heartbeat(3))
        await trio.testing.wait_all_tasks_blocked()
        assert connection.in_flight is waiting[0]
        waiting[0].complete(HeartbeatResponse(error_code=9))
        assert [(await peer.answer())[0] for _ in range(3)] == [1, 2, 3]


async def test_a_client_that_goes_lets_go_of_its_pending_answer(handlers: dict[str, Any], served: Any) -> None:
    _, connection, peer = served
    abandoned = trio.Event()
    pending: Pending[HeartbeatResponse] = Pending()
    pending.on_abandoned = abandoned.set
    handlers["Heartbeat"] = lambda request, context: pending
    with trio.fail_after(TIMEOUT_S):
        await peer.send(heartbeat(1))
        await trio.testing.wait_all_tasks_blocked()
        peer.sock.close()
        await abandoned.wait()
    assert connection.closed
    pending.complete(HeartbeatResponse())  # the late answer goes nowhere, without an error


async def test_a_slow_reader_is_not_read_from_until_it_reads(handlers: dict[str, Any], served: Any) -> None:
    _, connection, peer = served
    handled = 0
    large = bytes(4_000_000)

    def fetch(request: FetchRequest, context: Any) -> FetchResponse:
        nonlocal handled
        handled += 1
        partition = PartitionData(partition_index=0, records=large)
        return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[partition])])

    handlers["Fetch"] = fetch
    frame = struct.pack(">hhih", FETCH, 4, 7, -1) + encode(FetchRequest(topics=[]), 4)
    with trio.fail_after(TIMEOUT_S):
        await peer.send(*[frame] * 20)
        await trio.testing.wait_all_tasks_blocked()
        before = handled
        assert before < 20
        assert connection.out
        for _ in range(20):
            assert len((await peer.answer())[1]) > len(large)
        assert handled == 20


@pytest.mark.parametrize("plain", [False, True], ids=["fast calls", "plain calls"])
async def test_a_file_slice_is_sent_and_given_back(
    handlers: dict[str, Any], served: Any, tmp_path: Path, plain: bool
) -> None:
    broker, _, peer = served
    content = os.urandom(5_000_000)
    (tmp_path / "log").write_bytes(b"head" + content + b"tail")
    broker.cache = HandleCache(Files(plain=plain))
    broker.warmer = Warmer(broker.reactor, broker.cache)
    handle = broker.cache.handle(str(tmp_path / "log"))

    def fetch(request: FetchRequest, context: Any) -> FetchResponse:
        found = FileRange(broker.cache, handle, 4, len(content))
        partition = PartitionData(partition_index=3, high_watermark=9, records=FileSlice(found))
        return FetchResponse(responses=[FetchableTopicResponse(topic="t", partitions=[partition])])

    handlers["Fetch"] = fetch
    with trio.fail_after(TIMEOUT_S):
        await peer.send(struct.pack(">hhih", FETCH, 4, 7, -1) + encode(FetchRequest(topics=[]), 4))
        _, body = await peer.answer()
    (partition,) = decode(FetchResponse, 4, body).responses[0].partitions
    assert (partition.partition_index, partition.high_watermark) == (3, 9)
    assert bytes(partition.records) == content
    with trio.fail_after(TIMEOUT_S):
        while handle.leases:  # one that reads ahead may be out still
            await trio.sleep(0.001)
    handle.discard()


@pytest.mark.behaviour("1")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (struct.pack(">i", -1), "a frame of -1 bytes"),
        (struct.pack(">i", 2_000_000_000), "a frame of 2000000000 bytes"),
        (struct.pack(">i", 3) + b"abc", "has no request header"),
        (struct.pack(">ihhih", 10, 999, 0, 1, -1), "API key 999 version 0 is not served"),
        (struct.pack(">ihhih", 10, HEARTBEAT, 99, 1, -1), "Heartbeat version 99 is not served"),
        (struct.pack(">ihhih", 12, HEARTBEAT, 3, 1, -1) + b"\0\7", "HeartbeatRequest v3: group_id at byte"),
    ],
)
async def test_what_cannot_be_read_closes_the_connection_with_one_log_line(
    handlers: dict[str, Any], served: Any, caplog: pytest.LogCaptureFixture, data: bytes, reason: str
) -> None:
    caplog.set_level(logging.INFO, "klamm.connection")
    _, connection, peer = served
    with trio.fail_after(TIMEOUT_S):
        await peer.sock.send(data)
        assert await peer.closed()
    assert connection.closed
    (record,) = caplog.records
    assert reason in record.getMessage()


async def test_one_connections_flood_does_not_starve_the_loop(handlers: dict[str, Any], served: Any) -> None:
    broker, _, peer = served
    order: list[str] = []

    def handle(request: HeartbeatRequest, context: Any) -> HeartbeatResponse:
        if not order:
            broker.reactor.soon(lambda: order.append("other"))
        order.append("flood")
        return HeartbeatResponse()

    handlers["Heartbeat"] = handle
    with trio.fail_after(TIMEOUT_S):
        await peer.send(*(heartbeat(number) for number in range(FRAMES_A_TURN * 4)))
        for _ in range(FRAMES_A_TURN * 4):
            await peer.answer()
    assert order.index("other") <= FRAMES_A_TURN


async def test_a_fault_in_a_handler_ends_its_connection_only(
    handlers: dict[str, Any], served: Any, caplog: pytest.LogCaptureFixture
) -> None:
    broker, connection, peer = served

    def handle(request: HeartbeatRequest, context: Any) -> HeartbeatResponse:
        raise ZeroDivisionError

    handlers["Heartbeat"] = handle
    with trio.fail_after(TIMEOUT_S):
        await peer.send(heartbeat(1))
        assert await peer.closed()
    assert connection.closed
    assert "ZeroDivisionError" in caplog.text
    still_running = trio.Event()
    broker.reactor.soon(still_running.set)
    with trio.fail_after(TIMEOUT_S):
        await still_running.wait()


def test_as_many_clients_may_wait_to_be_accepted_as_the_config_says() -> None:
    """A connection beyond the backlog is not refused: its SYN is dropped, and sent again a second later."""
    clients = 100
    listening = bind("127.0.0.1", 0, clients)
    with ExitStack() as stack:
        stack.enter_context(listening)
        for _ in range(clients):  # nobody accepts any: one too many would wait until the time is up
            stack.enter_context(socket.create_connection(listening.getsockname(), timeout=30))
