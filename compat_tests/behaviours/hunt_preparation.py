"""What the hunt (hunt.py) finds: topics with records, groups of each kind and state, transactions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from tests.broker.topic_requests import Step

from .hunt_pools import GROUPS, TOPICS

Json = dict[str, Any]

#: Three records with keys, of 2023.
BATCH: Final = (
    "AAAAAAAAAAAAAABM/////wKHt3uyAAAAAAACAAABi8/laAAAAAGLz+VoAv//////////////////AAAAAxAAAAACawJhABAAAgIC"
    "awJiABAABAQCawJjAA=="
)

_TOPICS: Final = (
    {"name": "orders", "numPartitions": 2, "replicationFactor": 1},
    {
        "name": "stale",
        "numPartitions": 1,
        "replicationFactor": 1,
        "configs": [{"name": "cleanup.policy", "value": "compact"}],
    },
    {
        "name": "both",
        "numPartitions": 1,
        "replicationFactor": -1,
        "configs": [{"name": "cleanup.policy", "value": "compact,delete"}],
    },
    {"name": "a.b", "numPartitions": -1, "replicationFactor": -1},
    {"name": "three", "assignments": [{"partitionIndex": index, "brokerIds": [1]} for index in range(3)]},
)


def _produced(name: str) -> Json:
    return {
        "transactionalId": None,
        "acks": -1,
        "timeoutMs": 5000,
        "topicData": [{"name": name, "partitionData": [{"index": 0, "records": BATCH}]}],
    }


_JOIN: Final = {
    "sessionTimeoutMs": 1800000,
    "rebalanceTimeoutMs": 1800000,
    "memberId": "",
    "protocolType": "consumer",
    "protocols": [{"name": "range", "metadata": "AAEAAAABAAZvcmRlcnMAAAAAAAAAAA=="}],
}
_NO_PASSWORD: Final = {"name": "nobody", "iterations": 8192, "salt": "eHh4eA==", "saltedPassword": ""}
_PREPARED: Final[Sequence[tuple[str, int, Json]]] = (
    (
        "CreateTopics",
        4,
        {
            "topics": [
                {"numPartitions": -1, "replicationFactor": -1, "assignments": [], "configs": [], **row}
                for row in _TOPICS
            ],
            "timeoutMs": 10000,
            "validateOnly": False,
        },
    ),
    ("DescribeLogDirs", 4, {"topics": []}),
    (
        "ListOffsets",
        4,
        {
            "replicaId": -1,
            "isolationLevel": 0,
            "topics": [
                {"name": name, "partitions": [{"partitionIndex": 0, "currentLeaderEpoch": -1, "timestamp": -1}]}
                for name in TOPICS
            ],
        },
    ),
    *(("Produce", 9, _produced(name)) for name in ("orders", "a.b", "three")),
    ("FindCoordinator", 3, {"key": "offsets", "keyType": 0}),
    ("FindCoordinator", 3, {"key": "open", "keyType": 1}),
    *(("OffsetFetch", 5, {"groupId": name, "topics": None}) for name in GROUPS),
    ("InitProducerId", 4, {"transactionalId": "open", "transactionTimeoutMs": 900000}),
    ("InitProducerId", 4, {"transactionalId": "done", "transactionTimeoutMs": 900000}),
    ("InitProducerId", 4, {"transactionalId": "idle", "transactionTimeoutMs": 900000}),
    (
        "AddPartitionsToTxn",
        3,
        {
            "v3AndBelowTransactionalId": "open",
            "v3AndBelowProducerId": 0,
            "v3AndBelowProducerEpoch": 0,
            "v3AndBelowTopics": [{"name": "orders", "partitions": [0, 1]}],
        },
    ),
    (
        "AddPartitionsToTxn",
        3,
        {
            "v3AndBelowTransactionalId": "done",
            "v3AndBelowProducerId": 1,
            "v3AndBelowProducerEpoch": 0,
            "v3AndBelowTopics": [{"name": "three", "partitions": [0]}],
        },
    ),
    ("EndTxn", 3, {"transactionalId": "done", "producerId": 1, "producerEpoch": 0, "committed": True}),
    (
        "OffsetCommit",
        7,
        {
            "groupId": "offsets",
            "generationIdOrMemberEpoch": -1,
            "memberId": "",
            "topics": [
                {
                    "name": "orders",
                    "partitions": [{"partitionIndex": 0, "committedOffset": 1, "committedMetadata": "m"}],
                }
            ],
        },
    ),
    ("JoinGroup", 3, {"groupId": "joined", **_JOIN}),
    ("JoinGroup", 3, {"groupId": "stable", **_JOIN}),
    (
        "SyncGroup",
        3,
        {
            "groupId": "stable",
            "generationId": 1,
            "memberId": "$@memberId",
            "assignments": [{"memberId": "$@memberId", "assignment": "AAE="}],
        },
    ),
    ("JoinGroup", 5, {"groupId": "static", "groupInstanceId": "i-1", **_JOIN}),
    (
        "SyncGroup",
        3,
        {
            "groupId": "static",
            "generationId": 1,
            "memberId": "$@memberId",
            "assignments": [{"memberId": "$@memberId", "assignment": "AAE="}],
        },
    ),
    (
        "ConsumerGroupHeartbeat",
        1,
        {
            "groupId": "modern",
            "memberId": "m-1",
            "memberEpoch": 0,
            "rebalanceTimeoutMs": 1800000,
            "subscribedTopicNames": ["orders", "three"],
            "subscribedTopicRegex": None,
            "serverAssignor": None,
            "topicPartitions": [],
        },
    ),
    # Java has no keys without bytes, which is noticed last.
    *(
        ("AlterUserScramCredentials", 0, {"deletions": [], "upsertions": [{**_NO_PASSWORD, "mechanism": 1}, *more]})
        for more in ([], [{**_NO_PASSWORD, "mechanism": 2}])
    ),
    # A topic that is named twice, and a name that leaves no room for that of a new folder.
    (
        "OffsetDelete",
        0,
        {
            "groupId": "offsets",
            "topics": [
                {"name": "three", "partitions": [{"partitionIndex": 0}]},
                {"name": "three", "partitions": [{"partitionIndex": 0}, {"partitionIndex": 3}]},
            ],
        },
    ),
    (
        "ListOffsets",
        1,
        {
            "replicaId": -1,
            "topics": [
                {"name": "three", "partitions": [{"partitionIndex": 1, "timestamp": -2}]},
                {"name": "three", "partitions": [{"partitionIndex": 2, "timestamp": -1}]},
                {"name": "stale", "partitions": []},
            ],
        },
    ),
    (
        "AlterReplicaLogDirs",
        2,
        {
            "dirs": [
                {
                    "path": "/nowhere",
                    "topics": [{"name": "x" * 213, "partitions": [0, 10]}, {"name": "x" * 214, "partitions": [0]}],
                }
            ]
        },
    ),
)


def prepared() -> Iterator[Step]:
    """The requests of the preparation, numbered from -1 downwards."""
    for number, (api, version, request) in enumerate(_PREPARED):
        yield Step(-1 - number, api, version, request, None, False)
