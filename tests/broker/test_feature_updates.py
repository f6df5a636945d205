"""UpdateFeatures held to a real Kafka's answers (tests/data/feature_updates.jsonl) on clusters that were formatted for
several releases, and what the levels do: to the records of the metadata log, over restarts, in snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from klamm.broker.features import FINALIZED_AT_FIRST, SUPPORTED_FEATURES
from klamm.broker.metadata.record_versions import as_written, record_version
from klamm.broker.metadata.snapshots import find_snapshots, newest_snapshot
from klamm.storage.files import Files
from klamm.tools.admin import storage
from klamm.tools.log_command import run as log_command
from klamm.wire.batches import iter_batches
from klamm.wire.errors import ErrorCode, KafkaError
from klamm.wire.log_records.control import KRaftVersionRecord, VotersRecord
from klamm.wire.log_records.metadata_cluster import BrokerRegistrationChangeRecord, NoOpRecord, RegisterBrokerRecord
from klamm.wire.log_records.metadata_topics import PartitionChangeRecord, PartitionRecord
from klamm.wire.messages.alter_user_scram_credentials import (
    AlterUserScramCredentialsRequest,
    ScramCredentialUpsertion,
)
from klamm.wire.records import batch_records
from tests.coordinator.site import Site

from .feature_updates import Cluster, answer_to, clusters, finalized


def formatted(tmp_path: Path, options: list[str]) -> Site:
    """A broker on a new folder that `klamm storage format` was given."""
    properties, folder = tmp_path / "server.properties", tmp_path / "data"
    listeners = "listeners=PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093\ncontroller.listener.names=CONTROLLER"
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={folder}\n{listeners}\n")
    command = ["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(properties), *options]
    assert storage.run(command) == 0
    names = {"listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093"}
    return Site(folder, **names, controller_listener_names="CONTROLLER")


def written_versions(site: Site) -> dict[str, set[int]]:
    """Name of a record -> the versions in which it stands in the metadata log."""
    from klamm.broker.metadata.records import RECORD_TYPES

    found: dict[str, set[int]] = {}
    data = memoryview((site.path / "__cluster_metadata-0" / f"{0:020d}.log").read_bytes())
    for position, header in iter_batches(data):
        if not header.is_control:
            for record in batch_records(data[position : position + header.size_bytes]):
                _, kind, version = (record.value or b"")[:3]
                found.setdefault(RECORD_TYPES[kind].__name__, set()).add(version)
    return found


def raised(site: Site, **levels: int) -> None:
    updates = [[name.replace("_", "."), level, 1] for name, level in levels.items()]
    assert answer_to(site.ask, {"version": 2, "updates": updates}) == [0, None, []]


@pytest.mark.parametrize("cluster", clusters(), ids=lambda cluster: " ".join(cluster.options))
def test_every_answer_is_that_of_kafka(tmp_path: Path, cluster: Cluster) -> None:
    site = formatted(tmp_path, cluster.options)
    epoch, levels = finalized(site.ask)
    for step in cluster.steps:
        assert answer_to(site.ask, step) == step["answer"], step
        epoch_before, levels_before = epoch, levels
        epoch, levels = finalized(site.ask)
        assert levels == step["finalized"], step
        changed = step["answer"][0] == 0 and not step.get("validate")
        if levels != levels_before:
            assert changed
            assert epoch > epoch_before
        assert epoch >= epoch_before
    for _ in range(2):
        site.stop()
        site.start()
        assert finalized(site.ask)[1] == levels
        site.broker.metadata_snapshots.take_if_changed()
        site.pump()
        assert find_snapshots(Files(), str(site.path / "__cluster_metadata-0"))
    site.stop()


def test_records_are_written_as_the_level_allows(tmp_path: Path) -> None:
    site = formatted(tmp_path, ["--release-version", "3.3"])
    site.create("a", 2)
    assert site.broker.partitions.get("a", 0) is not None
    partition = site.broker.catalogue.topics["a"].partitions[0]
    assert partition.directories == [bytes(16)]
    versions = written_versions(site)
    assert "BeginTransactionRecord" not in versions
    assert versions["RegisterBrokerRecord"] == {1}
    assert versions["PartitionRecord"] == {0}
    assert "PartitionChangeRecord" not in versions
    site.stop()
    site.start()
    assert site.broker.catalogue.topics["a"].partitions[0] == partition

    raised(site, metadata_version=17)
    own = site.broker.logs.directory_ids
    assert list(site.broker.catalogue.brokers[1].log_dirs) == own
    assert written_versions(site)["RegisterBrokerRecord"] == {1, 3}
    site.create("b", 1)
    assert written_versions(site)["PartitionRecord"] == {0, 1}
    site.stop()
    site.start()
    # What was unknown of folders is made good by the next start.
    assert site.broker.catalogue.topics["a"].partitions[0].directories == own

    raised(site, metadata_version=30)
    site.create("c", 1)
    site.stop()
    site.start()
    versions = written_versions(site)
    assert versions["PartitionRecord"] == {0, 1, 2}
    assert versions["RegisterBrokerRecord"] == {1, 3, 4}
    site.stop()


def test_no_log_is_made_twice_where_nobody_knows_its_folder(tmp_path: Path) -> None:
    site = formatted(tmp_path, ["--release-version", "3.6"])
    site.create("a")
    assert site.broker.partitions.get("a", 0) is not None
    site.create("b")
    site.logs.paths.append(str(tmp_path / "gone"))
    with pytest.raises(KafkaError, match="b-0 is offline"):
        site.broker.partitions.get("b", 0)
    assert site.broker.partitions.get("a", 0) is not None
    raised(site, metadata_version=17)
    assert site.broker.partitions.get("b", 0) is not None
    site.stop()


def test_a_record_that_has_no_room_for_a_field_is_read_as_it_was_replayed() -> None:
    change = PartitionChangeRecord(partition_id=0, topic_id=b"t" * 16, leader=1, directories=[b"d" * 16], isr=[1])
    assert as_written(change, 30) is change
    assert as_written(change, 17) is change
    short = as_written(change, 16)
    assert (short.leader, short.isr, short.directories) == (1, [1], None)
    assert change.directories == [b"d" * 16]
    assert [record_version(PartitionRecord(), level) for level in (7, 16, 17, 22, 23, 30)] == [0, 0, 1, 1, 2, 2]
    assert [record_version(RegisterBrokerRecord(), level) for level in (7, 8, 16, 17, 29, 30)] == [1, 2, 2, 3, 3, 4]
    assert record_version(NoOpRecord(), 7) == 0
    changes = [
        BrokerRegistrationChangeRecord(fenced=-1),
        BrokerRegistrationChangeRecord(in_controlled_shutdown=1),
        BrokerRegistrationChangeRecord(log_dirs=[b"d" * 16]),
        BrokerRegistrationChangeRecord(cordoned_log_dirs=[]),
    ]
    assert [record_version(record, 30) for record in changes] == [0, 1, 2, 3]


def test_scram_needs_a_level(tmp_path: Path) -> None:
    site = formatted(tmp_path, ["--release-version", "3.4"])
    user = ScramCredentialUpsertion(name="u", mechanism=1, iterations=4096, salt=b"x", salted_password=b"y" * 32)
    request = AlterUserScramCredentialsRequest(deletions=[], upsertions=[user])
    (result,) = site.ask(request, 0).results
    assert result.error_code == ErrorCode.UNSUPPORTED_VERSION
    assert result.error_message == "The current metadata.version does not support SCRAM"
    raised(site, metadata_version=11)
    (result,) = site.ask(request, 0).results
    assert result.error_code == 0
    site.stop()


def test_a_folder_that_was_formatted_only_is_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    site = formatted(tmp_path, ["--standalone"])
    site.stop()
    properties = tmp_path / "other.properties"
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={tmp_path}/other\n")
    assert storage.run(["format", "--standalone", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(properties)]) == 0
    for folder in (site.path, tmp_path / "other"):
        assert log_command(["verify", str(folder)]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("options", [[], ["--standalone"]])
def test_the_log_names_its_voters_from_kraft_version_1_on(tmp_path: Path, options: list[str]) -> None:
    site = formatted(tmp_path, options)
    if not options:
        assert site.broker.catalogue.voters == []
        raised(site, kraft_version=1)
    (voter,) = site.broker.catalogue.voters
    assert voter.voter_directory_id == site.broker.logs.metadata_dir.directory_id
    assert [(found.name, found.host, found.port) for found in voter.endpoints] == [("CONTROLLER", "127.0.0.1", 9093)]
    site.broker.metadata_snapshots.take_if_changed()
    site.pump()
    found = newest_snapshot(Files(), str(site.path / "__cluster_metadata-0"))
    assert found is not None
    assert found[1][:2] == [KRaftVersionRecord(version=0, kraft_version=1), VotersRecord(version=0, voters=[voter])]
    site.stop()
    site.config["listeners"] = "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:7777"
    site.start()
    (voter,) = site.broker.catalogue.voters
    assert voter.endpoints[0].port == 7777
    assert finalized(site.ask)[1]["kraft.version"] == 1
    site.stop()


def test_a_folder_that_nobody_formatted_has_klamms_own_levels(tmp_path: Path) -> None:
    site = Site(tmp_path)
    assert finalized(site.ask)[1] == FINALIZED_AT_FIRST
    site.stop()


def test_what_kafka_formatted_and_klamm_lacks_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    from klamm.broker.metadata.bootstrap import encode_bootstrap

    levels = {"metadata.version": 29, "share.version": 1, "transaction.version": 2, "group.version": 9}
    (tmp_path / "bootstrap.checkpoint").write_bytes(encode_bootstrap(levels, 1000))
    site = Site(tmp_path)
    assert finalized(site.ask)[1] == {"metadata.version": 29, "transaction.version": 2}
    assert "share.version=1" in caplog.text
    assert "group.version=9" in caplog.text
    assert "share.version" not in SUPPORTED_FEATURES
    site.stop()


@pytest.mark.parametrize("cut", [0, 1, 50, -1])
def test_a_damaged_bootstrap_checkpoint_stops_the_start(tmp_path: Path, cut: int) -> None:
    from klamm.broker.metadata.bootstrap import encode_bootstrap

    data = encode_bootstrap({"metadata.version": 29}, 1000)
    (tmp_path / "bootstrap.checkpoint").write_bytes(data[:cut])
    with pytest.raises(KafkaError, match=r"bootstrap\.checkpoint"):
        Site(tmp_path)


def test_formatting_says_what_kafka_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    properties = tmp_path / "server.properties"
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={tmp_path}/data\n")

    def said(*options: str) -> str:
        assert storage.run(["format", "-t", "MkU3OEVBNTcwNTJENDM2Qk", "-c", str(properties), *options]) == 1
        return capsys.readouterr().err.strip()

    ambiguous = "Use --release-version instead of --feature metadata.version=X to avoid ambiguity."
    assert said("-r", "4.2", "-f", "metadata.version=29") == ambiguous
    unknown = "No MetadataVersion with feature level 6. Valid feature levels are from 7 to 31."
    assert said("-f", "metadata.version=6") == unknown
    assert said("-f", "metadata.version=31") == "metadata.version 4.4-IV0 is not yet stable."
    assert said("-f", "transaction.version=7") == "No feature:transaction.version with feature level 7"
    supported = "Supported features are: group.version, kraft.version, transaction.version"
    assert said("-f", "share.version=1") == f"Unsupported feature: share.version. {supported}"
    assert said("-f", "kraft.version=1").startswith("Cannot set kraft.version to 1 unless controller.quorum.voters")
    assert said("-s", "-f", "kraft.version=0").startswith("Cannot set kraft.version to 0 if controller.quorum.voters")
    assert not (tmp_path / "data").exists()


def own_request(kind: type, site: Site, voter_id: int, **more: Any) -> Any:
    request = kind(cluster_id=None, voter_id=voter_id, voter_directory_id=b"x" * 16, **more)
    answer = site.ask(request, 0)
    return ErrorCode(answer.error_code).name, answer.error_message


def test_the_quorum_stays_what_it_is(tmp_path: Path) -> None:
    from klamm.wire.messages.add_raft_voter import AddRaftVoterRequest, Listener
    from klamm.wire.messages.remove_raft_voter import RemoveRaftVoterRequest

    site = formatted(tmp_path, ["--standalone"])
    listeners = [Listener(name="CONTROLLER", host="127.0.0.1", port=1)]
    name, message = own_request(AddRaftVoterRequest, site, 1, timeout_ms=1000, listeners=listeners)
    assert (name, message.endswith(")].")) == ("DUPLICATE_VOTER", True)
    name, _ = own_request(AddRaftVoterRequest, site, 7, timeout_ms=1000, listeners=listeners)
    assert name == "REQUEST_TIMED_OUT"
    name, message = own_request(RemoveRaftVoterRequest, site, 1)
    gone = "ReplicaKey(id=1, directoryId=eHh4eHh4eHh4eHh4eHh4eA)"
    assert name == "VOTER_NOT_FOUND"
    assert message.startswith(f"Cannot remove voter {gone} from the set of voters [ReplicaKey(id=1, directoryId=")
    site.stop()
