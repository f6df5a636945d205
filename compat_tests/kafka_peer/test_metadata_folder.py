"""A whole data folder, metadata log and all, goes from klamm to Kafka and back.

klamm formats it for an old release, raises the levels a little, raises the epoch of a partition that was led elsewhere,
and cuts the log behind its snapshots. Kafka reads the records as klamm wrote them at those levels, raises them further
and makes topics and snapshots of its own; klamm goes on with all of it, and cuts the log behind Kafka's.

That klamm starts on a log that Kafka cut is shown by tests/broker/test_metadata_log_cut.py: Kafka's first look for what
may go comes a minute after its start.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from klamm.tools.admin import storage
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.metadata import MetadataRequest, MetadataRequestTopic
from tests.broker.feature_updates import answer_to, finalized
from tests.broker.raw_client import RawClient, ask, wait_for
from tests.broker.steps import batch, led_in, produce_request

from ..support import Klamm
from .peer import CLUSTER_ID, PeerUnavailableError, RealKafka, fetch_jars, free_port

JVM = ("-Xmx512M", "-XX:TieredStopAtLevel=1")
CONFIG = {
    "internal.metadata.log.segment.bytes": "8000",
    "metadata.log.max.record.bytes.between.snapshots": "12000",
    "metadata.max.retention.bytes": "30000",
}
SETTLES_S = 30.0


class Folder:
    """The metadata log's folder."""

    def __init__(self, data: Path) -> None:
        self.path = data / "__cluster_metadata-0"

    @property
    def start(self) -> int:
        return min(int(path.stem) for path in self.path.glob("*.log"))

    @property
    def snapshots(self) -> list[int]:
        return sorted(int(path.name[:20]) for path in self.path.glob("*.checkpoint"))


def create(client: RawClient, name: str, changes: int = 0) -> None:
    """A topic, and long values of a config for it, one after the other."""
    topic = CreatableTopic(name=name, num_partitions=2, replication_factor=1, assignments=[], configs=[])
    (result,) = client.request(CreateTopicsRequest(topics=[topic], timeout_ms=15_000), 7).topics
    assert (result.error_code, result.error_message) == (0, None)
    for number in range(changes):
        value = ",".join(f"{partition}:{number}" for partition in range(500))
        row = AlterableConfig(name="leader.replication.throttled.replicas", config_operation=0, value=value)
        resource = AlterConfigsResource(resource_type=2, resource_name=name, configs=[row])
        (answer,) = client.request(IncrementalAlterConfigsRequest(resources=[resource]), 1).responses
        assert answer.error_code == 0


def produce(address: str) -> None:
    (answer,) = ask(address, produce_request("by-klamm-8", batch(b"v")), 9).responses[0].partition_responses
    assert answer.error_code == 0


def leader_epoch(client: RawClient) -> int:
    asked = MetadataRequest(topics=[MetadataRequestTopic(name="by-klamm-8")])
    (topic,) = client.request(asked, 12).topics
    return next(row.leader_epoch for row in topic.partitions if row.partition_index == 0)


def raise_to(client: RawClient, **levels: int) -> None:
    updates = [[name.replace("_", "."), level, 1] for name, level in levels.items()]
    assert answer_to(client.request, {"version": 2, "updates": updates}) == [0, None, []]


def has(client: RawClient, levels: dict[str, int], topics: set[str]) -> None:
    def known() -> bool:
        found = client.request(MetadataRequest(topics=None), 12).topics
        led = {topic.name for topic in found if all(row.leader_id == 1 for row in topic.partitions)}
        return led == topics and finalized(client.request)[1] == levels

    wait_for(known, f"{levels} and {topics}", SETTLES_S)


@pytest.mark.oracle
def test_a_folder_goes_from_klamm_to_kafka_and_back(tmp_path: Path) -> None:
    try:
        fetch_jars()
    except PeerUnavailableError as problem:
        pytest.skip(str(problem))
    folder = Folder(tmp_path / "data")
    properties = tmp_path / "format.properties"
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={tmp_path}/data\n")
    assert storage.run(["format", "-t", CLUSTER_ID, "-c", str(properties), "-r", "3.4"]) == 0
    listeners = f"PLAINTEXT://127.0.0.1:{free_port()},CONTROLLER://127.0.0.1:{free_port()}"
    names = {"controller.listener.names": "CONTROLLER", "listeners": listeners}
    klamm = Klamm(tmp_path, config=CONFIG | names)
    try:
        with RawClient(klamm.bootstrap_servers) as client:
            has(client, {"metadata.version": 8}, set())
            create(client, "by-klamm-8")
            raise_to(client, metadata_version=17, kraft_version=1)
            create(client, "by-klamm-17", 25)
            wait_for(lambda: len(folder.snapshots) > 1, "snapshots", SETTLES_S)
        produce(klamm.bootstrap_servers)
        klamm.stop()
        led_in(tmp_path / "data" / "by-klamm-8-0", 7)
        klamm.start()
        produce(klamm.bootstrap_servers)
        # It looks for what may go once a minute, and at its start.
        wait_for(lambda: folder.start > 0, "a cut", SETTLES_S)
    finally:
        klamm.stop()
    topics, cut_at = {"by-klamm-8", "by-klamm-17"}, folder.start
    with RealKafka(tmp_path, config=CONFIG, jvm=JVM) as kafka, RawClient(kafka.bootstrap_servers) as client:
        has(client, {"kraft.version": 1, "metadata.version": 17}, topics)
        assert leader_epoch(client) > 8
        raise_to(client, metadata_version=29, transaction_version=2)
        create(client, "by-kafka", 25)
    assert folder.start == cut_at
    assert len(folder.snapshots) > 3
    topics |= {"by-kafka"}
    klamm.start()
    try:
        with RawClient(klamm.bootstrap_servers) as client:
            has(client, {"kraft.version": 1, "metadata.version": 29, "transaction.version": 2}, topics)
            create(client, "by-klamm-29")
            wait_for(lambda: folder.start > cut_at, "a cut of what Kafka wrote", SETTLES_S)
    finally:
        klamm.stop()
