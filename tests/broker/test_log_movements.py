"""AlterReplicaLogDirs: logs move between log.dirs while clients write, read and kill the broker.

The errors are those that a real Kafka 4.3.1 gives in the same requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from compat_tests.support import Klamm
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirTopic,
)
from klamm.wire.messages.describe_log_dirs import DescribableLogDirTopic, DescribeLogDirsRequest
from klamm.wire.records import iter_records

from .raw_client import RawClient, ask, wait_for
from .steps import batch, create_topic, fetch, list_offset, produce_request

PATIENCE_S = 60.0
#: Several slices of a movement.
VALUE = bytes(100_000)


@pytest.fixture
def klamm(tmp_path: Path) -> Iterator[Klamm]:
    broker = Klamm(tmp_path / "klamm", config={"log.dirs": f"{tmp_path / 'a'},{tmp_path / 'b'}"})
    yield broker
    broker.kill()


def alter(address: str, path: object, topic: str, partition: int = 0) -> int:
    topics = [AlterReplicaLogDirTopic(name=topic, partitions=[partition])]
    request = AlterReplicaLogDirsRequest(dirs=[AlterReplicaLogDir(path=str(path), topics=topics)])
    return int(ask(address, request, 2).results[0].partitions[0].error_code)


def described(client: RawClient, topic: str) -> dict[str, Any]:
    """Partition 0 in the folders where it is shown."""
    asked = [DescribableLogDirTopic(topic=topic, partitions=[0])]
    results = client.request(DescribeLogDirsRequest(topics=asked), 4).results
    return {Path(found.log_dir).name: row for found in results for shown in found.topics for row in shown.partitions}


def lies_in(client: RawClient, topic: str) -> str:
    """The folder, "" while it moves."""
    shown = described(client, topic)
    return next(iter(shown)) if len(shown) == 1 else ""


def values(client: RawClient, topic: str) -> list[bytes]:
    """The first six bytes of all records' values."""
    found: list[bytes] = []
    end = list_offset(client, topic, -1).offset
    while len(found) < end:
        records = fetch(client, topic, len(found), max_bytes=10_000_000).records
        found += [bytes(record.value or b"")[:6] for record in iter_records(records)]
    return found


def produce(client: RawClient, topic: str, number: int) -> None:
    answer = client.request(produce_request(topic, batch(b"%06d" % number + VALUE)), 12)
    row = answer.responses[0].partition_responses[0]
    assert (row.error_code, row.base_offset) == (0, number)


def test_what_cannot_move_is_told(klamm: Klamm, tmp_path: Path) -> None:
    address = klamm.bootstrap_servers
    topic, _ = create_topic(address)
    a = tmp_path / "a"
    assert alter(address, "/nowhere", topic) == ErrorCode.LOG_DIR_NOT_FOUND
    assert alter(address, "a", topic) == ErrorCode.LOG_DIR_NOT_FOUND
    assert alter(address, f"{a}/", topic) == ErrorCode.LOG_DIR_NOT_FOUND
    assert alter(address, a, "unknown") == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert alter(address, a, topic, 9) == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert alter(address, a, topic) == 0  # where it is


def test_a_log_moves_while_it_is_written_and_read(klamm: Klamm, tmp_path: Path) -> None:
    address = klamm.bootstrap_servers
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        count = 0
        for _ in range(30):
            produce(client, topic, count)
            count += 1
        for target in ("b", "a", "b"):
            if lies_in(client, topic) == target:
                continue
            assert alter(address, tmp_path / target, topic) == 0
            while lies_in(client, topic) != target:
                for name, row in described(client, topic).items():
                    assert row.is_future_key == (name == target) or lies_in(client, topic) == target
                produce(client, topic, count)
                count += 1
                assert count < 2000
        assert values(client, topic) == [b"%06d" % number for number in range(count)]
        assert (tmp_path / "b" / f"{topic}-0").exists()
        assert not (tmp_path / "a" / f"{topic}-0").exists()
    klamm.stop()
    klamm.start()
    with RawClient(klamm.bootstrap_servers) as client:
        assert lies_in(client, topic) == "b"
        assert values(client, topic) == [b"%06d" % number for number in range(count)]
    klamm.stop()


def test_a_movement_outlives_kills(klamm: Klamm, tmp_path: Path) -> None:
    topic, _ = create_topic(klamm.bootstrap_servers)
    count = 0
    for kill in range(6):
        with RawClient(klamm.bootstrap_servers) as client:
            while count < 20 * (kill + 1):
                produce(client, topic, count)
                count += 1
            wait_for(lambda client=client: lies_in(client, topic), "an earlier movement", PATIENCE_S)  # type: ignore[misc]
            target = "b" if lies_in(client, topic) == "a" else "a"
            assert alter(klamm.bootstrap_servers, tmp_path / target, topic) == 0
            for _ in range(kill):
                produce(client, topic, count)
                count += 1
        klamm.kill()
        klamm.start()
        with RawClient(klamm.bootstrap_servers) as client:
            assert list_offset(client, topic, -1).offset == count
            assert values(client, topic) == [b"%06d" % number for number in range(count)]
    with RawClient(klamm.bootstrap_servers) as client:
        wait_for(lambda: lies_in(client, topic), "the end of the last movement", PATIENCE_S)
    klamm.stop()


def test_a_deleted_topic_moves_nowhere(klamm: Klamm, tmp_path: Path) -> None:
    from .steps import delete_topic

    address = klamm.bootstrap_servers
    topic, _ = create_topic(address)
    with RawClient(address) as client:
        for number in range(30):
            produce(client, topic, number)
        target = "b" if lies_in(client, topic) == "a" else "a"
    assert alter(address, tmp_path / target, topic) == 0
    delete_topic(address, topic)
    folders = [tmp_path / "a", tmp_path / "b"]
    wait_for(lambda: not any(list(folder.glob("*-future")) for folder in folders), "no future log", PATIENCE_S)
    assert not any(list(folder.glob(f"{topic}-0")) for folder in folders)
    klamm.stop()
