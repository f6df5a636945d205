"""What consoles and lag tools ask of a broker: each of their calls, in its version and shape, gets a good answer.

The calls are facts from their sources (docs/compatibility.md): sarama names its versions after a configured Kafka
release, consoles in Java take the highest version that client and broker have, here those of Kafka 3.9 and 4.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from compat_tests.support import Broker
from klamm.wire.apis import BY_NAME
from klamm.wire.batches import iter_batches
from klamm.wire.json_form import from_json, to_json
from klamm.wire.records import batch_records

from .raw_client import RawClient

BROKER_CONFIG = {"offsets.topic.num.partitions": "1"}
TOPIC, GROUP = "asked", "asking"
OFFSET = {"partitionIndex": 0, "committedOffset": 1, "committedLeaderEpoch": -1, "committedMetadata": ""}
COMMIT = {
    "groupId": GROUP,
    "memberId": "",
    "generationIdOrMemberEpoch": -1,
    "topics": [{"name": TOPIC, "partitions": [OFFSET]}],
}

# --- sarama -----------------------------------------------------------------------------------------------------------


def listed_offset(time: int) -> dict[str, Any]:
    partition = {"partitionIndex": 0, "timestamp": time}
    return {"replicaId": -1, "isolationLevel": 0, "topics": [{"name": TOPIC, "partitions": [partition]}]}


def fetched(topic: str) -> dict[str, Any]:
    partition = {"partition": 0, "fetchOffset": 0, "partitionMaxBytes": 1_000_000, "logStartOffset": -1}
    return {
        "replicaId": -1,
        "maxWaitMs": 250,
        "minBytes": 1,
        "maxBytes": 100_000_000,
        "topics": [{"topic": topic, "partitions": [partition]}],
    }


ALL_TOPICS: dict[str, Any] = {"topics": None, "allowAutoTopicCreation": False}
COMMITTED = {"groupId": GROUP, "topics": [{"name": TOPIC, "partitionIndexes": [0]}]}
SARAMA = {
    # kafka_exporter: --kafka.version is 2.0.0 if nothing is said; requests about groups are of version 0 and 1 always.
    "kafka_exporter as Kafka 2.0": [
        ("Metadata", 6, ALL_TOPICS),
        ("ListOffsets", 3, listed_offset(-1)),
        ("ListOffsets", 3, listed_offset(-2)),
        ("ListGroups", 0, {}),
        ("DescribeGroups", 0, {"groups": [GROUP]}),
        ("OffsetFetch", 1, COMMITTED),
    ],
    "kafka_exporter as Kafka 2.8": [
        ("ApiVersions", 3, {"clientSoftwareName": "sarama", "clientSoftwareVersion": "1.0"}),
        ("Metadata", 11, ALL_TOPICS),
        ("ListOffsets", 6, listed_offset(-1)),
        ("ListOffsets", 6, listed_offset(-2)),
        ("ListGroups", 0, {}),
        ("DescribeGroups", 0, {"groups": [GROUP]}),
        ("OffsetFetch", 1, COMMITTED),
    ],
    # Burrow reads __consumer_offsets itself. Its default, 0.10.2, fetches in a version that Kafka 4 has no more.
    "Burrow as Kafka 0.11": [
        ("Metadata", 4, ALL_TOPICS),
        ("ListOffsets", 2, listed_offset(-1)),
        ("Fetch", 5, fetched("__consumer_offsets")),
    ],
    "Burrow as Kafka 2.1": [
        ("Metadata", 7, ALL_TOPICS),
        ("ListOffsets", 4, listed_offset(-1)),
        ("Fetch", 10, fetched("__consumer_offsets")),
    ],
}

# --- Java -------------------------------------------------------------------------------------------------------------

RESOURCE = {"resourceType": 2, "resourceName": TOPIC}
BROKER = {"resourceType": 4, "resourceName": "1"}
JAVA = {
    "ApiVersions": {"clientSoftwareName": "apache-kafka-java", "clientSoftwareVersion": "3.9.0"},
    "Metadata": ALL_TOPICS,
    "DescribeCluster": {"includeClusterAuthorizedOperations": True, "endpointType": 1},
    "DescribeTopicPartitions": {"topics": [{"name": TOPIC}], "responsePartitionLimit": 2000, "cursor": None},
    "DescribeConfigs": {
        "resources": [{**RESOURCE, "configurationKeys": None}, {**BROKER, "configurationKeys": None}],
        "includeSynonyms": True,
        "includeDocumentation": True,
    },
    "AlterConfigs": {"resources": [{**RESOURCE, "configs": [{"name": "retention.ms", "value": "1000000"}]}]},
    "IncrementalAlterConfigs": {
        "resources": [{**RESOURCE, "configs": [{"name": "retention.ms", "configOperation": 0, "value": "2000000"}]}]
    },
    "CreateTopics": {"topics": [{"name": "new", "numPartitions": 2, "replicationFactor": -1}], "timeoutMs": 5000},
    "CreatePartitions": {"topics": [{"name": "new", "count": 3, "assignments": None}], "timeoutMs": 5000},
    "DeleteTopics": {"topics": [{"name": "new"}], "timeoutMs": 5000},
    "DescribeLogDirs": {"topics": None},
    "DescribeProducers": {"topics": [{"name": TOPIC, "partitionIndexes": [0]}]},
    "DescribeQuorum": {"topics": [{"topicName": "__cluster_metadata", "partitions": [{"partitionIndex": 0}]}]},
    "DescribeClientQuotas": {"components": [], "strict": False},
    "AlterClientQuotas": {
        "entries": [
            {
                "entity": [{"entityType": "user", "entityName": "u"}],
                "ops": [{"key": "producer_byte_rate", "value": 1.0, "remove": False}],
            }
        ],
    },
    "AlterPartitionReassignments": {
        "topics": [{"name": TOPIC, "partitions": [{"partitionIndex": 0, "replicas": [1]}]}],
        "timeoutMs": 5000,
    },
    "ListGroups": {"statesFilter": [], "typesFilter": []},
    "FindCoordinator": {"keyType": 0, "coordinatorKeys": [GROUP]},
    "DescribeGroups": {"groups": [GROUP], "includeAuthorizedOperations": True},
    "OffsetFetch": {"groups": [{"groupId": GROUP, "topics": None}], "requireStable": False},
    "ListOffsets": listed_offset(-1),
    "DeleteRecords": {
        "topics": [{"name": TOPIC, "partitions": [{"partitionIndex": 0, "offset": 0}]}],
        "timeoutMs": 5000,
    },
    "OffsetDelete": {
        "groupId": GROUP,
        "topics": [{"name": "elsewhere", "partitions": [{"partitionIndex": 0}]}],
    },
    "DeleteGroups": {"groupsNames": ["deleted"]},
    "DescribeAcls": {
        "resourceTypeFilter": 1,
        "resourceNameFilter": None,
        "patternTypeFilter": 1,
        "principalFilter": None,
        "hostFilter": None,
        "operation": 1,
        "permissionType": 1,
    },
}
#: What answers with an error of its own, as in Kafka: (API, code).
ERRORS = {("DescribeAcls", 54), ("OffsetDelete", 3), ("DeleteGroups", 69)}


def asked(client: RawClient, api: str, version: int, request: dict[str, Any]) -> Any:
    return client.request(from_json(BY_NAME[api].request(), request, version), version)


def errors_in(value: Any) -> Iterator[int]:
    if isinstance(value, list):
        for item in value:
            yield from errors_in(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "errorCode" and item:
                yield item
            yield from errors_in(item)


@pytest.fixture(scope="module")
def world(klamm: Broker) -> str:
    """A topic and a group with an offset."""
    with RawClient(klamm.bootstrap_servers) as client:
        new = {"topics": [{"name": TOPIC, "numPartitions": 1, "replicationFactor": 1}], "timeoutMs": 5000}
        assert not list(errors_in(to_json(asked(client, "CreateTopics", 5, new), 5)))
        asked(client, "FindCoordinator", 3, {"key": GROUP, "keyType": 0})
        assert not list(errors_in(to_json(asked(client, "OffsetCommit", 8, COMMIT), 8)))
    return klamm.bootstrap_servers


@pytest.mark.parametrize("tool", SARAMA)
def test_lag_tools(world: str, tool: str) -> None:
    with RawClient(world) as client:
        for api, version, request in SARAMA[tool]:
            answer = asked(client, api, version, request)
            assert list(errors_in(to_json(answer, version))) == [], (api, version)
            if api == "OffsetFetch":
                assert answer.topics[0].partitions[0].committed_offset == 1
            if api == "Fetch":
                records = answer.responses[0].partitions[0].records
                starts = [position for position, _ in iter_batches(records)]
                batches = [records[start:end] for start, end in zip(starts, [*starts[1:], None], strict=True)]
                stored = [record for batch in batches for record in batch_records(batch)]
                # Burrow reads keys of versions 0 to 2, and values of offsets of versions 0, 1, 3 and 4.
                keys = {int.from_bytes((record.key or b"")[:2], "big") for record in stored}
                values = {
                    int.from_bytes(record.value[:2], "big")
                    for record in stored
                    if record.value and (record.key or b"")[:2] == b"\0\1"
                }
                assert keys <= {0, 1, 2}
                assert values == {4}


@pytest.mark.parametrize("release", ["3.9", "4.3"])
def test_consoles_in_java(world: str, release: str) -> None:
    with RawClient(world) as client:
        for api, request in JAVA.items():
            row = BY_NAME[api]
            version = min(row.versions_3_9[-1], row.versions[-1]) if release == "3.9" else row.versions[-1]
            found = {(api, code) for code in errors_in(to_json(asked(client, api, version, request), version))}
            assert found <= ERRORS, (api, version)
