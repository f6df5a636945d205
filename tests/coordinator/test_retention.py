"""Expiry by the broker's configs and clock. What expires when: scenarios/expiry.txt and its namesake beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from klamm.broker import shard_runtime
from klamm.broker.config import Config, ConfigError
from klamm.coordinator import expiry, records
from klamm.wire.batches import iter_batches
from klamm.wire.compression import Codec
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from klamm.wire.messages.list_groups import ListGroupsRequest

from .site import Site

MINUTE_MS = 60_000


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[Site]:
    """Offsets live ten minutes, and it is looked for expired ones every two."""
    made = Site(
        tmp_path / "data",
        offsets_retention_minutes="10",
        offsets_retention_check_interval_ms=str(2 * MINUTE_MS),
        offsets_topic_num_partitions="1",
    )
    made.create("t", 2)
    made.find("g")
    yield made
    made.stop()


def listed(site: Site) -> list[str]:
    return sorted(row.group_id for row in site.ask(ListGroupsRequest(), 5).groups)


def test_offsets_expire_by_the_configs_and_the_brokers_timers(short_lived: Site) -> None:
    assert short_lived.commit("g", "t", 5).done
    short_lived.advance(9 * MINUTE_MS)
    assert short_lived.commit("h", "t", 6).done
    short_lived.advance(2 * MINUTE_MS)
    short_lived.advance(2 * MINUTE_MS)
    assert short_lived.committed("g", "t") == (-1, 0)
    assert short_lived.committed("h", "t") == (6, 0)
    assert listed(short_lived) == ["h"]


def test_what_has_expired_does_not_come_back_with_a_start(short_lived: Site) -> None:
    short_lived.commit("g", "t", 5)
    short_lived.advance(8 * MINUTE_MS)
    short_lived.commit("h", "t", 6)
    short_lived.advance(2 * MINUTE_MS)
    short_lived.stop()
    short_lived.start()
    short_lived.pump()
    assert listed(short_lived) == ["h"]
    # Nobody was there to look; the first look comes an interval after the start.
    short_lived.stop()
    short_lived.now_ms += 20 * MINUTE_MS
    short_lived.start()
    short_lived.pump()
    assert short_lived.committed("h", "t") == (6, 0)
    short_lived.advance(2 * MINUTE_MS)
    assert short_lived.committed("h", "t") == (-1, 0)


def test_many_groups_are_looked_at_in_steps(short_lived: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "GROUPS_A_STEP", 4)
    monkeypatch.setattr(records, "RECORDS_A_BATCH", 3)
    for number in range(10):
        short_lived.commit(f"g{number}", "t", number)
    short_lived.advance(10 * MINUTE_MS)
    assert len(listed(short_lived)) == 6, "one step"
    short_lived.advance(1)
    short_lived.advance(1)
    assert listed(short_lived) == []
    # Each commit its own; then 4 groups, 4 and 2, of two records each.
    assert batch_sizes(short_lived) == [1] * 10 + [3, 3, 2, 3, 3, 2, 3, 1]


def test_a_topic_of_many_groups_goes_in_several_batches(short_lived: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "RECORDS_A_BATCH", 4)
    for number in range(10):
        short_lived.commit(f"g{number}", "t", number)
    short_lived.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="t")]), 6)
    assert [short_lived.committed(f"g{number}", "t")[0] for number in range(10)] == [-1] * 10
    assert batch_sizes(short_lived) == [1] * 10 + [4, 4, 2]


def test_a_shard_whose_log_fails_makes_no_more_steps(short_lived: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is found again by whoever reads the log next."""
    monkeypatch.setattr(records, "RECORDS_A_BATCH", 4)
    for number in range(10):
        short_lived.commit(f"g{number}", "t", number)
    partition = short_lived.broker.partitions.get("__consumer_offsets", 0)
    assert partition is not None
    tried = []

    def fails(*_: object) -> NoReturn:
        tried.append(1)
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)

    with monkeypatch.context() as patched:
        patched.setattr(type(partition), "append", fails)
        short_lived.advance(10 * MINUTE_MS)
    assert tried == [1]
    assert listed(short_lived) == []
    short_lived.advance(shard_runtime.RELOAD_MS)
    assert len(listed(short_lived)) == 10, "it was read again, and nobody asked for it"
    short_lived.advance(2 * MINUTE_MS)
    assert listed(short_lived) == []


def batch_sizes(site: Site) -> list[int]:
    """How many records each batch has."""
    data = (site.path / "__consumer_offsets-0" / "00000000000000000000.log").read_bytes()
    return [header.records_count for _, header in iter_batches(data)]


@pytest.mark.parametrize("codec", list(Codec))
def test_batches_of_the_offsets_topic_are_compressed_as_configured(tmp_path: Path, codec: Codec) -> None:
    site = Site(tmp_path / "data", offsets_topic_compression_codec=str(int(codec)), offsets_topic_num_partitions="1")
    try:
        site.create("t")
        site.find("g")
        site.commit("g", "t", 5)
        data = (tmp_path / "data" / "__consumer_offsets-0" / "00000000000000000000.log").read_bytes()
        assert [header.codec for _, header in iter_batches(data)] == [codec]
        site.stop()
        site.start()
        assert site.committed("g", "t") == (5, 0)
    finally:
        site.stop()


def test_a_number_that_is_no_codecs_stops_the_start() -> None:
    with pytest.raises(ConfigError, match=r"offsets\.topic\.compression\.codec"):
        Config.of(offsets_topic_compression_codec="5")
