"""A broker's memory does not grow with what its consumers have to read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from compat_tests.support import Klamm
from klamm.wire.batches import iter_batches
from klamm.wire.records import Record, encode_batch

from .process import HAS_PROC
from .raw_client import RawClient
from .steps import create_topic, fetch, list_offset

pytestmark = pytest.mark.skipif(not HAS_PROC, reason="no /proc: a process's memory cannot be seen")

TOPIC = "backlog"
RECORD_BYTES = 500_000
BACKLOG_BYTES = 150_000_000
FETCH_BYTES = 1_000_000
#: Some buffers of an answer each, and what Python keeps of freed memory.
GROWTH_BYTES = 24_000_000


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Klamm]:
    broker = Klamm(tmp_path / "klamm")
    yield broker
    broker.stop()


def peak_bytes(pid: int) -> int:
    """The most that was ever resident."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def lay_down(folder: Path) -> int:
    """A backlog beside the broker that is stopped, of batches of one record; their number."""
    count = BACKLOG_BYTES // RECORD_BYTES
    with open(folder / f"{0:020d}.log", "wb") as log:
        for offset in range(count):
            record = Record(value=bytes([offset % 256]) * RECORD_BYTES, timestamp_ms=1_700_000_000_000 + offset)
            log.write(encode_batch([record], base_offset=offset, partition_leader_epoch=0))
    return count


def test_a_backlog_is_read_in_the_memory_of_a_few_answers(klamm: Klamm) -> None:
    create_topic(klamm.bootstrap_servers, {"retention.ms": "-1"}, name=TOPIC)
    klamm.stop()
    count = lay_down(klamm.data_dir / f"{TOPIC}-0")
    klamm.start()
    with RawClient(klamm.bootstrap_servers, 60) as client:
        list_offset(client, TOPIC, -2)
        before = peak_bytes(klamm.pid)
        offset = 0
        while offset < count:
            answer = fetch(client, TOPIC, offset, max_bytes=FETCH_BYTES)
            for _, header in iter_batches(bytes(answer.records)):
                assert header.base_offset == offset
                offset = header.last_offset + 1
        assert peak_bytes(klamm.pid) - before <= GROWTH_BYTES
