"""A whole broker with log.flush.interval.messages=1, its power cut at each step: what clients were told still holds.

Topics that were created are there, records acknowledged are in them, offsets committed are the group's, and a producer
id that was given away is not given away again. Files and cuts: `tests/storage/power.py`.
"""

from __future__ import annotations

import copy
import os
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest

from klamm.broker import group_commit, warmer
from klamm.wire.errors import ErrorCode
from klamm.wire.messages.init_producer_id import InitProducerIdRequest
from klamm.wire.messages.offset_commit import (
    OffsetCommitRequest,
    OffsetCommitRequestPartition,
    OffsetCommitRequestTopic,
)
from klamm.wire.messages.offset_fetch import (
    OffsetFetchRequest,
    OffsetFetchRequestGroup,
    OffsetFetchRequestTopic,
    OffsetFetchRequestTopics,
)
from klamm.wire.records import Record, encode_batch, iter_records
from tests.storage.power import Disk, PowerFiles

from .site import NOW_MS, Site, codes

CONFIG = {"log_flush_interval_messages": "1"}
CUTS = int(os.environ.get("KLAMM_POWER_CUTS", "2"))
KEEP = tuple(number / CUTS for number in range(CUTS))


@dataclass
class Told:
    """What clients were answered. `records`: (topic, offset) to value; `committed`: the group's offset in t."""

    topics: list[str] = field(default_factory=list)
    records: dict[tuple[str, int], bytes] = field(default_factory=dict)
    committed: int = -1
    asked_commit: int = -1
    producer_id: int = -1


class Clients:
    """They use the broker on a disk whose every step is recorded."""

    def __init__(self, path: Path) -> None:
        self.told = Told()
        self.cuts: list[tuple[Disk, Told]] = []
        self.files = PowerFiles(Disk(str(path)))
        self.files.on_change = lambda: self.cuts.append((self.files.disk.copy(), copy.deepcopy(self.told)))
        self.site = Site(path, self.files, **CONFIG)

    def create(self, name: str) -> None:
        self.site.topic(name)
        self.told.topics.append(name)

    def produce(self, topic: str, *values: bytes) -> None:
        """Records that come in one round."""
        answers = [
            self.site.produce(topic, batch=encode_batch([Record(value=value, timestamp_ms=NOW_MS)])) for value in values
        ]
        self.site.round()
        for value, answer in zip(values, answers, strict=True):
            assert codes(answer) == [ErrorCode.NONE]
            self.told.records[topic, answer.result().responses[0].partition_responses[0].base_offset] = value

    def commit(self, offset: int) -> None:
        self.told.asked_commit = offset
        row = OffsetCommitRequestPartition(partition_index=0, committed_offset=offset, committed_metadata="")
        request = OffsetCommitRequest(
            group_id="g",
            generation_id_or_member_epoch=-1,
            member_id="",
            topics=[OffsetCommitRequestTopic(name="t", partitions=[row])],
        )
        answer = self.site.send(request, 8)
        self.site.round()
        assert answer.result().topics[0].partitions[0].error_code == ErrorCode.NONE
        self.told.committed = offset

    def producer_id(self) -> None:
        self.told.producer_id = new_producer_id(self.site)


def new_producer_id(site: Site) -> int:
    answer = site.send(InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=1000), 4).result()
    assert answer.error_code == ErrorCode.NONE
    found: int = answer.producer_id
    return found


def check(site: Site, told: Told) -> None:
    assert all(site.broker.catalogue.topic(name) is not None for name in told.topics)
    for name in told.topics:
        log = site.partition(name).log
        found = log.read(log.log_start_offset, 1 << 20, max_offset=log.log_end_offset)
        got = {(name, record.offset): record.value for record in iter_records(found.read())}
        found.release()
        assert {key: value for key, value in told.records.items() if key[0] == name}.items() <= got.items()
    if told.committed >= 0:
        assert told.committed <= committed(site) <= told.asked_commit
    assert new_producer_id(site) > told.producer_id


def committed(site: Site) -> int:
    topics = [OffsetFetchRequestTopics(name="t", partition_indexes=[0])]
    request = OffsetFetchRequest(
        groups=[OffsetFetchRequestGroup(group_id="g", topics=topics)], topics=list[OffsetFetchRequestTopic]()
    )
    answer: Any = site.send(request, 8)
    site.round()
    offset: int = answer.result().groups[0].topics[0].partitions[0].committed_offset
    return offset


def test_what_clients_were_told_outlives_a_loss_of_power(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (group_commit, warmer):  # what would be a thread's work is done at once
        monkeypatch.setattr(module, "start_thread_soon", lambda run, deliver, *_: (run(), deliver(None)))
    clients = Clients(tmp_path / "data")
    clients.create("t")
    clients.produce("t", b"a")
    clients.producer_id()
    clients.site.broker.coordinators.ensure_topic()
    clients.commit(1)
    clients.create("u")
    clients.produce("u", b"b", b"c")
    clients.commit(2)
    clients.produce("t", b"d")
    clients.site.kill()
    clients.site.start()
    clients.producer_id()
    clients.produce("t", b"e", b"f")
    clients.site.kill()
    assert len(clients.cuts) > 100
    for number, (disk, told) in enumerate(clients.cuts):
        for keep in KEEP:
            left = disk.after_cut(Random(number), keep)
            site = Site(tmp_path / "data", PowerFiles(left), **CONFIG)
            try:
                check(site, told)
            except AssertionError as error:
                raise AssertionError(f"step {number}, keep {keep}: {error}") from error
            finally:
                site.kill()
