"""What compaction makes of transactions, one case at a time; in any mixture: test_compaction_model.py."""

from __future__ import annotations

import pytest

from klamm.storage.checks import Origin
from klamm.storage.log import Log
from klamm.wire.records import Record, encode_batch, encode_end_txn_marker

from .shorthand import OpenLog, append, read_batches, read_records

NOW_MS = 1_000_000
PRODUCER = 7


def write(log: Log, key: bytes, value: bytes | None, *, transactional: bool = False) -> int:
    entry = log.producers.entries.get(PRODUCER)
    header = {
        "producer_id": PRODUCER,
        "producer_epoch": 0,
        "base_sequence": entry.last_sequence + 1 if entry else 0,
        "transactional": True,
    }
    record = Record(key, value, timestamp_ms=NOW_MS)
    return append(log, encode_batch([record], **(header if transactional else {})))  # type: ignore[arg-type]


def end(log: Log, *, commit: bool) -> None:
    marker = encode_end_txn_marker(
        commit=commit, producer_id=PRODUCER, producer_epoch=0, coordinator_epoch=0, timestamp_ms=NOW_MS
    )
    append(log, marker, origin=Origin.COORDINATOR)


def compact(log: Log, now_ms: int) -> None:
    job = log.begin_compaction(now_ms)
    assert job is not None
    job.run()
    while job.finish():
        job.run()


@pytest.fixture
def log(open_log: OpenLog) -> Log:
    return open_log(cleanup_policy=("compact",), segment_bytes=400, delete_retention_ms=1000)


def fill(log: Log) -> None:
    """So much that what was written before lies in closed segments."""
    for number in range(6):
        write(log, b"filler", b"%d" % number * 60)


def values(log: Log, key: bytes) -> list[bytes | None]:
    return [record.value for record in read_records(log) if record.key == key]


@pytest.mark.parametrize("value", [b"never was", None])
def test_what_was_aborted_supersedes_nothing(log: Log, value: bytes | None) -> None:
    write(log, b"key", b"stays")
    write(log, b"key", value, transactional=True)
    end(log, commit=False)
    fill(log)
    compact(log, NOW_MS)
    assert values(log, b"key") == [b"stays"]


def test_what_was_committed_supersedes(log: Log) -> None:
    write(log, b"key", b"goes")
    write(log, b"key", b"stays", transactional=True)
    end(log, commit=True)
    fill(log)
    compact(log, NOW_MS)
    assert values(log, b"key") == [b"stays"]


def test_nothing_of_an_open_transaction_is_touched_nor_what_follows_it(log: Log) -> None:
    write(log, b"key", b"old")
    fill(log)
    write(log, b"key", b"open", transactional=True)
    write(log, b"key", b"behind")
    fill(log)
    compact(log, NOW_MS)
    assert values(log, b"key") == [b"old", b"open", b"behind"]
    end(log, commit=False)
    fill(log)
    compact(log, NOW_MS)
    assert values(log, b"key") == [b"behind"]


def test_a_marker_outlives_the_records_of_its_transaction_by_delete_retention_ms(log: Log) -> None:
    write(log, b"key", b"aborted", transactional=True)
    end(log, commit=False)

    def marker_stays(now_ms: int) -> bool:
        fill(log)
        compact(log, now_ms)
        return any(header.is_control and header.base_offset == 1 for header, _ in read_batches(log))

    # The producer's last batch stays, without its record, and so does its marker (Cleaner.cleanInto).
    assert marker_stays(NOW_MS)
    assert values(log, b"key") == []
    assert marker_stays(NOW_MS + 5000)
    write(log, b"later", b"v", transactional=True)
    end(log, commit=True)
    # From now on it is of no use, and gets its horizon; when that has passed it goes.
    assert marker_stays(NOW_MS + 5000)
    assert marker_stays(NOW_MS + 5001)
    assert marker_stays(NOW_MS + 6000)
    assert not marker_stays(NOW_MS + 6001)
    assert log.aborted_transactions(0, log.log_end_offset) == []
    assert values(log, b"later") == [b"v"]
