"""Writes what a real Kafka answers to the requests of tests/data/admin_requests.jsonl into that file.

    python -m compat_tests.behaviours.record_admin_requests HOST:PORT      of a fresh Kafka (CONFIG below)

A new request is a new line without "response" (see tests/broker/admin_requests.py). Kafka answers some requests before
its broker has done what they ask, so what only reads is asked until two answers 0.5 s apart are the same. Kafka itself
sets min.insync.replicas for its cluster while eligible.leader.replicas.version is on, which klamm does not have: it is
switched off first.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any, Final

from klamm.wire.messages.incremental_alter_configs import (
    AlterableConfig,
    AlterConfigsResource,
    IncrementalAlterConfigsRequest,
)
from klamm.wire.messages.update_features import FeatureUpdateKey, UpdateFeaturesRequest
from tests.broker.admin_requests import TABLE, AdminConversation, admin_steps
from tests.broker.raw_client import RawClient
from tests.broker.topic_requests import Step

#: What the broker that is asked must be set to.
CONFIG: Final = {"num.partitions": "3", "offsets.topic.num.partitions": "4"}
#: What may be asked again until it is as it will stay. Produce is not: it would write again.
REPEATABLE: Final = frozenset(
    {
        *("Metadata", "DescribeConfigs", "DescribeTopicPartitions", "DescribeLogDirs", "DescribeClientQuotas"),
        *("DescribeUserScramCredentials", "ListConfigResources", "ListOffsets", "DescribeProducers", "DescribeQuorum"),
        *("OffsetForLeaderEpoch", "ListPartitionReassignments", "DeleteRecords", "FindCoordinator", "OffsetFetch"),
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


def settled(conversation: AdminConversation, step: Step, pause_s: float) -> dict[str, Any]:
    """The answer to a step; of one that may be asked again that which is given twice."""
    answer = conversation.run(step)
    while step.api in REPEATABLE:
        time.sleep(pause_s)
        before, answer = answer, conversation.run(step)
        if answer == before:
            break
    return answer


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    lines = []
    with RawClient(sys.argv[1]) as client:
        without_eligible_leader_replicas(client)
        conversation = AdminConversation(client.request)
        for step, text in zip(admin_steps(), TABLE.read_text().splitlines(), strict=True):
            lines.append(json.loads(text) | {"response": settled(conversation, step, 0.5)})
    TABLE.write_text("".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines))
    print(f"{len(lines)} answers in {TABLE.name}")


if __name__ == "__main__":
    main()
