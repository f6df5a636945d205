"""Snapshots of the metadata log: the image comes back from them, whole or not at all."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from klamm.broker.metadata.image import Catalogue
from klamm.broker.metadata.image_records import image_records
from klamm.broker.metadata.metadata_log import MetadataLog
from klamm.broker.metadata.records import quorum_records
from klamm.broker.metadata.snapshots import (
    BATCH_RECORDS,
    Content,
    SnapshotId,
    encode_snapshot,
    newest_snapshot,
    write_snapshot,
)
from klamm.storage.files import Files
from klamm.wire.log_records.metadata_security import AccessControlEntryRecord
from klamm.wire.messages.alter_client_quotas import (
    AlterClientQuotasRequest,
    AlterClientQuotasRequestEntryData,
    EntityData,
    OpData,
)
from klamm.wire.messages.create_topics import CreatableTopic, CreatableTopicConfig, CreateTopicsRequest
from tests.coordinator.site import Site

from .test_image import KAFKA_LOG, replayed, shown

FILES = Files()


def restored(folder: Path) -> Catalogue | None:
    found = newest_snapshot(FILES, str(folder))
    if found is None:
        return None
    catalogue = Catalogue("klamm-test-AAAAAAAAAAA")
    MetadataLog(catalogue, lambda batch: None).restore(*found)
    return catalogue


def everything(catalogue: Catalogue) -> Any:
    return (
        shown(catalogue)[:-2],
        catalogue.client_quotas.entities,
        catalogue.scram_credentials.users,
        sorted((kind, name, sorted(configs.items())) for kind, name, configs in catalogue.all_configs()),
    )


def taken(catalogue: Catalogue, folder: Path) -> SnapshotId:
    snapshot = SnapshotId(catalogue.metadata_offset + 1, catalogue.leader_epoch)
    content = Content(list(image_records(catalogue)), quorum_records(catalogue.voters))
    data = encode_snapshot(content, snapshot.epoch, 1000, 1000)
    write_snapshot(FILES, str(folder), snapshot, data)
    return snapshot


def test_what_kafka_left_comes_back(tmp_path: Path) -> None:
    catalogue = replayed(KAFKA_LOG)
    taken(catalogue, tmp_path)
    found = restored(tmp_path)
    assert found is not None
    found.controller_id = catalogue.controller_id  # of the log's leader, which its epoch's first batch names
    assert everything(found) == everything(catalogue)


def test_everything_that_can_be_set_comes_back(broker: Any, tmp_path: Path) -> None:
    topics = [
        CreatableTopic(
            name=f"t{number}",
            num_partitions=7,
            replication_factor=1,
            assignments=[],
            configs=[CreatableTopicConfig(name="retention.ms", value=str(number + 1))],
        )
        for number in range(BATCH_RECORDS // 7 + 5)
    ]
    broker.ask(CreateTopicsRequest(topics=topics, timeout_ms=1000), 7)
    broker.producer_ids.next_id()
    entity = [EntityData(entity_type="user", entity_name=None), EntityData(entity_type="client-id", entity_name="c")]
    entry = AlterClientQuotasRequestEntryData(
        entity=entity, ops=[OpData(key="producer_byte_rate", value=5.0, remove=False)]
    )
    broker.ask(AlterClientQuotasRequest(entries=[entry], validate_only=False), 1)
    taken(broker.catalogue, tmp_path)
    found = restored(tmp_path)
    assert found is not None
    found.controller_id = broker.catalogue.controller_id
    assert everything(found) == everything(broker.catalogue)
    assert found.client_quotas.entities


def test_a_part_of_a_snapshot_is_none(broker: Any, tmp_path: Path) -> None:
    snapshot = taken(broker.catalogue, tmp_path)
    path = tmp_path / snapshot.file_name
    whole = path.read_bytes()
    drawn = random.Random(1)
    for size in {0, 1, len(whole) - 1, *(drawn.randrange(len(whole)) for _ in range(50))}:
        path.write_bytes(whole[:size])
        assert newest_snapshot(FILES, str(tmp_path)) is None
    position = len(whole) // 2
    path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
    assert newest_snapshot(FILES, str(tmp_path)) is None
    path.write_bytes(whole)
    assert newest_snapshot(FILES, str(tmp_path)) is not None


@pytest.mark.parametrize("whole", [True, False])
def test_a_start_reads_the_snapshot_and_the_log_behind_it(tmp_path: Path, whole: bool) -> None:
    site = Site(tmp_path)
    site.create("before", 3)
    run = site.broker.warmer.run

    def at_once(job: Any, then: Any = None) -> None:
        job.run()
        job.finish()
        if then is not None:
            then()

    site.broker.warmer.run = at_once  # type: ignore[method-assign]
    site.broker.metadata_snapshots.take_if_changed()
    (snapshot,) = (tmp_path / "__cluster_metadata-0").glob("*.checkpoint")
    site.broker.metadata_snapshots.take_if_changed()  # nothing new
    site.create("behind")
    topics = {name: topic.topic_id for name, topic in site.broker.catalogue.topics.items()}
    site.broker.warmer.run = run  # type: ignore[method-assign]
    site.stop()
    if not whole:
        snapshot.write_bytes(snapshot.read_bytes()[:-1])
    site.start()
    assert {name: topic.topic_id for name, topic in site.broker.catalogue.topics.items()} == topics
    assert site.broker.catalogue.metadata_offset + 1 == site.broker._metadata_log_files.log_end_offset
    site.create("after")
    site.stop()
    site.start()
    assert set(site.broker.catalogue.topics) == {"before", "behind", "after"}
    site.stop()


def test_so_many_bytes_ask_for_one(tmp_path: Path) -> None:
    site = Site(tmp_path, metadata_log_max_record_bytes_between_snapshots="20000")
    jobs: list[Any] = []
    site.broker.warmer.run = lambda job, then=None: jobs.append((job, then))  # type: ignore[method-assign]
    for number in range(10):
        site.create(f"t{number}", 100)
        site.pump()
    assert len(jobs) == 1  # one at a time
    job, then = jobs.pop()
    job.run()
    job.finish()
    then()
    for number in range(10):
        site.create(f"u{number}", 100)
        site.pump()
    assert len(jobs) == 1
    site.stop()


def test_what_would_be_lost_keeps_from_taking_one(tmp_path: Path) -> None:
    site = Site(tmp_path)
    entry = AccessControlEntryRecord(
        id=bytes(16),
        resource_type=2,
        resource_name="t",
        pattern_type=3,
        principal="User:a",
        host="*",
        operation=2,
        permission_type=3,
    )
    site.broker.commit([entry])
    site.broker.metadata_snapshots.take_if_changed()
    assert list((tmp_path / "__cluster_metadata-0").glob("*.checkpoint")) == []
    site.stop()
