"""A whole data folder, metadata log and all, goes from klamm to Kafka and back while its features' levels change.

klamm formats it for an old release and names its voters in the log; Kafka reads the records as klamm wrote them at that
level, raises it further and makes topics of its own; klamm goes on with both.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from klamm.tools.admin import storage
from klamm.wire.messages.create_topics import CreatableTopic, CreateTopicsRequest
from klamm.wire.messages.metadata import MetadataRequest
from tests.broker.feature_updates import answer_to, finalized
from tests.broker.raw_client import RawClient, wait_for

from ..support import Klamm
from .peer import CLUSTER_ID, PeerUnavailableError, RealKafka, fetch_jars, free_port

JVM = ("-Xmx512M", "-XX:TieredStopAtLevel=1")
SETTLES_S = 30.0


def create(client: RawClient, name: str) -> None:
    topic = CreatableTopic(name=name, num_partitions=2, replication_factor=1, assignments=[], configs=[])
    (result,) = client.request(CreateTopicsRequest(topics=[topic], timeout_ms=15_000), 7).topics
    assert (result.error_code, result.error_message) == (0, None)


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
def test_levels_and_topics_go_from_klamm_to_kafka_and_back(tmp_path: Path) -> None:
    try:
        fetch_jars()
    except PeerUnavailableError as problem:
        pytest.skip(str(problem))
    properties = tmp_path / "format.properties"
    properties.write_text(f"process.roles=broker,controller\nnode.id=1\nlog.dirs={tmp_path}/data\n")
    command = ["format", "-t", CLUSTER_ID, "-c", str(properties), "-r", "3.4"]
    assert storage.run(command) == 0
    config = {
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://127.0.0.1:{free_port()},CONTROLLER://127.0.0.1:{free_port()}",
    }
    klamm = Klamm(tmp_path, config=config)
    try:
        with RawClient(klamm.bootstrap_servers) as client:
            has(client, {"metadata.version": 8}, set())
            create(client, "by-klamm-8")
            raise_to(client, metadata_version=17, kraft_version=1)
            create(client, "by-klamm-17")
    finally:
        klamm.stop()
    topics = {"by-klamm-8", "by-klamm-17"}
    with RealKafka(tmp_path, jvm=JVM) as kafka, RawClient(kafka.bootstrap_servers) as client:
        has(client, {"kraft.version": 1, "metadata.version": 17}, topics)
        raise_to(client, metadata_version=29, transaction_version=2)
        create(client, "by-kafka")
    topics |= {"by-kafka"}
    klamm.start()
    try:
        with RawClient(klamm.bootstrap_servers) as client:
            has(client, {"kraft.version": 1, "metadata.version": 29, "transaction.version": 2}, topics)
            create(client, "by-klamm-29")
    finally:
        klamm.stop()
