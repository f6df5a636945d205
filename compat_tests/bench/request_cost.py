"""Where a request's time goes: a Produce of one 100-byte record, step by step, in this process.

The loop's own round is timed with real sockets: 16 connections with a request each, which are polled, read, decoded,
handled, encoded, sent. What a step costs is how much shorter the round is with a ready-made result in its place; by
itself, again and again, it would find all it needs in the processor's caches. System calls are timed by themselves.

Figures are the least of many rounds, in us a request. Not in them: waking a broker that sleeps and a client that waits,
and what the client does to the caches meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from klamm.broker.api_table import SERVED
from klamm.broker.broker import Broker
from klamm.broker.config import Config
from klamm.broker.connection import _read_buffer
from klamm.broker.context import RequestContext
from klamm.broker.partition import Partition
from klamm.broker.server import Address, Listener, bind
from klamm.storage import log_append
from klamm.storage.checks import Origin, accept
from klamm.storage.files import Files
from klamm.storage.log_manager import open_log_dirs

from .sides import say
from .small_requests import connect, produce_frame

CONNECTIONS = 16
#: All steps are timed in turns, so often, over so many rounds.
PASSES = 5
ROUNDS = 500
PRODUCE, VERSION = 0, 9
#: Behind the frame's size: API key, version, correlation id, client id "small", no tagged fields.
HEAD_BYTES = 2 + 2 + 4 + 2 + 5 + 1
#: What is done without a system call.
PYTHON = ("Python", "Python, CRC32C in C")


class Step(NamedTuple):
    """`by`: what it is done by."""

    what: str
    by: str
    us: float


def nothing() -> None:
    """Is not timed either."""


def least_us(
    call: Callable[[], object], before: Callable[[], None] = nothing, after: Callable[[], None] = nothing
) -> float:
    """The least time of a call that serves all connections, for each of them; before and after it is not timed."""
    best = float("inf")
    for _ in range(ROUNDS):
        before()
        start = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - start)
        after()
    return best * 1e6 / CONNECTIONS


class Site:
    """A broker whose loop does not run, with clients connected over TCP."""

    def __init__(self, folder: Path) -> None:
        self.logs = open_log_dirs([str(folder)], node_id=1)
        self.broker = Broker(Config.of(), self.logs)
        self.broker.load([Address("PLAINTEXT", "127.0.0.1", 9092)])
        self.broker.create_topic("small", 1, 1, {})
        self.frame = produce_frame("small")
        self._poll, self._handlers = self.broker.reactor.poller.poll, self.broker.reactor._handlers
        listener = Listener(self.broker, "PLAINTEXT", bind("127.0.0.1", 0, CONNECTIONS), CONNECTIONS)
        self.clients = [connect(listener.address[1:]) for _ in range(CONNECTIONS)]
        while len(listener.connections) < CONNECTIONS:
            listener.on_readable()
        self.sockets = [connection.sock for connection in listener.connections]

    def send_requests(self) -> None:
        """A request from each client."""
        for client in self.clients:
            client.sendall(self.frame)

    def poll(self) -> None:
        self._poll(0.0)

    def serve(self) -> None:
        """A round of the loop."""
        for fd, _, _ in self._poll(0.0):
            self._handlers[fd].on_readable()

    def read_requests(self) -> None:
        for sock in self.sockets:
            sock.recv_into(_read_buffer)

    def send(self, answer: bytes) -> None:
        for sock in self.sockets:
            sock.send(answer)

    def read_answers(self) -> None:
        for client in self.clients:
            client.recv(65_536)

    def close(self) -> None:
        for sock in (*self.clients, *self.sockets):
            sock.close()
        self.broker.reactor.poller.close()
        self.logs.abandon()


def steps(folder: Path) -> list[Step]:
    """The last is what is left of the round."""
    site = Site(folder)
    broker, row = site.broker, SERVED[PRODUCE]
    site.send_requests()
    site.serve()  # compiles
    site.read_answers()
    # What the steps make.
    decode, encode = row.decoders[VERSION], row.encoders[VERSION]
    request, _ = decode(site.frame[4:], HEAD_BYTES)
    context = RequestContext(broker, None, VERSION, "small", "/127.0.0.1", "PLAINTEXT", broker.now_ms())
    response = row.handle(request, context)
    parts: list[bytes] = []
    encode(response, parts.append)
    body = b"".join(parts)
    batch = request.topic_data[0].partition_data[0].records
    partition = broker.partitions.get("small", 0)
    assert partition is not None
    appended = partition.append(batch, context.now_ms)
    accepted = accept(batch, partition.log.config, context.now_ms, Origin.CLIENT)

    checks = patch.object(log_append, "accept", lambda *_: accepted)
    write = patch.object(Files, "pwritev", lambda *_: len(batch))
    append = patch.object(Partition, "append", lambda *_: appended)
    handler = patch.object(row, "handle", lambda *_: response)
    decoder = patch.dict(row.decoders, {VERSION: lambda *_: (request, 0)})
    encoder = patch.dict(row.encoders, {VERSION: lambda _, add: add(body)})
    rounds: dict[str, tuple[AbstractContextManager[object], ...]] = {
        "whole": (),
        "checks": (checks,),
        "write": (write,),
        "append": (append,),
        "handler": (handler,),
        "decoder": (handler, decoder),
        "encoder": (handler, decoder, encoder),
    }
    without = dict.fromkeys(rounds, float("inf"))
    polled = read = sent = float("inf")
    for _ in range(PASSES):  # in turns, so that a machine that slows down slows all of them
        for name, patches in rounds.items():
            with ExitStack() as entered:
                for each in patches:
                    entered.enter_context(each)
                us = least_us(site.serve, before=site.send_requests, after=site.read_answers)
            without[name] = min(without[name], us)
        polled = min(polled, least_us(site.poll, before=site.send_requests, after=site.read_requests))
        read = min(read, least_us(site.read_requests, before=site.send_requests))
        sent = min(sent, least_us(lambda: site.send(bytes(8) + body), after=site.read_answers))
    site.close()
    whole = without["whole"]
    checked, written = whole - without["checks"], whole - without["write"]
    return [
        Step("ask the poller, for 16", "epoll_wait", polled),
        Step("read the request", "recv", read),
        Step("decode it", "Python", without["handler"] - without["decoder"]),
        Step("handler: find the partition, make the response", "Python", without["append"] - without["handler"]),
        Step("append: check the batch", "Python, CRC32C in C", checked),
        Step("append: write it into the page cache", "pwritev", written),
        Step("append: offsets, index, high watermark", "Python", whole - without["append"] - checked - written),
        Step("encode the answer", "Python", without["decoder"] - without["encoder"]),
        Step("send it", "send", sent),
        Step("connection: frame, header, context", "Python", without["encoder"] - polled - read - sent),
    ]


def bench(folder: Path) -> None:
    say("## Where a request's time goes\n")
    say(f"Produce v{VERSION} of one 100-byte record, {CONNECTIONS} connections, the loop's round in this process.\n")
    say("| step | by | us a request |\n|---|---|---|")
    found = steps(folder)
    for step in found:
        say(f"| {step.what} | {step.by} | {step.us:.1f} |")
    whole = sum(step.us for step in found)
    calls = sum(step.us for step in found if step.by not in PYTHON)
    say(f"| a request, whole | | {whole:.1f}, {calls:.1f} of it in system calls |")
