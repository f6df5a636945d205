"""Admin requests drawn at random, good, borderline and bad, the same for the same seed.

Each API has a function that draws one request; names, numbers and configs come from small pools in which every value
has a reason to be refused, or to change what a later request is answered. Requests are in Kafka's JSON form, with the
fields that their version has. What they find is in hunt_preparation.py; who asks, and what is made of the answers, in
hunt_admin_requests.py.

Not drawn: what breaks Kafka's controller or broker for all that follows (a resource twice in AlterConfigs, quotas that
throttle administrators, partitions for a coordinator's topic), names of Java classes, configs of one listener.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from klamm.broker.api_table import SERVED
from klamm.wire.apis import BY_NAME
from klamm.wire.codec import encode
from klamm.wire.declare import Struct
from klamm.wire.json_form import from_json
from tests.broker.topic_requests import Step

from .hunt_clients import (
    acl,
    alter_client_quotas,
    alter_scram,
    create_acls,
    delete_acls,
    delete_groups,
    describe_client_quotas,
    describe_consumer_groups,
    describe_groups,
    describe_scram,
    describe_transactions,
    find_coordinator,
    leave_group,
    list_groups,
    list_transactions,
    offset_commit,
    offset_delete,
    offset_fetch,
)
from .hunt_parts import Draw, Json, config_of, configs_of, index, maybe, partitions_of, some, topic
from .hunt_pools import BAD_TOPICS, INTERNAL, OF_ONE_BROKER, RESOURCES, TOPIC_CONFIGS, TOPICS


def create_topics(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        manual = maybe(rng, some(rng, assignment, 3), [], 0.3)
        return {
            "name": rng.choice((*BAD_TOPICS, *INTERNAL, "t1", "t2", "t3", "t.4", "t_4", "orders")),
            "numPartitions": rng.choice((-1, -1, 1, 3, 0, -2, 10001)),
            "replicationFactor": rng.choice((-1, -1, 1, 1, 0, -2, 2, 32767)),
            "assignments": manual,
            "configs": configs_of(some(rng, config_of(TOPIC_CONFIGS), 2, 0)),
        }

    return {"topics": some(rng, one, 3, 0), "timeoutMs": 10000, "validateOnly": rng.random() < 0.5}


def assignment(rng: random.Random) -> Json:
    brokers = rng.choice(([1], [1], [1], [1, 1], [2], [], [1, 2], [-1]))
    return {"partitionIndex": rng.choice((0, 0, 1, 1, 2, 3, -1)), "brokerIds": brokers}


def delete_topics(rng: random.Random) -> Json:
    names = some(rng, lambda rng: rng.choice((*BAD_TOPICS, "t1", "t2", "t3", "t.4", "t_4")), 3, 0)
    ids = ("AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAQ", "AAAAAAAAAAAAAAAAAAAABQ")
    states = [
        {"name": maybe(rng, name, None, 0.8), "topicId": maybe(rng, ids[0], rng.choice(ids), 0.8)} for name in names
    ]
    return {"topics": states, "topicNames": names, "timeoutMs": 10000}


def create_partitions(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        manual = maybe(rng, some(rng, lambda rng: {"brokerIds": assignment(rng)["brokerIds"]}, 3, 0), None, 0.4)
        name = rng.choice((*TOPICS, *BAD_TOPICS, "__share_group_state"))
        return {"name": name, "count": rng.choice((1, 2, 3, 4, 5, 0, -1)), "assignments": manual}

    return {"topics": some(rng, one, 3, 0), "timeoutMs": 10000, "validateOnly": rng.random() < 0.7}


def delete_records(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        return {"partitionIndex": index(rng), "offset": rng.choice((0, 1, 2, -1, -2, 99, 9223372036854775807))}

    topics = some(rng, lambda rng: {"name": topic(rng), "partitions": some(rng, one, 3, 0)}, 3, 0)
    return {"topics": topics, "timeoutMs": 5000}


def resource(rng: random.Random) -> tuple[int, str, Mapping[str, Sequence[str]]]:
    kind = rng.choice((2, 2, 2, 4, 4, 4, 16, 32, rng.choice((8, 0, 1, 3, 64, -1))))
    names, pool = RESOURCES[kind]
    return kind, rng.choice(names), pool


def alter_configs(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        kind, name, pool = resource(rng)
        return {"resourceType": kind, "resourceName": name, "configs": configs_of(some(rng, config_of(pool), 3, 0))}

    rows = some(rng, one, 3, 0)
    # Named twice in an AlterConfigs, a resource is too much for Kafka: it never answers, nor anybody after that.
    single = {(row["resourceType"], row["resourceName"]): row for row in rows}
    return {"resources": list(single.values()), "validateOnly": rng.random() < 0.5}


def incremental_alter_configs(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        kind, name, pool = resource(rng)
        pairs = some(rng, config_of(pool), 3, 0)
        operation = lambda: rng.choice((0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, -1)) if rng.random() < 0.7 else 0  # noqa: E731
        rows = [{"name": key, "configOperation": operation(), "value": value} for key, value in pairs]
        return {"resourceType": kind, "resourceName": name, "configs": rows}

    return {"resources": some(rng, one, 3, 0), "validateOnly": rng.random() < 0.3}


def describe_configs(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        kind, name, pool = resource(rng)
        shared = [key for key in pool if key not in OF_ONE_BROKER]
        keys = rng.sample(shared, min(len(shared), rng.randint(1, 6)))
        # All configs of a broker differ from broker to broker.
        whole = kind not in (4, 8, 32) or name == ""
        return {
            "resourceType": kind,
            "resourceName": name,
            "configurationKeys": maybe(rng, maybe(rng, [], None), keys, 0.2 if whole else 0),
        }

    return {"resources": some(rng, one, 3, 0), "includeSynonyms": rng.random() < 0.5}


def describe_topic_partitions(rng: random.Random) -> Json:
    cursor = {"topicName": topic(rng), "partitionIndex": rng.choice((0, 1, 2, 3, -1, 99))}
    return {
        "topics": maybe(rng, some(rng, lambda rng: {"name": topic(rng)}, 4), [], 0.8),
        "responsePartitionLimit": rng.choice((2000, 1, 2, 3, 0, -1)),
        "cursor": maybe(rng, cursor, None, 0.4),
    }


def elect_leaders(rng: random.Random) -> Json:
    rows = some(rng, partitions_of("partitions", "topic"), 3, 0)
    return {
        "electionType": rng.choice((0, 1, 2, -1)),
        "topicPartitions": maybe(rng, rows, None, 0.8),
        "timeoutMs": 5000,
    }


def alter_reassignments(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        return {"partitionIndex": index(rng), "replicas": maybe(rng, assignment(rng)["brokerIds"], None, 0.7)}

    rows = some(rng, lambda rng: {"name": topic(rng), "partitions": some(rng, one, 3, 0)}, 3, 0)
    return {"topics": rows, "timeoutMs": 5000, "allowReplicationFactorChange": rng.random() < 0.5}


def list_reassignments(rng: random.Random) -> Json:
    return {"topics": maybe(rng, some(rng, partitions_of("partitionIndexes"), 3, 0), None, 0.8), "timeoutMs": 5000}


def describe_log_dirs(rng: random.Random) -> Json:
    # Those without records: Kafka deletes segments later, and coordinators write what is said again again.
    def one(rng: random.Random) -> Json:
        return {"topic": rng.choice(("stale", "both", *BAD_TOPICS)), "partitions": some(rng, index, 3, 0)}

    return {"topics": some(rng, one, 3, 0)}


def alter_log_dirs(rng: random.Random) -> Json:
    paths = ("$@logDir", "$@logDir/", "/nowhere", "", "relative")
    rows = some(
        rng, lambda rng: {"path": rng.choice(paths), "topics": some(rng, partitions_of("partitions"), 2, 0)}, 2, 0
    )
    return {"dirs": rows}


def describe_producers(rng: random.Random) -> Json:
    # A transaction has ended in "three": its marker has the time of that.
    def one(rng: random.Random) -> Json:
        return {"name": rng.choice(("orders", "a.b", *BAD_TOPICS)), "partitionIndexes": some(rng, index, 3, 0)}

    return {"topics": some(rng, one, 3, 0)}


def list_config_resources(rng: random.Random) -> Json:
    return {"resourceTypes": some(rng, lambda rng: rng.choice((2, 4, 8, 16, 32, 0, 1, -1, 64)), 3, 0)}


def describe_cluster(rng: random.Random) -> Json:
    return {
        "includeClusterAuthorizedOperations": rng.random() < 0.5,
        "endpointType": rng.choice((1, 1, 2, 0, 3, -1)),
        "includeFencedBrokers": rng.random() < 0.5,
    }


def describe_quorum(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        return {
            "topicName": rng.choice(("__cluster_metadata", "__cluster_metadata", "orders", "")),
            "partitions": some(rng, lambda rng: {"partitionIndex": rng.choice((0, 0, 1, -1))}, 2, 0),
        }

    return {"topics": some(rng, one, 2, 0)}


def metadata(rng: random.Random) -> Json:
    rows = some(rng, lambda rng: {"name": rng.choice((*TOPICS, *INTERNAL, *BAD_TOPICS))}, 3, 0)
    return {"topics": maybe(rng, rows, None, 0.9), "allowAutoTopicCreation": False}


def list_offsets(rng: random.Random) -> Json:
    def one(rng: random.Random) -> Json:
        return {"partitionIndex": index(rng), "timestamp": rng.choice((-1, -2, -4, -5, 0, 9223372036854775807))}

    rows = some(rng, lambda rng: {"name": topic(rng), "partitions": some(rng, one, 3, 0)}, 2, 0)
    return {"replicaId": -1, "isolationLevel": rng.choice((0, 1)), "topics": rows}


def unregister_broker(rng: random.Random) -> Json:
    return {"brokerId": rng.choice((0, 2, -1, 2147483647))}


DRAWS: Final[Mapping[str, tuple[int, Draw]]] = {
    "CreateTopics": (4, create_topics),
    "DeleteTopics": (2, delete_topics),
    "CreatePartitions": (3, create_partitions),
    "DeleteRecords": (2, delete_records),
    "AlterConfigs": (5, alter_configs),
    "IncrementalAlterConfigs": (9, incremental_alter_configs),
    "DescribeConfigs": (6, describe_configs),
    "DescribeTopicPartitions": (2, describe_topic_partitions),
    "AlterClientQuotas": (4, alter_client_quotas),
    "DescribeClientQuotas": (3, describe_client_quotas),
    "AlterUserScramCredentials": (3, alter_scram),
    "DescribeUserScramCredentials": (2, describe_scram),
    "ElectLeaders": (2, elect_leaders),
    "AlterPartitionReassignments": (3, alter_reassignments),
    "ListPartitionReassignments": (1, list_reassignments),
    "DescribeLogDirs": (1, describe_log_dirs),
    "AlterReplicaLogDirs": (2, alter_log_dirs),
    "DescribeProducers": (1, describe_producers),
    "DescribeTransactions": (1, describe_transactions),
    "ListTransactions": (2, list_transactions),
    "ListGroups": (2, list_groups),
    "DescribeGroups": (1, describe_groups),
    "ConsumerGroupDescribe": (1, describe_consumer_groups),
    "DeleteGroups": (1, delete_groups),
    "OffsetDelete": (1, offset_delete),
    "OffsetCommit": (2, offset_commit),
    "OffsetFetch": (2, offset_fetch),
    "LeaveGroup": (1, leave_group),
    "ListConfigResources": (1, list_config_resources),
    "DescribeCluster": (1, describe_cluster),
    "DescribeQuorum": (1, describe_quorum),
    "Metadata": (1, metadata),
    "FindCoordinator": (1, find_coordinator),
    "ListOffsets": (1, list_offsets),
    "UnregisterBroker": (1, unregister_broker),
    "DescribeAcls": (1, acl),
    "CreateAcls": (1, create_acls),
    "DeleteAcls": (1, delete_acls),
}


def fitting(struct: type[Struct], value: Json, version: int) -> Json:
    """`value` without the fields that the version does not have."""
    fitted = {}
    for row in struct.ROWS:
        if version not in row.versions or row.json_name not in value:
            continue
        item = value[row.json_name]
        if row.of is not None and item is not None:
            inner = row.of
            item = [fitting(inner, each, version) for each in item] if row.array else fitting(inner, item, version)
        fitted[row.json_name] = item
    return fitted


def swept() -> Iterator[Step]:
    """Each value of each config alone: would it be taken?"""
    names = {2: ("orders",), 4: ("1", ""), 16: ("metrics-1",), 32: ("stable",)}
    for kind, (_, pool) in RESOURCES.items():
        for number, (resource_name, (key, values)) in enumerate(itertools.product(names.get(kind, ()), pool.items())):
            for value in dict.fromkeys(values):
                row = {"name": key, "configOperation": 0, "value": value}
                resources = [{"resourceType": kind, "resourceName": resource_name, "configs": [row]}]
                request = {"resources": resources, "validateOnly": True}
                yield Step(-1000 - number, "IncrementalAlterConfigs", 1, request, None, False)


def hunted(seed: int, count: int) -> Iterator[Step]:
    """`count` requests. The same seed gives the same ones."""
    rng = random.Random(seed)
    names = list(DRAWS)
    weights = [DRAWS[name][0] for name in names]
    served = {row.name: row.versions for row in SERVED.values()}
    made = 0
    while made < count:
        (name,) = rng.choices(names, weights)
        version = rng.choice(served[name])
        request = fitting(BY_NAME[name].request(), DRAWS[name][1](rng), version)
        try:
            encode(from_json(BY_NAME[name].request(), request, version), version)
        except (ValueError, TypeError):  # a null that this version has not
            continue
        made += 1
        yield Step(made, name, version, request, None, False)
