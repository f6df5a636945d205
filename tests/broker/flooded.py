"""A broker under bad bytes and bad clients, and what must be as before behind each of them.

A bystander is answered, the connections' file descriptors are closed, memory is back within bounds, and no log has
grown.
"""

from __future__ import annotations

import json
import select
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest

from compat_tests.support import Klamm
from klamm.coordinator.partitioning import partition_for
from klamm.wire.apis import BY_KEY, BY_NAME
from klamm.wire.codec import DecodeError
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)

from .process import Bystander, Holdings, log_end, open_files
from .raw_client import (
    RawClient,
    decode_response,
    framed,
    header_bytes,
    wait_for,
    wait_for_coordinators,
)
from .steps import batch, create_topic, produced

#: What a client asks for by name must not make topics here.
CONFIG = {"auto.create.topics.enable": "false"}
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


@contextmanager
def flooding(klamm: Klamm) -> Iterator[Flooded]:
    """The broker with all that it opens once."""
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
