"""Bad bytes by the thousand: the broker sheds them and serves on (`flooded.py`).

One klamm process takes it all; its exit and its log are looked at behind the last test.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compat_tests.support import Klamm
from klamm.wire.apis import BY_NAME

from .flooded import (
    AT_ONCE,
    CONFIG,
    MALLOC_KEEPS_BYTES,
    MEBIBYTE,
    REQUESTS,
    SLACK_BYTES,
    Flooded,
    flooding,
    is_an_answer,
    many,
    mutated,
    throw,
)
from .process import HAS_PROC
from .raw_client import (
    RawClient,
    framed,
    header_bytes,
)
from .steps import batch, produce_request

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="no /proc: a process's files and memory cannot be counted")

BROKER_CONFIG = CONFIG


@pytest.fixture(scope="module")
def flooded(klamm: Klamm) -> Iterator[Flooded]:
    with flooding(klamm) as found:
        yield found


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
