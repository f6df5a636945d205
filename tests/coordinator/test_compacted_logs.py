"""Loaded from a compacted log a shard knows what one does that has read all of it, wherever the cleaner stopped."""

from __future__ import annotations

from pathlib import Path

import pytest

from klamm.coordinator.shard import Shard
from klamm.coordinator.transaction_state import from_bytes
from klamm.wire.batches import iter_batches
from klamm.wire.messages.delete_groups import DeleteGroupsRequest
from klamm.wire.messages.delete_topics import DeleteTopicsRequest, DeleteTopicState
from klamm.wire.messages.list_groups import ListGroupsRequest
from klamm.wire.records import batch_records, encode_batch

from . import consumer_story, story, transaction_story
from .bench import Bench
from .compaction import Compacted, compact, known, load, whole
from .site import Site

FOLDER = Path(__file__).parent
#: Of groups of both kinds.
STORIES = [
    *(("scenarios", path.stem) for path in sorted((FOLDER / "scenarios").glob("*.txt"))),
    *(("consumer_scenarios", path.stem) for path in sorted((FOLDER / "consumer_scenarios").glob("*.txt"))),
]


def check_compacted(bench: Bench) -> None:
    """At every prefix of the log, and with the cleaner stopped at every batch of the whole."""

    def loaded(entries: Compacted) -> Shard:
        return load(bench.new_shard(), entries)

    log = bench.log
    everything = known(loaded(whole(log)))
    for end in sorted(bench.batch_ends):
        expected = known(loaded(whole(log[:end])))
        for keep_tombstones in (True, False):
            head = compact(log[:end], end, keep_tombstones=keep_tombstones)
            assert known(loaded(head)) == expected, f"the first {end} records compacted"
            partly = compact(log, end, keep_tombstones=keep_tombstones)
            assert known(loaded(partly)) == everything, f"compacted below {end}"


@pytest.mark.parametrize(("folder", "name"), STORIES)
def test_scenarios_from_compacted_logs(folder: str, name: str) -> None:
    path = FOLDER / folder / f"{name}.txt"
    told: story.Story = story.Story() if folder == "scenarios" else consumer_story.ConsumerStory()
    for line in commands(path):
        if line.split()[0] == "new":
            check_compacted(told.bench)
        told.run(line)
    check_compacted(told.bench)


def commands(path: Path) -> list[str]:
    """The lines of a scenario that somebody does."""
    blocks = path.read_text(encoding="utf-8").strip("\n").split("\n\n")
    lines = [line for block in blocks for line in block.partition("\n----")[0].splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("name", sorted(path.stem for path in (FOLDER / "transaction_scenarios").glob("*.txt")))
def test_transactions_from_compacted_logs(name: str) -> None:
    """The last record of a transactional id says all of it."""
    told = transaction_story.TransactionStory()
    for line in commands(FOLDER / "transaction_scenarios" / f"{name}.txt"):
        told.run(line)
        bench = told.bench
        last = dict(bench.log)
        records = [record for key, value in last.items() if (record := from_bytes(key, value)) is not None]
        for keep_tombstones in (True, False):
            fresh = bench.new_shard()
            for record in records:
                if keep_tombstones or record.transaction is not None:
                    fresh.replay(record)
            assert fresh.transactions == bench.rebuilt().transactions


# --- bytes ----------------------------------------------------------------------------------------------------------


def compacted_bytes(data: bytes, keep_tombstones: bool) -> bytes:
    """Batches with gaps in their offsets; one that lost all records stays as an empty one, or goes, in turn."""
    found = []
    for position, header in iter_batches(data):
        found.append((header, list(batch_records(data[position : position + header.size_bytes]))))
    last = {record.key: record.offset for _, records in found for record in records}
    out = b""
    for number, (header, records) in enumerate(found):
        stays = [
            record
            for record in records
            if last[record.key] == record.offset and (keep_tombstones or record.value is not None)
        ]
        if stays or number % 2 or number == len(found) - 1:
            out += encode_batch(
                stays,
                base_offset=header.base_offset,
                last_offset=header.last_offset,
                max_timestamp_ms=header.max_timestamp_ms,
                partition_leader_epoch=header.partition_leader_epoch,
            )
    return out


@pytest.mark.parametrize("keep_tombstones", [True, False])
def test_gaps_and_empty_batches(tmp_path: Path, keep_tombstones: bool) -> None:
    site = Site(tmp_path / "data", offsets_topic_num_partitions="1")
    try:
        site.create("t", 2)
        site.create("u")
        site.find("g")
        for offset in range(20):
            site.commit("g", "t", offset)
            site.commit("gone", "u", offset)
        member_id = site.member("members")
        site.commit("members", "t", 7, generation_id_or_member_epoch=1, member_id=member_id)
        site.ask(DeleteTopicsRequest(topics=[DeleteTopicState(name="u")]), 6)
        site.ask(DeleteGroupsRequest(groups_names=["gone"]), 2)
        end = log_end(site)
        site.stop()
        folder = tmp_path / "data" / "__consumer_offsets-0"
        segment = folder / f"{0:020}.log"
        before = segment.read_bytes()
        segment.write_bytes(compacted_bytes(before, keep_tombstones))
        assert len(segment.read_bytes()) < len(before) / 2
        for index in (*folder.glob("*index"), *folder.glob("*.snapshot")):
            index.unlink()
        site.start()
        assert log_end(site) == end
        assert site.committed("g", "t") == (19, 0)
        assert site.committed("gone", "u") == (-1, 0)
        assert site.committed("members", "t") == (7, 0)
        assert site.heartbeat("members", 1, member_id) == 0
        assert sorted(row.group_id for row in site.ask(ListGroupsRequest(), 5).groups) == ["g", "members"]
    finally:
        site.stop()


def log_end(site: Site) -> int:
    partition = site.broker.partitions.get("__consumer_offsets", 0)
    assert partition is not None
    return partition.log.log_end_offset
