"""Writes what a real Kafka answers to the requests of tests/data/admin_requests.jsonl into that file.

    python -m compat_tests.behaviours.record_admin_requests HOST:PORT      of a fresh Kafka (CONFIG)
    python -m compat_tests.behaviours.record_admin_requests HOST:PORT SEED COUNT       likewise (HUNT_CONFIG), of new
                                                requests drawn from the seed, into hunted_admin_requests.jsonl

A new request is a new line without "response" (see tests/broker/admin_requests.py, where the settings are too). Kafka
answers some requests before its broker has done what they ask, so what only reads is asked until two answers 0.5 s
apart (0.2 s) are the same. Kafka itself sets min.insync.replicas for its cluster while eligible.leader.replicas.version
is on, which klamm does not have: it is switched off first.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

from klamm.wire.errors import ErrorCode
from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest
from tests.broker.admin_requests import HUNTED, TABLE, AdminConversation, admin_steps
from tests.broker.raw_client import RawClient
from tests.broker.topic_requests import Step

from .hunt import hunted, swept
from .hunt_preparation import prepared

#: A coordinator is not there yet, or is busy with what it was told before.
PASSING: Final = frozenset(
    {
        *(ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, ErrorCode.COORDINATOR_NOT_AVAILABLE, ErrorCode.NOT_COORDINATOR),
        ErrorCode.CONCURRENT_TRANSACTIONS,
    }
)
#: Their requests may close the connection.
UNANSWERED: Final = frozenset({"DescribeAcls", "CreateAcls", "DeleteAcls"})
#: What may be asked again until it is as it will stay. Produce is not: it would write again.
REPEATABLE: Final = frozenset(
    {
        *("Metadata", "DescribeConfigs", "DescribeTopicPartitions", "DescribeLogDirs", "DescribeClientQuotas"),
        *("DescribeUserScramCredentials", "ListConfigResources", "ListOffsets", "DescribeProducers", "DescribeQuorum"),
        *("OffsetForLeaderEpoch", "ListPartitionReassignments", "DeleteRecords", "FindCoordinator", "OffsetFetch"),
        *("OffsetCommit", "DescribeTransactions", "ListTransactions"),
    }
)


def without_eligible_leader_replicas(client: RawClient) -> None:
    """Takes a fresh Kafka to where a fresh klamm is."""
    safe_downgrade = 2
    off = FeatureUpdateKey(feature="eligible.leader.replicas.version", max_version_level=0, upgrade_type=safe_downgrade)
    answer = client.request(UpdateFeaturesRequest(feature_updates=[off]), 1)
    assert answer.error_code == 0, answer
    unset = AlterableConfig(name="min.insync.replicas", config_operation=1, value=None)
    cluster = AlterConfigsResource(resource_type=4, resource_name="", configs=[unset])
    (answer,) = client.request(IncrementalAlterConfigsRequest(resources=[cluster]), 1).responses
    assert answer.error_code == 0, answer


def drawn(seed: int, count: int) -> list[Step]:
    """The preparation, each config, and requests of the hunt that are answered: the table has no closed connections."""
    return [*prepared(), *swept(), *(step for step in hunted(seed, count) if step.api not in UNANSWERED)]


def settled(conversation: AdminConversation, step: Step, pause_s: float) -> dict[str, Any]:
    """The answer to a step; of one that may be asked again that which is given twice."""
    answer = conversation.run(step)
    while answer.get("errorCode") in PASSING:
        time.sleep(pause_s)
        answer = conversation.run(step)
    while step.api in REPEATABLE:
        time.sleep(pause_s)
        before, answer = answer, conversation.run(step)
        if answer == before:
            break
    return answer


def main() -> None:
    match sys.argv[1:]:
        case [address]:
            table, pause_s, asked = TABLE, 0.5, list(admin_steps())
        case [address, seed, count]:
            table, pause_s, asked = HUNTED, 0.2, drawn(int(seed), int(count))
        case _:
            sys.exit(__doc__)
    lines = []
    with RawClient(address) as client:
        without_eligible_leader_replicas(client)
        conversation = AdminConversation(client.request)
        for step in asked:
            line: dict[str, Any] = {"api": step.api, "version": step.version, "request": step.request}
            line |= {"config": True} if step.config else {}
            lines.append(line | {"response": settled(conversation, step, pause_s)})
    table.write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
    print(f"{len(lines)} answers in {table.name}")


if __name__ == "__main__":
    main()
