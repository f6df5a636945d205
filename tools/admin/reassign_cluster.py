"""What `klamm reassign-partitions` asks the cluster: who has which partition and where, what moves, and throttles."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from ...wire.errors import ErrorCode
from ...wire.messages.alter_partition_reassignments import (
    AlterPartitionReassignmentsRequest,
    AlterPartitionReassignmentsResponse,
    ReassignablePartition,
    ReassignableTopic,
)
from ...wire.messages.alter_replica_log_dirs import (
    AlterReplicaLogDir,
    AlterReplicaLogDirsRequest,
    AlterReplicaLogDirsResponse,
    AlterReplicaLogDirTopic,
)
from ...wire.messages.describe_log_dirs import DescribeLogDirsRequest, DescribeLogDirsResponse
from ...wire.messages.list_partition_reassignments import (
    ListPartitionReassignmentsRequest,
    ListPartitionReassignmentsResponse,
    ListPartitionReassignmentsTopics,
    OngoingPartitionReassignment,
)
from ..client import Client, ServerError
from ..client.errors import check
from .config_entities import Entity
from .config_resources import alter
from .reassign_plan import ANY_DIR, Key, Move, Target, throttled

#: (topic, partition, broker)
Replica = tuple[str, int, int]

BROKER_RATES: Final = ("leader.replication.throttled.rate", "follower.replication.throttled.rate")
FOLDER_RATE: Final = "replica.alter.log.dirs.io.max.bytes.per.second"
TOPIC_THROTTLES: Final = ("leader.replication.throttled.replicas", "follower.replication.throttled.replicas")


def assignment_of(client: Client, topics: Iterable[str]) -> dict[Key, list[int]]:
    """The replicas of every partition of these topics. Raises ServerError for one that does not exist."""
    wanted = sorted(set(topics))
    found: dict[Key, list[int]] = {}
    for topic in client.metadata(wanted).topics if wanted else ():
        if topic.error_code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            raise ServerError(topic.error_code, f"Topic {topic.name} not found.")
        check(topic.error_code)
        found |= {(topic.name or "", row.partition_index): list(row.replica_nodes) for row in topic.partitions}
    return found


def folders_of(client: Client, replicas: Iterable[Replica]) -> dict[Replica, tuple[str | None, str | None]]:
    """Replica -> (its folder, the folder that it moves to), None where there is none. Raises ClientError."""
    wanted = set(replicas)
    found: dict[Replica, tuple[str | None, str | None]] = dict.fromkeys(wanted, (None, None))
    for broker in sorted({broker for _, _, broker in wanted}):
        answer = client.node(broker, DescribeLogDirsRequest(topics=None), DescribeLogDirsResponse)
        check(answer.error_code)
        for folder in answer.results:
            for topic in folder.topics:
                for row in topic.partitions:
                    replica = (topic.name, row.partition_index, broker)
                    if replica in wanted and not folder.error_code:
                        now, then = found[replica]
                        is_future = row.is_future_key
                        found[replica] = (now, folder.log_dir) if is_future else (folder.log_dir, then)
    return found


def with_folders(client: Client, assignment: Mapping[Key, list[int]]) -> dict[Key, Target]:
    """The assignment as it stands, with the folder of each replica."""
    folders = folders_of(client, ((*key, broker) for key, replicas in assignment.items() for broker in replicas))
    return {
        key: Target(replicas, [folders[*key, broker][0] or ANY_DIR for broker in replicas])
        for key, replicas in assignment.items()
    }


def ongoing(client: Client, keys: Iterable[Key] | None = None) -> dict[Key, OngoingPartitionReassignment]:
    """What is being moved, of `keys` or of all. Raises ClientError."""
    topics = None
    if keys is not None:
        by_topic: dict[str, list[int]] = {}
        for topic, index in keys:
            by_topic.setdefault(topic, []).append(index)
        topics = [
            ListPartitionReassignmentsTopics(name=name, partition_indexes=rows) for name, rows in by_topic.items()
        ]
    request = ListPartitionReassignmentsRequest(topics=topics, timeout_ms=client.settings.request_timeout_ms)
    answer = client.controller(request, ListPartitionReassignmentsResponse)
    check(answer.error_code, answer.error_message)
    return {(topic.name, row.partition_index): row for topic in answer.topics for row in topic.partitions}


def change(
    client: Client, targets: Mapping[Key, list[int] | None], *, allow_factor_change: bool = True
) -> dict[Key, ServerError]:
    """Begins moves, or cancels them (None). The partitions that could not be, with why. Raises ClientError."""
    topics: dict[str, list[ReassignablePartition]] = {}
    for (topic, index), replicas in targets.items():
        topics.setdefault(topic, []).append(ReassignablePartition(partition_index=index, replicas=replicas))
    request = AlterPartitionReassignmentsRequest(
        timeout_ms=client.settings.request_timeout_ms,
        allow_replication_factor_change=allow_factor_change,
        topics=[ReassignableTopic(name=name, partitions=rows) for name, rows in topics.items()],
    )
    answer = client.controller(request, AlterPartitionReassignmentsResponse)
    check(answer.error_code, answer.error_message)
    return {
        (topic.name, row.partition_index): ServerError(row.error_code, row.error_message)
        for topic in answer.responses
        for row in topic.partitions
        if row.error_code
    }


def move_folders(client: Client, moves: Mapping[Replica, str], timeout_ms: int) -> tuple[list[Replica], list[Replica]]:
    """Has brokers move replicas to folders: (those that have begun, those that had not behind `timeout_ms`).

    Raises ServerError for what a broker refuses; a replica that is not there yet is asked for again.
    """
    end_s = time.monotonic() + timeout_ms / 1000
    left, begun = dict(moves), []
    while left:
        for replica, code in _ask_to_move(client, left).items():
            if code == ErrorCode.NONE:
                begun.append(replica)
                del left[replica]
            elif code != ErrorCode.REPLICA_NOT_AVAILABLE:
                raise ServerError(code)
        if not left or time.monotonic() >= end_s:
            break
        time.sleep(client.settings.retry_backoff_ms / 1000)
    return sorted(begun), sorted(left)


def _ask_to_move(client: Client, moves: Mapping[Replica, str]) -> dict[Replica, int]:
    found: dict[Replica, int] = {}
    for broker in sorted({broker for _, _, broker in moves}):
        folders: dict[str, dict[str, list[int]]] = {}
        for (topic, index, of), folder in moves.items():
            if of == broker:
                folders.setdefault(folder, {}).setdefault(topic, []).append(index)
        rows = [
            AlterReplicaLogDir(
                path=path,
                topics=[AlterReplicaLogDirTopic(name=name, partitions=parts) for name, parts in topics.items()],
            )
            for path, topics in folders.items()
        ]
        answer = client.node(broker, AlterReplicaLogDirsRequest(dirs=rows), AlterReplicaLogDirsResponse)
        for topic_row in answer.results:
            for row in topic_row.partitions:
                found[topic_row.topic_name, row.partition_index, broker] = row.error_code
    return found


# --- throttles --------------------------------------------------------------------------------------------------------


def moves_of(
    targets: Mapping[Key, Target],
    assignment: Mapping[Key, list[int]],
    moving: Mapping[Key, OngoingPartitionReassignment],
) -> dict[Key, Move]:
    """Where the records of each partition that moves come from and go to."""
    found: dict[Key, Move] = {}
    for key, row in moving.items():
        # A move that is under way goes on from where it began.
        sources = [broker for broker in row.replicas if broker not in row.adding_replicas]
        found[key] = Move(sources, list(row.adding_replicas))
    for key, target in targets.items():
        sources = found[key].sources if key in found else assignment.get(key, [])
        found[key] = Move(list(sources), [broker for broker in target.replicas if broker not in sources])
    return found


def set_broker_throttle(client: Client, moves: Mapping[Key, Move], rate: int) -> None:
    """Throttles the topics' moves and the brokers that have a part in them. Raises ClientError."""
    for topic, configs in throttled(moves).items():
        alter(client, Entity("topics", topic), configs, ())
    brokers = {broker for move in moves.values() for side in move for broker in side}
    for broker in sorted(brokers):
        alter(client, Entity("brokers", str(broker)), dict.fromkeys(BROKER_RATES, str(rate)), ())


def set_folder_throttle(client: Client, brokers: Iterable[int], rate: int) -> None:
    for broker in sorted(set(brokers)):
        alter(client, Entity("brokers", str(broker)), {FOLDER_RATE: str(rate)}, ())


def clear_throttles(client: Client, topics: Iterable[str]) -> None:
    """Takes away what the two above have set, from all brokers and from these topics; prints Kafka's lines."""
    client.metadata([])
    brokers = sorted(client.nodes)
    print(f"Clearing broker-level throttles on broker{'' if len(brokers) == 1 else 's'} {','.join(map(str, brokers))}")
    for broker in brokers:
        alter(client, Entity("brokers", str(broker)), {}, (*BROKER_RATES, FOLDER_RATE))
    names = sorted(set(topics))
    print(f"Clearing topic-level throttles on topic{'' if len(names) == 1 else 's'} {','.join(names)}")
    for topic in names:
        alter(client, Entity("topics", topic), {}, TOPIC_THROTTLES)
